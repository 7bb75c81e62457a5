"""Residual discriminator blocks and the shared last stage (StyleGAN2, Karras et al., CVPR 2020, section 4.1)."""

import math

import torch
from torch import Tensor, nn

from smoothvid.nn import kernels
from smoothvid.nn.linear_conv import Conv2d, Linear
from smoothvid.nn.lrelu import CLAMP
from smoothvid.nn.precision import full_precision
from smoothvid.nn.temporal_shift import temporal_shift

SQRT_HALF = math.sqrt(0.5)


class FromRGB(Conv2d):
    """The first 1×1 convolution, from pixels to features: [N, 3, H, H] → [N, channels, H, H]."""

    def __init__(self, channels: int, clamp: float | None = CLAMP) -> None:
        super().__init__(3, channels, 1, activation="lrelu", clamp=clamp)

    @full_precision
    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x)


class DownConv(Conv2d):
    """A 3×3 convolution that filters first and keeps every second sample: [N, C, H, H] → [N, out, H/2, H/2]."""

    def convolve(self, x: Tensor, bias: Tensor | None) -> Tensor:
        return nn.functional.conv2d(kernels.blur(x, pad=2), self.weight * self.weight_gain, bias, stride=2)


class ResidualBlock(nn.Module):
    """Two convolutions beside a shortcut: [N, in_channels, H, H] → [N, out_channels, H/2, H/2].

    With `shift`, the main branch (not the shortcut) sees its input shifted in time (TSM, "residual shift").
    """

    def __init__(
        self,
        in_channels: int,
        mid_channels: int,
        out_channels: int,
        shift: bool = False,
        clamp: float | None = CLAMP,
    ) -> None:
        super().__init__()
        self.shift = shift
        self.conv0 = Conv2d(in_channels, mid_channels, 3, activation="lrelu", clamp=clamp)
        self.conv1 = DownConv(mid_channels, out_channels, 3, activation="lrelu", gain=SQRT_HALF, clamp=clamp)
        self.skip = Conv2d(in_channels, out_channels, 1, bias=False, gain=SQRT_HALF)

    def forward(self, x: Tensor, num_frames: int) -> Tensor:
        shortcut = self.skip(kernels.blur(x, pad=1, down=2))
        if self.shift:
            x = temporal_shift(x, num_frames)
        return shortcut + self.conv1(self.conv0(x))


def compared(count: int, group_size: int) -> int:
    """How many of `count` videos `minibatch_std` compares with each other: those with equal number modulo count/group.

    So every m-th video of a batch, from any of the first m on, keeps its company if the group is the same.
    """
    return next(group for group in range(min(group_size, count), 0, -1) if count % group == 0)


def minibatch_std(x: Tensor, group_size: int = 4) -> Tensor:
    """Append one channel that holds the average spread over groups of samples: [N, C, H, W] → [N, C + 1, H, W].

    A batch that `group_size` does not divide is split into the largest equal groups below it.
    """
    n, c, h, w = x.shape
    group = compared(n, group_size)
    spread = (x.reshape(group, n // group, c, h, w).var(0, correction=0) + 1e-8).sqrt()
    spread = spread.mean((1, 2, 3))  # [N / group]
    return torch.cat([x, spread.repeat(group)[:, None, None, None].expand(n, 1, h, w)], dim=1)


class LogitHead(nn.Module):
    """The last stage at 4×4: [N, channels, 4, 4] → logits [N].

    The output is projected on `condition` [N, out_dim] where there is one; without one out_dim is 1 and it is
    the logit itself.
    """

    def __init__(self, channels: int, out_dim: int = 1, mbstd_group: int = 4, clamp: float | None = CLAMP) -> None:
        super().__init__()
        self.mbstd_group = mbstd_group
        self.conv = Conv2d(channels + 1, channels, 3, activation="lrelu", clamp=clamp)
        self.fc = Linear(channels * 16, channels, activation="lrelu")
        self.out = Linear(channels, out_dim)

    @full_precision
    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        x = self.conv(minibatch_std(x, self.mbstd_group))
        x = self.out(self.fc(x.flatten(1)))
        if condition is None:
            return x.squeeze(1)
        return (x * condition).sum(1) / math.sqrt(condition.shape[1])
