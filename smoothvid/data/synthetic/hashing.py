"""Random numbers as pure functions of integers, the same on every machine and at any distance from the origin."""

import numpy as np

_MASK = (1 << 64) - 1


def _mix(x: int) -> int:
    """SplitMix64's finaliser on a Python integer."""
    x = (x + 0x9E3779B97F4A7C15) & _MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & _MASK
    return x ^ (x >> 31)


def hash_key(*parts: int) -> int:
    """One 64-bit key from integers of any sign; the order matters."""
    key = 0
    for part in parts:
        key = _mix(key ^ (part & _MASK))
    return key


def uniform(*parts: int) -> float:
    """A number in [0, 1) that depends on the integers alone."""
    return (hash_key(*parts) >> 11) * 2.0**-53


def between(low: float, high: float, *parts: int) -> float:
    """A number in [low, high) that depends on the integers alone."""
    return low + (high - low) * uniform(*parts)


def uniform_array(key: int, index: np.ndarray) -> np.ndarray:
    """`uniform(key, i)` of every integer i in `index`, float64, for keys made by `hash_key`."""
    x = index.astype(np.int64).view(np.uint64) ^ np.uint64(hash_key(key))
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    x = x ^ (x >> np.uint64(31))
    return (x >> np.uint64(11)) * 2.0**-53
