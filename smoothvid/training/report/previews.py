"""A run's preview videos and stills, beside real clips in the same form. All is bounded, so that a page stays small."""

import tempfile
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from smoothvid.data.dataset import VideoDataset
from smoothvid.data.video_io import probe_video
from smoothvid.errors import DataError
from smoothvid.training.preview import MOMENTS, write_previews
from smoothvid.training.report.state import RunState

VIDEOS, FRAMES = 9, 48  # real clips where there is no preview yet that says how many
CELLS = MOMENTS + 3  # pictures that a line of a video's still is wide
ROWS, EARLIER_ROWS = 4, 2  # lines shown of the newest still, and of earlier ones
WIDTH, EARLIER_WIDTH = 1408, 704  # pixels that a still is reduced to


@dataclass(frozen=True)
class Preview:
    """A still, whole, and the video it belongs to where it is of videos."""

    still: Image.Image
    video: Path | bytes | None

    def shown(self, rows: int, width: int) -> Image.Image:
        """The still's first lines; of images, which have none, all. Reduced where it is wider."""
        picture = self.still
        if self.video is not None:
            picture = picture.crop((0, 0, picture.width, min(picture.height, rows * picture.width // CELLS)))
        if picture.width > width:
            picture = picture.resize((width, round(picture.height * width / picture.width)), Image.Resampling.BOX)
        return picture


def read_preview(state: RunState, clips: int) -> Preview | None:
    """The preview after so many clips; None where its still cannot be read."""
    path = state.run / "previews" / f"{clips:09d}.png"
    video = path.with_suffix(".mp4")
    try:
        with Image.open(path) as picture:
            return Preview(picture.convert("RGB"), video if video.is_file() else None)
    except (OSError, SyntaxError, ValueError):  # a damaged PNG may be any of the three
        return None


@lru_cache(maxsize=1)  # a training shows the same ones at each checkpoint
def real_preview(dataset: VideoDataset, videos: int, frames: int) -> Preview:
    """So many real clips, of so many frames, in the form of a run's previews.

    Raises:
        DataError: the dataset's frames cannot be read.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_previews(real_clips(dataset, videos, frames), folder, "real", dataset.fps)
        video = folder / "real.mp4"
        with Image.open(folder / "real.png") as picture:
            return Preview(picture.convert("RGB"), video.read_bytes() if video.is_file() else None)


def real_clips(dataset: VideoDataset, videos: int, frames: int) -> Tensor:
    """The first frames of videos from all over a dataset, uint8 [N, T, 3, R, R].

    Of videos that are long enough, or of the longest ones, and then as many frames as these have.
    """
    longest = sorted(range(len(dataset.videos)), key=lambda index: -dataset.videos[index].num_frames)
    fitting = [index for index in longest if dataset.videos[index].num_frames >= frames]
    usable = sorted(fitting if len(fitting) >= videos else longest[:videos])
    chosen = [usable[round(at)] for at in np.linspace(0, len(usable) - 1, min(videos, len(usable)))]
    length = min(frames, *(dataset.videos[index].num_frames for index in chosen))
    return torch.from_numpy(np.stack([dataset.read(index, range(length)) for index in chosen]))


def evenly(items: list[int], most: int) -> list[int]:
    """Up to so many items at equal distances, the first and the last included."""
    return [items[round(at)] for at in np.linspace(0, len(items) - 1, min(most, len(items)))]


def form(state: RunState, dataset: VideoDataset, newest: Preview | None) -> tuple[int, int]:
    """How many clips a preview shows, and of how many frames."""
    if newest is None:
        return VIDEOS, 1 if state.phase == "pretrain" else FRAMES
    width, height = newest.still.size
    if not isinstance(newest.video, Path):
        return max(1, width // dataset.resolution) * max(1, height // dataset.resolution), 1
    try:
        frames = len(probe_video(newest.video).times)
    except DataError:
        frames = FRAMES
    return max(1, height * CELLS // width), max(2, frames)
