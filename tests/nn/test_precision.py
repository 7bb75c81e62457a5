"""Under autocast the convolutions are in bfloat16 and all the rest in float32; without it nothing is different."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smoothvid.models.stylesv.generator import Generator, ToRGB
from smoothvid.nn import alias_free, augment, discriminator, kernels, modulation
from smoothvid.nn.linear_conv import Linear
from smoothvid.nn.losses import fake_loss, generator_loss
from smoothvid.nn.motion import Motion
from smoothvid.nn.precision import full_precision
from smoothvid.nn.video_discriminator import VideoDiscriminator

TIMES = torch.tensor([[0.0, 2, 4], [1000, 1001, 1003]], dtype=torch.float64)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def networks(tiny_config: Any) -> tuple[Generator, VideoDiscriminator]:
    """A generator whose motion has an effect, and a discriminator, with running means that fit what they see."""
    torch.manual_seed(0)
    model = tiny_config(changes={"model": {"generator": {"low_rank": 2, "fuse": "layers"}}}).model
    generator, judge = (
        Generator(model, c_dim=2),
        VideoDiscriminator(model.resolution, model.discriminator, num_frames=3, c_dim=2),
    )
    with torch.no_grad():
        generator.synthesis.motion_mask.fill_(1.0)
        for name, parameter in generator.named_parameters():
            if name.endswith("low_rank_gain"):
                parameter.fill_(0.1)
    return generator, judge


def autocast(enabled: bool = True) -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16, enabled=enabled)


def make(generator: Generator) -> Tensor:
    random = torch.Generator().manual_seed(1)
    z, labels = torch.randn(2, generator.z_dim, generator=random), torch.eye(2)
    first, codes = generator.motion.code_range(TIMES)
    motion_z = torch.randn(2, codes, generator.motion.z_dim, generator=random)
    start_phase = torch.rand(2, generator.motion.num_phases, generator=random)
    images: Tensor = generator(z, labels, motion_z, TIMES, first, start_phase, update_emas=True)
    return images


def both_losses(
    generator: Generator, judge: VideoDiscriminator, enabled: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Images, logits, and the gradients of the two networks, each as one vector."""
    with autocast(enabled):
        images = make(generator)
        random = torch.Generator().manual_seed(2)
        logits = judge(augment.augment(images.unflatten(0, (2, 3)), 0.9, random).flatten(0, 1), TIMES, torch.eye(2))
        loss_g, loss_d = generator_loss(logits).mean(), fake_loss(logits).mean()
    return images.detach(), logits.detach(), gradient(loss_g, generator), gradient(loss_d, judge)


def gradient(loss: Tensor, network: nn.Module) -> Tensor:
    found = torch.autograd.grad(loss, list(network.parameters()), retain_graph=True, allow_unused=True)
    return torch.cat([x.flatten() for x in found if x is not None])


def error(x: Tensor, true: Tensor) -> float:
    return float((x - true).norm() / true.norm())


def watch(monkeypatch: pytest.MonkeyPatch, place: Any, name: str, seen: list[torch.dtype]) -> None:
    """Note the dtype of what `place.name` returns."""
    function: Callable[..., Tensor] = getattr(place, name)

    def noting(*args: Any, **kwargs: Any) -> Tensor:
        result = function(*args, **kwargs)
        seen.append(result.dtype)
        return result

    monkeypatch.setattr(place, name, noting)


def test_what_is_in_which_precision(
    networks: tuple[Generator, VideoDiscriminator], monkeypatch: pytest.MonkeyPatch
) -> None:
    generator, judge = networks
    convolutions: list[torch.dtype] = []
    filtered: list[torch.dtype] = []
    norms: list[torch.dtype] = []
    watch(monkeypatch, F, "conv2d", convolutions)
    watch(monkeypatch, kernels, "filtered_lrelu", filtered)
    watch(monkeypatch, kernels, "blur", filtered)
    watch(monkeypatch, augment, "resample", filtered)
    watch(monkeypatch, modulation, "demodulation", norms)
    modules: dict[str, Any] = {}
    for part in (generator, judge):
        for module in part.modules():
            module.register_forward_hook(lambda module, _, y: modules.update({type(module).__name__: y}))
    images, logits, *_ = both_losses(generator, judge, enabled=True)

    # Each of 4 layers, and two for its low rank; two blocks of the discriminator of three convolutions.
    assert convolutions.count(torch.bfloat16) == 4 * 3 + 2 * 3
    # To pixels, with two more for the low rank, from pixels and their differences, and in the head.
    assert convolutions.count(torch.float32) == 3 + 2 + 1
    assert images.dtype == logits.dtype == torch.float32
    assert {*filtered} == {*norms} == {torch.float32} and len(filtered) > 8 and len(norms) == 8
    full = {
        "Motion", "StyleMapping", "Linear", "TrajectoryConv", "FourierInput", "FilteredLReLU", "ToRGB", "FromRGB",
        "GapEncoding", "ConditionMapping", "LogitHead",
    }  # fmt: skip
    assert {name: modules[name].dtype for name in full} == {name: torch.float32 for name in full}
    means = [noted.total for part in generator.modules() for noted in part.__dict__.get("noted_means", {}).values()]
    assert len(means) == 6 and all(mean.dtype == torch.float32 for mean in means)


def test_motion_and_styles_are_those_of_float32(networks: tuple[Generator, VideoDiscriminator]) -> None:
    generator, judge = networks
    watched: list[Any] = [generator.motion, generator.mapping, generator.synthesis.input, judge.condition]
    parts: dict[bool, list[Tensor]] = {True: [], False: []}
    for enabled, found in parts.items():
        handles = [part.register_forward_hook(lambda _, inputs, y, found=found: found.append(y)) for part in watched]
        both_losses(generator, judge, enabled)
        for handle in handles:
            handle.remove()
    assert len(parts[True]) == 4
    assert all(map(torch.equal, parts[True], parts[False]))


@kernels.chosen("matrices")  # the others know float32 alone
def test_without_autocast_nothing_is_different(
    networks: tuple[Generator, VideoDiscriminator], monkeypatch: pytest.MonkeyPatch
) -> None:
    marked = both_losses(*networks, enabled=False)
    unmark(monkeypatch)
    assert all(map(torch.equal, marked, both_losses(*networks, enabled=False)))


def test_gradients_agree_with_float32(networks: tuple[Generator, VideoDiscriminator]) -> None:
    images, logits, *gradients = both_losses(*networks, enabled=False)
    images_bf16, logits_bf16, *gradients_bf16 = both_losses(*networks, enabled=True)
    assert 0 < error(images_bf16, images) < 0.012
    assert 0 < error(logits_bf16, logits) < 0.02
    for ours, true in zip(gradients_bf16, gradients, strict=True):
        assert float(F.cosine_similarity(ours, true, dim=0)) > 0.99


@kernels.chosen("matrices")  # the others know float32 alone
def test_filters_in_bfloat16_would_be_worse(
    networks: tuple[Generator, VideoDiscriminator], monkeypatch: pytest.MonkeyPatch
) -> None:
    true = both_losses(*networks, enabled=False)[0]
    as_it_is = error(both_losses(*networks, enabled=True)[0], true)
    unmark(monkeypatch, only_filters=True)
    assert error(both_losses(*networks, enabled=True)[0], true) > 1.1 * as_it_is


@kernels.chosen("matrices")  # the others know float32 alone
def test_plain_autocast_would_be_far_worse(
    networks: tuple[Generator, VideoDiscriminator], monkeypatch: pytest.MonkeyPatch
) -> None:
    true = both_losses(*networks, enabled=False)[0]
    as_it_is = error(both_losses(*networks, enabled=True)[0], true)
    unmark(monkeypatch)
    assert error(both_losses(*networks, enabled=True)[0], true) > 2 * as_it_is


def unmark(monkeypatch: pytest.MonkeyPatch, only_filters: bool = False) -> None:
    """Take `full_precision` away, everywhere or from the filters."""
    marked: list[tuple[Any, str]] = [
        (kernels, "_filtered_lrelu_in_float32"), (kernels, "resample"), (augment, "resample"),
        (kernels, "_blur_in_float32"),
    ]  # fmt: skip
    if not only_filters:
        marked += [(augment, "augment"), (modulation, "demodulation"), (modulation, "low_rank_kernel")]
        classes = (
            Linear, alias_free.FourierInput, Motion, discriminator.FromRGB, discriminator.LogitHead
        )  # fmt: skip
        marked += [(ToRGB, "in_float32"), *((part, "forward") for part in classes)]
    for place, name in marked:
        monkeypatch.setattr(place, name, getattr(place, name).__wrapped__)


def test_what_full_precision_does_to_arguments() -> None:
    @full_precision
    def product(x: Tensor, factor: float, *, other: Tensor, index: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        return x, other, index, x @ x

    x = torch.eye(3, dtype=torch.bfloat16)
    times, index = torch.tensor([1e9 + 0.25], dtype=torch.float64), torch.tensor([2**40])
    assert product(x, 1.0, other=times, index=index)[0] is x
    with autocast():
        wide, same, number, square = product(x, 1.0, other=times, index=index)
        assert wide.dtype == square.dtype == torch.float32
        assert same is times and number is index
        assert torch.is_autocast_enabled("cpu")
        exact = torch.full((1, 1), 1 + 2**-12)
        assert float(product(exact, 1.0, other=times, index=index)[3]) == 1 + 2**-11
        assert float(exact @ exact) == 1
