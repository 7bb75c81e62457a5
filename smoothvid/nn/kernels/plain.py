"""The filters as the papers write them: the reference that the fast paths are tested and timed against."""

import torch
import torch.nn.functional as F
from torch import Tensor

from smoothvid.nn.filters import BINOMIAL_4
from smoothvid.nn.kernels.plan import FilterPlan
from smoothvid.nn.lrelu import lrelu


def filtered_lrelu(x: Tensor, plan: FilterPlan) -> Tensor:
    """down(clamp(lrelu(up(x)))), [N, C, s, s] → [N, C, plan.out_size, plan.out_size]."""
    x = insert_zeros(x, plan.up)
    reach = len(plan.up_taps) - 1
    low = plan.low
    high = plan.mid_size + reach - x.shape[-1] - low
    x = F.pad(x, (low, high, low, high))  # a negative width crops
    x = filter_both_axes(x, [tap * plan.up for tap in plan.up_taps])
    x = lrelu(x, gain=1.0, clamp=plan.clamp)
    return filter_both_axes(x, plan.down_taps)[:, :, :: plan.down, :: plan.down]


def blur(x: Tensor, pad: int, down: int) -> Tensor:
    """Filter with [1, 3, 3, 1]/8 on both axes and drop samples."""
    return filter_both_axes(F.pad(x, [pad] * 4), BINOMIAL_4)[:, :, ::down, ::down]


def insert_zeros(x: Tensor, factor: int) -> Tensor:
    """Put factor − 1 zeros after each sample, in both axes."""
    n, c, h, w = x.shape
    spread = x.new_zeros(n, c, h, factor, w, factor)
    spread[:, :, :, 0, :, 0] = x
    return spread.reshape(n, c, h * factor, w * factor)


def filter_both_axes(x: Tensor, taps: list[float] | tuple[float, ...]) -> Tensor:
    """Each channel's rows and columns weighted by symmetric `taps`, without padding."""
    kernel = torch.tensor(taps, dtype=x.dtype, device=x.device).expand(x.shape[1], 1, -1)
    x = F.conv2d(x, kernel[:, :, None, :], groups=x.shape[1])
    return F.conv2d(x, kernel[:, :, :, None], groups=x.shape[1])
