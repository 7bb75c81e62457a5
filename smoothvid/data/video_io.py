"""Reading video files with PyAV: what they hold, and their frames with times, as a player would show them."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

from smoothvid.data.resample import resample
from smoothvid.errors import DataError
from smoothvid.files import why_no_file

VIDEO_SUFFIXES = frozenset(
    {".mp4", ".m4v", ".mov", ".3gp", ".mkv", ".webm", ".avi", ".gif", ".ts", ".mts", ".m2ts", ".wmv", ".flv"}
    | {".mpg", ".mpeg", ".vob", ".ogv", ".mxf"}
)
MAX_PIXELS = 8192 * 8192
# No playlists, which could name other files or hosts; nothing but local files.
_FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,mpegts,asf,flv,mpeg,mpegvideo,ogg,mxf"
_OPEN_OPTIONS = {"format_whitelist": _FORMATS, "protocol_whitelist": "file"}
_WITHOUT_TIMES = ("avi", "mpeg", "mpegvideo")  # containers whose time stamps are missing, or not of every frame
# A rate counts as constant while steps stay this close to the median: GIF and Matroska round delays, phones jitter.
_JITTER_SHARE, _JITTER_SECONDS = 0.25, 0.0025
_FALLBACK_FPS = Fraction(25)


@dataclass(frozen=True)
class VideoInfo:
    """A video as it is shown.

    width, height: pixels, after rotation and with square pixels.
    times: start of every frame in seconds, rising, float64 [N].
    fps: frames per second; of a variable-rate video, one over its median step.
    constant_rate: whether all frames keep that rate.
    notes: what its owner should know.
    """

    width: int
    height: int
    times: np.ndarray
    fps: float
    constant_rate: bool
    notes: tuple[str, ...] = ()


def probe_video(path: str | Path) -> VideoInfo:
    """Read size, rate and frame times of a video file; of the picture only the first frame is decoded.

    Raises:
        DataError: the file cannot be opened, has no video in it, or its frames are too large.
    """
    with _opened(path) as (container, stream):
        times = _packet_times(container, stream)
        rate, others = _average_rate(stream), len(_streams(container)) - 1
        notes = [f"has {others + 1} video streams; the largest is taken, number {stream.index}"] if others else []
        notes += ["interlaced: its frames mix two moments"] if _is_interlaced(stream) else []
    _, first = next(read_video(path), (0.0, None))
    if first is None:
        raise DataError("no frame can be decoded")
    fps, constant_rate = frame_rate(times) if len(times) > 1 else (float(rate), True)
    return VideoInfo(first.shape[1], first.shape[0], times, fps, constant_rate, tuple(notes))


def read_video(
    path: str | Path, wanted: Callable[[float], bool] = lambda time: True
) -> Iterator[tuple[float, np.ndarray]]:
    """Decode a video file frame by frame on one thread, holding one frame at a time.

    Rotation and pixel shape are applied, transparency is laid over black, and any pixel format becomes 8-bit RGB.
    AVI and MPEG program streams carry no usable time stamps; their frames are counted at the rate of the stream.

    Args:
        path: the file.
        wanted: told the time of each frame; frames for which it returns False are decoded but not converted.

    Yields:
        (time in seconds, rising; frame uint8 [H, W, 3]).

    Raises:
        DataError: the file cannot be opened, or decoding fails; frames before the damage have been yielded by then.
    """
    with _opened(path) as (container, stream):
        rate = _average_rate(stream)
        counts_frames = container.format.name in _WITHOUT_TIMES
        aspect = _pixel_aspect(container, stream)
        last = -float("inf")
        try:
            for number, frame in enumerate(container.decode(stream)):
                time = float(number / rate) if counts_frames or frame.time is None else float(frame.time)
                time = time if time > last else last + float(1 / rate)
                last = time
                if wanted(time):
                    yield time, _shown(frame, aspect)
        except DataError:
            raise
        except Exception as error:  # damaged streams raise far more than av.FFmpegError, even UnicodeDecodeError
            raise DataError(f"decoding fails after {max(last, 0.0):.1f} s ({_reason(error)})") from error


def frame_rate(times: np.ndarray) -> tuple[float, bool]:
    """Frames per second of rising times (float64 [N >= 2], seconds), and whether the rate is constant."""
    steps = np.diff(times)
    median = float(np.median(steps))
    if np.all(np.abs(steps - median) <= _JITTER_SHARE * median + _JITTER_SECONDS):
        return round(len(steps) / float(times[-1] - times[0]), 6), True
    return round(1.0 / median, 6), False


@contextmanager
def _opened(path: str | Path) -> Iterator[tuple[InputContainer, VideoStream]]:
    if problem := why_no_file(path):
        raise DataError(problem)
    try:
        # With its protocol named, no part of a file's name can be taken for another one.
        container = av.open(f"file:{Path(path).absolute()}", options=_OPEN_OPTIONS)
    except Exception as error:  # see read_video
        raise DataError(f"cannot be opened as a video ({_reason(error)})") from error
    with container:
        streams = _streams(container)
        if not streams:
            raise DataError("there is no video stream in it")
        stream = streams[0]
        if stream.codec_context is None:
            raise DataError("its codec is not known")
        pixels = stream.codec_context.width * stream.codec_context.height
        if pixels > MAX_PIXELS:
            raise DataError(f"its frames are too large ({pixels / 1e6:.0f} megapixels)")
        stream.codec_context.options = {"max_pixels": str(MAX_PIXELS)}  # also for sizes announced later in the stream
        stream.codec_context.thread_count = 1
        yield container, stream


def _streams(container: InputContainer) -> list[VideoStream]:
    """The video streams, the largest first; cover pictures are none."""

    def pixels(stream: VideoStream) -> int:
        return stream.codec_context.width * stream.codec_context.height if stream.codec_context else 0

    films = [stream for stream in container.streams.video if not stream.disposition & Disposition.attached_pic]
    return sorted(films, key=pixels, reverse=True)


def _is_interlaced(stream: VideoStream) -> bool:
    return str(stream.codec_context.field_order) not in ("0", "1")


def _packet_times(container: InputContainer, stream: VideoStream) -> np.ndarray:
    """Times of the frames to be shown, from the packets alone: float64 [N], rising."""
    try:
        stamps = [packet.pts for packet in container.demux(stream) if packet.size and not packet.is_discard]
    except Exception as error:  # see read_video
        raise DataError(f"cannot be read to its end ({_reason(error)})") from error
    if container.format.name in _WITHOUT_TIMES or None in stamps or stream.time_base is None:
        return np.arange(len(stamps)) / float(_average_rate(stream))
    return np.unique(np.array(stamps, np.float64)) * float(stream.time_base)


def _average_rate(stream: VideoStream) -> Fraction:
    rate = stream.average_rate or stream.guessed_rate
    return rate if rate and rate > 0 else _FALLBACK_FPS


def _pixel_aspect(container: InputContainer, stream: VideoStream) -> float:
    """Width of a stored pixel over its height, when shown. GIFs announce shapes that no viewer follows."""
    aspect = stream.sample_aspect_ratio or stream.codec_context.sample_aspect_ratio
    if container.format.name == "gif" or not aspect or not 0.1 <= aspect <= 10:
        return 1.0
    return float(aspect)


def _shown(frame: av.VideoFrame, pixel_aspect: float) -> np.ndarray:
    """The frame as a player shows it: uint8 RGB [H, W, 3]."""
    if any(component.is_alpha for component in frame.format.components):
        image = _over_black(frame.reformat(format="rgba", threads=1).to_ndarray())
    else:
        image = frame.reformat(format="rgb24", threads=1).to_ndarray().astype(np.uint8, copy=False)
    if pixel_aspect != 1.0:
        width = max(1, round(image.shape[1] * pixel_aspect))
        image = resample(image, image.shape[0], width, "bicubic")[..., :3]
    return np.rot90(image, round(frame.rotation / 90) % 4)


def _over_black(rgba: np.ndarray) -> np.ndarray:
    alpha = rgba[..., 3:]
    return rgba[..., :3] if alpha.min() == 255 else (rgba[..., :3].astype(np.uint16) * alpha // 255).astype(np.uint8)


def _reason(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error) or type(error).__name__
