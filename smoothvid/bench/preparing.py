"""Stages of `prepare`: all of it, and its parts one by one, beside decoding alone."""

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

from PIL import Image

from smoothvid.bench.case import BenchSettings, Call, Case
from smoothvid.bench.decoding import decode_alone
from smoothvid.data import resample
from smoothvid.data.convert import encode
from smoothvid.data.prepare import prepare as prepare_videos
from smoothvid.data.prepare_settings import PrepareSettings
from smoothvid.data.resize import square_pixels, to_square
from smoothvid.data.scene_cuts import MotionTrace
from smoothvid.data.sources import find_sources
from smoothvid.data.synthetic import make_world
from smoothvid.data.video_io import read_video
from smoothvid.errors import DataError
from smoothvid.sampling.sinks import open_sink

SIDES = (256, 64)  # of prepared frames
PARTS = ("resizing", "cuts", "encoding")
_FRAMES = 64  # of each video, for the parts
_FPS, _MADE_SIDE = 25.0, 480  # of the made-up videos


def prepare(settings: BenchSettings) -> Iterator[Case]:
    """All of `prepare`, and its parts on one core. Floor: decoding to RGB alone, in as many processes."""
    with _videos(settings) as (paths, folder):
        count = decode_alone(paths, settings.workers)
        files = "1 file" if len(paths) == 1 else f"{len(paths)} files"
        for side in SIDES:
            wanted = PrepareSettings(resolution=side, workers=settings.workers, upscale=True)
            calls: dict[str, Call] = {
                "ours": partial(prepare_videos, paths, folder / "dataset", wanted, force=True),
                "floor": partial(decode_alone, paths, settings.workers),
            }
            yield Case(f"to {side}x{side}, {files}, {settings.workers} processes", calls, "frame", count)
        resample.load()
        for side in SIDES:
            for part in PARTS:
                yield Case(
                    f"{part}, {side}x{side}, {files}", _part_and_decoding(paths, side, part), "frame", timed=True
                )


def resize(settings: BenchSettings) -> Iterator[Case]:
    """Frames of a video to squares. Floor: Pillow's resizing of their central squares alone."""
    with _videos(settings) as (paths, _):
        frames = [frame for _, frame in islice(read_video(paths[0]), 8)]
    images = [Image.fromarray(frame) for frame in frames]
    width, height = images[0].size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    box = left, top, left + side, top + side
    resample.load()
    for new in SIDES:
        calls = {
            "ours": lambda new=new: [to_square(frame, new, "center") for frame in frames],
            "floor": lambda new=new: [image.resize((new, new), Image.Resampling.BICUBIC, box) for image in images],
        }
        yield Case(f"{width}x{height} to {new}x{new}", calls, "frame", len(frames))


def part_seconds(paths: Sequence[str], side: int) -> dict[str, float]:
    """Seconds of processor time a frame that each part of `prepare` takes, over the first frames of each video."""
    settings, taken, count = PrepareSettings(resolution=side), dict.fromkeys(("decoding", *PARTS), 0.0), 0
    clock = time.thread_time
    for path in paths:
        trace, frames = MotionTrace(), islice(read_video(path), _FRAMES)
        while True:
            start = clock()
            try:
                _, frame = next(frames)
            except (StopIteration, DataError):  # `prepare` takes the frames before damage
                break
            decoded = clock()
            pixels = square_pixels(frame, side, settings.crop)
            resized = clock()
            trace.add(pixels)
            looked = clock()
            encode(pixels, settings)
            ends = start, decoded, resized, looked, clock()
            for part, begin, end in zip(taken, ends, ends[1:], strict=False):
                taken[part] += end - begin
            count += 1
    return {part: seconds / count for part, seconds in taken.items()}


def _part_and_decoding(paths: Sequence[str], side: int, part: str) -> dict[str, Call]:
    """Both of one and the same pass over the videos, which is made when decoding, the floor, is asked for."""
    last: dict[str, float] = {}

    def decoding() -> float:
        last.update(part_seconds(paths, side))
        return last["decoding"]

    return {"ours": lambda: last[part], "floor": decoding}


@contextmanager
def _videos(settings: BenchSettings) -> Iterator[tuple[list[str], Path]]:
    """Video files, those that were given or made-up ones, and a folder to work in that then vanishes."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if settings.videos:
            found = find_sources(settings.videos, PrepareSettings()).sources
            paths = [source.path for source in found if source.kind == "video"]
            if not paths:
                raise DataError(f"there are no video files in {', '.join(settings.videos)}")
        else:
            paths = [_make_video(folder / f"drive-{seed}.mp4", seed, 3.0) for seed in range(settings.workers)]
        yield paths, folder


def _make_video(path: Path, seed: int, seconds: float) -> str:
    """A video of a made-up drive."""
    world = make_world("drive", seed)
    with open_sink(path, _FPS) as sink:
        for t in range(round(seconds * _FPS)):
            sink.write(world.frame(float(t), _MADE_SIDE).transpose(2, 0, 1)[None])
    return str(path)
