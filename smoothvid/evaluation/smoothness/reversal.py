"""Reversal: how often a video's motion turns round, as a picture on a spring does."""

import numpy as np
from numpy.typing import NDArray

from smoothvid.evaluation.smoothness.flow import Flow, block_flow

_GOES_BACK = 4.0  # frames at the usual speed that it must go back to count: a shorter way back is jitter
_LEAST_WAY = 1 / 64  # of the picture's side: less than that is not motion but noise


def reversals(frames: NDArray[np.uint8]) -> float | None:
    """How often the motion of one video, uint8 [T, 3, R, R], turns round in 100 frames."""
    return turns(block_flow(frames), frames.shape[2])


def turns(flow: Flow, side: int) -> float | None:
    """Turns per 100 frames: 0 if motion goes on as it goes, 200 / period for a swing.

    The flow of all blocks is projected on the pattern in which the video moves most. Its sum over time is the way
    gone; a turn is where that way, having gone forward, goes back by what it usually goes in 4 frames or more.

    Args:
        flow: of a video whose pictures have this side in pixels. Over a cut the way stands still.

    Returns:
        None if less than half of the frames continue the ones before.
    """
    if flow.matched.mean() < 0.5:
        return None
    every = flow.displacement.reshape(len(flow.displacement), -1) * flow.matched[:, None]
    every = every.astype(np.float64)
    pattern = np.linalg.eigh(every.T @ every)[1][:, -1]
    along = every @ pattern / np.sqrt(every.shape[1] / 2)  # root mean square over the picture, in pixels a frame
    speed = np.sqrt((along**2).sum() / flow.matched.sum())
    return 100 * _extremes(np.cumsum(along), max(_GOES_BACK * speed, _LEAST_WAY * side)) / len(every)


def _extremes(way: NDArray[np.float64], back: float) -> int:
    """How many highest and lowest points lie on the way from which it goes back by `back` at least."""
    count, heading = 0, 0
    lowest = highest = way[0]
    for place in way:
        lowest, highest = min(lowest, place), max(highest, place)
        if heading >= 0 and highest - place >= back:
            count += heading > 0
            heading, lowest = -1, place
        elif heading <= 0 and place - lowest >= back:
            count += heading < 0
            heading, highest = 1, place
    return count
