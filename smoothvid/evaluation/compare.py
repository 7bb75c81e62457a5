"""Comparing generated clips with real ones over random features, and with cheap frauds measured in the same way.

    result = compare_clips(real, fake)      # uint8 [N, T, 3, R, R] each
    result["metrics"]["rfid"]               # 0: alike; 1: no better than the data's mean image

Names that start with "r" are Fréchet distances over the random features of features.py: they are not FID or FVD.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from smoothvid import processes
from smoothvid.errors import DataError
from smoothvid.evaluation.clips import Clips
from smoothvid.evaluation.features import clip_features, difference_features, frame_features
from smoothvid.evaluation.frechet import Moments, frechet_distance

MIN_CLIPS = 4
FEWEST_CLIPS = 16  # below this, figures are mostly chance: between real clips of drive, 4 gave an rfid of 0.3 to 28
LONG_LAG = 4  # frames; motion is also told over this many
_SCALE_FLOOR = 1e-2  # of the median squared scale: features that hardly vary must not rule the distance
_NOTHING = 1e-12

Progress = Callable[[int], None]  # told how many clips more are done
Figures = dict[str, float | None]


class ClipStatistics:
    """All that is kept of a set of clips: moments of its features, its motion, mean and spread of its pixels."""

    def __init__(self) -> None:
        self.num_clips = self.clip_frames = 0
        self.moments: dict[str, Moments] = {}
        self._motion = {"motion": 0.0, "motion_lag4": 0.0}
        self._pixel_sum: NDArray[np.float64] | float = 0.0
        self._pixel_square_sum: NDArray[np.float64] | float = 0.0

    def update(self, clips: NDArray[np.uint8]) -> None:
        """Take in clips uint8 [N, T, 3, R, R]."""
        self.num_clips += len(clips)
        self.clip_frames = clips.shape[1]
        for name, values in _features(clips).items():
            self.moments.setdefault(name, Moments(values.shape[1])).update(values)
        signed = clips.astype(np.int16)
        for name, lag in (("motion", 1), ("motion_lag4", LONG_LAG)):
            if lag < self.clip_frames:
                self._motion[name] += len(clips) * float(np.abs(signed[:, lag:] - signed[:, :-lag]).mean())
        exact = clips.astype(np.float32)
        self._pixel_sum = self._pixel_sum + exact.mean(axis=1).sum(axis=0, dtype=np.float64)
        self._pixel_square_sum = self._pixel_square_sum + (exact**2).mean(axis=1).sum(axis=0, dtype=np.float64)

    def merge(self, other: "ClipStatistics") -> None:
        """Take in what another has seen."""
        self.num_clips += other.num_clips
        self.clip_frames = self.clip_frames or other.clip_frames
        for name, moments in other.moments.items():
            self.moments.setdefault(name, Moments(len(moments.mean))).merge(moments)
        for name, amount in other._motion.items():
            self._motion[name] += amount
        self._pixel_sum = self._pixel_sum + other._pixel_sum
        self._pixel_square_sum = self._pixel_square_sum + other._pixel_square_sum

    @property
    def motion(self) -> dict[str, float]:
        """Mean |difference| of frames 1 and 4 apart, in grey levels of 255."""
        return {name: total / self.num_clips for name, total in self._motion.items()}

    @property
    def mean_image(self) -> NDArray[np.float64]:
        """Mean of every pixel, [3, R, R]."""
        return np.asarray(self._pixel_sum / self.num_clips)

    @property
    def pixel_spread(self) -> NDArray[np.float64]:
        """Standard deviation of every pixel, [3, R, R]."""
        return np.sqrt((self._pixel_square_sum / self.num_clips - self.mean_image**2).clip(min=0))


Damage = Callable[[int, NDArray[np.uint8]], NDArray[np.uint8]]  # (a clip's number, the clip [T, 3, R, R]) -> a clip


def gather(
    clips: Clips,
    numbers: Sequence[int],
    num_frames: int,
    damages: Mapping[str, Damage] | None = None,
    on_progress: Progress | None = None,
) -> dict[str, ClipStatistics]:
    """Statistics of clips, under "", and of copies of them damaged in each of the ways, by name.

    Each process reads its share of the numbers, and each returns the statistics of all.
    """
    damages = damages or {}
    mine = {name: ClipStatistics() for name in ("", *damages)}
    for part, batch in clips.batches(numbers, np.arange(num_frames)):
        mine[""].update(batch)
        for name, damage in damages.items():
            mine[name].update(np.stack([damage(number, clip) for number, clip in zip(part, batch, strict=True)]))
        if on_progress:
            on_progress(len(part))
    whole = {name: ClipStatistics() for name in mine}
    for theirs in processes.gather(mine):
        for name, statistics in theirs.items():
            whole[name].merge(statistics)
    return whole


class Comparison:
    """Real clips to compare with, and cheap frauds beside which a figure can be read.

    Args:
        clips: of the data.
        real: numbers of the clips to compare with.
        held_out: as many others: the floor, and what the frauds are made of.
        seed: of the frauds' noise and shuffling.

    Attributes:
        references: for real (the floor), frozen, shuffled, mean_image_noise, mean_image and grey what `measure` gives.
        units: what those are relative to: the mean image's distances, the data's motion in grey levels.
        num_samples: how many features each distance rests on.
    """

    def __init__(
        self,
        clips: Clips,
        real: Sequence[int],
        held_out: Sequence[int],
        num_frames: int,
        seed: int = 0,
        on_progress: Progress | None = None,
    ) -> None:
        check_counts(len(real), len(held_out))
        self.num_clips, self.num_frames = len(real), num_frames
        self._anchor = anchor = gather(clips, real, num_frames, on_progress=on_progress)[""]
        sets = gather(clips, held_out, num_frames, _frauds(anchor, seed), on_progress)
        sets["real"] = sets.pop("")
        sets["mean_image"] = _still(_to_uint8(anchor.mean_image), num_frames)
        sets["grey"] = _still(np.full_like(_to_uint8(anchor.mean_image), 128), num_frames)
        # Each feature is divided by how far the real clips lie from the mean image (root mean square). So it counts as
        # much as the mean image misses in it, instead of the loudest ones alone.
        self._scales = {}
        for name, moments in anchor.moments.items():
            squared = np.diag(moments.cov) + (moments.mean - sets["mean_image"].moments[name].mean) ** 2
            self._scales[name] = np.sqrt(squared + max(_SCALE_FLOOR * float(np.median(squared)), _NOTHING))
        distances = {name: self._distance(name, sets["mean_image"]) for name in anchor.moments}
        self.units = {**distances, **anchor.motion}
        self.num_samples = {name: moments.count for name, moments in anchor.moments.items()}
        self.references = {
            name: self.measure(sets[name])
            for name in ("real", "frozen", "shuffled", "mean_image_noise", "mean_image", "grey")
        }

    def measure(self, clips: ClipStatistics) -> Figures:
        """Compare clips with the real ones.

        Returns:
            rfid (frames), rfid_diff (differences of neighbouring frames), rfvd_{T}f (clips): Fréchet distances over
            what the data's mean image gets, which is therefore 1, as is a frozen clip in rfid_diff; motion and
            motion_lag4: mean |difference| of frames 1 and 4 apart over the data's. None where the data do not vary.
        """
        distances = {name: _ratio(self._distance(name, clips), self.units[name]) for name in self._anchor.moments}
        return {**distances, **{name: _ratio(amount, self.units[name]) for name, amount in clips.motion.items()}}

    def _distance(self, name: str, clips: ClipStatistics) -> float:
        scale = self._scales[name]
        real, other = self._anchor.moments[name].divided_by(scale), clips.moments[name].divided_by(scale)
        return frechet_distance(real, other)


def compare_clips(real: NDArray[np.uint8], fake: NDArray[np.uint8]) -> dict[str, Any]:
    """Compare clips that are at hand as arrays.

    Args:
        real: uint8 [N, T, 3, R, R], in random order: the first half is compared with, the second half gives the floor.
        fake: uint8 [M, T, 3, R, R]. min(N // 2, M) clips of each are used, so that all distances have equal counts.

    Returns:
        metrics: what `Comparison.measure` gives for the generated clips; references, units, num_samples: its
        attributes of these names.

    Raises:
        DataError: fewer than 4 clips.
    """
    if real.shape[1:] != fake.shape[1:]:
        raise ValueError(f"real clips are {list(real.shape[1:])}, generated ones {list(fake.shape[1:])}")
    count, num_frames = min(len(real) // 2, len(fake)), real.shape[1]
    comparison = Comparison(_at_hand(real), range(count), range(count, 2 * count), num_frames)
    return {
        "metrics": comparison.measure(gather(_at_hand(fake), range(count), num_frames)[""]),
        "references": comparison.references,
        "units": comparison.units,
        "num_samples": comparison.num_samples,
    }


def check_counts(*counts: int) -> None:
    """Raise DataError where clips are too few to compare at all."""
    if min(counts) < MIN_CLIPS:
        raise DataError(f"only {min(counts)} clips to compare; at least {MIN_CLIPS} are needed, and a few hundred help")


def _frauds(anchor: ClipStatistics, seed: int) -> dict[str, Damage]:
    """Ways to cheat with real clips, each with draws of its own for each clip."""

    def draws(number: int) -> np.random.Generator:
        return np.random.Generator(np.random.Philox(key=[seed, number]))

    def frozen(number: int, clip: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return np.repeat(clip[:1], len(clip), axis=0)

    def shuffled(number: int, clip: NDArray[np.uint8]) -> NDArray[np.uint8]:
        return draws(number).permutation(clip)

    def mean_image_noise(number: int, clip: NDArray[np.uint8]) -> NDArray[np.uint8]:
        noise = draws(number).standard_normal(clip.shape, dtype=np.float32)
        return _to_uint8(anchor.mean_image + noise * anchor.pixel_spread)

    return {"frozen": frozen, "shuffled": shuffled, "mean_image_noise": mean_image_noise}


def _features(clips: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    if clips.shape[1] == 1:
        return {"rfid": frame_features(clips)}
    return {
        "rfid": frame_features(clips),
        "rfid_diff": difference_features(clips),
        f"rfvd_{clips.shape[1]}f": clip_features(clips),
    }


def _at_hand(clips: NDArray[np.uint8]) -> Clips:
    return Clips(len(clips), lambda numbers, frames: clips[list(numbers)][:, frames], clips.shape[-1])


def _still(image: NDArray[np.uint8], clip_frames: int) -> ClipStatistics:
    """Statistics of one picture [3, R, R] shown all the time (two clips of it: a covariance needs two samples)."""
    statistics = ClipStatistics()
    statistics.update(np.broadcast_to(image, (2, clip_frames, *image.shape)))
    return statistics


def _to_uint8(image: NDArray[np.float64]) -> NDArray[np.uint8]:
    return (image.clip(0, 255) + 0.5).astype(np.uint8)


def _ratio(value: float, unit: float) -> float | None:
    return None if unit < _NOTHING else value / unit
