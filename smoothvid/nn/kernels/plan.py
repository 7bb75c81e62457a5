"""What a filtered activation computes, as numbers: sizes, taps and where samples lie.

Along each axis, with P = up·taps and zeros outside the input,

    up     u[m] = up · Σ_i up_taps[low + i·up − m] · x[i]          m = 0 … mid_size − 1
    act    a[m] = clamp(lrelu(u[m]))
    down   y[j] = Σ_l down_taps[l] · a[j·down + l]                 j = 0 … out_size − 1

in both axes: filters are symmetric, so that the order of their taps does not matter.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from smoothvid.nn.filters import downsampling_matrix, upsampling_matrix

TAPS = 6
"""Taps of a filter per factor of its resampling."""


@dataclass(frozen=True)
class FilterPlan:
    """Upsample square planes by `up`, activate, downsample by `down`: [in_size, in_size] → [out_size, out_size].

    Attributes:
        up_taps: TAPS·up numbers of unit sum, symmetric.
        down_taps: TAPS·down numbers, symmetric; they may hold a gain.
        clamp: bound on the magnitude of the activation.
    """

    in_size: int
    out_size: int
    up: int
    down: int
    up_taps: tuple[float, ...]
    down_taps: tuple[float, ...]
    clamp: float = math.inf

    def __post_init__(self) -> None:
        for taps, factor in ((self.up_taps, self.up), (self.down_taps, self.down)):
            assert len(taps) == TAPS * factor, f"{len(taps)} taps for a factor of {factor}"
            assert np.allclose(taps, taps[::-1], rtol=1e-12, atol=0), "filters must be symmetric"

    @property
    def mid_size(self) -> int:
        """Samples of the upsampled axis: as many as the outputs need."""
        return (self.out_size - 1) * self.down + TAPS * self.down

    @property
    def low(self) -> int:
        """Where the input begins on the upsampled axis, so that the input lies centred under the output."""
        return (self._pad + self.up) // 2

    @property
    def _pad(self) -> int:
        return self.mid_size - self.in_size * self.up + TAPS * self.up - 1


@lru_cache(maxsize=64)
def plan_matrices(plan: FilterPlan, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """The plan's two steps as matrices for one axis: up [mid_size, in_size] and down [out_size, mid_size]."""
    taps = np.array(plan.up_taps)
    up = upsampling_matrix(taps, plan.in_size, plan.up, plan.low, plan._pad - plan.low)
    down = downsampling_matrix(np.array(plan.down_taps), plan.mid_size, plan.down)
    with torch.inference_mode(False):  # what is kept must serve a later training step too
        return torch.as_tensor(up, dtype=dtype, device=device), torch.as_tensor(down, dtype=dtype, device=device)
