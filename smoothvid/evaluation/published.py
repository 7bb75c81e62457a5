"""The published metrics, each by its published protocol (protocols.py).

    networks = load_networks(["fvd2048_16f"], device="cuda")
    results = measure_published(["fvd2048_16f"], dataset, ModelClips(model), networks)
    results["fvd2048_16f"].value, results["fvd2048_16f"].protocol

Features are never collected: only their moments and a bounded sample are kept, so sets may be of any size.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from smoothvid import processes
from smoothvid.errors import DataError
from smoothvid.evaluation.clips import Clips, Frames, Source
from smoothvid.evaluation.frechet import frechet_distance
from smoothvid.evaluation.kernel import kid, mmd2
from smoothvid.evaluation.protocols import (
    PROTOCOLS,
    Protocol,
    Side,
    Sizes,
    made_clips,
    made_frames,
    real_clips,
    real_frames,
)
from smoothvid.evaluation.statistics_cache import Statistics, load_statistics, statistics_key, store_statistics
from smoothvid.evaluation.weights import cache_folder

if TYPE_CHECKING:
    from smoothvid.data.dataset import VideoDataset
    from smoothvid.evaluation.pretrained import Network

__all__ = ["PROTOCOLS", "PublishedResult", "Sizes", "measure_published"]

Progress = Callable[[int, int, str], None]  # clips done, clips in all, which
DISTANCES = {
    "frechet": "Fréchet distance",
    "kid": "unbiased MMD², kernel (x·y/d + 1)³, mean over subsets",
    "kvd": "unbiased MMD², kernel (x·y/d + 1)³, over all at once",
}
_CLIPS_AT_ONCE = 16  # that a source is asked for: a model makes them all at once


@dataclass(frozen=True)
class PublishedResult:
    """A figure and all that it depends on."""

    value: float
    protocol: dict[str, Any]


def measure_published(
    names: Sequence[str],
    dataset: "VideoDataset",
    source: Source,
    networks: Mapping[str, "Network"],
    *,
    seed: int = 0,
    allow_few: bool = False,
    sizes: Sizes | None = None,
    cache: Path | None = None,
    on_progress: Progress | None = None,
) -> dict[str, PublishedResult]:
    """Measure generated videos against real ones. Processes that were started together share the work.

    Args:
        names: of PROTOCOLS.
        dataset: the real videos.
        source: the generated ones.
        networks: from `load_networks`.
        seed: of where the real clips begin, and of KID's subsets.
        allow_few: measure sets that are too small too; the protocol then holds a warning.
        sizes: other than the published ones, for tests.
        cache: folder for the statistics of the real videos; "statistics" in the cache folder if None.
        on_progress: called with (clips done, clips in all, which) for the part of this process.

    Raises:
        DataError: too few or too short clips, or generated ones of another size than the real ones.
    """
    sizes, cache = sizes or Sizes(), cache or cache_folder() / "statistics"
    groups: dict[tuple[str, int], list[str]] = {}  # metrics that see the same clips
    for name in names:
        groups.setdefault((PROTOCOLS[name].network, PROTOCOLS[name].span), []).append(name)
    passes = [_Pass(group, dataset, source, networks[network], seed, sizes) for (network, _), group in groups.items()]
    for each in passes:  # all of them first, so that nothing is measured in vain
        each.check(allow_few)
    found: dict[str, PublishedResult] = {}
    for each in passes:
        found |= each.run(cache, on_progress)
    return {name: found[name] for name in names}


class _Pass:
    """Metrics that see the same clips through the same network."""

    def __init__(
        self, names: list[str], dataset: "VideoDataset", source: Source, network: "Network", seed: int, sizes: Sizes
    ) -> None:
        self.names, self.dataset, self.network, self.seed, self.sizes = names, dataset, network, seed, sizes
        protocols = [PROTOCOLS[name] for name in names]
        self.strides = sorted({protocol.stride for protocol in protocols})
        self.step = self.strides[0]  # clips are read in this one; the wider strides are slices of that
        self.with_sample = any(protocol.distance != "frechet" for protocol in protocols)
        self.warning: str | None = None
        span = protocols[0].span
        if protocols[0].network == "inception":
            self.needed = sizes.frames
            self.real, self.made = real_frames(dataset), made_frames(source, sizes.frames, sizes.frame_span)
        else:
            self.needed = sizes.clips
            self.real = real_clips(dataset, span, self.step, sizes.clips, seed)
            self.made = made_clips(source, span, self.step, sizes.clips)

    def check(self, allow_few: bool) -> None:
        """Raise DataError if there is too little to measure, unless that is allowed and there are two clips a side."""
        size, made = self.dataset.resolution, self.made.clips.resolution
        if size != made:
            raise DataError(
                f"the generated videos are {made} x {made} and those of {self.dataset.path} {size} x {size}; "
                "prepare the data in the size of the model"
            )
        self.warning = self._shortage()
        if self.warning and not (allow_few and min(self.real.count, self.made.count) >= 2):
            raise DataError(f"{self.warning} (--allow-few measures all the same, from two on.)")

    def _shortage(self) -> str | None:
        names, real, made, fewest = ", ".join(self.names), self.real.count, self.made.count, self.sizes.fewest
        if real < fewest:
            longest = max(video.num_frames for video in self.dataset.videos)
            return (
                f"{names}: {self.dataset.path} gives {real} {self.real.what} ({self.real.choice}; the longest has "
                f"{longest}). With fewer than {fewest} the figure is meaningless: take more or longer videos, or "
                "metrics of shorter clips."
            )
        if made < self.needed:
            few = (
                f"With fewer than {fewest} the figure is meaningless" if made < fewest else "It depends on their number"
            )
            return f"{names}: {self.needed} generated {self.made.what} are needed; there are {made}. {few}: make more."
        return None

    def run(self, cache: Path, on_progress: Progress | None) -> dict[str, PublishedResult]:
        """The figures, computed in the first process and told to the others."""
        real = self._real_statistics(cache, on_progress)
        made = self._collect(_read_in_turn(self.made), self.made, "generated", on_progress)
        values = {}
        if processes.rank() == 0:
            for name in self.names:
                stride = PROTOCOLS[name].stride
                values[name] = self._distance(PROTOCOLS[name].distance, real[stride], made[stride])
        values = processes.gather(values)[0]
        return {name: PublishedResult(values[name], self._facts(PROTOCOLS[name])) for name in self.names}

    def _real_statistics(self, cache: Path, on_progress: Progress | None) -> dict[int, Statistics]:
        """By stride; from the cache if all are there. Only the first process looks, and needs them in the end."""
        first, known = processes.rank() == 0, dict[int, Statistics]()
        keys = {stride: self._key(stride) for stride in self.strides} if first else {}
        for stride, key in keys.items():
            if kept := load_statistics(cache, key, self.with_sample):
                known[stride] = kept
        if processes.gather(first and len(known) == len(keys))[0]:
            return known
        found = self._collect(_read_ahead(self.real), self.real, "real", on_progress)
        for stride, key in keys.items():
            store_statistics(cache, key, found[stride])
        return found

    def _collect(
        self,
        batches: Iterator[tuple[range, NDArray[np.uint8]]],
        side: Side,
        which: str,
        on_progress: Progress | None,
    ) -> dict[int, Statistics]:
        """Statistics by stride, of all processes."""
        found = {stride: Statistics.of(self.network.dim, self.with_sample) for stride in self.strides}
        done, total = 0, sum(len(numbers) for numbers, _ in processes.share(side.batches))
        for numbers, clips in batches:
            for stride, statistics in found.items():
                statistics.update(np.array(numbers), self.network(clips[:, :: stride // self.step]))
            done += len(numbers)
            if on_progress:
                on_progress(done, total, f"{which} {side.what}")
        return {stride: statistics.gathered() for stride, statistics in found.items()}

    def _distance(self, distance: str, real: Statistics, made: Statistics) -> float:
        if distance == "frechet":
            return frechet_distance(real.moments, made.moments)
        assert real.sample is not None and made.sample is not None
        x, y = real.sample.arrays()[1], made.sample.arrays()[1]
        return mmd2(x, y) if distance == "kvd" else kid(x, y, self.seed, self.sizes.subsets, self.sizes.subset_size)

    def _key(self, stride: int) -> str:
        return statistics_key(
            data=self.dataset.fingerprint(),
            windows=hashlib.sha256(np.array(self.real.windows, np.int64).tobytes()).hexdigest(),
            clips=self.real.what,
            stride=stride,
            network=self.network.sha256,
            resize=self.network.resize,
        )

    def _facts(self, protocol: Protocol) -> dict[str, Any]:
        """All that a figure depends on, in words and numbers."""
        facts = {
            "distance": DISTANCES[protocol.distance],
            "network": self.network.name,
            "network_sha256": self.network.sha256,
            "resize": self.network.resize,
            "resolution": self.dataset.resolution,
            "frames": protocol.frames,
            "stride": protocol.stride,
            "seed": self.seed,
            "real": self.real.count,
            "real_choice": self.real.choice,
            "real_videos": len(self.real.windows) or len(self.dataset.videos),
            "videos": len(self.dataset.videos),
            "generated": self.made.count,
            "generated_choice": self.made.choice,
        }
        if protocol.distance == "kid":
            size = min(self.sizes.subset_size, self.real.count, self.made.count)
            facts |= {"subsets": self.sizes.subsets, "subset_size": size}
        return facts | ({"warning": self.warning} if self.warning else {})


def _read_in_turn(side: Side) -> Iterator[tuple[range, NDArray[np.uint8]]]:
    """This process's batches."""
    for numbers, frames in processes.share(side.batches):
        yield numbers, _read(side.clips, numbers, frames)


def _read_ahead(side: Side) -> Iterator[tuple[range, NDArray[np.uint8]]]:
    """The same, each read in a thread while the network sees the one before."""
    with ThreadPoolExecutor(1) as pool:
        before: tuple[range, Future[NDArray[np.uint8]]] | None = None
        for numbers, frames in processes.share(side.batches):
            reading = pool.submit(_read, side.clips, numbers, frames)
            if before:
                yield before[0], before[1].result()
            before = numbers, reading
        if before:
            yield before[0], before[1].result()


def _read(clips: Clips, numbers: range, frames: Frames) -> NDArray[np.uint8]:
    """uint8 [n, T, 3, R, R]."""
    parts = [numbers[first : first + _CLIPS_AT_ONCE] for first in range(0, len(numbers), _CLIPS_AT_ONCE)]
    return np.concatenate([clips.read(part, frames) for part in parts])
