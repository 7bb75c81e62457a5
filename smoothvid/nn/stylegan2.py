"""The synthesis network of StyleGAN2: from a learned 4×4 constant up, each resolution adding to the picture.

Source: Karras et al., Analyzing and Improving the Image Quality of StyleGAN, CVPR 2020, sections 2.2 and 4.1, with the
skip architecture of figure 7, without noise inputs: in a video they would stick to the screen.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from smoothvid.nn import kernels
from smoothvid.nn.filters import resample, upsampling_by_two
from smoothvid.nn.layout import PLAIN, Preparation
from smoothvid.nn.linear_conv import Linear
from smoothvid.nn.lrelu import CLAMP, SQRT2, bounded, lrelu
from smoothvid.nn.modulation import Prepared, demodulation, modulated_conv, prepared_conv
from smoothvid.nn.precision import full_precision
from smoothvid.settings import check_ranges


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Mapping and StyleGAN2 synthesis."""

    z_dim: int = 512
    w_dim: int = 512
    mapping_layers: int = 2
    channel_base: int = 16384
    channel_max: int = 512
    clamp: float | None = CLAMP
    """Bound on the magnitude of activations; none for no bound."""
    w_avg_decay: float = 0.995

    def __post_init__(self) -> None:
        check_ranges(self, 1, 8192, "z_dim", "w_dim", "channel_max")
        check_ranges(self, 1, 2**20, "channel_base")
        check_ranges(self, 1, 64, "mapping_layers")
        check_ranges(self, 1e-6, 1e9, "clamp")
        check_ranges(self, 0, 1, "w_avg_decay")


class StyledConv(nn.Module):
    """Modulated 3×3 convolution and activation: x [N, in, H, H], style [N, style_dim] → [N, out, H, H].

    With `up` the side doubles: zeros are inserted, then comes the convolution with the kernel (turned by 180 degrees
    against the others', as published), then the filter.
    """

    def __init__(
        self, in_channels: int, out_channels: int, style_dim: int, up: bool = False, clamp: float | None = CLAMP
    ) -> None:
        super().__init__()
        self.up, self.clamp = up, clamp
        self.affine = Linear(style_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.prepared: Prepared | None = None

    def prepare(self, size: int, how: Preparation = PLAIN) -> None:
        """Work out once what the weights give for inputs of this size; they must not change any more."""
        self.prepared = prepared_conv(self.weight, size, how)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        style = self.affine(style)
        weight, matrices, energy = self.prepared or (self.weight, None, None)
        scale = demodulation(self.weight, style, energy)
        if self.up:
            y = F.conv_transpose2d(x * style[:, :, None, None], weight.transpose(0, 1), stride=2)
            y, scale = kernels.blur(y, pad=1), scale * 4  # zeros inserted on both axes take three quarters away
        else:
            y = modulated_conv(x, weight, style, 1, matrices)
        return lrelu(y * (scale * SQRT2)[:, :, None, None] + (self.bias * SQRT2)[:, None, None], 1.0, self.clamp)


class ToRGB(nn.Module):
    """Modulated 1×1 convolution to three channels, not demodulated: x [N, in, H, H] → [N, 3, H, H]."""

    def __init__(self, in_channels: int, style_dim: int, clamp: float | None = CLAMP) -> None:
        super().__init__()
        self.clamp = clamp
        self.style_gain = 1 / math.sqrt(in_channels)
        self.affine = Linear(style_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(3, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))

    @full_precision
    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        y = modulated_conv(x, self.weight, self.affine(style) * self.style_gain, 0)
        return bounded(y + self.bias[:, None, None], self.clamp)


class Block(nn.Module):
    """One resolution: features and picture of half the side → of this side. The first, 4×4, has the constant as input.

    styles [N, rows, style_dim]: one row for each convolution, and one for ToRGB, which the next block begins with.
    """

    def __init__(
        self, in_channels: int, out_channels: int, style_dim: int, first: bool, clamp: float | None = CLAMP
    ) -> None:
        super().__init__()
        self.conv0 = None if first else StyledConv(in_channels, out_channels, style_dim, True, clamp)
        self.conv1 = StyledConv(in_channels if first else out_channels, out_channels, style_dim, clamp=clamp)
        self.to_rgb = ToRGB(out_channels, style_dim, clamp)

    def forward(self, x: Tensor, picture: Tensor | None, styles: Tensor) -> tuple[Tensor, Tensor]:
        rows = iter(styles.unbind(1))
        if self.conv0 is not None:
            x = self.conv0(x, next(rows))
        x = self.conv1(x, next(rows))
        added = self.to_rgb(x, next(rows))
        if picture is None:
            return x, added
        larger = upsampling_by_two(picture.shape[-1], picture.dtype, picture.device)
        return x, resample(picture, larger) + added


class Synthesis(nn.Module):
    """ws [N, num_ws, style_dim], extra [N, extra_dim] → images [N, 3, H, H], about [-1, 1].

    Args:
        resolution: H, a power of two, at least 8.
        extra_dim: numbers that join the 4×4 constant as further channels, the same at each place; 0 for none.
    """

    def __init__(
        self,
        resolution: int,
        style_dim: int,
        channel_base: int = 16384,
        channel_max: int = 512,
        extra_dim: int = 0,
        clamp: float | None = CLAMP,
    ) -> None:
        super().__init__()
        sides = [2**k for k in range(2, resolution.bit_length())]  # 4, 8 .. resolution
        widths = [min(channel_base // side, channel_max) for side in sides]
        self.checkpointing = False
        """Whether a block's own results are made again for its gradients instead of being kept."""
        self.const = nn.Parameter(torch.randn(widths[0], 4, 4))
        self.blocks = nn.ModuleDict()
        for side, inner, outer in zip(sides, [widths[0] + extra_dim, *widths], widths, strict=False):
            self.blocks[str(side)] = Block(inner, outer, style_dim, side == 4, clamp)
        self.num_ws = 2 * len(sides)

    @property
    def first_conv(self) -> StyledConv:
        """The convolution that reads the constant and what joins it."""
        conv: StyledConv = self.blocks["4"].conv1  # type: ignore[assignment]
        return conv

    def prepare(self, how: Preparation = PLAIN) -> None:
        """Work out once what the weights give, for sampling: from now on they stay as they are."""
        for side, block in self.blocks.items():
            for conv in block.children():
                if isinstance(conv, StyledConv):
                    conv.prepare(int(side), how)

    def draw(self, ws: Tensor, extra: Tensor | None = None) -> Tensor:
        """Pictures from styles and what joins the constant."""
        x, picture, row = self.const.expand(ws.shape[0], -1, -1, -1), None, 0
        if extra is not None:
            x = torch.cat([x, extra[:, :, None, None].expand(-1, -1, 4, 4)], dim=1)
        for side, block in self.blocks.items():
            rows = 1 if side == "4" else 2  # one for each convolution; the next one is ToRGB's, and is used again
            styles = ws[:, row : row + rows + 1]
            if self.checkpointing and torch.is_grad_enabled():
                x, picture = checkpoint(block, x, picture, styles, use_reentrant=False, preserve_rng_state=False)
            else:
                x, picture = block(x, picture, styles)
            row += rows
        assert picture is not None
        return picture
