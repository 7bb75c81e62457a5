"""Where frames go: a video file, a GIF, a folder of PNG frames, HLS, or a pipe. Nothing here needs torch.

    with open_sink("sky.mp4", fps=25) as sink:
        sink.write(frames)                      # uint8 [T, 3, H, W], any number of times

    with Beside(open_sink("sky.mp4", fps=25)) as sink:
        ...                                     # the same, while the next frames are made

A finite file is written under a temporary name and renamed when whole, so a file with its own name is a whole one. An
endless one (`endless=True`) is written in place and can be read while it grows: every frame is a fragment flushed to
the disk at once, so that even a killed process leaves a video that plays.

base          what every sink promises
beside        a sink that works while the next frames are made
video_file    mp4, webm, gif
hls           a playlist and its segments
frame_folder  PNG frames
pipe          y4m, mpegts, rgb24
encode        encoders and the tags of colours
names         temporary names
"""

import os
from pathlib import Path

from smoothvid.errors import ConfigError
from smoothvid.sampling.pixels import frame_rate
from smoothvid.sampling.sinks.base import Sink, errors_name
from smoothvid.sampling.sinks.beside import Beside
from smoothvid.sampling.sinks.frame_folder import FrameFolder, is_frame_name
from smoothvid.sampling.sinks.hls import HlsPlaylist, check_playlist_name
from smoothvid.sampling.sinks.pipe import PIPE_FORMATS, PipeSink, standard_output
from smoothvid.sampling.sinks.video_file import VideoFile

__all__ = [
    "FILE_FORMATS",
    "PIPE_FORMATS",
    "Beside",
    "PipeSink",
    "Sink",
    "check_output",
    "is_folder",
    "open_sink",
    "rate_note",
]

FILE_FORMATS = (".mp4", ".webm", ".gif", ".m3u8")
GIF_MOST_FPS, GIF_SAFE_FPS = 100, 50  # a GIF counts hundredths of a second; browsers take 1 of them for 10


def open_sink(out: str | Path, fps: float, *, endless: bool = False, force: bool = False, pipe: str = "y4m") -> Sink:
    """Open the output that `out` names: a suffix in FILE_FORMATS, "-" (a pipe), or a folder for PNG frames.

    Args:
        fps: frames per second.
        endless: write in place, readable while it grows.
        force: replace what is already there.
        pipe: one of PIPE_FORMATS, for "-" only.

    Raises:
        ConfigError: an output that exists already, an unknown suffix, a rate that the format cannot have, or a terminal
            instead of a pipe.
    """
    if str(out) == "-":
        return PipeSink(standard_output(), fps, pipe)
    check_output(out, fps, force=force)
    path = Path(out)
    with errors_name(str(out)):
        if is_folder(out):
            return FrameFolder(path, endless=endless)
        kind = HlsPlaylist if path.suffix.lower() == ".m3u8" else VideoFile
        return kind(path, fps, endless=endless)


def check_output(out: str | Path, fps: float, *, force: bool = False) -> None:
    """Raise ConfigError unless a sink for so many frames per second can be opened at this path."""
    path = Path(out)
    frame_rate(fps)
    try:
        path.lstat()
    except FileNotFoundError:
        pass
    except OSError as error:  # for example, the name is too long
        raise ConfigError(f"{path}: cannot be written ({error.strerror}); choose another --out") from None
    if not is_folder(out) and path.suffix.lower() not in FILE_FORMATS:
        known = ", ".join(FILE_FORMATS)
        raise ConfigError(f"{path}: unknown kind of output; use {known}, a folder name for PNG frames, or - for a pipe")
    if path.suffix.lower() == ".m3u8":
        check_playlist_name(path)
    if path.suffix.lower() == ".gif" and fps > GIF_MOST_FPS:
        raise ConfigError(
            f"{path}: a GIF shows at most {GIF_MOST_FPS} frames per second, not {fps:g}; give a lower --fps, or write "
            "another kind of file"
        )
    if path.exists() and not force:
        raise ConfigError(f"{path}: already exists; choose another --out, or pass --force to replace it")
    if path.exists() and path.is_dir() != is_folder(out):
        raise ConfigError(f"{path}: is a {'folder' if path.is_dir() else 'file'}; choose another --out")
    if path.is_dir() and any(not is_frame_name(name) for name in os.listdir(path)):
        raise ConfigError(f"{path}: holds other things than frames, so it is not replaced; choose another --out")


def rate_note(out: str | Path, fps: float) -> str:
    """What to tell about the rate of an output, or ""."""
    if Path(out).suffix.lower() == ".gif" and fps > GIF_SAFE_FPS:
        return f"browsers show a GIF of more than {GIF_SAFE_FPS} frames per second much slower than its {fps:g}"
    return ""


def is_folder(out: str | Path) -> bool:
    """Say whether this names a folder: no suffix, or a slash at the end."""
    return not Path(out).suffix or str(out).endswith(("/", os.sep))
