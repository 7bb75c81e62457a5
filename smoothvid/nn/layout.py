"""How pictures lie in memory: plane by plane, or with the channels of each pixel side by side.

NVIDIA's fast convolutions want the latter. A convolution gives what its weights or its input say, so laying out the
weights once is enough: what passes through the network follows.
"""

import torch
from torch import nn


@torch.no_grad()
def lay_channels_last(*networks: nn.Module) -> None:
    """Lay out the weights of two-dimensional convolutions channels last; values and shapes stay what they are."""
    for network in networks:
        for parameter in network.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
