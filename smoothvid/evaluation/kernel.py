"""Distances by a kernel (KID, KVD), and a bounded sample of features to take them from."""

import heapq

import numpy as np
from numpy.typing import NDArray

from smoothvid import processes

MAX_SAMPLES = 50_000
_ROWS_AT_ONCE = 1024  # of a kernel matrix


class FeatureSample:
    """Features of a set of any size: all of them up to a limit, beyond it a random choice.

    Which ones are kept depends on the seed and on the numbers of the samples alone, not on their order.

    Args:
        dim: features per sample.
        limit: how many are kept.
    """

    def __init__(self, dim: int, limit: int = MAX_SAMPLES, seed: int = 0) -> None:
        self.limit, self.seed = limit, seed
        self._rows: NDArray[np.float32] = np.empty((limit, dim), np.float32)  # takes memory only where it is written
        self._kept: list[tuple[int, int, int]] = []  # heap of (-priority, -number, row): first what is to go next

    def update(self, numbers: NDArray[np.int64], features: np.ndarray) -> None:
        """Take in features [N, dim] of samples with these numbers [N], each of which comes once."""
        keys = zip(-priorities(self.seed, numbers).astype(object), -np.asarray(numbers), strict=True)
        for (priority, number), row in zip(keys, features, strict=True):
            if len(self._kept) < self.limit:
                place = len(self._kept)
                heapq.heappush(self._kept, (int(priority), int(number), place))
            elif (priority, number) > self._kept[0][:2]:
                place = self._kept[0][2]
                heapq.heapreplace(self._kept, (int(priority), int(number), place))
            else:
                continue
            self._rows[place] = row

    def arrays(self) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Numbers [n], rising, and features [n, dim] of the samples that are kept."""
        kept = sorted((-number, row) for _, number, row in self._kept)
        numbers, rows = np.ascontiguousarray(np.array(kept, np.int64).reshape(-1, 2).T)
        return numbers, self._rows[rows]

    def gathered(self) -> "FeatureSample":
        """The sample of what all processes have seen."""
        if processes.count() == 1:
            return self
        numbers, features = self.arrays()
        everyone = np.concatenate(processes.gather(numbers))
        chosen = everyone[np.lexsort((everyone, priorities(self.seed, everyone)))[: self.limit]]
        mine = np.isin(numbers, chosen)  # only what will be kept has to travel
        whole = FeatureSample(features.shape[1], self.limit, self.seed)
        for part in processes.gather((numbers[mine], features[mine])):
            whole.update(*part)
        return whole


def priorities(seed: int, numbers: np.ndarray) -> NDArray[np.uint64]:
    """Evenly spread uint64 [N], each a function of seed and number alone (SplitMix64's finaliser, twice)."""
    return _mix(_mix(np.array([seed], np.uint64)) ^ np.asarray(numbers).astype(np.uint64))


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def mmd2(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased estimate of the squared maximum mean discrepancy of x [n, d] and y [m, d], n and m at least 2.

    Kernel: (x . y / d + 1)^3, in float64. The estimate may be negative when the sets are alike.
    """
    if min(len(x), len(y)) < 2:
        raise ValueError(f"a kernel distance needs at least two samples a set, and there are {len(x)} and {len(y)}")
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    return _mean_of_pairs(x) + _mean_of_pairs(y) - 2 * _kernel_sum(x, y) / (len(x) * len(y))


def kid(x: np.ndarray, y: np.ndarray, seed: int, subsets: int = 100, size: int = 1000) -> float:
    """Mean of `mmd2` over random subsets of `size` samples of each set (of all of the smaller set, if it has fewer)."""
    rng = np.random.Generator(np.random.Philox(seed))
    size = min(size, len(x), len(y))
    draws = ((x[_choose(rng, len(x), size)], y[_choose(rng, len(y), size)]) for _ in range(subsets))
    return float(np.mean([mmd2(*draw) for draw in draws]))


def _choose(rng: np.random.Generator, count: int, size: int) -> NDArray[np.int64]:
    return rng.choice(count, size, replace=False)


def _mean_of_pairs(x: NDArray[np.float64]) -> float:
    """Mean of the kernel over all pairs of different samples."""
    diagonal = (((x * x).sum(axis=1) / x.shape[1] + 1) ** 3).sum()
    return float(_kernel_sum(x, x) - diagonal) / (len(x) * (len(x) - 1))


def _kernel_sum(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    total = 0.0
    for first in range(0, len(x), _ROWS_AT_ONCE):
        kernel = x[first : first + _ROWS_AT_ONCE] @ y.T
        kernel /= x.shape[1]
        kernel += 1
        total += float((kernel * kernel * kernel).sum())
    return total
