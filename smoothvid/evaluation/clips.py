"""Where clips to compare come from: datasets, models and folders of video files."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from smoothvid.data.resize import to_square
from smoothvid.data.video_io import VIDEO_SUFFIXES, read_video
from smoothvid.errors import DataError
from smoothvid.evaluation.compare import BATCH

if TYPE_CHECKING:
    from smoothvid.data.dataset import VideoDataset

Window = tuple[int, int]  # video, first frame


def choose_windows(lengths: Sequence[int], clip_frames: int, seed: int) -> list[Window]:
    """All clips of a dataset that do not overlap, in the order in which they are to be used.

    Each video is cut into windows from a random first frame on; then every video gives one, then every video another,
    in random orders. So videos count alike, whatever their length. The choice depends on the arguments alone.

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


def dataset_clips(dataset: "VideoDataset", windows: Sequence[Window], clip_frames: int) -> Iterator[np.ndarray]:
    """Batches uint8 [n, T, 3, R, R] of the clips at these windows."""
    for first in range(0, len(windows), BATCH):
        part = windows[first : first + BATCH]
        yield np.stack([dataset.read(video, range(start, start + clip_frames)) for video, start in part])


def model_clips(
    model: Any, seeds: Sequence[int], clip_frames: int, start: float, fps: float, truncation_psi: float
) -> Iterator[np.ndarray]:
    """Batches uint8 [n, T, 3, R, R] that a VideoModel makes, one clip a seed; start in the model's frames."""
    for first in range(0, len(seeds), BATCH):
        part = seeds[first : first + BATCH]
        yield model.sample(part, clip_frames, start=start, fps=fps, truncation_psi=truncation_psi).numpy()


def video_files(folder: Path) -> list[Path]:
    """The video files of a folder, by name. Raises DataError if there are none."""
    files = sorted(path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES)
    if not files:
        raise DataError(f"{folder} holds no video files ({', '.join(sorted(VIDEO_SUFFIXES))})")
    return files


def file_clips(
    files: Sequence[Path], num_clips: int, clip_frames: int, resolution: int, fps: float
) -> Iterator[np.ndarray]:
    """Clips uint8 [1, T, 3, R, R] from video files, at most num_clips: as many from the beginning of each file.

    Frames are taken at the given rate by their time stamps, cut to the central square and resized.
    """
    per_file = -(-num_clips // len(files))
    made = 0
    for path in files:
        wanted = min(per_file, num_clips - made) * clip_frames
        frames = _first_frames(path, wanted, resolution, fps)
        for first in range(0, len(frames) - clip_frames + 1, clip_frames):
            yield np.stack(frames[first : first + clip_frames])[None]
            made += 1


def _first_frames(path: Path, count: int, resolution: int, fps: float) -> list[np.ndarray]:
    """At most count frames uint8 [3, R, R] of a file."""
    frames: list[np.ndarray] = []
    begin: float | None = None
    if count == 0:
        return frames
    try:
        for time, frame in read_video(path):
            begin = time if begin is None else begin
            while len(frames) < count and (time - begin) * fps >= len(frames) - 0.5:  # nearest, or shown again
                frames.append(to_square(frame, resolution, "center").transpose(2, 0, 1))
            if len(frames) == count:
                break
    except DataError as error:
        raise DataError(f"{path}: {error}") from error
    return frames
