"""Equalized layers: weights kept at unit scale and multiplied at run time (Karras et al., ICLR 2018, section 4.1)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smoothvid.nn import kernels
from smoothvid.nn.lrelu import SQRT2, lrelu
from smoothvid.nn.precision import full_precision


def normalize_second_moment(x: Tensor, dim: int = -1, eps: float = 1e-8) -> Tensor:
    """Scale `x` so that its mean square over `dim` is one."""
    return x * (x.square().mean(dim, keepdim=True) + eps).rsqrt()


class Linear(nn.Module):
    """Equalized fully connected layer, [..., in_features] → [..., out_features].

    Args:
        bias_init: the bias at the start, as it acts on the output; None for no bias.
        activation: "linear" or "lrelu" (slope 0.2, gain √2).
        lr_mult: how much slower than the rest of the network this layer learns.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        bias_init: float | None = 0.0,
        activation: str = "linear",
        lr_mult: float = 1.0,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.lr_mult = lr_mult
        self.weight_gain = lr_mult / math.sqrt(in_features)
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_mult)
        self.bias = None if bias_init is None else nn.Parameter(torch.full((out_features,), bias_init / lr_mult))

    @full_precision
    def forward(self, x: Tensor) -> Tensor:
        bias = None if self.bias is None else self.bias * self.lr_mult
        x = F.linear(x, self.weight * self.weight_gain, bias)
        return lrelu(x) if self.activation == "lrelu" else x


class Conv2d(nn.Module):
    """Equalized convolution of odd kernel, size kept: [N, in_channels, H, W] → [N, out_channels, H, W].

    Args:
        activation: "linear" or "lrelu".
        gain: multiplies the output, and the clamp with it.
        clamp: bound on the magnitude of the output before `gain`; None for none.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        bias: bool = True,
        activation: str = "linear",
        gain: float = 1.0,
        clamp: float | None = None,
    ) -> None:
        super().__init__()
        self.activation = activation
        self.gain = gain
        self.clamp = clamp
        self.padding = kernel_size // 2
        self.weight_gain = 1 / math.sqrt(in_channels * kernel_size**2)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None

    def convolve(self, x: Tensor, bias: Tensor | None) -> Tensor:
        y = kernels.conv(x, self.weight * self.weight_gain, self.padding)
        return y if bias is None else y + bias[:, None, None]

    def forward(self, x: Tensor) -> Tensor:
        gain, clamp = SQRT2 * self.gain, None if self.clamp is None else self.clamp * self.gain
        if self.activation == "lrelu" and self.bias is not None and kernels.fuses_bias(x):
            return kernels.bias_lrelu(self.convolve(x, None), self.bias, gain, clamp)
        x = self.convolve(x, self.bias)
        if self.activation == "lrelu":
            return lrelu(x, gain, clamp)
        return x * self.gain if self.gain != 1.0 else x
