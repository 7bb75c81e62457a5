"""Repetition: whether a video comes back to what it showed before and goes on from there as it did before."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_GRID = 8  # cells a side: what the frames are compared by is their colours there
_STREAK = 8  # frames that must pass alike: one alike moment is chance (diagonal filter of Video Textures, 2000)
_ALIKE = 0.1  # of the squared distance to which the video went in between
_MOST_MOMENTS = 1024  # in the matrix; of longer videos every n-th frame is used
_PICTURE = 128  # moments at most in the matrix that is kept to look at
_NOISE = 0.5  # grey levels: differences of that size are none


@dataclass(frozen=True)
class Repetition:
    """share: of the moments that recur, 0 to 1; None if the video is too short.

    matrix: float32 [N, N], root mean square difference in grey levels between streaks of frames; rows and columns are
    even steps of time.
    """

    share: float | None
    matrix: NDArray[np.float32]


def recurrence(frames: NDArray[np.uint8], lag: float) -> Repetition:
    """Share of the moments of a video that recur `lag` frames later or earlier or farther.

    A moment recurs if the frames around it and around the other differ, squared, by less than a tenth of what lies
    between: the largest such difference from any moment in between. So a video that stands still does not recur; it
    has to go away and come back. A swing does recur: it is a loop, there and back.

    Args:
        frames: one video, uint8 [T, 3, R, R].
    """
    step = -(-len(frames) // _MOST_MOMENTS)
    squared = streak_distances(cells(frames[::step]))
    least = max(1, round(lag / step))
    matrix = np.sqrt(squared[:: -(-len(squared) // _PICTURE), :: -(-len(squared) // _PICTURE)]).astype(np.float32)
    if len(squared) < 2 * least:
        return Repetition(None, matrix)
    return Repetition(float(recurs(squared, least).mean()), matrix)


def cells(frames: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Mean colours of 8 x 8 cells: [T, 192]."""
    side = frames.shape[2] // _GRID
    cut = frames[:, :, : side * _GRID, : side * _GRID]
    means: NDArray[np.float64] = cut.reshape(len(frames), 3, _GRID, side, _GRID, side).mean(axis=(3, 5))
    return means.reshape(len(frames), -1)


def streak_distances(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean squared differences [N, N] of streaks of 8 moments, from features [N + 7, d]."""
    norms = (features**2).mean(axis=1)
    single = np.maximum(norms[:, None] + norms - 2 * features @ features.T / features.shape[1], 0)
    count = max(0, len(features) - _STREAK + 1)
    streaks = np.zeros((count, count))
    for k in range(_STREAK):
        streaks += single[k : k + count, k : k + count] / _STREAK
    return streaks


def recurs(squared: NDArray[np.float64], least: int) -> NDArray[np.bool_]:
    """Which moments have another one, `least` moments away or more, that is as good as the same."""
    count = len(squared)
    found = np.zeros(count, dtype=bool)
    for moment in range(count - least):
        onward = squared[moment, moment:]
        between = np.maximum.accumulate(onward)  # how far the video has been on the way there
        same = onward < _ALIKE * between - _NOISE**2
        same[:least] = False
        found[moment] |= same.any()
        found[moment:] |= same
    return found
