"""How fast the loader is beside its limits, by hand: python tests/data/loader_rate.py --resolution 256 --workers 2

Three rates, taken in turns so that whatever else the machine does falls on all of them:

    decode    Pillow alone, JPEG bytes in memory to an RGB array, in as many processes as the loader has
    loader    batches as training takes them: drawn, read from the archive, decoded, put together, handed over
    read      the frames' bytes alone, read from the archive (from the page cache) and their checksums compared

Wall time is what counts; the processor time of all processes per frame is steadier where the machine is shared.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from smoothvid.bench.loading import Rate, decode_alone, in_processes, load, stored_frames, write_archive
from smoothvid.data.frame_store import ZipFrames


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
    data, _ = stored_frames(path)
    print(f"{path.name}: JPEG frames of {np.mean([len(d) for d in data]) / 1000:.0f} kB, {workers} processes")
    measures: dict[str, Callable[[], Rate]] = {
        "decode": lambda: decode_alone(data, workers, seconds),
        "loader": lambda: load(path, workers, batch, seconds),
        "read": lambda: in_processes(workers, seconds, frames, lambda frame: ZipFrames.read(store, *frame)),
    }
    rates: dict[str, list[Rate]] = {name: [] for name in measures}
    for _ in range(repeats):
        for name, take in measures.items():
            rates[name].append(take())
    for name, values in rates.items():
        print(f"{name:8} {spread([v.frames_per_second for v in values])} frames/s", end="   ")
        print(f"{spread([v.cpu_ms for v in values], 3)} CPU ms/frame")
    pairs = list(zip(rates["loader"], rates["decode"], strict=True))
    print("loader / decode, turn by turn: wall", end=" ")
    print(spread([ours.frames_per_second / alone.frames_per_second for ours, alone in pairs], 3), end="   ")
    print(f"processor {spread([alone.cpu_ms / ours.cpu_ms for ours, alone in pairs], 3)}")


def spread(values: list[float], digits: int = 0) -> str:
    return f"{np.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"


if __name__ == "__main__":
    sys.exit(main())
