"""Colour drift: how the colours of a video go away from what they were."""

import numpy as np
from numpy.typing import NDArray

_BINS = 20  # a colour channel, as in the published curve (Brooks et al., 2022)
_MOST_MOMENTS = 128  # histograms are taken of that many frames at most
_BITS = 2**13


def colour_curve(frames: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Similarity of colours against the time between them.

    Each frame has a histogram of 20 x 20 x 20 colours; the similarity of two is the sum of the smaller of each bin, 1
    if they are equal. Its mean is taken over all pairs of frames with the same lag, up to half of the video.

    Args:
        frames: one video, uint8 [T, 3, R, R].

    Returns:
        lags in frames float32 [L], from 0; similarities float32 [L] in [0, 1].
    """
    step = -(-len(frames) // _MOST_MOMENTS)
    histograms = np.stack([histogram(frame) for frame in frames[::step]])
    lags = np.arange(max(2, (len(histograms) + 1) // 2))
    lags = lags[lags < len(histograms)]
    curve = [np.minimum(histograms[lag:], histograms[: len(histograms) - lag]).sum(axis=1).mean() for lag in lags]
    return (lags * step).astype(np.float32), np.array(curve, dtype=np.float32)


def histogram(frame: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Shares of the pixels of frame [3, H, W] in 20 x 20 x 20 colours: [8000]."""
    red, green, blue = (frame.reshape(3, -1).astype(np.int32) * _BINS) >> 8
    counts = np.bincount((red * _BINS + green) * _BINS + blue, minlength=_BINS**3)
    return (counts / counts.sum()).astype(np.float32)


def area_above(curve: NDArray[np.float32]) -> float:
    """Mean over the lags of what is lost of the similarity of neighbouring frames, 0 to 1.

    Neighbours differ by noise and by what moves in and out of a bin; that is no drift and is divided out.
    """
    return float(1 - (curve[1:] / max(float(curve[1]), 1e-6)).mean()) if len(curve) > 1 else 0.0
