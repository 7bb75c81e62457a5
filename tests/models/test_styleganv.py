"""What the StyleGAN-V networks promise beyond the published numbers; StyleGAN2's layers against their definition."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from smoothvid.models.styleganv.generator import Generator
from smoothvid.nn.stylegan2 import StyledConv
from smoothvid.nn.video_discriminator import DiscriminatorConfig, VideoDiscriminator
from smoothvid.training.transfer import transfer

TIMES = torch.tensor([[-7.5, 0.0, 9.0], [2.0, 1e6, 1e6 + 3]], dtype=torch.float64)


def build(tiny_config: Any, c_dim: int = 0, image_only: bool = False) -> Generator:
    torch.manual_seed(0)
    return Generator(tiny_config("styleganv").model, c_dim, image_only)


def make(generator: Generator, times: Tensor = TIMES, seed: int = 1) -> Tensor:
    """Videos [B, T, 3, H, W]."""
    random = torch.Generator().manual_seed(seed)
    first, count = generator.motion.code_range(times)
    z, motion_z = torch.randn(len(times), 8, generator=random), torch.randn(len(times), count, 8, generator=random)
    images: Tensor = generator(z, None, motion_z, times, first)
    return images.detach().unflatten(0, times.shape)


def moves(videos: Tensor) -> float:
    return float((videos - videos[:, :1]).abs().max())


@pytest.mark.parametrize("up", [False, True])
def test_a_styled_convolution_is_what_it_is_defined_as(up: bool) -> None:
    """Kernels of each sample, in float64: modulated, demodulated, one by one; upsampling by the plain recipe."""
    torch.manual_seed(0)
    layer = StyledConv(3, 5, 4, up).double()
    layer.bias.data.normal_()
    x, w = torch.randn(2, 3, 6, 6, dtype=torch.float64), torch.randn(2, 4, dtype=torch.float64)
    taps = torch.tensor([1.0, 3, 3, 1], dtype=torch.float64)
    expected = []
    for sample, style in zip(x, layer.affine(w), strict=True):
        kernel = layer.weight * style[None, :, None, None]
        kernel = kernel / (kernel.square().sum((1, 2, 3), keepdim=True) + 1e-8).sqrt()
        if up:
            wide = torch.zeros(3, 1, 12, 12, dtype=torch.float64)
            wide[:, 0, ::2, ::2] = sample
            wide = F.conv2d(F.pad(wide, (3, 2, 3, 2)), torch.outer(taps, taps)[None, None] / 64 * 4)
            y = F.conv2d(wide.transpose(0, 1), kernel.flip(2, 3))
        else:
            y = F.conv2d(sample[None], kernel, padding=1)
        expected.append((F.leaky_relu(y[0] + layer.bias[:, None, None], 0.2) * np.sqrt(2)).clamp(-256, 256))
    torch.testing.assert_close(layer(x, w), torch.stack(expected), rtol=1e-9, atol=1e-9)


def test_the_styles_are_still_while_motion_moves_the_picture(tiny_config: Any) -> None:
    generator = build(tiny_config)
    videos = make(generator)
    assert moves(videos) > 1e-3
    assert torch.equal(make(generator), videos)
    assert bool(videos.isfinite().all())


def test_an_image_model_becomes_a_video_model_without_a_jolt(tiny_config: Any) -> None:
    images, video = build(tiny_config, image_only=True), build(tiny_config)
    still = make(images)
    assert moves(still) < 1e-5
    report = transfer(images.state_dict(), video)
    assert report.fresh == report.dropped == report.widened == []
    video.begin_motion()
    torch.testing.assert_close(make(video), still)
    # The first step can already learn motion.
    video(torch.randn(2, 8), None, torch.randn(2, 400, 8), TIMES.clamp(0, 9))[:, :, :5].sum().backward()
    gradient = video.synthesis.first_conv.weight.grad
    assert gradient is not None and float(gradient[:, len(video.synthesis.const) :].abs().max()) > 0


def test_image_training_leaves_the_weights_that_will_read_motion_at_zero(tiny_config: Any) -> None:
    images = build(tiny_config, image_only=True)
    weight = images.synthesis.first_conv.weight.detach()
    optimizer = torch.optim.Adam(images.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        images(torch.randn(2, 8), None, torch.randn(2, 40, 8), torch.zeros(2, 1)).square().mean().backward()
        optimizer.step()
    assert float(weight[:, len(images.synthesis.const) :].abs().max()) == 0


def test_an_image_discriminator_starts_a_video_discriminator() -> None:
    torch.manual_seed(0)
    config = DiscriminatorConfig(channel_base=256, channel_max=16, fusion="concat", fusion_resolution=8)
    judge, video_judge = VideoDiscriminator(16, config, 1), VideoDiscriminator(16, config, 3)
    report = transfer(judge.state_dict(), video_judge)
    assert report.dropped == []
    assert set(report.widened) == {
        "blocks.8.conv0.weight",
        "blocks.8.skip.weight",
        "head.out.bias",
        "head.out.weight",
    }


def spread(judge: VideoDiscriminator, c: Tensor, times: Tensor) -> float:
    """How much the projection varies over conditions, root mean square."""
    with torch.no_grad():
        assert judge.condition is not None
        directions = judge.condition(judge._conditions(times, c))
    return float((directions - directions.mean(0)).square().mean().sqrt())


@pytest.mark.parametrize("balanced", [True, False])
def test_labels_reach_the_discriminator_as_gaps_do(balanced: bool) -> None:
    torch.manual_seed(0)
    config = DiscriminatorConfig(
        channel_base=256, channel_max=64, fusion_resolution=8, time_embedding=32, balance_labels=balanced
    )
    judge = VideoDiscriminator(16, config, 3, c_dim=4)
    times = torch.tensor([[0.0, 1, 2], [0, 8, 16], [0, 2, 30], [0, 20, 21]])
    over_labels = spread(judge, torch.eye(4), times[:1].expand(4, -1))
    over_gaps = spread(judge, torch.eye(4)[:1].expand(4, -1), times)
    assert (over_labels > 0.5 * over_gaps) == balanced


def test_only_the_first_gap_may_count() -> None:
    torch.manual_seed(0)
    images = torch.randn(6, 3, 16, 16)
    even, uneven = torch.tensor([[0.0, 4, 8], [0, 2, 4]]), torch.tensor([[0.0, 4, 5], [0, 2, 9]])
    for gaps, same in (("first", True), ("all", False)):
        config = DiscriminatorConfig(channel_base=256, channel_max=16, fusion_resolution=8, gaps=gaps)  # type: ignore[arg-type]
        judge = VideoDiscriminator(16, config, 3)
        assert torch.equal(judge(images, even), judge(images, uneven)) == same
