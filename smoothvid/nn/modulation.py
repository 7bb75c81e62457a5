"""Modulated convolution, with an optional low-rank second kernel for motion.

Source: StyleGAN2 (Karras et al., CVPR 2020), section 2.2; the low-rank term is StyleSV's (section 3.3).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smoothvid.nn.linear_conv import Linear
from smoothvid.nn.precision import full_precision
from smoothvid.nn.running_means import note_mean


def modulated_conv(x: Tensor, weight: Tensor, style: Tensor, demodulate: bool, padding: int) -> Tensor:
    """Convolve with a kernel whose inputs are scaled by `style` and whose outputs have unit expected norm.

    Scaling the activations instead of the kernel leaves one shared kernel for the whole batch. Any scale of the kernel
    or of the style cancels in the demodulation, so a frame never depends on the batch that it is in.

    Args:
        x: [N, in_channels, H, W].
        weight: [out_channels, in_channels, k, k].
        style: [N, in_channels].
    """
    y = F.conv2d(x * style[:, :, None, None], weight, padding=padding)
    if demodulate:
        y = y * demodulation(weight, style)[:, :, None, None]
    return y


@full_precision
def demodulation(weight: Tensor, style: Tensor) -> Tensor:
    """One over the norm of each output's kernel, its inputs scaled by `style`: [N, out_channels]."""
    norm = style.square() @ weight.square().sum((2, 3)).T
    return (norm + 1e-8).rsqrt()


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
        self.low_rank = low_rank
        if low_rank:
            self.motion_affine = Linear(v_dim, in_channels, bias_init=1.0)
            self.low_rank_out = nn.Parameter(torch.randn(out_channels, low_rank, kernel_size, kernel_size))
            self.low_rank_in = nn.Parameter(torch.randn(low_rank, in_channels, kernel_size, kernel_size))
            self.low_rank_gain = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x: Tensor, w: Tensor, v: Tensor | None = None, update_emas: bool = False) -> Tensor:
        if update_emas:
            note_mean(self, "magnitude_ema", x.detach().float().square().mean(), self.magnitude_decay)
        gain = self.magnitude_ema.rsqrt()
        style = self.affine(w) * self.style_gain
        if self.motion_style is not None:
            style = style + self.motion_style(v)
        # The gain joins the input last, so that demodulation does not undo it.
        y = modulated_conv(x, self.weight, style, self.demodulate, self.padding)
        if self.low_rank:
            assert v is not None
            kernel = low_rank_kernel(self.low_rank_out, self.low_rank_in)
            motion = modulated_conv(x, kernel, self.motion_affine(v), self.demodulate, self.padding)
            y = y + motion * self.low_rank_gain[:, None, None]
        return y * gain
