"""Smooth noise on an infinite plane, cheap anywhere on it."""

import numpy as np

from smoothvid.data.synthetic.hashing import hash_key, uniform_array


def lattice_noise(key: int, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Random numbers in [0, 1) at the integer points of the plane, joined smoothly: float32 of x's shape."""
    column, row = np.floor(x).astype(np.int64), np.floor(y).astype(np.int64)
    left, top = int(column.min()), int(row.min())
    width, height = int(column.max()) - left + 2, int(row.max()) - top + 2
    index = (np.arange(top, top + height)[:, None] << 32) + np.arange(left, left + width)
    table = uniform_array(key, index).astype(np.float32).ravel()
    along, down = _ease((x - column).astype(np.float32)), _ease((y - row).astype(np.float32))
    corner = (row - top) * width + (column - left)
    upper = table[corner] + along * (table[corner + 1] - table[corner])
    corner += width
    lower = table[corner] + along * (table[corner + 1] - table[corner])
    return np.asarray(upper + down * (lower - upper))


def fractal_noise(key: int, x: np.ndarray, y: np.ndarray, pixel: np.ndarray, octaves: int) -> np.ndarray:
    """Sum of ever finer lattice noise around 0, float32; `pixel` is a pixel's size on the plane.

    Detail that a pixel cannot hold fades out instead of flickering.
    """
    total = np.zeros(x.shape, np.float32)
    for octave in range(octaves):
        rate = 2.03**octave
        fade = np.clip(2.0 - 2.0 * pixel * rate, 0.0, 1.0).astype(np.float32)
        kept = fade > 0
        if not kept.any():
            break
        # every octave is turned, so that the lattice's directions do not show
        cos, sin = np.cos(1.1 * octave + 0.4) * rate, np.sin(1.1 * octave + 0.4) * rate
        a, b = x[kept], y[kept]
        noise = lattice_noise(hash_key(key, octave), cos * a - sin * b, sin * a + cos * b)
        total[kept] += np.float32(0.55**octave) * fade[kept] * (noise - np.float32(0.5))
    return total


def _ease(share: np.ndarray) -> np.ndarray:
    return share * share * (3.0 - 2.0 * share)
