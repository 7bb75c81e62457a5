"""Temporal shift: an image network sees motion by trading channels between neighbouring frames, at no cost."""

import torch
from torch import Tensor


def temporal_shift(x: Tensor, num_frames: int, fraction: int = 8) -> Tensor:
    """Give the first 1/`fraction` of channels the next frame's values, the second 1/`fraction` the previous frame's.

    Past the ends stand zeros. A single frame has no neighbours and is returned as it is.

    Args:
        x: [B·num_frames, C, H, W], the frames of one video together.
    Source: Lin, Gan, Han, TSM, ICCV 2019, section 3.
    """
    if num_frames == 1:
        return x
    video = x.unflatten(0, (-1, num_frames))  # [B, T, C, H, W]
    channels = 2
    if x.is_contiguous(memory_format=torch.channels_last):  # stays so
        video, channels = video.movedim(2, -1), 4
    fold = x.shape[1] // fraction
    next_one, previous, rest = video.split([fold, fold, x.shape[1] - 2 * fold], channels)
    blank = torch.zeros_like(next_one[:, :1])
    ahead, behind = torch.cat([next_one[:, 1:], blank], 1), torch.cat([blank, previous[:, :-1]], 1)
    return torch.cat([ahead, behind, rest], channels).movedim(channels, 2).flatten(0, 1)
