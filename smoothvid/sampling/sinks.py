"""Where frames go: a video file, a GIF, a folder of PNG frames, or a pipe. Nothing here needs torch.

    with open_sink("sky.mp4", fps=25) as sink:
        sink.write(frames)                      # uint8 [T, 3, H, W], any number of times

A finite file is written under a temporary name and renamed when whole, so a file with its own name is a whole one. An
endless one (`endless=True`) is written in place and can be read while it grows: every frame is a fragment flushed to
the disk at once, so that even a killed process leaves a video that plays.
"""

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self, cast

import av
import numpy as np
from av.video.reformatter import Colorspace
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from smoothvid.errors import ConfigError, SmoothvidError
from smoothvid.sampling.pixels import frame_rate, palette_frame, yuv420_frame

PIPE_FORMATS = ("y4m", "rgb24")
FILE_FORMATS = (".mp4", ".webm", ".gif")
_BT709 = 1  # of primaries, transfer and matrix alike
_LIMITED_RANGE = 1  # 16 .. 235
_PIXELS = {".mp4": "yuv420p", ".webm": "yuv420p", ".gif": "pal8"}
_CODECS = {".mp4": "libx264", ".webm": "libvpx-vp9", ".gif": "gif"}
_CODEC_OPTIONS = {".mp4": {"crf": "18"}, ".webm": {"crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "5"}}
_FILE_OPTIONS = {".mp4": {"movflags": "+faststart"}}
# Endless: each frame leaves the encoder and reaches the disk at once, and no index of the past grows in memory.
_ENDLESS_CODEC_OPTIONS = {".mp4": {"tune": "zerolatency"}, ".webm": {"lag-in-frames": "0"}}
_ENDLESS_FILE_OPTIONS = {
    ".mp4": {"movflags": "frag_every_frame+empty_moov+default_base_moof+skip_trailer"},
    ".webm": {"live": "1", "cluster_time_limit": "1"},
}


class Sink(ABC):
    """Takes frames until closed. As a context manager it is closed at the end, and abandoned on an error.

    Whatever goes wrong with the output is a SmoothvidError that names it, but for a pipe whose reader has left: that is
    a BrokenPipeError, the normal end of a pipe.
    """

    def __init__(self, name: str) -> None:
        self.name, self.num_frames = name, 0

    def write(self, frames: ArrayLike) -> None:
        """Append frames, uint8 [T, 3, H, W] (NumPy, or a torch tensor on the CPU)."""
        with _errors_name(self.name):
            for picture in np.asarray(frames, np.uint8).transpose(0, 2, 3, 1):
                self._write_picture(np.ascontiguousarray(picture))
                self.num_frames += 1

    def close(self) -> None:
        """Finish the output, which is then whole."""
        with _errors_name(self.name):
            try:
                self._finish()
            except OSError:
                with suppress(OSError):
                    self._abandon()
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            return self.close()
        with suppress(OSError):
            self._abandon()

    @abstractmethod
    def _write_picture(self, picture: NDArray[np.uint8]) -> None:
        """Append one picture [H, W, 3]."""

    @abstractmethod
    def _finish(self) -> None:
        """Write what is left and give the output its name."""

    @abstractmethod
    def _abandon(self) -> None:
        """Remove what is unfinished; what is endless stays, as far as it got."""


def open_sink(out: str | Path, fps: float, *, endless: bool = False, force: bool = False, pipe: str = "y4m") -> Sink:
    """Open the output that `out` names: a suffix in FILE_FORMATS, "-" (a pipe), or a folder for PNG frames.

    Args:
        fps: frames per second.
        endless: write in place, readable while it grows.
        force: replace what is already there.
        pipe: "y4m" or "rgb24", for "-" only.

    Raises:
        ConfigError: an output that exists already, an unknown suffix, or a terminal instead of a pipe.
    """
    if str(out) == "-":
        return PipeSink(_standard_output(), fps, pipe)
    check_output(out, force=force)
    with _errors_name(str(out)):
        return FrameFolder(Path(out), endless=endless) if is_folder(out) else VideoFile(Path(out), fps, endless=endless)


def check_output(out: str | Path, *, force: bool = False) -> None:
    """Raise ConfigError unless a sink can be opened at this path."""
    path = Path(out)
    if not is_folder(out) and path.suffix.lower() not in FILE_FORMATS:
        known = ", ".join(FILE_FORMATS)
        raise ConfigError(f"{path}: unknown kind of output; use {known}, a folder name for PNG frames, or - for a pipe")
    if path.exists() and not force:
        raise ConfigError(f"{path}: already exists; choose another --out, or pass --force to replace it")
    if path.exists() and path.is_dir() != is_folder(out):
        raise ConfigError(f"{path}: is a {'folder' if path.is_dir() else 'file'}; choose another --out")
    if path.is_dir() and any(not _is_frame_name(name) for name in os.listdir(path)):
        raise ConfigError(f"{path}: holds other things than frames, so it is not replaced; choose another --out")


def is_folder(out: str | Path) -> bool:
    """Say whether this names a folder: no suffix, or a slash at the end."""
    return not Path(out).suffix or str(out).endswith(("/", os.sep))


class VideoFile(Sink):
    """A .mp4 (H.264), .webm (VP9) or .gif file. Odd sizes are padded to even ones by repeating the last row or column
    where the format needs it (not in a GIF)."""

    def __init__(self, path: Path, fps: float, *, endless: bool = False) -> None:
        super().__init__(str(path))
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path, self._written = path, path if endless else _temporary_name(path)
        self._rate = frame_rate(fps)
        self._kind = path.suffix.lower()
        self._endless = endless
        options = _FILE_OPTIONS.get(self._kind, {})
        if endless:
            options = {"flush_packets": "1", **_ENDLESS_FILE_OPTIONS.get(self._kind, {})}
        self._container = av.open(str(self._written), "w", format=self._kind[1:], options=options)
        self._stream: av.VideoStream | None = None

    def _write_picture(self, picture: NDArray[np.uint8]) -> None:
        frame = palette_frame(picture) if self._kind == ".gif" else yuv420_frame(picture, Colorspace.ITU709)
        if self._stream is None:
            self._stream = self._add_stream(frame.width, frame.height)
        frame.pts, frame.time_base = self.num_frames, 1 / self._rate
        self._container.mux(self._stream.encode(frame))

    def _finish(self) -> None:
        if self._stream is not None:
            self._container.mux(self._stream.encode(None))
        self._container.close()
        if self._written != self._path:
            os.replace(self._written, self._path)

    def _abandon(self) -> None:
        if self._endless and self.num_frames:
            return self._finish()
        try:
            self._container.close()  # writes, too: fails again on a full disk
        finally:
            self._written.unlink(missing_ok=True)

    def _add_stream(self, width: int, height: int) -> av.VideoStream:
        kind = self._kind
        options = {**_CODEC_OPTIONS.get(kind, {}), **(_ENDLESS_CODEC_OPTIONS.get(kind, {}) if self._endless else {})}
        stream = cast(av.VideoStream, self._container.add_stream(_CODECS[kind], rate=self._rate, options=options))
        stream.width, stream.height, stream.pix_fmt = width, height, _PIXELS[kind]
        if kind != ".gif":
            context = stream.codec_context
            context.gop_size = max(1, round(2 * self._rate))  # a place to seek to every two seconds
            context.colorspace = context.color_primaries = context.color_trc = _BT709
            context.color_range = _LIMITED_RANGE
        return stream


class FrameFolder(Sink):
    """A folder of PNG frames: 000000.png, 000001.png, ..."""

    def __init__(self, path: Path, *, endless: bool = False) -> None:
        super().__init__(str(path))
        self._path, self._written = path, path if endless else _temporary_name(path)
        if endless:
            _remove_frames(path)
        self._written.mkdir(parents=True)

    def _write_picture(self, picture: NDArray[np.uint8]) -> None:
        name = self._written / f"{self.num_frames:06d}.png"
        partial = name.with_suffix(".tmp")  # so that whoever watches the folder never meets half a frame
        Image.fromarray(picture).save(partial, format="png")
        os.replace(partial, name)

    def _finish(self) -> None:
        if self._written != self._path:
            _remove_frames(self._path)
            os.replace(self._written, self._path)

    def _abandon(self) -> None:
        if self._written != self._path:
            _remove_frames(self._written)


class PipeSink(Sink):
    """Raw video on a byte stream, flushed frame by frame.

    y4m is YUV 4:2:0, limited range, with the BT.601 matrix that its readers assume, as it cannot name one; odd sizes
    are padded to even ones. rgb24 is H·W·3 bytes a frame without any header: the reader must know size and rate.
    """

    def __init__(self, stream: BinaryIO, fps: float, kind: str = "y4m") -> None:
        super().__init__("the pipe")
        if kind not in PIPE_FORMATS:
            raise ConfigError(f"--pipe {kind}: unknown; use {' or '.join(PIPE_FORMATS)}")
        self._stream, self._rate, self._kind = stream, frame_rate(fps), kind

    def _write_picture(self, picture: NDArray[np.uint8]) -> None:
        if self._kind == "rgb24":
            self._stream.write(picture.tobytes())
        else:
            planes = yuv420_frame(picture, Colorspace.ITU601).to_ndarray()  # [H·3/2, W]: Y, then U, then V
            if self.num_frames == 0:
                height, width = planes.shape[0] * 2 // 3, planes.shape[1]
                rate = f"{self._rate.numerator}:{self._rate.denominator}"
                header = f"YUV4MPEG2 W{width} H{height} F{rate} Ip A1:1 C420mpeg2 XCOLORRANGE=LIMITED\n"
                self._stream.write(header.encode())
            self._stream.write(b"FRAME\n" + planes.tobytes())
        self._stream.flush()

    def _finish(self) -> None:
        self._stream.flush()

    def _abandon(self) -> None:
        pass


@contextmanager
def _errors_name(name: str) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise SmoothvidError(f"{name}: cannot be written ({error.strerror or error})") from None


def _standard_output() -> BinaryIO:
    if sys.stdout.isatty():
        raise ConfigError("--out -: stdout is a terminal; pipe it into a player: smoothvid sample ... | ffplay -")
    return sys.stdout.buffer


def _temporary_name(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def _remove_frames(folder: Path) -> None:
    """Remove a folder of frames; anything else in it stays, and is an OSError."""
    if folder.exists():
        for name in filter(_is_frame_name, os.listdir(folder)):
            os.unlink(folder / name)
        folder.rmdir()


def _is_frame_name(name: str) -> bool:
    stem, dot, suffix = name.partition(".")
    return stem.isdigit() and dot + suffix in (".png", ".tmp")
