"""An endless stream of batches in which batch number n is a function of (seed, n) alone.

Nothing is kept between batches, so training goes on after a stop with the very batches it would have seen, and any
number of loader processes gives the same stream.
"""

import atexit
import itertools
import multiprocessing
import signal
import sys
import traceback
from collections.abc import Iterator, Sequence
from contextlib import suppress
from ctypes import c_ubyte
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch
from PIL import ImageFile
from torch import Tensor

from smoothvid.data.dataset import VideoDataset
from smoothvid.data.frame_times import FrameDraw, draw_clip
from smoothvid.errors import DataError, SmoothvidError

AHEAD = 2  # batches that each loader process has finished or at work
SLOTS = AHEAD + 1  # for those and the one that is lent; with the processes' number it bounds the memory


@dataclass(frozen=True)
class ClipSettings:
    """What a batch holds: `batch` videos, of each the frames that `draw` says, pieces of `chunk` frames apart."""

    batch: int
    draw: FrameDraw
    chunk: int
    mirror: bool
    seed: int

    @property
    def num_frames(self) -> int:
        return self.draw.num_frames


Part = tuple[Tensor, Tensor, Tensor]
Facts = list[tuple[np.ndarray, np.ndarray]]  # times and labels of each part


@dataclass(frozen=True)
class Clip:
    """What one place of a batch shows: frames of a video, by number and by time, mirrored or not."""

    video: int
    numbers: list[int]
    times: np.ndarray
    mirrored: bool


class BatchReader:
    """Batch number n, or those of its parts that this process works on.

    A batch of B videos is cut into `of` parts; part p holds the videos p, p + of, p + 2·of, ... of it. Every process
    draws the whole batch, which costs little, and decodes its own parts, so the batch is the same however it is cut.

    Args:
        parts: the parts to read, each in [0, of).
        of: into how many parts a batch is cut; divides B.

    Raises:
        DataError: the dataset has no video that is long enough.
    """

    def __init__(self, dataset: VideoDataset, settings: ClipSettings, parts: Sequence[int] = (0,), of: int = 1) -> None:
        assert settings.batch % of == 0 and all(0 <= part < of for part in parts)
        self.dataset, self.settings, self.parts, self.of = dataset, settings, tuple(parts), of
        side = dataset.resolution
        self.pixels_shape = (len(self.parts), settings.batch // of, settings.num_frames, side, side, 3)
        lengths = np.array([video.num_frames for video in dataset.videos], np.int64)
        self._usable = np.flatnonzero(lengths >= settings.num_frames)
        if not len(self._usable):
            raise DataError(
                f"{dataset.path}: no video has the {settings.num_frames} frames that training draws at once"
            )
        # A long video counts once per piece, so that frames are shown evenly.
        pieces = np.maximum(1, lengths[self._usable] // settings.chunk).astype(np.float64)
        chances = (pieces / pieces.sum()).cumsum()
        self._cumulative = chances / chances[-1]

    def __getitem__(self, number: int) -> list[Part]:
        """Frames uint8 [B/of, T, C, H, W], times float64 [B/of, T], labels float32 [B/of, c_dim] of each part."""
        pixels = torch.empty(self.pixels_shape, dtype=torch.uint8)
        return to_parts(pixels, self.decode(number, pixels.numpy()))

    def decode(self, number: int, pixels: np.ndarray) -> Facts:
        """Write the frames of a batch's parts to uint8 `pixels`, of shape `pixels_shape`; return times and labels."""
        s = self.settings
        rng = np.random.Generator(np.random.Philox(key=np.array([s.seed, 0], np.uint64), counter=[0, 0, number, 0]))
        whole = self._draw(rng, s.batch, s.mirror)
        facts = []
        for part, into in zip(self.parts, pixels, strict=True):
            clips = whole[part :: self.of]
            for clip, out in zip(clips, into, strict=True):
                self.dataset.read_into(out, clip.video, clip.numbers, clip.mirrored)
            facts.append(self._times_and_labels(clips))
        return facts

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Tensor, Tensor]:
        """Times float64 [count, T] and labels float32 [count, c_dim], distributed as those of the videos are."""
        times, labels = self._times_and_labels(self._draw(rng, count, mirror=False))
        return torch.from_numpy(times), torch.from_numpy(labels)

    def _draw(self, rng: np.random.Generator, count: int, mirror: bool) -> list[Clip]:
        s, clips = self.settings, []
        # Generator.choice(p=...) sums all weights at every call, which takes longer than decoding when there are many.
        for video in self._usable[self._cumulative.searchsorted(rng.random(count), side="right")].tolist():
            length = self.dataset.videos[video].num_frames
            numbers, times = draw_clip(rng, length, s.draw, s.chunk)
            clips.append(Clip(video, numbers.tolist(), times, mirror and bool(rng.integers(2))))
        return clips

    def _times_and_labels(self, clips: list[Clip]) -> tuple[np.ndarray, np.ndarray]:
        return np.stack([clip.times for clip in clips]), np.stack([self.dataset.label(clip.video) for clip in clips])


def to_parts(pixels: Tensor, facts: Facts) -> list[Part]:
    """A batch from its pixels [parts, B/of, T, H, W, C] and the times and labels of its parts."""
    return [
        (part, torch.from_numpy(times), torch.from_numpy(labels))
        for part, (times, labels) in zip(pixels.movedim(-1, -3), facts, strict=True)
    ]


def batches(reader: BatchReader, start: int = 0, workers: int = 0, pin: bool = False) -> Iterator[list[Part]]:
    """Yield batch number `start`, `start` + 1, ... for ever, read ahead by `workers` processes (0: by this one).

    The frames of a batch are lent: they stay until the next batch is asked for, and may then be overwritten. They are
    views [B/of, T, C, H, W] of memory in which the channels of a pixel lie side by side.

    Args:
        pin: put the frames in page-locked memory, from where a GPU fetches them on its own. Needs CUDA.

    Raises:
        DataError: a frame cannot be read, or a loader process died; when the batch it is about is asked for.
    """
    if workers == 0:
        for number in itertools.count(start):
            pixels = torch.empty(reader.pixels_shape, dtype=torch.uint8, pin_memory=pin)
            yield to_parts(pixels, reader.decode(number, pixels.numpy()))
    processes: list[_LoaderProcess] = []

    def stop() -> None:
        for process in processes:
            process.stop()

    atexit.register(stop)  # for a stream that is still open when the program ends
    try:
        processes += [_LoaderProcess(reader) for _ in range(workers)]
        for turn in range(workers * AHEAD):
            processes[turn % workers].ask(start + turn, turn // workers)
        for turn in itertools.count():
            process, lap = processes[turn % workers], turn // workers
            facts = process.wait()
            process.ask(start + turn + workers * AHEAD, (lap + AHEAD) % SLOTS)
            pixels = process.slots[lap % SLOTS]
            yield to_parts(pixels.pin_memory() if pin else pixels, facts)
    finally:
        stop()
        atexit.unregister(stop)


class _LoaderProcess:
    """A process that decodes batches into SLOTS slots of memory that it shares with this one.

    Torch's DataLoader is not used because the death of one of its workers raises a RuntimeError at any place of the
    main program, and because it fails when /dev/shm is full, which has 64 MB in most containers (memory shared by
    multiprocessing is then put into a temporary file).
    """

    def __init__(self, reader: BatchReader) -> None:
        # Forking is safe here: the child reads files and decodes, and never touches torch or a GPU.
        context: Any = multiprocessing.get_context("fork" if sys.platform == "linux" else "spawn")
        memory = [context.RawArray(c_ubyte, int(np.prod(reader.pixels_shape))) for _ in range(SLOTS)]
        self.slots = [torch.from_numpy(_as_pixels(slot, reader)) for slot in memory]
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(reader, memory, theirs, self._pipe), daemon=True)
        # Sent to all processes, but this one still needs its batches: the child never gets them, not even at its start.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()  # so that the pipe ends when the process does

    def ask(self, number: int, slot: int) -> None:
        """Have a batch decoded into a slot."""
        with suppress(OSError):  # that the process is dead, `wait` says
            self._pipe.send((number, slot))

    def wait(self) -> Facts:
        """What `decode` returns for the batch that was asked for first, once its frames are in their slot."""
        try:
            answer = self._pipe.recv()
        except (EOFError, OSError):
            self._process.join()
            code = self._process.exitcode or 0
            how = f"was killed ({signal.Signals(-code).name})" if code < 0 else f"ended with status {code}"
            raise DataError(
                f"A loader process {how}; mostly the machine has run out of memory. "
                "Use fewer --workers, or a machine with more memory."
            ) from None
        if isinstance(answer, Exception):
            raise answer
        return answer

    def stop(self) -> None:
        self._process.kill()
        self._process.join()
        self._pipe.close()


def _as_pixels(slot: Any, reader: BatchReader) -> np.ndarray:
    return np.frombuffer(slot, np.uint8).reshape(reader.pixels_shape)


def _serve(reader: BatchReader, memory: list[Any], pipe: Connection, parents_end: Connection) -> None:
    """What a loader process does until the pipe ends: take (number, slot), decode, answer with what comes of it."""
    parents_end.close()
    # Pillow then hands out a picture's bytes as one piece, which it needn't join.
    ImageFile.MAXBLOCK = max(ImageFile.MAXBLOCK, 4 * reader.dataset.resolution**2)
    slots = [_as_pixels(slot, reader) for slot in memory]
    with suppress(EOFError, ConnectionError):
        while True:
            number, slot = pipe.recv()
            try:
                answer: object = reader.decode(number, slots[slot])
            except Exception as error:
                if not isinstance(error, SmoothvidError):
                    error.add_note(traceback.format_exc())
                answer = error
            pipe.send(answer)
