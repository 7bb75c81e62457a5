"""Jitter: motion too fast to be meant, as of a shaken camera or a step at each code of a model."""

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

from smoothvid.evaluation.smoothness.flow import Flow

_LEAST_MOTION = 1 / 640  # of the picture's side a frame: adds to the motion, so that noise alone is no jitter


def jitter_share(flow: Flow, side: int, period: float) -> float | None:
    """Share of the motion's energy, 0 to 1, at 1 / period and above.

    That is what a moving average over one period takes away of the mean displacements of the picture's quarters: all of
    it at the frequency 1 / period and its multiples, 13 % at half of that, 1 % at a quarter. Quarters see a camera that
    shakes, tilts or zooms, and leave out small things that pass. Real motion has some, so compare with data.

    Args:
        flow: of a video whose pictures have this side in pixels.
        period: in frames.

    Returns:
        None if hardly any frames continue the ones before, or the video is shorter than two periods.
    """
    reach = int(np.ceil((period - 1) / 2))
    average = np.clip((period + 1) / 2 - np.abs(np.arange(-reach, reach + 1)), 0, 1)
    known = flow.matched.astype(np.float64)
    half = flow.displacement.shape[1] // 2
    quarters = flow.displacement[:, : 2 * half, : 2 * half].reshape(len(known), 2, half, 2, half, 2).mean(axis=(2, 4))
    motion = quarters.reshape(len(known), -1) * known[:, None]
    if len(known) < 2 * period:
        return None
    around = correlate1d(known, average, mode="constant")
    inside = np.arange(len(known))
    usable = (known > 0) & (around >= period / 2) & (inside >= reach) & (inside < len(known) - reach)
    if usable.sum() < period:
        return None
    slow = correlate1d(motion, average, axis=0, mode="constant") / np.maximum(around, 1)[:, None]
    energy, fast = _energy(motion[usable]), _energy((motion - slow)[usable])
    # Swings a little faster than the period come out up to a fifth too large: they are all fast.
    return min(1.0, fast / (energy + (_LEAST_MOTION * side) ** 2))


def _energy(motion: NDArray[np.float64]) -> float:
    """Mean squared displacement of a quarter."""
    return 2 * float((motion**2).mean())
