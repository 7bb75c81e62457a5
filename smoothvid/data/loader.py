"""An endless stream of batches in which batch number n is a function of (seed, n) alone.

Nothing is kept between batches, so training goes on after a stop with the very batches it would have seen, and any
number of loader processes gives the same stream.
"""

import signal
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from smoothvid.data.dataset import VideoDataset
from smoothvid.data.frame_times import draw_clip
from smoothvid.errors import DataError


@dataclass(frozen=True)
class ClipSettings:
    """What a batch holds: `batch` videos with `num_frames` frames each, spread over one of `spans` frames."""

    batch: int
    num_frames: int
    spans: tuple[int, ...]
    chunk: int
    mirror: bool
    seed: int


class BatchReader(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Batch number n: frames uint8 [B, T, C, H, W], times float64 [B, T], labels float32 [B, c_dim]."""

    def __init__(self, dataset: VideoDataset, settings: ClipSettings) -> None:
        self.dataset, self.settings = dataset, settings
        lengths = np.array([video.num_frames for video in dataset.videos], np.int64)
        self.usable = np.flatnonzero(lengths >= settings.num_frames)
        if not len(self.usable):
            raise DataError(
                f"{dataset.path}: no video has the {settings.num_frames} frames that training draws at once"
            )
        # A long video counts once per piece, so that frames are shown evenly.
        pieces = np.maximum(1, lengths[self.usable] // settings.chunk).astype(np.float64)
        self.weights = pieces / pieces.sum()

    def __getitem__(self, number: int) -> tuple[Tensor, Tensor, Tensor]:
        s = self.settings
        rng = np.random.Generator(np.random.Philox(key=np.array([s.seed, 0], np.uint64), counter=[0, 0, number, 0]))
        frames, times, labels = [], [], []
        for video in rng.choice(self.usable, s.batch, p=self.weights):
            numbers, at = draw_clip(rng, self.dataset.videos[video].num_frames, s.num_frames, s.spans, s.chunk)
            clip = self.dataset.read(int(video), numbers.tolist())
            if s.mirror and rng.integers(2):
                clip = clip[..., ::-1]
            frames.append(clip)
            times.append(at)
            labels.append(self.dataset.label(int(video)))
        return (
            torch.from_numpy(np.stack(frames)),
            torch.from_numpy(np.stack(times)),
            torch.from_numpy(np.stack(labels)),
        )


def batches(reader: BatchReader, start: int = 0, workers: int = 0) -> Iterator[Any]:
    """Yield batch number `start`, `start` + 1, ... for ever, read ahead by `workers` processes."""
    return iter(
        DataLoader(
            reader,
            batch_size=None,
            sampler=_CountFrom(start),
            num_workers=workers,
            generator=torch.Generator(),  # its own, so that no global draw is spent
            persistent_workers=workers > 0,
            worker_init_fn=_leave_ctrl_c_to_the_parent,
        )
    )


def _leave_ctrl_c_to_the_parent(worker: int) -> None:
    """A terminal sends Ctrl-C to every process; the parent still needs its batches to finish the step at hand."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


class _CountFrom:
    """start, start + 1, ... without end."""

    def __init__(self, start: int) -> None:
        self.start = start

    def __iter__(self) -> Iterator[int]:
        number = self.start
        while True:
            yield number
            number += 1
