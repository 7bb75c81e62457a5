"""Comparing generated clips with real ones, and with cheap frauds measured in the same way.

    result = compare_clips(real, fake)      # uint8 [N, T, 3, R, R] each
    result["metrics"]["rfid"]               # 0: alike; 1: no better than the data's mean image

Names that start with "r" are Fréchet distances over the random features of features.py: they are not FID or FVD.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from smoothvid.errors import DataError
from smoothvid.evaluation.features import LONG_LAG, clip_features, difference_features, frame_features
from smoothvid.evaluation.frechet import Moments, frechet_distance

MIN_CLIPS = 4
BATCH = 16  # clips at a time
_SCALE_FLOOR = 1e-2  # of the median squared scale: features that hardly vary must not rule the distance
_NOTHING = 1e-12


class ClipStatistics:
    """All that is kept of a set of clips: moments of its features, its motion, mean and spread of its pixels."""

    def __init__(self) -> None:
        self.num_clips = self.clip_frames = 0
        self.moments: dict[str, Moments] = {}
        self._motion = {"motion": 0.0, "motion_lag4": 0.0}
        self._pixel_sum: np.ndarray | float = 0.0
        self._pixel_square_sum: np.ndarray | float = 0.0

    def update(self, clips: np.ndarray) -> None:
        """Take in clips uint8 [N, T, 3, R, R]."""
        self.num_clips += len(clips)
        self.clip_frames = clips.shape[1]
        for name, values in _features(clips).items():
            self.moments.setdefault(name, Moments(values.shape[1])).update(values)
        signed = clips.astype(np.int16)
        for name, lag in (("motion", 1), ("motion_lag4", LONG_LAG)):
            self._motion[name] += len(clips) * float(np.abs(signed[:, lag:] - signed[:, :-lag]).mean())
        exact = clips.astype(np.float32)
        self._pixel_sum = self._pixel_sum + exact.mean(axis=1).sum(axis=0, dtype=np.float64)
        self._pixel_square_sum = self._pixel_square_sum + (exact**2).mean(axis=1).sum(axis=0, dtype=np.float64)

    @property
    def motion(self) -> dict[str, float]:
        """Mean |difference| of frames 1 and 4 apart, in grey levels of 255."""
        return {name: total / self.num_clips for name, total in self._motion.items()}

    @property
    def mean_image(self) -> np.ndarray:
        """Mean of every pixel, float64 [3, R, R]."""
        return np.asarray(self._pixel_sum / self.num_clips)

    @property
    def pixel_spread(self) -> np.ndarray:
        """Standard deviation of every pixel, float64 [3, R, R]."""
        return np.sqrt((self._pixel_square_sum / self.num_clips - self.mean_image**2).clip(min=0))


def compare_clips(real: np.ndarray, fake: np.ndarray) -> dict[str, Any]:
    """Compare clips that are at hand as arrays.

    Args:
        real: uint8 [N, T, 3, R, R], in random order: the first half is compared with, the second half gives the floor.
        fake: uint8 [M, T, 3, R, R]. min(N // 2, M) clips of each are used, so that all distances have equal counts.

    Returns:
        What `compare` returns.
    """
    if real.shape[1:] != fake.shape[1:]:
        raise ValueError(f"real clips are {list(real.shape[1:])}, generated ones {list(fake.shape[1:])}")
    count = min(len(real) // 2, len(fake))
    return compare(_batches(real[:count]), _batches(real[count : 2 * count]), _batches(fake[:count]))


def compare(
    real: Iterable[np.ndarray], held_out: Iterable[np.ndarray], fake: Iterable[np.ndarray], seed: int = 0
) -> dict[str, Any]:
    """Compare generated clips with real ones. Each argument is read once, in order, a batch at a time.

    Args:
        real: batches uint8 [n, T, 3, R, R] of the clips to compare with.
        held_out: as many other real clips: the floor, and what the frauds are made of.
        fake: as many generated clips.
        seed: of the frauds' noise and shuffling.

    Returns:
        metrics: rfid (frames), rfid_diff (differences of neighbouring frames), rfvd_{T}f (clips): Fréchet distances
            over what the data's mean image gets, which is therefore 1, as is a frozen clip in rfid_diff; motion and
            motion_lag4: mean |difference| of frames 1 and 4 apart over the data's. None where the data do not vary.
        references: the same figures for real (the floor), frozen, shuffled, mean_image, mean_image_noise and grey.
        times_floor: each distance over the floor's.
        units: what those are relative to: the mean image's distances, the data's motion in grey levels.
        num_clips: in each set. num_samples: how many features each distance rests on.

    Raises:
        DataError: fewer than 4 clips, or not the same number of each.
    """
    anchor = _gather(real)
    sets = {"real": ClipStatistics(), **{name: ClipStatistics() for name in ("frozen", "shuffled", "mean_image_noise")}}
    rng = np.random.Generator(np.random.Philox(seed))
    for clips in held_out:
        sets["real"].update(clips)
        sets["frozen"].update(np.repeat(clips[:, :1], clips.shape[1], axis=1))
        sets["shuffled"].update(np.stack([rng.permutation(clip) for clip in clips]))
        noise = rng.standard_normal(clips.shape, dtype=np.float32) * anchor.pixel_spread
        sets["mean_image_noise"].update(_to_uint8(anchor.mean_image + noise))
    sets["mean_image"] = _still(_to_uint8(anchor.mean_image), anchor.clip_frames)
    sets["grey"] = _still(np.full_like(_to_uint8(anchor.mean_image), 128), anchor.clip_frames)
    made = _gather(fake)
    _check_counts(anchor.num_clips, sets["real"].num_clips, made.num_clips)

    ruler = _Ruler(anchor, sets["mean_image"])
    references = {name: ruler.measure(statistics) for name, statistics in sets.items()}
    metrics = ruler.measure(made)
    return {
        "metrics": metrics,
        "references": references,
        "times_floor": {name: _ratio(metrics[name], references["real"][name] or 0.0) for name in anchor.moments},
        "units": {**ruler.units, **anchor.motion},
        "num_clips": anchor.num_clips,
        "num_samples": {name: moments.count for name, moments in anchor.moments.items()},
    }


class _Ruler:
    """Distances from the real clips, in units of the mean image's distance.

    Each feature is first divided by how far the real clips lie from the mean image (root mean square). So every feature
    counts as much as the mean image misses in it, instead of the loudest ones alone.
    """

    def __init__(self, anchor: ClipStatistics, mean_image: ClipStatistics) -> None:
        self._anchor = anchor
        self._scales = {}
        for name, moments in anchor.moments.items():
            squared = np.diag(moments.cov) + (moments.mean - mean_image.moments[name].mean) ** 2
            self._scales[name] = np.sqrt(squared + max(_SCALE_FLOOR * float(np.median(squared)), _NOTHING))
        self.units = {name: self._distance(name, mean_image) for name in anchor.moments}

    def measure(self, clips: ClipStatistics) -> dict[str, float | None]:
        distances = {name: _ratio(self._distance(name, clips), unit) for name, unit in self.units.items()}
        data = self._anchor.motion
        return {**distances, **{name: _ratio(amount, data[name]) for name, amount in clips.motion.items()}}

    def _distance(self, name: str, clips: ClipStatistics) -> float:
        scale = self._scales[name]
        real, other = self._anchor.moments[name].divided_by(scale), clips.moments[name].divided_by(scale)
        return frechet_distance(real, other)


def _features(clips: np.ndarray) -> dict[str, np.ndarray]:
    return {
        "rfid": frame_features(clips),
        "rfid_diff": difference_features(clips),
        f"rfvd_{clips.shape[1]}f": clip_features(clips),
    }


def _gather(batches: Iterable[np.ndarray]) -> ClipStatistics:
    statistics = ClipStatistics()
    for clips in batches:
        statistics.update(clips)
    _check_counts(statistics.num_clips)
    return statistics


def _still(image: np.ndarray, clip_frames: int) -> ClipStatistics:
    """Statistics of one picture [3, R, R] shown all the time (two clips of it: a covariance needs two samples)."""
    statistics = ClipStatistics()
    statistics.update(np.broadcast_to(image, (2, clip_frames, *image.shape)))
    return statistics


def _check_counts(*counts: int) -> None:
    if min(counts) < MIN_CLIPS:
        raise DataError(f"only {min(counts)} clips to compare; at least {MIN_CLIPS} are needed, and a few hundred help")
    if len(set(counts)) > 1:
        raise DataError(f"{' and '.join(map(str, counts))} clips: distances need the same number of each")


def _batches(clips: np.ndarray) -> Iterator[np.ndarray]:
    for first in range(0, len(clips), BATCH):
        yield clips[first : first + BATCH]


def _to_uint8(image: np.ndarray) -> np.ndarray:
    return (image.clip(0, 255) + 0.5).astype(np.uint8)


def _ratio(value: float | None, unit: float) -> float | None:
    return None if value is None or unit < _NOTHING else value / unit
