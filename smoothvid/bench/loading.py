"""Rates of the loader, of what it cannot do without, and pictures for it to load."""

import io
import multiprocessing
import signal
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from smoothvid.data.dataset import open_dataset
from smoothvid.data.frame_store import FolderFrames, ZipFrames
from smoothvid.data.frame_times import FrameDraw
from smoothvid.data.loader import AHEAD, BatchReader, ClipSettings, batches

FRAMES = 64  # of each made-up video


@dataclass(frozen=True)
class Rate:
    """Frames a second, and milliseconds of processor time a frame, of all processes."""

    frames_per_second: float
    cpu_ms: float


def stored_frames(path: Path, most: int = 1024) -> tuple[list[bytes], int]:
    """The files of a dataset's first frames, and the side of its frames."""
    archives = [path] if path.is_file() else sorted(path.glob("*.zip"))
    store = ZipFrames(archives[0]) if archives else FolderFrames(path)
    frames = ((name, frame) for name, count in store.videos().items() for frame in range(count))
    return [store.read(*frame) for frame in islice(frames, most)], open_dataset(path).resolution


def decode_alone(data: Sequence[bytes], workers: int, seconds: float) -> Rate:
    """Pillow alone: files in memory to arrays."""
    return in_processes(workers, seconds, data, _decode)


def load(path: Path, workers: int, batch: int, seconds: float) -> Rate:
    """Batches as training takes them: drawn, read from the archive, decoded, put together, handed over."""
    reader = BatchReader(open_dataset(path), ClipSettings(batch, FrameDraw(3, (2, 4, 8, 16)), 128, True, 0))
    stream = batches(reader, 0, workers)
    for _ in range(AHEAD * workers + 1):  # until what was read ahead before the clock started is used up
        next(stream)
    start, cpu, done = time.monotonic(), _cpu_seconds(), 0
    while time.monotonic() - start < seconds:
        [(frames, _, _)] = next(stream)
        done += frames.shape[0] * frames.shape[1]
    rate = Rate(done / (time.monotonic() - start), 1000 * (_cpu_seconds() - cpu) / done)
    stream.close()  # type: ignore[attr-defined]
    return rate


def in_processes(workers: int, seconds: float, items: Sequence[Any], do: Callable[[Any], object]) -> Rate:
    """The rate at which `workers` processes do something with items."""
    context = multiprocessing.get_context("fork")
    results, barrier = context.SimpleQueue(), context.Barrier(workers)

    def work(number: int) -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's affair
        mine = items[number::workers]
        do(mine[0])
        barrier.wait()
        start, cpu, done = time.monotonic(), time.process_time(), 0
        while time.monotonic() - start < seconds:
            do(mine[done % len(mine)])
            done += 1
        results.put((done / (time.monotonic() - start), time.process_time() - cpu, done))

    processes = [context.Process(target=work, args=(number,), daemon=True) for number in range(workers)]
    for process in processes:
        process.start()
    try:
        rates, cpu, done = zip(*(results.get() for _ in processes), strict=True)
    finally:
        for process in processes:
            process.kill()
            process.join()
    return Rate(sum(rates), 1000 * sum(cpu) / sum(done))


def write_archive(path: Path, resolution: int, videos: int = 16) -> Path:
    """A zip of made-up videos, each a folder of JPEG files."""
    with zipfile.ZipFile(path, "w") as archive:
        for number, picture in enumerate(_pictures(resolution, videos * FRAMES)):
            file = io.BytesIO()
            Image.fromarray(picture).save(file, "JPEG", quality=95)
            archive.writestr(f"video{number // FRAMES:02d}/{number % FRAMES:06d}.jpg", file.getvalue())
    return path


def _decode(data: bytes) -> None:
    with Image.open(io.BytesIO(data)) as image:
        np.asarray(image)


def _cpu_seconds() -> float:
    """Processor time of this process and its children so far (children: Linux only)."""
    children = [Path(f"/proc/{child.pid}/schedstat") for child in multiprocessing.active_children()]
    return time.process_time() + sum(int(file.read_text().split()[0]) for file in children if file.exists()) / 1e9


def _pictures(resolution: int, count: int) -> Iterator[np.ndarray]:
    """uint8 [H, W, 3] with the power spectrum of natural pictures, 1 / frequency²: as hard to decode as those."""
    rng = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(resolution)[:, None], np.fft.rfftfreq(resolution)) + 1 / resolution
    for _ in range(count):
        picture = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(3, resolution, resolution))) / frequency)
        picture = 128 + 48 * picture / picture.std()
        yield picture.clip(0, 255).astype(np.uint8).transpose(1, 2, 0).copy()
