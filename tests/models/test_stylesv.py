"""What the StyleSV networks promise beyond the published numbers."""

import copy
from typing import Any, get_args

import pytest
import torch
from torch import Tensor

from smoothvid.errors import ConfigError
from smoothvid.models.stylesv.config import MotionConfig, StyleSVConfig
from smoothvid.models.stylesv.generator import Generator
from smoothvid.nn.motion import Motion, MotionKind
from smoothvid.nn.video_discriminator import VideoDiscriminator
from smoothvid.settings import from_dict, merge

TINY: dict[str, Any] = {
    "resolution": 16,
    "motion": {"z_dim": 8, "fourier_dim": 8, "distance": 4, "kernel_size": 3, "min_period": 4, "max_period": 16},
    "generator": {"z_dim": 8, "w_dim": 16, "num_layers": 4, "margin": 2, "channel_max": 8, "channel_base": 128},
    "discriminator": {"channel_max": 8, "channel_base": 128, "fusion_resolution": 8, "time_embedding": 8},
}
ADD, FREE = {"generator": {"fuse": "add", "channel_max": 16}}, {"motion": {"start": "weights"}}
TIMES = torch.tensor([[0.0, 3.5, 9.0], [2.0, 4.0, 11.0]], dtype=torch.float64)


def settings(*changes: dict[str, Any]) -> StyleSVConfig:
    data = TINY
    for change in changes:
        data = merge(data, change)
    return from_dict(StyleSVConfig, data)


def build(*changes: dict[str, Any], c_dim: int = 0, image_only: bool = False) -> Generator:
    torch.manual_seed(0)
    return Generator(settings(*changes), c_dim, image_only)


def draw(times: Tensor = TIMES, seed: int = 1) -> tuple[Tensor, Tensor]:
    """z [B, 8] and enough motion codes [B, 32, 8]."""
    random = torch.Generator().manual_seed(seed)
    return torch.randn(len(times), 8, generator=random), torch.randn(len(times), 32, 8, generator=random)


def make(generator: Generator, times: Tensor = TIMES, c: Tensor | None = None) -> Tensor:
    """Videos [B, T, 3, H, W]."""
    z, motion_z = draw(times)
    images: Tensor = generator(z, c, motion_z, times)
    return images.unflatten(0, times.shape)


def moves(videos: Tensor) -> float:
    """The largest difference between frames of one video."""
    return float((videos - videos[:, :1]).detach().abs().max())


@pytest.mark.parametrize("changes", [[], [ADD], [FREE]], ids=["concat", "add", "weights"])
def test_an_image_model_holds_still_until_motion_is_learnt(changes: list[dict[str, Any]]) -> None:
    generator = build(*changes)
    videos = make(generator)
    assert videos.shape == (2, 3, 3, 16, 16)
    assert moves(videos) < 1e-6
    assert float((videos[0] - videos[1]).detach().abs().max()) > 1e-3  # while contents differ
    # The first gradient reaches what starts motion.
    make(generator).square().mean().backward()
    first = generator.synthesis.join.weight[:, 16:] if changes == [FREE] else generator.synthesis.motion_mask
    gradient = generator.synthesis.join.weight.grad if changes == [FREE] else first.grad
    assert gradient is not None and float(gradient[:, -16:].abs().max()) > 0
    with torch.no_grad():
        first += 1.0
    assert moves(make(generator)) > 1e-3


def test_layers_that_read_motion_by_themselves_start_still_and_learn_at_once() -> None:
    generator = build({"generator": {"fuse": "layers"}}, FREE)
    videos = make(generator)
    assert moves(videos) < 1e-6
    videos[:, :, :, :8].mean().backward()  # a part of the picture, so that not all layers cancel
    readers = [layer.conv.motion_style.weight for layer in generator.synthesis.layers]
    assert len(readers) == 4 and all(float(weight.grad.abs().max()) > 0 for weight in readers)
    with torch.no_grad():
        for weight in readers:
            weight += torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    assert moves(make(generator)) > 1e-3
    generator.begin_motion()
    assert moves(make(generator)) < 1e-6


def test_an_image_generator_has_the_same_tensors_and_no_motion_to_learn() -> None:
    image, video = build(image_only=True), build()
    assert image.state_dict().keys() == video.state_dict().keys()
    assert "synthesis.motion_mask" not in dict(image.named_parameters())
    video.load_state_dict(image.state_dict())
    torch.testing.assert_close(make(image, TIMES[:, :1]), make(video, TIMES[:, :1]), rtol=0, atol=0)
    make(image, TIMES[:, :1]).square().mean().backward()
    assert all(not parameter.grad.any() for parameter in image.motion.parameters() if parameter.grad is not None)


def test_labels_reach_content_motion_and_judgement() -> None:
    generator = build(c_dim=2)
    discriminator = VideoDiscriminator(16, settings().discriminator, num_frames=3, c_dim=2)
    left, right = torch.eye(2)[[0, 0]], torch.eye(2)[[1, 1]]
    z, motion_z = draw()

    def differ(a: Tensor, b: Tensor) -> bool:
        return float((a - b).detach().abs().max()) > 1e-4

    assert differ(generator.mapping(z, left), generator.mapping(z, right))
    assert differ(generator.motion(motion_z, TIMES, left), generator.motion(motion_z, TIMES, right))
    assert differ(make(generator, c=left), make(generator, c=right))
    images = make(generator, c=left).flatten(0, 1)
    assert differ(discriminator(images, TIMES, left), discriminator(images, TIMES, right))


def low_rank_gradients(generator: Generator) -> dict[str, list[float]]:
    generator.zero_grad()
    make(generator).square().mean().backward()
    found: dict[str, list[float]] = {}
    for name, parameter in generator.named_parameters():
        if "low_rank" in name or "motion_affine.weight" in name:
            assert parameter.grad is not None
            found.setdefault(name.split("conv.")[1], []).append(float(parameter.grad.abs().max()))
    return found


def test_the_low_rank_branch_starts_without_effect_and_learns_at_once() -> None:
    rank = {"generator": {"low_rank": 2}}
    plain, generator = build(FREE), build(FREE, rank)
    plain.load_state_dict({name: generator.state_dict()[name] for name in plain.state_dict()})
    torch.testing.assert_close(make(generator), make(plain), rtol=0, atol=0)

    start = low_rank_gradients(generator)
    assert len(start["low_rank_gain"]) == 5 and min(start["low_rank_gain"]) > 0  # 4 layers and ToRGB
    assert max(start["low_rank_out"] + start["low_rank_in"]) == 0
    torch.optim.SGD(generator.parameters(), lr=0.1).step()
    after = low_rank_gradients(generator)
    assert all(min(after[name]) > 0 for name in ("low_rank_out", "low_rank_in", "motion_affine.weight"))


def test_a_frame_does_not_depend_on_its_batch() -> None:
    generator = build(FREE, {"generator": {"low_rank": 2}})
    with torch.no_grad():
        generator.synthesis.join.weight.normal_()
        for name, parameter in generator.named_parameters():
            if "low_rank_gain" in name:
                parameter.fill_(0.5)
        z, motion_z = draw()
        together = generator(z, None, motion_z, TIMES)
        for video in range(2):
            for frame in range(3):
                alone = generator(z[[video]], None, motion_z[[video]], TIMES[[video], frame : frame + 1])
                torch.testing.assert_close(alone[0], together[video * 3 + frame], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"resolution": 48}, "power of two"),
        ({"discriminator": {"fusion_resolution": 4}}, "fusion_resolution"),
        ({"discriminator": {"fusion_resolution": 32}}, "above the resolution"),
        ({"generator": {"num_layers": 65}}, "num_layers must be between 2 and 64"),
        ({"generator": {"num_critical": 4}}, "num_critical"),
        ({"generator": {"first_stopband": 1.0}}, "first_cutoff < first_stopband"),
        ({"generator": {"fuse": "add", "w_dim": 8}}, "equal to 2·fourier_dim"),
        ({"generator": {"fuse": "add"}}, "first layer's channels"),
        ({"generator": {"fuse": "add", "channel_max": 16}, "motion": {"start": "weights"}}, "needs fuse 'concat'"),
        ({"motion": {"kernel_size": 4}}, "kernel_size must be odd"),
        ({"motion": {"distance": 0}}, "distance must be between"),
    ],
)
def test_sizes_that_cannot_be_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        settings(change)


@pytest.fixture(params=get_args(MotionKind))
def motion(request: pytest.FixtureRequest) -> Motion:
    torch.manual_seed(0)
    config = MotionConfig(
        kind=request.param, z_dim=8, fourier_dim=8, distance=4, kernel_size=3, min_period=4, max_period=16
    )
    return Motion(config).double()


def test_motion_needs_the_codes_of_its_window_and_no_others(motion: Motion) -> None:
    times = torch.tensor([[21.5, 24.0, 30.9], [45.0, 49.9, 53.0]], dtype=torch.float64)
    codes = torch.randn(2, 40, 8, dtype=torch.float64, requires_grad=True)
    v = motion(codes, times)
    first, count = motion.code_range(times)
    v.square().sum().backward()
    assert codes.grad is not None
    used = codes.grad.abs().sum(2) > 0
    expected = torch.zeros(2, 40, dtype=torch.bool)
    for video, at in enumerate(first.tolist()):
        expected[video, at : at + count] = True
    assert torch.equal(used, expected)

    window = torch.stack([codes[video, at : at + count] for video, at in enumerate(first.tolist())])
    torch.testing.assert_close(motion(window, times, first_code=first), v, rtol=0, atol=1e-12)
    with pytest.raises(ValueError, match="too few"):
        motion(window[:, :-1], times, first_code=first)
    with pytest.raises(ValueError, match="too few"):
        motion(window, times, first_code=first + 1)


@pytest.mark.parametrize("kind", ["linear", "bspline", "phase"])
def test_motion_in_single_precision_is_exact_enough_late(kind: MotionKind) -> None:
    torch.manual_seed(0)
    motion = Motion(MotionConfig(kind=kind))
    times = torch.tensor([[10_000.0, 10_003.0, 10_017.0]] * 4, dtype=torch.float64)
    first, count = motion.code_range(times)
    codes = torch.randn(4, count, motion.z_dim)
    with torch.no_grad():
        v = motion(codes, times, first_code=first)
        exact = copy.deepcopy(motion).double()(codes.double(), times, first_code=first)
    # Rounding the speed to single precision makes 1e-4 of 10,000 frames; oneDNN's convolution made 4e-4 and 5e-4 of it.
    assert float((v - exact).abs().max()) < (2e-5 if kind == "phase" else 2e-4)


def test_motion_goes_on_without_jumps(motion: Motion) -> None:
    codes = torch.randn(1, 40, 8, dtype=torch.float64)
    boundaries = torch.arange(1, 9, dtype=torch.float64) * 4

    def step(width: float) -> float:
        before, after = motion(codes, boundaries[None] - width / 2), motion(codes, boundaries[None] + width / 2)
        return float((after - before).detach().abs().max())

    assert step(1e-6) < 1e-4
    assert step(1.0) > 0.01
