"""The activation of all networks here."""

import math

import torch.nn.functional as F
from torch import Tensor

LRELU_SLOPE = 0.2
CLAMP = 256.0  # on the magnitude of activations, unless settings say otherwise
SQRT2 = math.sqrt(2.0)


def lrelu(x: Tensor, gain: float = SQRT2, clamp: float | None = None) -> Tensor:
    """Leaky ReLU of slope 0.2, times `gain`, clamped to ±`clamp` where one is given."""
    x = F.leaky_relu(x, LRELU_SLOPE)
    if gain != 1.0:
        x = x * gain
    return bounded(x, clamp)


def bounded(x: Tensor, clamp: float | None) -> Tensor:
    """Clamp to ±`clamp`; None for no bound."""
    return x if clamp is None else F.hardtanh(x, -clamp, clamp)  # as clamp, with a cheaper gradient
