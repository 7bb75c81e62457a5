"""Sinks against independent decoders (PyAV for video, Pillow for pictures) and formulas written out here."""

import io
import os
import resource
import signal
import socket
import subprocess
import sys
from io import FileIO
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image, ImageSequence
from scipy.ndimage import uniform_filter

from smoothvid.errors import ConfigError, SmoothvidError
from smoothvid.sampling.pixels import frame_rate
from smoothvid.sampling.sinks import PIPE_FORMATS, PipeSink, open_sink, rate_note


def moving_picture(num_frames: int, height: int = 64, width: int = 96) -> np.ndarray:
    """Smooth coloured gradients that move, uint8 [T, 3, H, W]."""
    t, y, x = np.meshgrid(np.arange(num_frames), np.arange(height), np.arange(width), indexing="ij")
    waves = [np.sin(x / 17 + t / 5), np.cos(y / 13 - t / 7), np.sin((x + y) / 23 + t / 9)]
    return np.stack([127.5 + 110 * wave for wave in waves], axis=1).round().astype(np.uint8)


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b.astype(float)) ** 2)))


def rgb_from_yuv420(planes: np.ndarray, red: float, blue: float) -> np.ndarray:
    """Decode [H·3/2, W] limited-range planes by the textbook formula with the matrix's two weights: [H, W, 3]."""
    height = planes.shape[0] * 2 // 3
    luma = (planes[:height].astype(float) - 16) / 219
    chroma = planes[height:].reshape(2, height // 2, -1).repeat(2, axis=1).repeat(2, axis=2)
    cb, cr = (chroma.astype(float) - 128) / 224
    r, b = luma + 2 * (1 - red) * cr, luma + 2 * (1 - blue) * cb
    g = (luma - red * r - blue * b) / (1 - red - blue)
    return (np.stack([r, g, b], axis=-1) * 255).clip(0, 255)


def decoded(file: Path | io.BytesIO) -> list[av.VideoFrame]:
    with av.open(file) as container:
        return list(container.decode(video=0))


@pytest.mark.parametrize("name", ["a.mp4", "a.webm"])
@pytest.mark.parametrize("endless", [False, True])
def test_video_file_decodes_to_its_frames(tmp_path: Path, name: str, endless: bool) -> None:
    frames = moving_picture(24)
    with open_sink(tmp_path / name, fps=29.97, endless=endless) as sink:
        sink.write(frames[:10])
        sink.write(frames[10:])
    pictures = decoded(tmp_path / name)
    assert len(pictures) == 24
    for frame, picture in zip(frames, pictures, strict=True):
        assert picture.format.name == "yuv420p"
        shown = rgb_from_yuv420(picture.to_ndarray(), red=0.2126, blue=0.0722)  # BT.709
        assert psnr(shown, frame.transpose(1, 2, 0)) > 34
    with av.open(str(tmp_path / name)) as container:
        stream = container.streams.video[0]
        assert float(stream.average_rate) == pytest.approx(29.97, rel=1e-3)
        context = stream.codec_context
        assert context.name == ("h264" if name == "a.mp4" else "vp9")
        assert (context.colorspace, context.color_range) == (1, 1)
        if name == "a.mp4":
            assert (context.color_primaries, context.color_trc) == (1, 1)
    assert os.listdir(tmp_path) == [name]


def test_finite_mp4_can_start_before_it_is_whole(tmp_path: Path) -> None:
    with open_sink(tmp_path / "a.mp4", fps=25) as sink:
        sink.write(moving_picture(3))
    data = (tmp_path / "a.mp4").read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")


def test_gif(tmp_path: Path) -> None:
    frames = moving_picture(12, 33, 47)
    with open_sink(tmp_path / "a.gif", fps=10) as sink:
        sink.write(frames)
    with Image.open(tmp_path / "a.gif") as gif:
        pictures = [np.asarray(page.convert("RGB")) for page in ImageSequence.Iterator(gif)]
        assert gif.info["duration"] == 100 and gif.info["loop"] == 0
    assert len(pictures) == 12
    for picture, frame in zip(pictures, frames.transpose(0, 2, 3, 1), strict=True):
        assert psnr(picture, frame) > 22
        blur = [uniform_filter(values.astype(float), (8, 8, 0)) for values in (picture, frame)]
        assert psnr(blur[0], blur[1]) > 34  # dithering errs on each pixel, not on their mean


@pytest.mark.parametrize("endless", [False, True])
def test_frame_folder_is_exact(tmp_path: Path, endless: bool) -> None:
    frames = moving_picture(3, 15, 17)
    with open_sink(f"{tmp_path}/shot.1/", fps=10, endless=endless) as sink:
        sink.write(frames)
    assert sorted(os.listdir(tmp_path / "shot.1")) == ["000000.png", "000001.png", "000002.png"]
    for index, frame in enumerate(frames):
        with Image.open(tmp_path / "shot.1" / f"{index:06d}.png") as picture:
            np.testing.assert_array_equal(np.asarray(picture), frame.transpose(1, 2, 0))


def test_odd_sizes_are_padded_by_repeating_the_edge(tmp_path: Path) -> None:
    frames = np.full((2, 3, 33, 47), 40, np.uint8)
    frames[:, :, -1], frames[:, :, :, -1] = 200, 200
    with open_sink(tmp_path / "a.mp4", fps=10) as sink:
        sink.write(frames)
    picture = decoded(tmp_path / "a.mp4")[0].to_ndarray(format="rgb24").astype(int)
    assert picture.shape == (34, 48, 3)
    assert abs(picture[33] - 200).max() < 12 and abs(picture[:, 47] - 200).max() < 12
    assert abs(picture[:30, :44] - 40).max() < 12


def test_y4m_header_size_and_colours() -> None:
    frames, stream = moving_picture(3, 33, 47), io.BytesIO()
    with PipeSink(stream, 23.976) as sink:
        sink.write(frames)
    header, data = stream.getvalue().split(b"\n", 1)
    assert header.split() == b"YUV4MPEG2 W48 H34 F2997:125 Ip A1:1 C420mpeg2 XCOLORRANGE=LIMITED".split()
    size = 48 * 34 * 3 // 2
    assert len(data) == 3 * (len(b"FRAME\n") + size)
    for frame in frames:
        marker, planes, data = data[:6], data[6 : 6 + size], data[6 + size :]
        assert marker == b"FRAME\n"
        shown = rgb_from_yuv420(np.frombuffer(planes, np.uint8).reshape(51, 48), red=0.299, blue=0.114)  # BT.601
        assert psnr(shown[:33, :47], frame.transpose(1, 2, 0)) > 34


def test_y4m_is_read_by_ffmpeg(tmp_path: Path) -> None:
    with open(tmp_path / "a.y4m", "wb") as file, PipeSink(file, 25) as sink:
        sink.write(moving_picture(5))
    pictures = decoded(tmp_path / "a.y4m")
    assert len(pictures) == 5
    assert psnr(pictures[4].to_ndarray(format="rgb24"), moving_picture(5)[4].transpose(1, 2, 0)) > 33


def test_rgb24_is_the_bytes_of_the_pixels() -> None:
    frames, stream = moving_picture(2, 5, 7), io.BytesIO()
    with PipeSink(stream, 25, "rgb24") as sink:
        sink.write(frames)
    assert stream.getvalue() == frames.transpose(0, 2, 3, 1).tobytes()


def test_mpegts_plays_from_its_start_and_from_any_second() -> None:
    frames, stream, sizes = moving_picture(40), io.BytesIO(), [0]
    with PipeSink(stream, 10, "mpegts") as sink:
        for frame in frames:
            sink.write(frame[None])
            sizes.append(len(stream.getvalue()))
    assert all(later > earlier for earlier, later in pairwise(sizes))  # each frame leaves at once
    pictures = decoded(io.BytesIO(stream.getvalue()))
    assert len(pictures) == 40
    assert [index for index, picture in enumerate(pictures) if picture.key_frame] == [0, 10, 20, 30]
    assert (pictures[0].colorspace, pictures[0].color_range) == (1, 1)
    for picture, frame in zip(pictures, frames, strict=True):
        shown = rgb_from_yuv420(picture.to_ndarray(), red=0.2126, blue=0.0722)  # BT.709
        assert psnr(shown, frame.transpose(1, 2, 0)) > 34
    joined = [picture for picture in decoded(io.BytesIO(stream.getvalue()[sizes[5] :])) if not picture.is_corrupt]
    assert len(joined) == 30
    np.testing.assert_array_equal(joined[-1].to_ndarray(), pictures[-1].to_ndarray())


@pytest.mark.parametrize("kind", PIPE_FORMATS)
def test_a_closed_pipe_is_a_broken_pipe(kind: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with FileIO(writer, "w") as stream, pytest.raises(BrokenPipeError), PipeSink(stream, 25, kind) as sink:
        sink.write(moving_picture(1))


def test_a_terminal_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    parent, child = os.openpty()
    with open(parent, "rb"), open(child, "w") as terminal:
        monkeypatch.setattr("sys.stdout", terminal)
        with pytest.raises(ConfigError, match="terminal"):
            open_sink("-", fps=25)


def test_existing_output_needs_force_and_only_frames_are_ever_replaced(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"mine")
    with pytest.raises(ConfigError, match="--force"):
        open_sink(tmp_path / "a.mp4", fps=25)
    with open_sink(tmp_path / "a.mp4", fps=25, force=True) as sink:
        sink.write(moving_picture(2))
        assert (tmp_path / "a.mp4").read_bytes() == b"mine"  # until the new one is whole
    assert len(decoded(tmp_path / "a.mp4")) == 2

    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match="other things"):
        open_sink(tmp_path / "home", fps=25, force=True)
    (tmp_path / "frames").mkdir()
    (tmp_path / "frames" / "000007.png").write_bytes(b"old")
    with open_sink(tmp_path / "frames", fps=25, force=True) as sink:
        sink.write(moving_picture(1))
    assert os.listdir(tmp_path / "frames") == ["000000.png"]


@pytest.mark.parametrize("name", ["a.mp4", "a.gif", "frames"])
def test_an_error_leaves_nothing_of_a_finite_output(tmp_path: Path, name: str) -> None:
    with pytest.raises(ZeroDivisionError), open_sink(tmp_path / name, fps=25) as sink:
        sink.write(moving_picture(2))
        1 / 0  # noqa: B018
    assert os.listdir(tmp_path) == []


def test_unknown_kinds_and_unwritable_places_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"a\.avi.*\.mp4"):
        open_sink(tmp_path / "a.avi", fps=25)
    with pytest.raises(ConfigError, match="yuv9"):
        PipeSink(io.BytesIO(), 25, "yuv9")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(SmoothvidError, match=r"file/a\.mp4"):
        open_sink(tmp_path / "file" / "a.mp4", fps=25)
    for fps in (0, -1, float("nan"), float("inf"), 1e9):
        with pytest.raises(ConfigError, match="fps"):
            frame_rate(fps)
    for long in ("n" * 252 + ".mp4", "n" * 256):
        with pytest.raises(ConfigError, match="nnn.*cannot be written .File name too long"):
            open_sink(tmp_path / long, fps=25)


def test_the_longest_names_are_written(tmp_path: Path) -> None:
    """The temporary name of a file is longer than its own, but must not be so by too much."""
    for name in ("ü" * 125 + ".webm", "n" * 255):
        with open_sink(tmp_path / name, fps=25) as sink:
            sink.write(moving_picture(2))
        assert (tmp_path / name).exists()
    assert len(os.listdir(tmp_path)) == 2


@pytest.mark.parametrize("endless", [False, True])
def test_names_that_look_like_a_protocol(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, endless: bool) -> None:
    """They are the names of files, and nothing is connected with."""
    monkeypatch.chdir(tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        host = f"127.0.0.1:{server.getsockname()[1]}"
        names = [
            "sky-12:30.mp4",
            f"tcp:{host}?.mp4",
            f"http://{host}/y.mp4",
            "file:a.mp4",
            "pipe:1.mp4",
            "a\nb%03d.mp4",
        ]
        for name in names:
            with open_sink(name, fps=25, endless=endless) as sink:
                sink.write(moving_picture(2))
            assert len(decoded(tmp_path / name)) == 2
        with pytest.raises(BlockingIOError):
            server.accept()


def test_rates_of_a_gif(tmp_path: Path) -> None:
    """It counts hundredths of a second, and browsers slow down what takes but one of them."""
    with pytest.raises(ConfigError, match=r"a\.gif: a GIF shows at most 100 frames per second, not 120"):
        open_sink(tmp_path / "a.gif", fps=120)
    with open_sink(tmp_path / "a.gif", fps=100) as sink:
        sink.write(moving_picture(3))
    assert "slower" in rate_note("a.gif", 60) and rate_note("a.gif", 50) == rate_note("a.mp4", 60) == ""


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "a.webm").symlink_to("/dev/full")
    with pytest.raises(SmoothvidError, match=r"a\.webm.*[Nn]o space"):
        with open_sink(tmp_path / "a.webm", fps=25, endless=True, force=True) as sink:
            sink.write(moving_picture(40))


@pytest.mark.parametrize("name", ["a.mp4", "a.webm", "a.gif", "frames"])
@pytest.mark.parametrize("num_bytes", [0, 1000, 30_000])
def test_what_could_not_be_finished_is_removed(tmp_path: Path, name: str, num_bytes: int) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, 3, 128, 128), np.uint8)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (num_bytes, hard))
    try:
        with pytest.raises(SmoothvidError, match=name), open_sink(tmp_path / name, fps=25) as sink:
            sink.write(noise)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert os.listdir(tmp_path) == []


ENDLESS_CHILD = """
import sys, time
sys.path.insert(0, sys.argv[2])
from test_sinks import moving_picture
from smoothvid.sampling.sinks import open_sink
with open_sink(sys.argv[1], fps=25, endless=True) as sink:
    for frames in moving_picture(60)[:, None]:
        sink.write(frames)
    print("written", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("name,lost", [("a.mp4", 1), ("a.webm", 2)])
def test_a_killed_endless_file_plays_to_its_last_moment(tmp_path: Path, name: str, lost: int) -> None:
    here = Path(__file__).parent
    command = [sys.executable, "-c", ENDLESS_CHILD, str(tmp_path / name), str(here)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=here.parents[1])
    assert child.stdout is not None
    with child.stdout:
        assert child.stdout.readline() == "written\n"
        child.send_signal(signal.SIGKILL)
        child.wait()
    pictures = decoded(tmp_path / name)
    assert 60 - lost <= len(pictures) <= 60
    last = len(pictures) - 1
    shown = pictures[last].to_ndarray(format="rgb24")
    assert psnr(shown, moving_picture(60)[last].transpose(1, 2, 0)) > 28


def test_an_endless_mp4_grows_with_every_frame(tmp_path: Path) -> None:
    sizes = []
    with open_sink(tmp_path / "a.mp4", fps=25, endless=True) as sink:
        for frames in moving_picture(10)[:, None]:
            sink.write(frames)
            sizes.append((tmp_path / "a.mp4").stat().st_size)
    assert all(later > earlier for earlier, later in zip(sizes[1:], sizes[2:], strict=False)), sizes
