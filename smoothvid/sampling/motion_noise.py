"""The random numbers behind a video, each a function of (seed, index) alone.

A counter-based generator (Philox; Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011) is asked for
block `index` of the sequence `seed`, so code 10^9 costs what code 0 does, and no chunking, batch or device changes a
video. Only the raw bits come from NumPy, which keeps them stable over its versions; the normal numbers are made here.
"""

import numpy as np
from numpy.random import Philox
from numpy.typing import NDArray

from smoothvid.errors import ConfigError

_WORD = 2**64
_MOTION, _CONTENT, _LABEL, _PHASE = 0, 1, 2, 3  # each use has its own sequence


def motion_codes(seed: int, first: int, count: int, dim: int) -> NDArray[np.float32]:
    """Return motion codes first .. first + count - 1 of a seed, float32 [count, dim] ~ N(0, 1).

    first may be negative. Raises ConfigError for a seed outside 0 .. 2^64 - 1.
    """
    bits = np.empty((count, _bits_needed(dim)), np.uint64)
    for row in range(count):
        bits[row] = _random_bits(seed, _MOTION, first + row, bits.shape[1])
    return _normal(bits, dim)


def start_phases(seed: int, count: int) -> NDArray[np.float64]:
    """Return the phases at time 0 of a seed's motion, in turns, float64 [count], evenly over (0, 1)."""
    return _uniform(_random_bits(seed, _PHASE, 0, count))


def content_code(seed: int, dim: int, index: int = 0) -> NDArray[np.float32]:
    """Return a content code z of a seed, float32 [dim] ~ N(0, 1); number 0 is what the seed shows."""
    return _normal(_random_bits(seed, _CONTENT, index, _bits_needed(dim)), dim)


def drawn_label(seed: int, num_labels: int) -> int:
    """Return the label, 0 .. num_labels - 1, that a seed gets when none is asked for; all are equally likely."""
    return int(_random_bits(seed, _LABEL, 0, 1)[0] % num_labels)


def _random_bits(seed: int, use: int, index: int, count: int) -> NDArray[np.uint64]:
    if not 0 <= seed < _WORD:
        raise ConfigError(f"seed {seed} is out of range: use a whole number from 0 to 2^64 - 1")
    key = np.array([seed, use], np.uint64)
    counter = np.array([0, index % _WORD, 0, 0], np.uint64)  # word 0 counts within a block: never reaches word 1
    return Philox(key=key, counter=counter).random_raw(count)


def _bits_needed(dim: int) -> int:
    return 2 * ((dim + 1) // 2)


def _uniform(bits: NDArray[np.uint64]) -> NDArray[np.float64]:
    return np.ldexp((bits >> np.uint64(11)).astype(np.float64) + 0.5, -53)  # in (0, 1), never 0


def _normal(bits: NDArray[np.uint64], dim: int) -> NDArray[np.float32]:
    """Turn uint64 [..., n] into normal numbers, float32 [..., dim], by Box-Muller in double precision."""
    uniform = _uniform(bits)
    radius = np.sqrt(-2 * np.log(uniform[..., 0::2]))
    angle = 2 * np.pi * uniform[..., 1::2]
    pairs = np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
    return pairs[..., :dim].astype(np.float32)
