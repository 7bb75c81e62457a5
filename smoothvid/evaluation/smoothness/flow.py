"""Motion between neighbouring frames, on a grid of blocks.

flow = block_flow(frames)              # uint8 [T, 3, R, R]; built in
flow = block_flow(frames, "dis")       # OpenCV's DIS: pip install "smoothvid[flow]"
"""

from dataclasses import dataclass
from types import ModuleType
from typing import Literal, get_args

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from smoothvid.errors import ConfigError

FlowMethod = Literal["block", "dis"]

_WORKING_SIDE = 64  # larger pictures are reduced to at most this, which bounds the time; all below is in its pixels
_BLOCK = 8
_COARSEST = 16  # side of the smallest picture: displacements up to about an eighth of the side are found
_STEPS = 3  # of least squares at each size
_CELL = 4  # a displacement for every 4 x 4 pixels, found in 12 x 12
_TEXTURE_FLOOR = 10.0  # of squared grey levels a pixel: with less texture than that, the estimate stays as it was
_UNMATCHED = 0.2  # of the variance in the blocks: if more than that is left after the motion, there was none
_CHUNK = 64  # pairs of frames at once
_DIS_SIDE = 128  # DIS needs pictures of some size


@dataclass(frozen=True)
class Flow:
    """Where things went between neighbouring frames.

    displacement: float32 [T - 1, G, G, 2], (dx, dy) of each block of the earlier frame, in pixels of the video.
    matched: bool [T - 1]; False where the later frame does not continue the earlier one (a cut, noise). Displacements
        mean nothing there.
    """

    displacement: NDArray[np.float32]
    matched: NDArray[np.bool_]


@torch.no_grad()
def block_flow(frames: NDArray[np.uint8], method: FlowMethod = "block") -> Flow:
    """Displacements of the blocks of a video: 8 x 8 of them, at 32 pixels a side 4 x 4.

    "block" is least squares from coarse to fine (Lucas and Kanade, 1981); "dis" is OpenCV's dense inverse search. Where
    there is no texture to tell, things move as what is around them, or not at all.

    Args:
        frames: one video, uint8 [T, 3, R, R] with T at least 2 and R at least 32.

    Raises:
        ConfigError: the frames are too small or too few, or "dis" is asked for without OpenCV.
    """
    if method not in get_args(FlowMethod):
        raise ConfigError(f"flow {method!r} is unknown; choose one of {', '.join(get_args(FlowMethod))}")
    if len(frames) < 2 or min(frames.shape[2:]) < 4 * _BLOCK:
        height, width = frames.shape[2:]
        raise ConfigError(f"{len(frames)} frames of {height} x {width}: for motion, 2 of 32 x 32 are needed at least")
    cv2 = _opencv() if method == "dis" else None
    factor = -(-frames.shape[2] // _WORKING_SIDE)
    parts = []
    for first in range(0, len(frames) - 1, _CHUNK):
        part = frames[first : first + _CHUNK + 1]
        grey = _grey(part, factor)
        dense = _least_squares(grey) if cv2 is None else _dis(cv2, part, factor, grey.shape[-1])
        displacement = F.avg_pool2d(dense, _BLOCK).permute(0, 2, 3, 1).numpy() * np.float32(factor)
        parts.append((displacement, (_difference_left(grey, dense) < _UNMATCHED).numpy()))
    return Flow(*(np.concatenate(part) for part in zip(*parts, strict=True)))


def _grey(frames: NDArray[np.uint8], factor: int) -> Tensor:
    """Slightly blurred grey pictures float32 [T, 1, S, S] of the working size, S a multiple of the block."""
    size = frames.shape[2] // factor // _BLOCK * _BLOCK * factor
    grey = torch.from_numpy(frames[:, :, :size, :size].mean(axis=1, keepdims=True, dtype=np.float32))
    padded = F.pad(F.avg_pool2d(grey, factor), (1, 1, 1, 1), mode="replicate")
    return F.avg_pool2d(F.avg_pool2d(padded, 2, stride=1), 2, stride=1)


def _least_squares(grey: Tensor) -> Tensor:
    """Displacement of every pixel, [T - 1, 2, S, S]; what smaller pictures tell is dropped where none is better."""
    sizes = [grey]
    while sizes[-1].shape[-1] // 2 >= _COARSEST:
        sizes.append(F.avg_pool2d(sizes[-1], 2))
    flow = grey.new_zeros(len(grey) - 1, 2, *sizes[-1].shape[-2:])
    for pictures in reversed(sizes):
        if flow.shape[-1] != pictures.shape[-1]:
            flow = 2 * _enlarged(flow, pictures.shape[-1])
        padded = F.pad(pictures, (1, 1, 1, 1), mode="replicate")
        dx = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
        dy = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
        earlier, later = pictures[:-1], torch.cat([pictures, dx, dy], 1)[1:]
        flow = flow * _explains(_taken_at(later[:, :1], flow) - earlier, later[:, :1] - earlier)
        for _ in range(_STEPS):
            moved = _taken_at(later, flow)
            x, y, t = (moved[:, 1:2] + dx[:-1]) / 2, (moved[:, 2:] + dy[:-1]) / 2, moved[:, :1] - earlier
            xx, xy, yy, xt, yt = _windows(torch.cat([x * x, x * y, y * y, x * t, y * t], 1)).split(1, dim=1)
            xx, yy = xx + _TEXTURE_FLOOR, yy + _TEXTURE_FLOOR
            step = torch.cat([xy * yt - yy * xt, xy * xt - xx * yt], 1) / (xx * yy - xy * xy)
            flow = flow + _enlarged(step.clamp(-1, 1), flow.shape[-1])
    return flow


def _windows(values: Tensor) -> Tensor:
    """Means over windows of 12 x 12, every 4 pixels."""
    return F.avg_pool2d(F.avg_pool2d(values, _CELL), 3, stride=1, padding=1, count_include_pad=False)


def _explains(moved: Tensor, still: Tensor) -> Tensor:
    """1 where the pictures differ less after the motion than without, else 0."""
    better = _windows(moved**2) < _windows(still**2)
    return F.interpolate(better.float(), size=moved.shape[-2:], mode="nearest")


def _enlarged(values: Tensor, size: int) -> Tensor:
    return F.interpolate(values, size=(size, size), mode="bilinear", align_corners=False)


def _taken_at(pictures: Tensor, flow: Tensor) -> Tensor:
    """Pictures [N, C, S, S] read where the flow [N, 2, S, S] leads."""
    size = pictures.shape[-1]
    places = torch.arange(size, dtype=flow.dtype)
    at = torch.stack([places + flow[:, 0], places[:, None] + flow[:, 1]], dim=-1)
    return F.grid_sample(pictures, (2 * at + 1) / size - 1, padding_mode="border", align_corners=False)


def _difference_left(grey: Tensor, dense: Tensor) -> Tensor:
    """Squared difference after the motion over the variance in the blocks: [T - 1], about 0 where all is found."""

    def variance(values: Tensor) -> Tensor:
        return (F.avg_pool2d(values**2, _BLOCK) - F.avg_pool2d(values, _BLOCK) ** 2).mean(dim=(1, 2, 3))

    earlier, later = grey[:-1], _taken_at(grey[1:], dense)
    return variance(later - earlier) / (variance(earlier) + variance(later) + _TEXTURE_FLOOR)


def _dis(cv2: ModuleType, frames: NDArray[np.uint8], factor: int, size: int) -> Tensor:
    """Displacement of every pixel of the working size, [T - 1, 2, size, size]."""
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    side = max(_DIS_SIDE, size * factor)
    cut = frames[:, :, : size * factor, : size * factor].mean(axis=1).round().astype(np.uint8)
    grey = [cv2.resize(frame, (side, side), interpolation=cv2.INTER_CUBIC) for frame in cut]
    found = [search.calc(earlier, later, None) for earlier, later in zip(grey[:-1], grey[1:], strict=True)]
    dense = torch.from_numpy(np.stack(found)).permute(0, 3, 1, 2)
    return F.interpolate(dense, size=(size, size), mode="area") * (size / side)


def _opencv() -> ModuleType:
    try:
        import cv2
    except ImportError as error:
        raise ConfigError('flow "dis" needs OpenCV: pip install "smoothvid[flow]", or choose flow "block"') from error
    return cv2
