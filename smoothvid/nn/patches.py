"""Discriminators of strided convolutions, as in DCGAN: what comes out are logits of patches, not one for the whole.

Sources: Radford et al., ICLR 2016; Isola et al., CVPR 2017; along time: Tulyakov et al., MoCoGAN, CVPR 2018.
"""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from smoothvid.nn.lrelu import lrelu

Sides = tuple[int, int, int]  # along time, rows, columns


class NoisyConv(nn.Module):
    """Noise, convolution, batch norm, leaky ReLU: [N, in_channels, T, H, W] → [N, out_channels, T', H', W'].

    Args:
        noise: standard deviation of what is added in training; in evaluation nothing is.
        norm: with batch norm.
        activation: with leaky ReLU.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: Sides,
        stride: int = 1,
        padding: Sides = (0, 0, 0),
        noise: float = 0.0,
        norm: bool = True,
        activation: bool = True,
    ) -> None:
        super().__init__()
        self.noise, self.activation = noise, activation
        self.conv = nn.Conv3d(in_channels, out_channels, kernel, (1, stride, stride), padding, bias=False)
        nn.init.normal_(self.conv.weight, 0.0, 0.02)
        self.norm = nn.BatchNorm3d(out_channels) if norm else None
        if self.norm is not None:
            nn.init.normal_(self.norm.weight, 1.0, 0.02)

    def forward(self, x: Tensor) -> Tensor:
        if self.training and self.noise:
            x = x + self.noise * torch.randn_like(x)
        x = self.conv(x)
        if self.norm is not None:
            x = self.norm(x)
        return lrelu(x, gain=1.0) if self.activation else x


class PatchDiscriminator(nn.Sequential):
    """Videos [N, 3, T, H, H] → logits [N, outputs, T', H', H']; pictures are videos of one frame.

    Args:
        widths: channels of the layers, each of which halves the side.
        outputs: kinds of logits.
        whole: the last layer takes in 4×4 places without a border; else it halves the side as the others do.
        kernel: of all these layers along time.
        padding: of each of these layers along time; none by default.
        keeping: further layers before the last that keep the size.
        noise: before each layer but the last; see NoisyConv.
        noise_last: before the last one, too.
    """

    def __init__(
        self,
        widths: Sequence[int],
        outputs: int = 1,
        whole: bool = False,
        kernel: int = 1,
        padding: Sequence[int] = (),
        keeping: int = 0,
        noise: float = 0.0,
        noise_last: bool = False,
    ) -> None:
        sides, along = (kernel, 4, 4), [*padding] or [0] * (len(widths) + 1)
        layers = [
            NoisyConv(inner, outer, sides, 2, (along[number], 1, 1), noise, norm=number > 0)
            for number, (inner, outer) in enumerate(pairwise([3, *widths]))
        ]
        top = widths[-1]
        layers += [NoisyConv(top, top, (3, 3, 3), 1, (1, 1, 1), noise) for _ in range(keeping)]
        stride, border = (1, (along[-1], 0, 0)) if whole else (2, (along[-1], 1, 1))
        layers.append(NoisyConv(top, outputs, sides, stride, border, noise * noise_last, norm=False, activation=False))
        super().__init__(*layers)
