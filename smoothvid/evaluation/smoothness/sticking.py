"""Sticking: fine detail that stays at its pixels while what it belongs to moves."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from smoothvid.evaluation.smoothness.flow import Flow

_LAGS = (4, 8, 16)  # frames apart at which detail is compared
_MOVED = 3.0  # pixels: by then moving detail has left its place
_COARSE = 2.0  # pixels: what a blur of that width leaves is content, not detail
_FAINT = 4.0  # squared grey levels: changes of content below that are noise
_LEAST_DETAIL = 0.5  # squared grey levels: a block with less has none
_LEAST_BLOCKS = 0.05  # share of the blocks that must have moved with detail in them; else nothing can be told

Detail = tuple[NDArray[np.float32], NDArray[np.float32]]


def sticking_share(frames: NDArray[np.uint8], flow: Flow) -> float | None:
    """Share of the fine detail that stands still where the content moves: 0 for none, 1 for all of it.

    Frames are compared with those 4, 8 and 16 later, in blocks that have moved by 3 pixels or more and at pixels whose
    coarse content has become another (by more than its spread in the block). There, the slopes of the detail along the
    motion are correlated at the same pixels: along the motion, as an edge that moves along itself changes nothing.
    The figure is the median over the blocks, so lines that keep their place in a few of them do not count.

    Args:
        frames: one video, uint8 [T, 3, R, R].
        flow: of that video.

    Returns:
        None if nothing moves that far.
    """
    steps = flow.displacement.astype(np.float64)
    way = np.concatenate([np.zeros_like(steps[:1]), np.cumsum(steps, axis=0)])
    cuts = np.concatenate([[0], np.cumsum(~flow.matched)])
    grid = steps.shape[1]
    block = frames.shape[2] // grid
    kept, energy, count = np.zeros((3, grid, grid))
    recent: dict[int, Detail] = {}
    for time, frame in enumerate(frames):
        recent[time] = _detail(frame[:, : grid * block, : grid * block])
        recent.pop(time - max(_LAGS) - 1, None)
        for before in (time - lag for lag in _LAGS if lag <= time):
            gone = way[time] - way[before]
            if cuts[time] == cuts[before] and (np.hypot(gone[..., 0], gone[..., 1]) >= _MOVED).any():
                sums = _compared(recent[before], recent[time], gone, block)
                kept, energy, count = kept + sums[0], energy + sums[1], count + sums[2]
    telling = (count > 0) & (energy > _LEAST_DETAIL * count)
    if telling.mean() < _LEAST_BLOCKS:
        return None
    return float(np.median(kept[telling] / energy[telling]))


def _detail(frame: NDArray[np.uint8]) -> Detail:
    """Slopes [2, S, S] along x and y of what a blur of 3 x 3 takes from the picture, and its coarse part [S, S]."""
    grey = frame.mean(axis=0, dtype=np.float32)
    blurred = grey
    for axis in (0, 1):
        blurred = (np.roll(blurred, 1, axis) + 2 * blurred + np.roll(blurred, -1, axis)) / 4
    fine = grey - blurred
    slopes = np.stack([fine - np.roll(fine, 1, axis=1), fine - np.roll(fine, 1, axis=0)])
    slopes[:, [0, 1, -1]] = slopes[:, :, [0, 1, -1]] = 0  # what was rolled in from the other side
    return slopes, gaussian_filter(grey, _COARSE, mode="nearest")


def _compared(
    before: Detail, after: Detail, gone: NDArray[np.float64], block: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Of each block that has gone far enough: sums [G, G] of product, energy and number of the pixels that changed."""
    distance = np.hypot(gone[..., 0], gone[..., 1])
    moved = distance >= _MOVED
    direction = (gone / np.maximum(distance, _MOVED)[..., None]).astype(np.float32)

    def spread(values: NDArray[Any]) -> NDArray[Any]:
        return values.repeat(block, axis=0).repeat(block, axis=1)

    def tiles(values: NDArray[np.float32]) -> NDArray[np.float32]:
        return values.reshape(len(gone), block, len(gone), block)

    variance = (tiles(before[1]).var(axis=(1, 3)) + tiles(after[1]).var(axis=(1, 3))) / 2 + _FAINT
    changed = ((after[1] - before[1]) ** 2 > spread(variance)) & spread(moved)
    x, y = spread(direction[..., 0]), spread(direction[..., 1])
    a, b = (changed * (slopes[0] * x + slopes[1] * y) for slopes in (before[0], after[0]))
    kept, energy, count = (tiles(v).sum(axis=(1, 3), dtype=np.float64) for v in (a * b, (a * a + b * b) / 2, changed))
    return kept, energy, count
