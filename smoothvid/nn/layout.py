"""How pictures lie in memory: plane by plane, or with the channels of each pixel side by side.

NVIDIA's fast convolutions want the latter. A convolution gives what its weights or its input say, so laying out the
weights once is enough: what passes through the network follows.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@dataclass(frozen=True)
class Preparation:
    """How a generator whose weights stay as they are gets ready to sample.

    dtype: what its convolutions are in, None for what the weights are in; bfloat16 works under autocast only.
    channels_last: lay out their weights so.
    styles_ahead: let an activation multiply its result by the style of the convolution that follows, which then needs
        no pass of its own for it, where a family can.
    eights: fill up channels to a multiple of eight with channels of zeros, where a family can: in bfloat16 an NVIDIA
        card loads eight numbers at once, or pads for itself in a further pass.
    """

    dtype: torch.dtype | None = None
    channels_last: bool = False
    styles_ahead: bool = False
    eights: bool = False

    def channels(self, count: int) -> int:
        """How many channels stand for so many."""
        return -(-count // 8) * 8 if self.eights else count

    def weight(self, weight: Tensor) -> Tensor:
        """A convolution's weights [out, in, k, k] as it takes them; themselves where nothing is to be done."""
        dtype = self.dtype or weight.dtype
        if dtype == weight.dtype and not self.channels_last:
            return weight
        layout = torch.channels_last if self.channels_last else torch.preserve_format
        return weight.detach().to(dtype=dtype, memory_format=layout)


PLAIN = Preparation()


def fill_up(x: Tensor, count: int, dim: int = 1) -> Tensor:
    """x with zeros after its numbers along `dim`, `count` in all; x itself where it has so many."""
    missing = count - x.shape[dim]
    return F.pad(x, (0, 0) * (x.ndim - 1 - dim) + (0, missing)) if missing else x


@torch.no_grad()
def lay_channels_last(*networks: nn.Module) -> None:
    """Lay out the weights of two-dimensional convolutions channels last; values and shapes stay what they are."""
    for network in networks:
        for parameter in network.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
