"""Modulated convolution, with an optional low-rank second kernel for motion.

Source: StyleGAN2 (Karras et al., CVPR 2020), section 2.2; the low-rank term is StyleSV's (section 3.3).
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smoothvid.nn import kernels
from smoothvid.nn.layout import PLAIN, Preparation, fill_up
from smoothvid.nn.linear_conv import Linear
from smoothvid.nn.precision import full_precision
from smoothvid.nn.running_means import mean_square, note_mean


class Prepared(NamedTuple):
    """What weights that stay as they are give once and for all."""

    weight: Tensor
    """As they are convolved with."""
    matrices: Tensor | None
    """See kernels.prepare_conv."""
    energy: Tensor
    """See kernel_energy."""


def prepared_conv(weight: Tensor, size: int, how: Preparation) -> Prepared:
    """For pictures of this size."""
    cast = how.weight(weight)
    return Prepared(cast, kernels.prepare_conv(cast, size), kernel_energy(weight))


def modulated_conv(
    x: Tensor, weight: Tensor, style: Tensor | None, padding: int, prepared: Tensor | None = None
) -> Tensor:
    """Convolve with a kernel whose inputs are scaled by `style`.

    Scaling the activations instead of the kernel leaves one shared kernel for the whole batch.

    Args:
        x: [N, in_channels, H, W].
        weight: [out_channels, in_channels, k, k].
        style: [N, in_channels]; None where x is scaled already.
        prepared: see kernels.prepare_conv.
    """
    return kernels.conv(x, weight, padding, style, prepared)


def low_rank_conv(x: Tensor, outer: Tensor, inner: Tensor, style: Tensor, padding: int) -> Tensor:
    """As `modulated_conv` with the kernel `low_rank_kernel(outer, inner)`, which is never convolved with as a whole.

    At each place of the kernel the inputs pass through r numbers. So there are two products with few channels, and in
    between the r planes of each place are moved to it: next to the main convolution it costs nothing.
    """
    size, rank = inner.shape[2], inner.shape[0]
    places = [(h, w) for h in range(size) for w in range(size)]
    narrow = inner.permute(2, 3, 0, 1).reshape(-1, inner.shape[1], 1, 1)  # [k·k·r, in, 1, 1]
    z = F.conv2d(x * style[:, :, None, None], narrow)
    height, width = (side + 2 * padding - size + 1 for side in z.shape[2:])
    parts = F.pad(z, (padding,) * 4).split(rank, 1)
    moved = [part[:, :, h : h + height, w : w + width] for part, (h, w) in zip(parts, places, strict=True)]
    return F.conv2d(torch.cat(moved, 1), outer.permute(0, 2, 3, 1).reshape(len(outer), -1, 1, 1))


@full_precision
def demodulation(weight: Tensor, style: Tensor, energy: Tensor | None = None) -> Tensor:
    """One over the norm of each output's kernel, its inputs scaled by `style`: [N, out_channels].

    Any scale of the kernel or of the style cancels here, so a frame never depends on the batch that it is in.
    """
    norm = style.square() @ (kernel_energy(weight) if energy is None else energy).T
    return (norm + 1e-8).rsqrt()


def kernel_energy(weight: Tensor) -> Tensor:
    """What `demodulation` needs to know of the kernel: [out, in]."""
    return weight.square().sum((2, 3))


@full_precision
def low_rank_kernel(outer: Tensor, inner: Tensor) -> Tensor:
    """Products over the rank r at each place of the kernel: [out, r, k, k], [r, in, k, k] → [out, in, k, k]."""
    return torch.einsum("orhw,rihw->oihw", outer, inner)


class ModulatedConv(nn.Module):
    """A modulated convolution, its input normalized by a running mean square: x [N,C,H,W], w [N,w_dim] → [N,out,H',W'].

    With `update_emas` the mean square is noted; `settle_means` moves the running mean.

    Args:
        demodulate: off for the layer to RGB, whose style is scaled by 1/√in_channels instead.
        motion_style: add to the style what a layer of its own reads from the motion code v.
        low_rank: rank of a second kernel that the motion code v modulates; 0 for none. Its output starts at exactly
            zero through a learnable gain per channel, which has a gradient from the first step on (the published
            branch, with both factors zero, has none). Imported weights have gain 1.
    """

    magnitude_ema: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        w_dim: int,
        demodulate: bool = True,
        low_rank: int = 0,
        v_dim: int = 0,
        magnitude_decay: float = 0.999,
        motion_style: bool = False,
    ) -> None:
        super().__init__()
        self.demodulate = demodulate
        self.padding = kernel_size - 1
        self.style_gain = 1.0 if demodulate else 1 / math.sqrt(in_channels * kernel_size**2)
        self.magnitude_decay = magnitude_decay
        self.affine = Linear(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.register_buffer("magnitude_ema", torch.ones([]))
        self.motion_style = Linear(v_dim, in_channels, bias_init=None) if motion_style else None
        self.prepared: Prepared | None = None
        self.low_rank = low_rank
        if low_rank:
            self.motion_affine = Linear(v_dim, in_channels, bias_init=1.0)
            self.low_rank_out = nn.Parameter(torch.randn(out_channels, low_rank, kernel_size, kernel_size))
            self.low_rank_in = nn.Parameter(torch.randn(low_rank, in_channels, kernel_size, kernel_size))
            self.low_rank_gain = nn.Parameter(torch.zeros(out_channels))

    def prepare(self, size: int, how: Preparation = PLAIN) -> None:
        """Work out once what the weights give for pictures of this size; they must not change any more."""
        weight = fill_up(self.weight, how.channels(self.weight.shape[1]))
        if self.demodulate:  # otherwise the outputs are the colours
            weight = fill_up(weight, how.channels(len(weight)), 0)
        self.prepared = prepared_conv(weight, size, how)

    @property
    def in_channels(self) -> int:
        """How many channels it takes, with those of zeros that `prepare` may have added."""
        return (self.prepared or self).weight.shape[1]

    def style(self, w: Tensor, v: Tensor | None = None) -> Tensor:
        """The factors [N, in] of the inputs."""
        style: Tensor = self.affine(w) * self.style_gain
        if self.motion_style is not None:
            style = style + self.motion_style(v)
        return fill_up(style, self.in_channels)

    def forward(
        self,
        x: Tensor,
        w: Tensor,
        v: Tensor | None = None,
        update_emas: bool = False,
        applied: Tensor | None = None,
    ) -> Tensor:
        y, scale = self.convolve(x, w, v, update_emas, applied)
        return y * scale[:, :, None, None]

    def convolve(
        self,
        x: Tensor,
        w: Tensor,
        v: Tensor | None = None,
        update_emas: bool = False,
        applied: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """The convolution, and the factors [N, out] that its planes are still to be multiplied by.

        What follows can often do that on its way; `applied` is the style where what came before has done it so, without
        low rank.
        """
        if update_emas:
            note_mean(self, "magnitude_ema", mean_square(x), self.magnitude_decay)
        style = self.style(w, v) if applied is None else applied
        weight, matrices, energy = self.prepared or (self.weight, None, None)
        y = modulated_conv(x, weight, style if applied is None else None, self.padding, matrices)
        scale = (
            demodulation(self.weight, style, energy)
            if self.demodulate
            else style.new_ones(x.shape[0], len(self.weight))
        )
        if self.low_rank:
            assert v is not None
            motion = self.motion_affine(v)
            extra = low_rank_conv(x, self.low_rank_out, self.low_rank_in, motion, self.padding)
            extra_scale = self.low_rank_gain.expand(x.shape[0], -1)
            if self.demodulate:
                kernel = low_rank_kernel(self.low_rank_out, self.low_rank_in)
                extra_scale = extra_scale * demodulation(kernel, motion)
            y = y * scale[:, :, None, None] + extra * extra_scale[:, :, None, None]
            scale = torch.ones_like(scale)
        # The gain joins last, so that demodulation does not undo it.
        return y, scale * self.magnitude_ema.rsqrt()
