"""What is kept of the features of a set, however large; and for real data a folder where it lies until next time.

A file is found by what its figures depend on (the data, the frames taken, the network), not by how it was asked for.
"""

import hashlib
import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from smoothvid import processes
from smoothvid.evaluation.frechet import Moments
from smoothvid.evaluation.kernel import FeatureSample
from smoothvid.evaluation.weights import temporary_beside

FORMAT = 1  # to be raised with any change that moves the figures

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Statistics:
    """Of a set of features: mean and covariance of all, and perhaps some of the features themselves."""

    moments: Moments
    sample: FeatureSample | None

    @classmethod
    def of(cls, dim: int, with_sample: bool) -> "Statistics":
        """Statistics of no features yet."""
        return cls(Moments(dim), FeatureSample(dim) if with_sample else None)

    def update(self, numbers: NDArray[np.int64], features: np.ndarray) -> None:
        """Take in features [N, dim] of samples with these numbers [N]."""
        self.moments.update(features)
        if self.sample is not None:
            self.sample.update(numbers, features)

    def gathered(self) -> "Statistics":
        """The statistics of what all processes have seen."""
        moments = Moments(len(self.moments.mean))
        for part in processes.gather(self.moments):
            moments.merge(part)
        return Statistics(moments, None if self.sample is None else self.sample.gathered())


def statistics_key(**facts: Any) -> str:
    """SHA-256 (hexadecimal) of all that the statistics depend on."""
    return hashlib.sha256(json.dumps({"format": FORMAT, **facts}, sort_keys=True).encode()).hexdigest()


def load_statistics(folder: Path, key: str, with_sample: bool) -> Statistics | None:
    """What `store_statistics` has kept, or None if there is nothing usable (a damaged file is as good as none)."""
    path = folder / f"{key}.safetensors"
    try:
        with safe_open(path, framework="numpy") as file:
            arrays = {name: file.get_tensor(name) for name in file.keys()}
            whole = (file.metadata() or {}).get("sha256") == _digest(arrays)
    except FileNotFoundError:
        return None
    except (OSError, SafetensorError):
        whole = False
    if not whole:
        _logger.warning("%s is damaged; its statistics are taken anew", path)
        return None
    if with_sample and "features" not in arrays:
        return None
    found = Statistics.of(len(arrays["mean"]), with_sample)
    if found.sample is not None:
        found.sample.update(arrays["numbers"], arrays["features"])
    return Statistics(Moments.from_arrays(arrays), found.sample)


def store_statistics(folder: Path, key: str, statistics: Statistics) -> None:
    """Keep statistics under a key. A folder that cannot be written costs time only, so it is no error."""
    arrays = statistics.moments.arrays()
    if statistics.sample is not None:
        arrays["numbers"], arrays["features"] = statistics.sample.arrays()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with temporary_beside(folder / f"{key}.safetensors") as stream:
            stream.write(save(arrays, {"sha256": _digest(arrays)}))
    except OSError as error:
        _logger.warning("statistics could not be kept in %s (%s)", folder, error)


def _digest(arrays: Mapping[str, np.ndarray]) -> str:
    digest = hashlib.sha256()
    for name in sorted(arrays):
        digest.update(name.encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()
