"""Detail belongs to the surface, not to the screen: moving the input moves the picture, by fractions of a pixel too."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smoothvid.models.stylesv.config import GeneratorConfig, MotionConfig, StyleSVConfig
from smoothvid.models.stylesv.generator import Generator
from smoothvid.nn.alias_free import FilteredLReLU
from smoothvid.nn.running_means import settle_means

RESOLUTION = 32
EDGE = 8  # pixels at each border that are not compared: the other picture may not show them


class PlainLReLU(nn.Module):
    """What an ordinary network does in the filtered one's place: repeat pixels where the rate doubles, and bend."""

    def __init__(self, filtered: FilteredLReLU) -> None:
        super().__init__()
        in_size, self.out_size = filtered.plan.in_size, filtered.plan.out_size
        self.up = 2 if self.out_size > in_size else 1

    def forward(self, x: Tensor, bias: Tensor, scale: Tensor, out_scale: None) -> Tensor:
        x = (
            (x * scale[:, :, None, None] + bias[:, None, None])
            .repeat_interleave(self.up, -1)
            .repeat_interleave(self.up, -2)
        )
        crop = (x.shape[-1] - self.out_size) // 2
        x = x[..., crop : crop + self.out_size, crop : crop + self.out_size]
        return F.leaky_relu(x, 0.2) * math.sqrt(2)


class Renderer:
    """A random generator of 32² pictures, and what it draws when its input is moved by (x, y) output pixels."""

    def __init__(self, seed: int, plain: bool = False) -> None:
        torch.manual_seed(seed)
        # With a decay of 0 a pass sets every layer's magnitude to that of the input it got.
        sizes = GeneratorConfig(z_dim=16, w_dim=16, num_layers=6, channel_max=32, magnitude_decay=0.0, waves=16)
        self.generator = Generator(
            StyleSVConfig(resolution=RESOLUTION, motion=MotionConfig(z_dim=16, fourier_dim=8), generator=sizes)
        )
        torch.nn.init.normal_(self.generator.synthesis.input.waves.weight, std=0.1)
        self.ws, self.v = self.generator.mapping(torch.randn(4, 16)), torch.randn(4, 1, 16)  # moves the waves alone
        if plain:
            for layer in self.generator.synthesis.layers:
                assert isinstance(layer.activate, FilteredLReLU)
                layer.activate = PlainLReLU(layer.activate)
        self.scale = 1.0
        for _ in range(sizes.num_layers + 2):  # a layer is right one pass after the one before it
            images = self.render(0, 0, settle=True)
            settle_means(self.generator)
        self.scale = 0.5 / float(images.std((2, 3)).mean())  # so that errors of both kinds of network weigh alike

    @torch.no_grad()
    def render(self, x: float, y: float, settle: bool = False) -> Tensor:
        transform = self.generator.synthesis.input.transform
        transform.copy_(torch.eye(3))
        transform[0, 2], transform[1, 2] = -x / RESOLUTION, -y / RESOLUTION  # where a pixel's content is read from
        return self.generator.synthesis(self.ws, self.v, update_emas=settle) * self.scale

    def equivariance(self, x: float, y: float, start: tuple[float, float] = (0.0, 0.0)) -> float:
        """EQ-T in dB: how well a picture moved by (x, y) after drawing predicts the one drawn from a moved input."""
        before, after = self.render(*start), self.render(start[0] + x, start[1] + y)
        moved = shift_matrix(y) @ before @ shift_matrix(x).T
        error = (moved - after)[..., EDGE:-EDGE, EDGE:-EDGE]
        return 20 * math.log10(2) - 10 * math.log10(float(error.square().mean()))


def shift_matrix(distance: float, lobes: int = 6) -> Tensor:
    """Move a row of samples by Lanczos-windowed sinc interpolation; whole distances are a plain shift."""
    offset = torch.arange(RESOLUTION)[:, None] - torch.arange(RESOLUTION) - distance
    return torch.where(offset.abs() < lobes, torch.sinc(offset) * torch.sinc(offset / lobes), 0.0)


def test_the_ruler_itself() -> None:
    whole = shift_matrix(3.0)
    torch.testing.assert_close(whole, torch.eye(RESOLUTION).roll(3, 0).tril(), rtol=0, atol=1e-6)
    wave = torch.sin(torch.arange(RESOLUTION) * 0.9)
    moved = torch.sin((torch.arange(RESOLUTION) - 0.4) * 0.9)
    torch.testing.assert_close((shift_matrix(0.4) @ wave)[8:-8], moved[8:-8], rtol=0, atol=0.01)


@pytest.fixture(scope="module")
def filtered() -> Renderer:
    return Renderer(seed=0)


@pytest.fixture(scope="module")
def plain() -> Renderer:
    return Renderer(seed=0, plain=True)


@pytest.mark.parametrize("shift", [(1.0, 0.0), (3.0, -5.0)])
def test_pictures_move_with_their_input(filtered: Renderer, plain: Renderer, shift: tuple[float, float]) -> None:
    ours = filtered.equivariance(*shift)
    assert ours > 80 and ours > plain.equivariance(*shift) + 40


@pytest.mark.parametrize("start, shift", [((0.0, 0.0), (0.5, 0.0)), ((0.2, -0.3), (0.3, 2.55))])
def test_pictures_move_by_fractions_of_a_pixel(
    filtered: Renderer, plain: Renderer, start: tuple[float, float], shift: tuple[float, float]
) -> None:
    ours = filtered.equivariance(*shift, start)
    assert ours > 50 and ours > plain.equivariance(*shift, start) + 25
