"""The protocols of the published metrics: what is compared, how many, and which clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from smoothvid.evaluation.clips import Clips, Frames, Source, Window, window_clips
from smoothvid.evaluation.kernel import priorities

if TYPE_CHECKING:
    from smoothvid.data.dataset import VideoDataset


@dataclass(frozen=True)
class Protocol:
    """A published metric.

    network: "inception" (frames) or "i3d" (clips).
    distance: between the features of real and generated ones.
    frames, stride: of a clip; frames 0, stride, 2 stride, ... of it are seen.
    """

    network: Literal["inception", "i3d"]
    distance: Literal["frechet", "kid", "kvd"]
    frames: int = 1
    stride: int = 1

    @property
    def span(self) -> int:
        """Frames that a video must have to give a clip."""
        return self.frames * self.stride


PROTOCOLS = {
    "fid50k_full": Protocol("inception", "frechet"),
    "kid50k_full": Protocol("inception", "kid"),
    "fvd2048_16f": Protocol("i3d", "frechet", frames=16),
    "fvd2048_128f": Protocol("i3d", "frechet", frames=128),
    "fvd2048_128f_subsample8f": Protocol("i3d", "frechet", frames=16, stride=8),
    "kvd2048_16f": Protocol("i3d", "kvd", frames=16),
}


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much is compared; other values than these are for tests.

    frames, clips: generated frames (from as many clips of `frame_span` frames), and clips on either side.
    fewest: real frames or clips below which figures mean nothing.
    subsets, subset_size: of KID.
    """

    frames: int = 50_000
    frame_span: int = 16
    clips: int = 2048
    fewest: int = 256
    subsets: int = 100
    subset_size: int = 1000


@dataclass(frozen=True)
class Side:
    """The real or the generated side of a comparison.

    count: of its clips (of one frame for a network of frames).
    batches: (numbers, frames) to be read together; they are the same for any number of processes, and so are features.
    what: the kind of clips, for messages.
    choice: which clips these are, in words.
    windows: (video, first frame) of each real clip; none when all frames are taken.
    """

    clips: Clips
    count: int
    batches: Sequence[tuple[range, Frames]]
    what: str
    choice: str
    windows: Sequence[Window] = ()


def real_frames(dataset: "VideoDataset") -> Side:
    """Every frame of a dataset, video after video."""
    ends = np.cumsum([video.num_frames for video in dataset.videos])

    def read(numbers: Sequence[int], frames: Frames) -> NDArray[np.uint8]:
        videos = np.searchsorted(ends, numbers, side="right")
        firsts = np.asarray(numbers) - ends[videos] + [dataset.videos[video].num_frames for video in videos]
        pairs = zip(videos.tolist(), firsts.tolist(), strict=True)
        return np.stack([dataset.read(video, (first + frames).tolist()) for video, first in pairs])

    clips = Clips(int(ends[-1]), read, dataset.resolution)
    count, size = int(ends[-1]), _clips_at_once(1, dataset.resolution)
    return Side(clips, count, _batches(range(count), size, np.zeros(1, np.int64)), "frames", "every frame")


def real_clips(dataset: "VideoDataset", span: int, step: int, most: int, seed: int) -> Side:
    """One clip of each of the first `most` videos that have at least `span` frames, in the order of the dataset.

    It begins at a frame drawn evenly from 0 .. length - span by the seed and the number of the video alone.
    """
    lengths = [video.num_frames for video in dataset.videos]
    chosen = [video for video, length in enumerate(lengths) if length >= span][:most]
    draws = priorities(seed, np.array(chosen, np.int64))
    windows = [(video, int(draw) % (lengths[video] - span + 1)) for video, draw in zip(chosen, draws, strict=True)]
    clips, count = window_clips(dataset, windows), len(windows)
    choice = f"one clip, begun at random by the seed, of each of the first {most} videos that have {span} frames"
    return Side(clips, count, _clip_batches(clips, count, span, step), f"clips of {span} frames", choice, windows)


def made_frames(source: Source, most: int, span: int) -> Side:
    """Frame i mod span of each clip i of a source."""
    clips = source.spanning(span)
    count, size = _count(clips, most), _clips_at_once(1, clips.resolution)
    batches = [
        batch for at in range(min(span, count)) for batch in _batches(range(at, count, span), size, np.array([at]))
    ]
    return Side(clips, count, batches, "frames", f"frame i mod {span} of clip i, for clips of {span} frames each")


def made_clips(source: Source, span: int, step: int, most: int) -> Side:
    """The first clips of a source, from their beginning on."""
    clips = source.spanning(span)
    count = _count(clips, most)
    batches = _clip_batches(clips, count, span, step)
    return Side(clips, count, batches, f"clips of {span} frames", "the first clips, from their first frame on")


def _count(clips: Clips, most: int) -> int:
    return most if clips.count is None else min(clips.count, most)


def _clip_batches(clips: Clips, count: int, span: int, step: int) -> list[tuple[range, Frames]]:
    frames = np.arange(0, span, step)
    return _batches(range(count), _clips_at_once(len(frames), clips.resolution), frames)


def _batches(numbers: range, size: int, frames: Frames) -> list[tuple[range, Frames]]:
    return [(numbers[first : first + size], frames) for first in range(0, len(numbers), size)]


def _clips_at_once(num_frames: int, resolution: int) -> int:
    """So many that a batch has at most 512 frames and 64 MiB, but at least one."""
    return max(1, min(512, 2**26 // (3 * resolution**2)) // num_frames)
