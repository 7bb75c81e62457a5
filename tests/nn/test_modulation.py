import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from smoothvid.nn.modulation import ModulatedConv, demodulation, low_rank_conv, low_rank_kernel, modulated_conv
from smoothvid.nn.running_means import settle_means


def explicit(x: Tensor, weight: Tensor, style: Tensor, demodulate: bool, padding: int) -> Tensor:
    """One kernel for each sample, modulated and demodulated as it is defined, applied by a grouped convolution."""
    kernels = weight[None] * style[:, None, :, None, None]  # [N, out, in, k, k]
    if demodulate:
        kernels = kernels / (kernels.square().sum((2, 3, 4), keepdim=True) + 1e-8).sqrt()
    n, out_channels = kernels.shape[:2]
    y = F.conv2d(x.flatten(0, 1)[None], kernels.flatten(0, 1), groups=n, padding=padding)
    return y.unflatten(1, (n, out_channels))[0]


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_against_a_kernel_for_each_sample(demodulate: bool, kernel_size: int) -> None:
    torch.manual_seed(0)
    x, weight = torch.randn(3, 5, 7, 7).double(), torch.randn(4, 5, kernel_size, kernel_size).double()
    style = torch.randn(3, 5).double()
    ours = modulated_conv(x, weight, style, kernel_size - 1)
    if demodulate:
        ours = ours * demodulation(weight, style)[:, :, None, None]
    torch.testing.assert_close(ours, explicit(x, weight, style, demodulate, kernel_size - 1))


@pytest.mark.parametrize("kernel_size", [1, 3])
@pytest.mark.parametrize("rank", [1, 4])
def test_low_rank_convolution_is_that_with_the_whole_kernel(kernel_size: int, rank: int) -> None:
    torch.manual_seed(0)
    outer, inner = torch.randn(6, rank, kernel_size, kernel_size), torch.randn(rank, 5, kernel_size, kernel_size)
    x, style, kernel = torch.randn(3, 5, 7, 9).double(), torch.randn(3, 5).double(), low_rank_kernel(outer, inner)
    for padding in range(kernel_size):
        ours = low_rank_conv(x, outer.double(), inner.double(), style, padding)
        expected = modulated_conv(x, kernel.double(), style, padding)
        torch.testing.assert_close(ours, expected, rtol=1e-5, atol=1e-5)


def layer(low_rank: int = 0, demodulate: bool = True) -> ModulatedConv:
    torch.manual_seed(0)
    kernel_size = 3 if demodulate else 1
    return ModulatedConv(8, 6, kernel_size, w_dim=4, demodulate=demodulate, low_rank=low_rank, v_dim=5)


def inputs(n: int = 3) -> tuple[Tensor, Tensor, Tensor]:
    torch.manual_seed(1)
    return torch.randn(n, 8, 9, 9), torch.randn(n, 4), torch.randn(n, 5)


@pytest.mark.parametrize("demodulate", [True, False])
def test_a_frame_does_not_depend_on_its_batch(demodulate: bool) -> None:
    conv, (x, w, v) = layer(low_rank=2, demodulate=demodulate), inputs()
    with torch.no_grad():
        conv.low_rank_gain.fill_(1.0)
    alone = conv(x[:1], w[:1], v[:1])
    louder = torch.cat([w[:1], w[1:] * 100])
    torch.testing.assert_close(conv(x, louder, v)[:1], alone, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_demodulated_output_has_unit_scale() -> None:
    conv = layer()
    torch.manual_seed(1)
    y = conv(torch.randn(64, 8, 16, 16), torch.randn(64, 4) * 30)[:, :, 2:-2, 2:-2]
    assert float(y.square().mean()) == pytest.approx(1, rel=0.05)


def test_the_input_is_normalized_by_its_running_magnitude() -> None:
    conv, (x, w, _) = layer(), inputs()
    before = conv(x, w)
    magnitude = float(conv.magnitude_ema)
    noted = conv(x * 3, w, update_emas=True)
    assert float(conv.magnitude_ema) == magnitude
    torch.testing.assert_close(noted, before * 3)
    settle_means(conv)
    expected = 0.999 * magnitude + 0.001 * float((x * 3).square().mean())
    assert float(conv.magnitude_ema) == pytest.approx(expected)
    torch.testing.assert_close(conv(x * 3, w), before * 3 / expected**0.5)
    for _ in range(20_000):
        conv.magnitude_ema.lerp_((x * 3).square().mean(), 1e-3)
    torch.testing.assert_close(conv(x * 3, w), before / float(x.square().mean()) ** 0.5, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("demodulate", [True, False])
def test_low_rank_starts_at_no_effect_and_learns(demodulate: bool) -> None:
    plain, conv, (x, w, v) = layer(0, demodulate), layer(2, demodulate), inputs()
    conv.load_state_dict(plain.state_dict(), strict=False)
    torch.testing.assert_close(conv(x, w, v), plain(x, w), rtol=0, atol=0)

    target = torch.randn_like(conv(x, w, v))
    optimizer = torch.optim.Adam(conv.parameters(), lr=1e-3)
    (conv(x, w, v) - target).square().mean().backward()
    assert conv.low_rank_gain.grad is not None and bool((conv.low_rank_gain.grad != 0).all())
    optimizer.step()
    optimizer.zero_grad()
    (conv(x, w, v) - target).square().mean().backward()
    for parameter in (conv.low_rank_out, conv.low_rank_in, conv.motion_affine.weight):
        assert parameter.grad is not None and float(parameter.grad.abs().max()) > 0
    assert (conv(x, w, v) - conv(x, w, v + 1)).abs().max() > 0  # v has an effect now


def test_low_rank_adds_a_second_demodulated_kernel() -> None:
    conv, (x, w, v) = layer(low_rank=2), inputs()
    with torch.no_grad():
        conv.low_rank_gain.copy_(torch.arange(6.0))
    kernel = torch.zeros(6, 8, 3, 3)
    for row in range(3):
        for column in range(3):
            kernel[:, :, row, column] = conv.low_rank_out[:, :, row, column] @ conv.low_rank_in[:, :, row, column]
    motion = explicit(x, kernel, conv.motion_affine(v), True, 2) * torch.arange(6.0)[:, None, None]
    expected = explicit(x, conv.weight, conv.affine(w), True, 2) + motion
    torch.testing.assert_close(conv(x, w, v), expected, rtol=1e-4, atol=1e-4)


def test_scaling_in_half_precision_keeps_the_type() -> None:
    rng = torch.Generator().manual_seed(0)
    x = torch.randn(2, 3, 6, 6, generator=rng).bfloat16().contiguous(memory_format=torch.channels_last)
    style, weight = torch.randn(2, 3, generator=rng) + 1, torch.randn(4, 3, 3, 3, generator=rng)
    found = []
    for dtype in (torch.bfloat16, torch.float32):
        inputs = x.to(dtype).requires_grad_(True), style.clone().requires_grad_(True)
        y = modulated_conv(inputs[0], weight.to(dtype), inputs[1], 1)
        assert y.dtype == dtype
        found.append([y.detach(), *torch.autograd.grad(y.float().square().sum(), inputs)])
    assert found[0][1].is_contiguous(memory_format=torch.channels_last) and found[0][2].dtype == torch.float32
    for ours, theirs in zip(*found, strict=True):
        assert float((ours - theirs).norm() / theirs.norm()) < 0.01
