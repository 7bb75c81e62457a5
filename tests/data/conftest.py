"""Clips made on the spot, and the folder of real ones where there is one."""

from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
MakeClip = Callable[..., Path]


@pytest.fixture(scope="session")
def real_clips() -> Path:
    clips = ROOT.parent / "shared" / "clips"
    if not clips.is_dir():
        pytest.skip(f"the folder of real clips is not there ({clips})")
    return clips


@pytest.fixture
def make_clip(tmp_path: Path) -> MakeClip:
    return lambda name, frames, **how: _write_clip(tmp_path / name, frames, **how)


@pytest.fixture(scope="session")
def write_clip() -> MakeClip:
    """The same for clips that several tests share: it is given the whole path."""
    return _write_clip


def _write_clip(
    path: Path,
    frames: Iterable[np.ndarray],
    times_ms: Iterable[int] | None = None,
    fps: int = 25,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
) -> Path:
    """Encode uint8 [H, W, 3] frames, at a constant rate or at given times."""
    path.parent.mkdir(parents=True, exist_ok=True)
    frames = list(frames)
    times = list(times_ms) if times_ms is not None else [round(1000 * number / fps) for number in range(len(frames))]
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        if codec == "libx264":
            stream.options = {"crf": "10", "preset": "ultrafast"}
        stream.codec_context.time_base = Fraction(1, 1000)
        for time, image in zip(times, frames, strict=True):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame.pts, frame.time_base = time, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path
