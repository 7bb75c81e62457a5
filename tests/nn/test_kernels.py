"""Every path of the filtered activation and of the convolution computes what the plain one does."""

import itertools
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from smoothvid.nn import kernels
from smoothvid.nn.filters import lowpass_taps
from smoothvid.nn.kernels import winograd
from smoothvid.nn.kernels.plan import TAPS, FilterPlan

FACTORS = list(itertools.product((1, 2, 3, 4), repeat=2))
SIZES = [(7, 5), (20, 13), (9, 30), (38, 36), (1, 4)]


def make_plan(up: int, down: int, in_size: int, out_size: int, clamp: float = 256.0) -> FilterPlan:
    taps = [lowpass_taps(TAPS * factor, 1.0, 0.5, 8.0) for factor in (up, down)]
    return FilterPlan(in_size, out_size, up, down, tuple(taps[0]), tuple(taps[1] * 1.2), clamp)


def draw(plan: FilterPlan, dtype: torch.dtype = torch.float32, planes: tuple[int, int] = (2, 3)) -> list[Tensor]:
    """x, bias, scale."""
    n, c = planes
    random = torch.Generator().manual_seed(plan.in_size)
    shapes = (n, c, plan.in_size, plan.in_size), (c,), (n, c)
    return [torch.randn(shape, generator=random, dtype=torch.float64).to(dtype).requires_grad_() for shape in shapes]


def run(plan: FilterPlan, inputs: list[Tensor], path: kernels.Path) -> list[Tensor]:
    """The result and the gradients of all inputs, for a fixed random gradient of the result."""
    with kernels.chosen(path):
        y = kernels.filtered_lrelu(inputs[0], inputs[1], plan, inputs[2])
    grad = torch.randn(y.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(y.dtype)
    return [y.detach(), *torch.autograd.grad(y, inputs, grad)]


def error(x: Tensor, true: Tensor) -> float:
    return float((x.double() - true.double()).norm() / true.double().norm().clamp_min(1e-30))


@pytest.mark.parametrize("path", ["auto", "matrices"])
@pytest.mark.parametrize("up, down", FACTORS)
def test_filtered_activation_is_the_plain_one(up: int, down: int, path: kernels.Path) -> None:
    for in_size, out_size in SIZES:
        for clamp in (0.5, 256.0):
            plan = make_plan(up, down, in_size, out_size, clamp)
            exact = run(plan, draw(plan, torch.float64), "plain")
            ours = run(plan, draw(plan, torch.float64), path)
            assert ours[0].shape == (2, 3, out_size, out_size)
            assert all(error(x, true) < 1e-12 for x, true in zip(ours, exact, strict=True)), plan
            narrow = run(plan, draw(plan), path)
            assert error(narrow[0], exact[0]) < 1e-5, plan
            # At the bends of the activation a rounded sum may fall on the other side: rarely, so little of the norm.
            assert all(error(x, true) < 2e-2 for x, true in zip(narrow[1:], exact[1:], strict=True)), plan
            same_bends = run(plan, draw(plan), "plain")
            assert all(error(x, true) < 1e-4 for x, true in zip(narrow[1:], same_bends[1:], strict=True)), plan


@pytest.mark.parametrize("up, down", [(2, 2), (4, 2), (1, 3)])
def test_gradients_by_finite_differences(up: int, down: int) -> None:
    plan = make_plan(up, down, 6, 5, clamp=1.0)
    inputs = draw(plan, torch.float64, planes=(1, 2))

    def function(x: Tensor, bias: Tensor, scale: Tensor) -> Tensor:
        return kernels.filtered_lrelu(x, bias, plan, scale)

    assert torch.autograd.gradcheck(function, inputs, eps=1e-7, atol=1e-5)
    assert torch.autograd.gradgradcheck(function, inputs, eps=1e-7, atol=1e-5)


def test_rows_of_memory_in_any_order_and_any_number_of_threads() -> None:
    plan = make_plan(2, 2, 21, 19)
    x, bias, scale = (t.detach() for t in draw(plan, planes=(3, 5)))
    whole = kernels.filtered_lrelu(x, bias, plan, scale, out_scale=scale)
    torch.testing.assert_close(whole, kernels.filtered_lrelu(x, bias, plan, scale) * scale[:, :, None, None])
    turned = x.to(memory_format=torch.channels_last)
    assert torch.equal(kernels.filtered_lrelu(turned, bias, plan, scale, scale), whole)
    other_way = kernels.filtered_lrelu(x.transpose(2, 3), bias, plan, scale, scale)
    assert error(other_way, whole.transpose(2, 3)) < 1e-6
    alone = torch.cat([kernels.filtered_lrelu(x[i : i + 1], bias, plan, scale[i : i + 1]) for i in range(3)])
    assert torch.equal(alone, kernels.filtered_lrelu(x, bias, plan, scale))
    threads = torch.get_num_threads()
    for number in (1, 3):
        torch.set_num_threads(number)
        again = kernels.filtered_lrelu(x, bias, plan, scale, out_scale=scale)
        torch.set_num_threads(threads)
        assert torch.equal(again, whole)


def test_what_is_not_a_number_is_not_lost() -> None:
    plan = make_plan(2, 2, 20, 18)
    x, bias, _ = (t.detach() for t in draw(plan, planes=(1, 2)))
    x[0, 1, 10, 10] = torch.nan
    y = kernels.filtered_lrelu(x, bias, plan)
    assert bool(y[0, 0].isfinite().all()) and bool(y[0, 1, 8:10, 8:10].isnan().all())


CONVOLUTIONS = [(32, 48, 13, 2, 1), (33, 32, 9, 1, 2), (40, 32, 18, 3, 0), (32, 32, 16, 2, 2), (64, 32, 5, 1, 1)]


@pytest.fixture
def always_winograd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(winograd, "suits", lambda weight, height, width: weight.shape[2:] == (3, 3))


@pytest.mark.parametrize("out, channels, size, count, padding", CONVOLUTIONS)
def test_convolution_by_winograd(
    out: int, channels: int, size: int, count: int, padding: int, always_winograd: None
) -> None:
    torch.manual_seed(0)
    x = torch.randn(count, channels, size, size + 3, requires_grad=True)
    weight = (torch.randn(out, channels, 3, 3) / (9 * channels) ** 0.5).requires_grad_()
    scale = torch.randn(count, channels, requires_grad=True)
    y = kernels.conv(x, weight, padding, scale)
    exact = [t.detach().double().requires_grad_() for t in (x, weight, scale)]
    true = F.conv2d(exact[0] * exact[2][:, :, None, None], exact[1], padding=padding)
    grad = torch.randn_like(y)
    ours = [y, *torch.autograd.grad(y, (x, weight, scale), grad)]
    theirs = [true, *torch.autograd.grad(true, exact, grad.double())]
    assert all(error(a.detach(), b.detach()) < 1e-5 for a, b in zip(ours, theirs, strict=True))
    with torch.no_grad():
        prepared = kernels.prepare_conv(weight, size)
        assert prepared is not None
        assert error(kernels.conv(x, weight, padding, scale, prepared), true.detach()) < 1e-5


def test_large_convolutions_take_that_way_and_are_as_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(1, 128, 64, 64), torch.randn(128, 128, 3, 3) / 34
    monkeypatch.setattr(winograd, "_WORK_NUMBERS", 2**20)  # in several parts
    ways: list[Any] = []
    forward = winograd.forward
    monkeypatch.setattr(winograd, "forward", lambda *args: ways.append(args) or forward(*args))
    ours = kernels.conv(x, weight, 1)
    assert len(ways) == 1
    true, theirs = F.conv2d(x.double(), weight.double(), padding=1), F.conv2d(x, weight, padding=1)
    assert error(ours, true) < max(4 * error(theirs, true), 4e-6)
    with kernels.chosen("plain"):
        assert torch.equal(kernels.conv(x, weight, 1), theirs)
    assert len(ways) == 1


def test_gradients_of_gradients_of_the_convolution(always_winograd: None) -> None:
    """As the gradient penalty takes them."""

    def penalty(convolve: Any, dtype: torch.dtype) -> list[Tensor]:
        torch.manual_seed(0)
        x = torch.randn(2, 32, 8, 8).to(dtype).requires_grad_()
        weight = (torch.randn(32, 32, 3, 3) / 17).to(dtype).requires_grad_()
        (grad,) = torch.autograd.grad(convolve(x, weight).square().sum(), x, create_graph=True)
        return list(torch.autograd.grad(grad.square().sum(), (x, weight)))

    ours = penalty(lambda x, weight: kernels.conv(x, weight, 1), torch.float32)
    true = penalty(lambda x, weight: F.conv2d(x, weight, padding=1), torch.float64)
    assert all(error(a, b) < 1e-5 for a, b in zip(ours, true, strict=True))


def test_without_numba_everything_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan(2, 2, 20, 18)
    fast = run(plan, draw(plan), "auto")
    monkeypatch.setattr(kernels, "_numba", lambda: False)
    slow = run(plan, draw(plan), "auto")
    assert not torch.equal(fast[0], slow[0])  # another way
    assert error(fast[0], slow[0]) < 1e-5
    x, weight = torch.randn(1, 64, 64, 64), torch.randn(64, 64, 3, 3)
    assert torch.equal(kernels.conv(x, weight, 1), F.conv2d(x, weight, padding=1))
