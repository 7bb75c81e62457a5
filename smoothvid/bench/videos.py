"""Stages of files: decoding, resizing, loading, encoding, and sampling from end to end."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path

import numpy as np
from PIL import Image

from smoothvid.bench import loading
from smoothvid.bench.case import BenchSettings, Case, ours_and_plain
from smoothvid.bench.decoding import decode_alone
from smoothvid.bench.networks import video_model
from smoothvid.data.prepare import prepare
from smoothvid.data.prepare_settings import PrepareSettings
from smoothvid.data.resize import to_square
from smoothvid.data.sources import find_sources
from smoothvid.data.synthetic import make_world
from smoothvid.data.video_io import read_video
from smoothvid.errors import DataError
from smoothvid.sampling.sinks import Beside, open_sink

_FPS = 25.0
_SIDE = 256  # of prepared frames
_MADE_SIDE = 480  # of the made-up videos


def decode(settings: BenchSettings) -> Iterator[Case]:
    """All of `prepare` on some videos. Floor: decoding them alone, in as many processes."""
    with _videos(settings) as (paths, folder):
        wanted = PrepareSettings(resolution=_SIDE, workers=settings.workers, upscale=True)
        count = decode_alone(paths, settings.workers)
        calls = {
            "ours": lambda: prepare(paths, folder / "dataset", wanted, force=True),
            "floor": lambda: decode_alone(paths, settings.workers),
        }
        files = "1 file" if len(paths) == 1 else f"{len(paths)} files"
        yield Case(f"{files}, {settings.workers} processes", calls, "frame", count)


def resize(settings: BenchSettings) -> Iterator[Case]:
    """Frames of a video to squares. Floor: Pillow's resizing of their central squares alone."""
    with _videos(settings) as (paths, _):
        frames = [frame for _, frame in islice(read_video(paths[0]), 8)]
    images = [Image.fromarray(frame) for frame in frames]
    width, height = images[0].size
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    box = left, top, left + side, top + side
    calls = {
        "ours": lambda: [to_square(frame, _SIDE, "center") for frame in frames],
        "floor": lambda: [image.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC, box) for image in images],
    }
    yield Case(f"{width}x{height} to {_SIDE}x{_SIDE}", calls, "frame", len(frames))


def loader(settings: BenchSettings) -> Iterator[Case]:
    """Training's batches of the dataset's frames. Floor: decoding the stored frames, in as many processes."""
    seconds = 4.0 if settings.full else 1.0
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "pictures.zip"
        path = settings.dataset or loading.write_archive(made, _SIDE, videos=16 if settings.full else 4)
        data, side = loading.stored_frames(path)
        calls = {
            "ours": lambda: 1 / loading.load(path, settings.workers, 16, seconds).frames_per_second,
            "floor": lambda: 1 / loading.decode_alone(data, settings.workers, seconds).frames_per_second,
        }
        yield Case(f"{side}x{side}, {settings.workers} processes", calls, "frame", timed=True)


def encode(settings: BenchSettings) -> Iterator[Case]:
    """Generating frames and encoding them meanwhile, as for an endless video. Floor: generating them alone."""
    model = video_model(settings.config(settings.usual_preset), settings.torch_device)
    count, chunk = (16, 4) if settings.full else (8, 2)
    with tempfile.TemporaryDirectory() as folder:

        def written() -> None:
            with Beside(open_sink(Path(folder) / "video.mp4", _FPS, endless=True, force=True)) as sink:
                for frames in model.stream(num_frames=count, chunk=chunk):
                    sink.write(frames)

        def alone() -> None:
            for _ in model.stream(num_frames=count, chunk=chunk):
                pass

        calls = {"ours": ours_and_plain(written, settings)["ours"], "floor": ours_and_plain(alone, settings)["ours"]}
        yield Case(f"{settings.usual_name}, mp4", calls, "frame", count)


def sample(settings: BenchSettings) -> Iterator[Case]:
    """`smoothvid sample` from the model's contents to the file."""
    model = video_model(settings.config(settings.usual_preset), settings.torch_device)
    count = 4
    with tempfile.TemporaryDirectory() as folder:

        def call() -> None:
            with Beside(open_sink(Path(folder) / "video.mp4", _FPS, force=True)) as sink:
                for frames in model.stream(num_frames=count):
                    sink.write(frames)

        yield Case(f"{settings.usual_name}, mp4", ours_and_plain(call, settings), "frame", count)


def motion(settings: BenchSettings) -> Iterator[Case]:
    """The motion codes of 64 frames, early and late."""
    model = video_model(settings.config(settings.usual_preset), settings.torch_device)
    for start in (0.0, 1e7):
        call = partial(model.motions, [0], start + np.arange(64, dtype=np.float64))
        yield Case(f"64 frames from t = {start:,.0f}", {"ours": call}, "frame", 64)


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
