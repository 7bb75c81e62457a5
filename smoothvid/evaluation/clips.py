"""Where clips to compare come from: datasets, models and folders of video files.

    clips = ModelClips(model, first_seed=0, start=0.0, fps=25.0).spanning(16)
    clips.read([0, 1, 2], np.arange(16))        # uint8 [3, 16, 3, R, R]

Clip number i is the same whenever it is read and whatever is read with it, so any process can read any part.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from smoothvid import processes
from smoothvid.batch import to_uint8
from smoothvid.data.resize import to_square
from smoothvid.data.sources import folders_below
from smoothvid.data.video_io import VIDEO_SUFFIXES, probe_video, read_video
from smoothvid.errors import DataError

if TYPE_CHECKING:
    from smoothvid.data.dataset import VideoDataset

Window = tuple[int, int]  # video, first frame
Frames = NDArray[np.int64]
_FRAMES_AT_ONCE = 64  # that a model makes before they become bytes
_PIXELS_AT_ONCE = 2**20  # of a batch of clips


@dataclass(frozen=True)
class Clips:
    """Clips of one length. `count` is how many there are, None if there is no end of them.

    read: (numbers, frames [T], counted from a clip's beginning) -> uint8 [n, T, 3, R, R].
    resolution: R.
    """

    count: int | None
    read: Callable[[Sequence[int], Frames], NDArray[np.uint8]]
    resolution: int

    def batches(self, numbers: Sequence[int], frames: Frames) -> Iterator[tuple[Sequence[int], NDArray[np.uint8]]]:
        """Yield (numbers, clips) of this process's share of the numbers, few enough at a time to keep memory small."""
        size = max(1, min(16, _PIXELS_AT_ONCE // (len(frames) * self.resolution**2)))
        # Cut alike for any number of processes: the networks' last digits depend on what is in a batch.
        for first in processes.share(range(0, len(numbers), size)):
            part = numbers[first : first + size]
            yield part, self.read(part, frames)


class Source(Protocol):
    """What clips can be taken from."""

    def spanning(self, num_frames: int) -> Clips:
        """Return the clips that reach over this many frames."""

    def facts(self) -> dict[str, Any]:
        """Return what a reader of the figures should know of it."""


class ModelClips:
    """One clip for each seed.

    Args:
        model: a VideoModel.
        first_seed: of clip number 0; clip i has seed first_seed + i.
        start: time of a clip's first frame, in the model's frames.
        fps: at which frames are taken; a model of another rate keeps its speed.
    """

    def __init__(
        self, model: Any, first_seed: int = 0, start: float = 0.0, fps: float | None = None, truncation_psi: float = 1.0
    ) -> None:
        self.model, self.first_seed, self.start = model, first_seed, start
        self.step, self.truncation_psi = model.step(fps), truncation_psi

    def spanning(self, num_frames: int) -> Clips:
        return Clips(None, self._read, self.model.resolution)

    def facts(self) -> dict[str, Any]:
        model = self.model
        known = {"family": model.family, "seen_clips": model.seen_clips, "fps": model.fps, "step": self.step}
        return {**known, "first_seed": self.first_seed, "start": self.start, "truncation_psi": self.truncation_psi}

    def _read(self, numbers: Sequence[int], frames: Frames) -> NDArray[np.uint8]:
        seeds = [self.first_seed + number for number in numbers]
        ws = self.model.contents(seeds, self.truncation_psi)
        parts = np.array_split(frames, -(-len(frames) * len(seeds) // _FRAMES_AT_ONCE))
        times = (self.start + part.astype(np.float64) * self.step for part in parts if len(part))
        made = [to_uint8(self.model.render(ws, self.model.motions(seeds, at))).cpu() for at in times]
        return torch.cat(made, dim=1).numpy()


class DatasetClips:
    """The clips of a dataset that do not overlap, in an order drawn from the seed (see `choose_windows`)."""

    def __init__(self, dataset: "VideoDataset", seed: int = 0) -> None:
        self.dataset, self.seed = dataset, seed

    def spanning(self, num_frames: int) -> Clips:
        windows = choose_windows([video.num_frames for video in self.dataset.videos], num_frames, self.seed)
        return window_clips(self.dataset, windows)

    def two_sides(self, num_frames: int, count: int) -> tuple[list[int], list[int]]:
        """Numbers of 2 · count of these clips, parted so that every video falls to both sides as evenly as it can."""
        lengths = [video.num_frames for video in self.dataset.videos]
        return two_sides(choose_windows(lengths, num_frames, self.seed)[: 2 * count])

    def facts(self) -> dict[str, Any]:
        return {"path": str(self.dataset.path), "fps": self.dataset.fps, "videos": len(self.dataset.videos)}


class FileClips:
    """Clips of video files: the first of each file, then the second of each, and so on. Still pictures give none.

    Frames are taken at the given rate by their time stamps, cut to the central square and resized.
    """

    def __init__(self, folder: Path, resolution: int, fps: float) -> None:
        self.folder, self.resolution, self.fps = folder, resolution, fps
        self.files = video_files(folder)
        self.lengths = [_frames_at(path, fps) for path in self.files]
        self.stills = sum(length < 2 for length in self.lengths)

    def spanning(self, num_frames: int) -> Clips:
        counts = [length // num_frames for length in self.lengths]
        windows = [
            (file, turn * num_frames) for turn in range(max(counts)) for file, n in enumerate(counts) if turn < n
        ]

        def read(numbers: Sequence[int], frames: Frames) -> NDArray[np.uint8]:
            return np.stack([self._read(file, first + frames) for file, first in (windows[n] for n in numbers)])

        return Clips(len(windows), read, self.resolution)

    def facts(self) -> dict[str, Any]:
        return {"path": str(self.folder), "files": len(self.files), "stills": self.stills, "fps": self.fps}

    def _read(self, file: int, wanted: Frames) -> NDArray[np.uint8]:
        """uint8 [T, 3, R, R] of rising frame numbers, each the frame that is nearest in time."""
        path, begin = self.files[file], None
        taken: list[NDArray[np.uint8]] = []
        try:
            before: tuple[float, NDArray[np.uint8]] | None = None
            for time, frame in read_video(path):
                begin = time if begin is None else begin
                at = (time - begin) * self.fps
                while len(taken) < len(wanted) and at >= wanted[len(taken)]:
                    closer = (
                        before if before and wanted[len(taken)] - before[0] < at - wanted[len(taken)] else (at, frame)
                    )
                    taken.append(to_square(closer[1], self.resolution, "center"))
                if len(taken) == len(wanted):
                    break
                before = (at, frame)
        except DataError as error:
            raise DataError(f"{path}: {error}") from error
        if before is not None:  # the last frame is shown until its time is over
            taken += [to_square(before[1], self.resolution, "center")] * (len(wanted) - len(taken))
        return np.stack(taken).transpose(0, 3, 1, 2)


def choose_windows(lengths: Sequence[int], clip_frames: int, seed: int) -> list[Window]:
    """All clips of a dataset that do not overlap, in the order in which they are to be used.

    Each video is cut into windows from a random first frame on; then every video gives one, then every video another,
    in one random order. So videos count alike, whatever their length. The choice depends on the arguments alone.

    Args:
        lengths: frames of each video; shorter ones than a clip give none.
    """
    rng = np.random.Generator(np.random.Philox(seed))
    rounds: list[list[Window]] = []
    for video in rng.permutation(len(lengths)):
        count = lengths[video] // clip_frames
        slack = lengths[video] - count * clip_frames
        offset = int(rng.integers(slack + 1))
        for turn, number in enumerate(rng.permutation(count)):
            if turn == len(rounds):
                rounds.append([])
            rounds[turn].append((int(video), offset + int(number) * clip_frames))
    return [window for turn in rounds for window in turn]


def two_sides(windows: Sequence[Window]) -> tuple[list[int], list[int]]:
    """Part an even number of windows in two equal sides: those of one video by turns, other videos by turns."""
    sides: tuple[list[int], list[int]] = [], []
    last: dict[int, int] = {}
    for number, (video, _) in enumerate(windows):
        side = 1 - last[video] if video in last else int(len(sides[1]) < len(sides[0]))
        side = 1 - side if 2 * len(sides[side]) == len(windows) else side
        sides[side].append(number)
        last[video] = side
    return sides


def window_clips(dataset: "VideoDataset", windows: Sequence[Window]) -> Clips:
    """The clips of a dataset that begin at these windows."""

    def read(numbers: Sequence[int], frames: Frames) -> NDArray[np.uint8]:
        return np.stack(
            [dataset.read(video, (first + frames).tolist()) for video, first in (windows[n] for n in numbers)]
        )

    return Clips(len(windows), read, dataset.resolution)


def _frames_at(path: Path, fps: float) -> int:
    """Frames that a file gives at this rate. Raises DataError, with its name, if it cannot be read."""
    try:
        times = probe_video(path).times
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    if len(times) < 2:  # a still picture lasts for no time
        return len(times)
    step = float(np.median(np.diff(times)))
    return int((times[-1] - times[0] + step) * fps + 0.5)


def video_files(path: Path) -> list[Path]:
    """The video files in a folder and in the folders below it, or a single file. Raises DataError if there are none."""
    if not path.is_dir():
        return [path]
    files = [path / folder.inside / name for folder in folders_below(path) for name in folder.videos]
    if not files:
        raise DataError(f"{path} holds no video files ({', '.join(sorted(VIDEO_SUFFIXES))})")
    return files
