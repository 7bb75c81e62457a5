"""Low-pass filters and resampling.

A separable resampling of an image is two small matrices, one per axis: y = rows · x · columnsᵀ. Written so, padding,
zero insertion, filtering and decimation are one banded matrix, built once and applied by the fastest routine that any
machine has. It is also its own explanation: each output sample is a fixed weighted sum of input samples.
"""

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from smoothvid.nn.precision import full_precision

BINOMIAL_4 = (0.125, 0.375, 0.375, 0.125)


def lowpass_taps(num_taps: int, cutoff: float, half_width: float, sampling_rate: float) -> np.ndarray:
    """A Kaiser-windowed low-pass FIR filter of unit sum, float64 [num_taps] (StyleGAN3, appendix C.1).

    Equal to scipy.signal.firwin, whose import takes longer than building a network.

    Args:
        cutoff: in cycles per image; the transition band is 2·half_width wide around it.
        sampling_rate: of the signal it will filter, in samples per image.
    """
    if num_taps == 1:
        return np.ones(1)
    nyquist = sampling_rate / 2
    # Kaiser's rules: the attenuation that so many taps reach over such a transition, and the window's shape for it.
    attenuation = 2.285 * (num_taps - 1) * np.pi * 2 * half_width / nyquist + 7.95
    if attenuation > 50:
        beta = 0.1102 * (attenuation - 8.7)
    else:
        excess = max(attenuation - 21, 0.0)
        beta = 0.5842 * excess**0.4 + 0.07886 * excess
    taps = np.sinc(cutoff / nyquist * (np.arange(num_taps) - (num_taps - 1) / 2)) * np.kaiser(num_taps, beta)
    return taps / taps.sum()


def upsampling_matrix(taps: np.ndarray, in_size: int, up: int, pad_low: int, pad_high: int) -> np.ndarray:
    """The matrix [in_size·up + pad_low + pad_high − num_taps + 1, in_size]: inserts zeros, pads and filters one axis.

    Padding counts samples of the upsampled axis and may be negative (a crop). The gain is `up`, so that levels stay.
    """
    out_size = in_size * up + pad_low + pad_high - len(taps) + 1
    tap = np.arange(in_size) * up + pad_low - np.arange(out_size)[:, None]  # what each sample adds to each row
    inside = (tap >= 0) & (tap < len(taps))
    return np.where(inside, taps[::-1][np.where(inside, tap, 0)] * up, 0.0)


def downsampling_matrix(taps: np.ndarray, in_size: int, down: int) -> np.ndarray:
    """The matrix [(in_size − num_taps) // down + 1, in_size] that filters one axis and keeps every `down`-th sample."""
    out_size = (in_size - len(taps)) // down + 1
    matrix = np.zeros((out_size, in_size))
    for row in range(out_size):
        matrix[row, row * down : row * down + len(taps)] = taps[::-1]
    return matrix


@full_precision
def resample(x: Tensor, matrix: Tensor) -> Tensor:
    """Apply `matrix` [out, in] to both axes of square planes: [..., in, in] → [..., out, out]."""
    return matrix @ x @ matrix.T


@lru_cache(maxsize=64)
def blur_matrix(in_size: int, pad: int, down: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Pad one axis and filter it by [1, 3, 3, 1]/8: [(in_size + 2·pad − 4) // down + 1, in_size]."""
    padded = np.pad(np.eye(in_size), ((pad, pad), (0, 0)))
    matrix = downsampling_matrix(np.array(BINOMIAL_4), in_size + 2 * pad, down) @ padded
    with torch.inference_mode(False):  # what is kept must serve a later training step too
        return torch.as_tensor(matrix, dtype=dtype, device=device)


@lru_cache(maxsize=64)
def upsampling_by_two(in_size: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Double one axis, filtered by [1, 3, 3, 1]/8: [2·in_size, in_size]."""
    with torch.inference_mode(False):
        return torch.as_tensor(upsampling_matrix(np.array(BINOMIAL_4), in_size, 2, 2, 1), dtype=dtype, device=device)
