"""Stages of files: loading, encoding, and sampling from end to end."""

import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np

from smoothvid.bench import loading
from smoothvid.bench.case import BenchSettings, Case, ours_and_plain
from smoothvid.bench.networks import video_model
from smoothvid.sampling.sinks import Beside, open_sink

_FPS = 25.0
_SIDE = 256


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
