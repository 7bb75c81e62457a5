"""How fast the loader is beside its limits, by hand: python tests/data/loader_rate.py --resolution 256 --workers 2

Three rates, taken in turns so that whatever else the machine does falls on all of them:

    decode    Pillow alone, JPEG bytes in memory to an RGB array, in as many processes as the loader has
    loader    batches as training takes them: drawn, read from the archive, decoded, put together, handed over
    read      the frames' bytes alone, read from the archive (from the page cache) and their checksums compared

Wall time is what counts; the processor time of all processes per frame is steadier where the machine is shared.
"""

import argparse
import io
import multiprocessing
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from smoothvid.data.dataset import open_dataset
from smoothvid.data.frame_store import ZipFrames
from smoothvid.data.loader import AHEAD, BatchReader, ClipSettings, batches

VIDEOS, FRAMES = 16, 64
Rate = tuple[float, float]  # frames a second, milliseconds of processor time a frame


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resolution", type=int, default=256)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=4.0, help="of each measurement, about")
    parser.add_argument("--archive", type=Path, help="a zip of video folders to read instead of made-up pictures")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = args.archive or write_archive(Path(folder) / "pictures.zip", args.resolution)
        measure(path, args.workers, args.batch, args.repeats, args.seconds)


def measure(path: Path, workers: int, batch: int, repeats: int, seconds: float) -> None:
    store = ZipFrames(path)
    frames = [(name, frame) for name, count in store.videos().items() for frame in range(count)][:1024]
    data = [store.read(*frame) for frame in frames]
    print(f"{path.name}: JPEG frames of {np.mean([len(d) for d in data]) / 1000:.0f} kB, {workers} processes")
    measures: dict[str, Callable[[], Rate]] = {
        "decode": lambda: in_processes(workers, seconds, data, decode),
        "loader": lambda: load(path, workers, batch, seconds),
        "read": lambda: in_processes(workers, seconds, frames, lambda frame: ZipFrames.read(store, *frame)),
    }
    rates: dict[str, list[Rate]] = {name: [] for name in measures}
    for _ in range(repeats):
        for name, take in measures.items():
            rates[name].append(take())
    for name, values in rates.items():
        print(f"{name:8} {spread([v[0] for v in values])} frames/s   {spread([v[1] for v in values], 3)} CPU ms/frame")
    pairs = list(zip(rates["loader"], rates["decode"], strict=True))
    print(f"loader / decode, turn by turn: wall {spread([b[0] / a[0] for b, a in pairs], 3)}", end="   ")
    print(f"processor {spread([a[1] / b[1] for b, a in pairs], 3)}")


def decode(data: bytes) -> None:
    with Image.open(io.BytesIO(data)) as image:
        np.asarray(image)


def in_processes(workers: int, seconds: float, items: list, do: Callable) -> Rate:
    """Rate at which `workers` processes do something with items."""
    context = multiprocessing.get_context("fork")
    results, barrier = context.SimpleQueue(), context.Barrier(workers)

    def work(number: int) -> None:
        mine = items[number::workers]
        do(mine[0])
        barrier.wait()
        start, cpu, done = time.monotonic(), time.process_time(), 0
        while time.monotonic() - start < seconds:
            do(mine[done % len(mine)])
            done += 1
        results.put((done / (time.monotonic() - start), time.process_time() - cpu, done))

    processes = [context.Process(target=work, args=(number,)) for number in range(workers)]
    for process in processes:
        process.start()
    rates, cpu, done = zip(*(results.get() for _ in processes), strict=True)
    for process in processes:
        process.join()
    return sum(rates), 1000 * sum(cpu) / sum(done)


def load(path: Path, workers: int, batch: int, seconds: float) -> Rate:
    reader = BatchReader(open_dataset(path), ClipSettings(batch, 3, (2, 4, 8, 16), 128, True, 0))
    stream = batches(reader, 0, workers)
    for _ in range(AHEAD * workers + 1):  # until what was read ahead before the clock started is used up
        next(stream)
    start, cpu, done = time.monotonic(), cpu_seconds(), 0
    while time.monotonic() - start < seconds:
        [(frames, _, _)] = next(stream)
        done += frames.shape[0] * frames.shape[1]
    return done / (time.monotonic() - start), 1000 * (cpu_seconds() - cpu) / done


def cpu_seconds() -> float:
    """Processor time of this process and its children so far (children: Linux only)."""
    children = [Path(f"/proc/{child.pid}/schedstat") for child in multiprocessing.active_children()]
    return time.process_time() + sum(int(file.read_text().split()[0]) for file in children if file.exists()) / 1e9


def spread(values: list[float], digits: int = 0) -> str:
    return f"{np.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def write_archive(path: Path, resolution: int) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for number, picture in enumerate(pictures(resolution, VIDEOS * FRAMES)):
            file = io.BytesIO()
            Image.fromarray(picture).save(file, "JPEG", quality=95)
            archive.writestr(f"video{number // FRAMES:02d}/{number % FRAMES:06d}.jpg", file.getvalue())
    return path


def pictures(resolution: int, count: int) -> Iterator[np.ndarray]:
    """uint8 [H, W, 3] with the power spectrum of natural pictures, 1 / frequency²: as hard to decode as those."""
    rng = np.random.default_rng(0)
    frequency = np.hypot(np.fft.fftfreq(resolution)[:, None], np.fft.rfftfreq(resolution)) + 1 / resolution
    for _ in range(count):
        picture = np.fft.irfft2(np.fft.rfft2(rng.normal(size=(3, resolution, resolution))) / frequency)
        picture = 128 + 48 * picture / picture.std()
        yield picture.clip(0, 255).astype(np.uint8).transpose(1, 2, 0).copy()


if __name__ == "__main__":
    sys.exit(main())
