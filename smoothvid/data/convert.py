"""One source into one part: a zip of square frames and a note of what they are. Runs in a child process.

A part appears under its name only when whole, so parts that exist need not be made again.
"""

import io
import json
import os
import time
import zipfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from smoothvid.data.frame_store import FolderFrames, ZipFrames
from smoothvid.data.images import IMAGE_ERRORS, IMAGE_FORMATS, as_shown
from smoothvid.data.prepare_settings import PrepareSettings
from smoothvid.data.resize import square_pixels
from smoothvid.data.scene_cuts import MotionTrace
from smoothvid.data.sources import Source
from smoothvid.data.supervisor import tell_parent
from smoothvid.data.video_io import MAX_PIXELS, VideoInfo, probe_video, read_video
from smoothvid.errors import DataError
from smoothvid.files import why_no_file
from smoothvid.plain_text import read_json

OUTCOME_NAME = "outcome.json"
MAX_VIDEO_FRAMES = 16_384  # of one video in a dataset; longer scenes become several videos
FRAME_FOLDER_FPS = 25.0  # frame folders do not say
_MAX_STRETCH = 50  # time stamps over that many times the usual length are damage, not a variable rate
_SECONDS_BETWEEN_NOTES = 1.0
_SAME_RATE = 0.005  # rates this close (relative) are one rate: 29.97 announced as 30


@dataclass(frozen=True)
class Segment:
    """A run of frames that becomes a video: [first, last) in the part; start and end in seconds of the source."""

    first: int
    last: int
    start: float
    end: float


@dataclass
class Outcome:
    """What became of a source. Without segments it is skipped, and `notes` says why."""

    fps: float = 0.0
    segments: list[Segment] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    label: str | None = None


def write_zip_entry(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    """Add a stored entry that depends on name and data alone, not on the clock."""
    entry = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    entry.external_attr = 0o644 << 16
    entry.create_system = 3
    archive.writestr(entry, data)


def frame_suffix(settings: PrepareSettings) -> str:
    """Suffix of stored frames."""
    return ".jpg" if settings.format == "jpeg" else ".png"


def load_outcome(part: Path) -> Outcome | None:
    """The outcome noted in a part; None when there is no whole part."""
    try:
        with zipfile.ZipFile(part) as archive:
            content = read_json(archive.read(OUTCOME_NAME))
    except (OSError, zipfile.BadZipFile, KeyError, ValueError):
        return None
    return Outcome(**content | {"segments": [Segment(**segment) for segment in content["segments"]]})


def convert(source: Source, settings: PrepareSettings, part: Path) -> Outcome:
    """Decode, resize and store one source. A source that cannot be used gives an outcome that says why."""
    unfinished = part.with_name(f"{part.name}.{os.getpid()}.tmp")
    try:
        with zipfile.ZipFile(unfinished, "w") as archive:
            outcome = _fill(archive, source, settings)
            write_zip_entry(archive, OUTCOME_NAME, json.dumps(asdict(outcome)).encode())
        os.replace(unfinished, part)
    finally:
        unfinished.unlink(missing_ok=True)
    return outcome


def inspect(source: Source, settings: PrepareSettings) -> Outcome:
    """What convert would most likely say, from the container alone."""
    try:
        if source.problem:
            raise DataError(source.problem)
        if source.kind != "video":
            count = settings.num_frames if source.kind == "synthetic" else _count_frames(source)
            times, fps = np.arange(count) / FRAME_FOLDER_FPS, settings.fps or FRAME_FOLDER_FPS
        else:
            info = probe_video(source.path)
            _check_size(info.width, info.height, settings)
            fps = settings.fps or info.fps
            times = np.repeat(info.times, frame_copies(info, fps))
        return _outcome(times, fps, [], MotionTrace(), settings, [])
    except DataError as error:
        return Outcome(notes=[str(error)])


def frame_copies(info: VideoInfo, fps: float) -> np.ndarray:
    """How often each frame of a video is taken for a rate of fps: int [N].

    At each time of the new rate the last frame that has begun is taken; a video of that rate is left as it is.
    """
    if info.constant_rate and abs(info.fps - fps) <= _SAME_RATE * fps:
        return np.ones(len(info.times), int)
    step = 1.0 / info.fps
    seconds = float(info.times[-1] - info.times[0])
    if seconds > _MAX_STRETCH * step * len(info.times):
        raise DataError(f"its time stamps are broken ({len(info.times)} frames over {seconds:.0f} s)")
    tolerance = 0.25 * step  # time stamps are rounded: a frame due at 66.67 ms may be stamped 67
    count = max(1, round((seconds + step) * fps))
    grid = info.times[0] + np.arange(count) / fps
    return np.bincount(np.searchsorted(info.times, grid + tolerance, side="right") - 1, minlength=len(info.times))


def _fill(archive: zipfile.ZipFile, source: Source, settings: PrepareSettings) -> Outcome:
    """Write all frames of a source into an archive, one in memory at a time."""
    times: list[float] = []
    starts: list[int] = []  # of each frame of the source, how many were stored before it
    trace = MotionTrace()
    notes: list[str] = []
    label = source.label
    fps = settings.fps or FRAME_FOLDER_FPS
    try:
        if source.problem:
            raise DataError(source.problem)
        if source.kind == "video":
            info = probe_video(source.path)
            _check_size(info.width, info.height, settings)
            fps = settings.fps or info.fps
            notes += info.notes if info.constant_rate else [*info.notes, "variable frame rate, resampled"]
            frames = _video_frames(source, info, fps, all_of_them=settings.scene_cuts)
        elif source.kind == "frames":
            frames = _folder_frames(source, settings, fps, notes)
        else:
            fps, label, frames = _world_frames(source, settings)
        said = time.monotonic()
        for start, copies, frame in frames:
            square = square_pixels(frame, settings.resolution, settings.crop)
            starts.append(len(times))
            trace.add(square)
            data = encode(square, settings) if copies else b""
            for copy in range(min(copies, settings.max_frames - len(times))):
                write_zip_entry(archive, f"{len(times):06d}{frame_suffix(settings)}", data)
                times.append(start + copy / fps)
            if time.monotonic() > said + _SECONDS_BETWEEN_NOTES:
                said = time.monotonic()
                tell_parent(f"{len(times)} frames")
            if len(times) == settings.max_frames:
                notes.append(f"only its first {settings.max_frames} frames are taken")
                break
    except DataError as error:
        if not times:
            return Outcome(notes=[str(error)])
        notes.append(str(error))  # what was decoded before the damage is good
    cuts = {starts[number] for number in trace.cuts()} if settings.scene_cuts and source.kind != "synthetic" else set()
    outcome = _outcome(np.array(times), fps, sorted(cuts - {0, len(times)}), trace, settings, notes)
    outcome.label = label
    return outcome


def _outcome(
    times: np.ndarray, fps: float, cuts: list[int], trace: MotionTrace, settings: PrepareSettings, notes: list[str]
) -> Outcome:
    """Divide stored frames (with their times in seconds) at cuts, and say what is used and what is not."""
    edges = [0, *cuts, len(times)]
    scenes = [(a, b) for a, b in zip(edges, edges[1:], strict=False) if b - a >= settings.min_frames]
    if not scenes:
        longest = max(b - a for a, b in zip(edges, edges[1:], strict=False))
        unit = "frame" if longest == 1 else "frames"
        return Outcome(notes=[f"too short ({longest} {unit}; at least {settings.min_frames} needed)", *notes])
    if cuts:
        dropped = len(cuts) + 1 - len(scenes)
        short = f", {dropped} of them too short" if dropped else ""
        notes = [f"{len(cuts) + 1} scenes{short}", *notes]
    if trace.is_static():
        notes = [*notes, "static: nothing moves"]
    segments = [
        Segment(first, last, round(float(times[first]), 6), round(float(times[last - 1]) + 1.0 / fps, 6))
        for a, b in scenes
        for first, last in _pieces(a, b, settings.min_frames)
    ]
    return Outcome(fps, segments, notes)


def _pieces(first: int, last: int, min_frames: int) -> Iterator[tuple[int, int]]:
    """Cut a scene that is too long for a shard."""
    for start in range(first, last, MAX_VIDEO_FRAMES):
        end = min(start + MAX_VIDEO_FRAMES, last)
        if end - start >= min_frames:
            yield start, end


def _video_frames(
    source: Source, info: VideoInfo, fps: float, all_of_them: bool
) -> Iterator[tuple[float, int, np.ndarray]]:
    """Frames with their start and how often each is stored; those that are not, only where all are asked for."""
    copies = frame_copies(info, fps)

    def copies_at(start: float) -> int:
        return int(copies[max(0, int(np.searchsorted(info.times, start + 1e-6, side="right")) - 1)])

    for start, frame in read_video(source.path, wanted=lambda start: all_of_them or copies_at(start) > 0):
        yield start, copies_at(start), frame


@lru_cache(maxsize=4)
def _archive(path: str) -> ZipFrames:
    """An archive of frames; a worker reads the index of one once for all its videos."""
    return ZipFrames(Path(path))


def _count_frames(source: Source) -> int:
    return _archive(source.path).videos()[source.inside] if Path(source.path).is_file() else len(_folder_files(source))


def _folder_files(source: Source) -> list[str]:
    return FolderFrames(Path(source.path)).index.get(".", [])


def _frame_files(source: Source) -> Iterator[tuple[str, Path | io.BytesIO]]:
    """What to call each frame of a folder or an archive, and what to open."""
    if Path(source.path).is_file():
        for number in range(_count_frames(source)):
            yield str(number), io.BytesIO(_archive(source.path).read(source.inside, number))
        return
    for name in _folder_files(source):
        file = Path(source.path) / name
        if problem := why_no_file(file):
            raise DataError(f"its frame {name} {problem}")
        yield name, file


def _folder_frames(
    source: Source, settings: PrepareSettings, fps: float, notes: list[str]
) -> Iterator[tuple[float, int, np.ndarray]]:
    shape: tuple[int, ...] = ()
    for number, (name, file) in enumerate(_frame_files(source)):
        try:
            with Image.open(file, formats=IMAGE_FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise DataError(f"its frame {name} is too large")
                _check_size(*image.size, settings)
                frame = np.asarray(as_shown(image))
        except IMAGE_ERRORS as error:
            raise DataError(f"its frame {name} cannot be read ({error})") from error
        shape = shape or frame.shape
        if frame.shape != shape and not notes:
            notes.append("its frames differ in size; each is cropped and resized by itself")
        yield number / fps, 1, frame


def _world_frames(
    source: Source, settings: PrepareSettings
) -> tuple[float, str | None, Iterator[tuple[float, int, np.ndarray]]]:
    from smoothvid.data.synthetic import make_world

    world = make_world(source.path, source.seed)
    fps = settings.fps or world.fps
    frames = (
        (number / fps, 1, world.frame(number * world.fps / fps, settings.resolution))
        for number in range(settings.num_frames)
    )
    return fps, world.label, frames


def _check_size(width: int, height: int, settings: PrepareSettings) -> None:
    if 2 * min(width, height) < settings.resolution and not settings.upscale:
        raise DataError(
            f"too small ({width}x{height}; the short side is less than half of {settings.resolution}; "
            "--upscale takes it all the same)"
        )


def encode(pixels: np.ndarray, settings: PrepareSettings) -> bytes:
    """The file of a frame: uint8 [H, W, 4] in RGB and a byte without a meaning, which JPEG is made of as it is."""
    height, width = pixels.shape[:2]
    buffer = io.BytesIO()
    if settings.format == "jpeg":
        image = Image.frombuffer("RGBX", (width, height), pixels, "raw", "RGBX", 0, 1)
        image.save(buffer, "JPEG", quality=settings.quality, subsampling=0)
    else:
        Image.frombytes("RGB", (width, height), pixels, "raw", "RGBX").save(buffer, "PNG")
    return buffer.getvalue()
