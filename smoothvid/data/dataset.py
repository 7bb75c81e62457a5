"""Datasets of equally sized square videos, read frame by frame by offset.

    dataset = open_dataset("sky")
    frames = dataset.read(video=3, frames=[0, 8, 16])       # uint8 [3, 3, H, W]

Two forms are read: what `smoothvid prepare` writes (a folder with dataset.json and zip shards), and the layout that
StyleGAN-V and StyleSV read (a zip or folder in which every folder of images is a video).
"""

import hashlib
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from smoothvid.data.frame_store import FolderFrames, FrameStore, ZipFrames
from smoothvid.data.images import IMAGE_ERRORS, IMAGE_FORMATS, as_shown
from smoothvid.data.stylegan_labels import read_labels
from smoothvid.errors import DataError
from smoothvid.file_kind import file_kind
from smoothvid.plain_text import read_json

INDEX_NAME = "dataset.json"
FORMAT = "smoothvid-dataset"
FORMAT_VERSION = 1
MAX_RESOLUTION = 4096
UNKNOWN_FPS = 25.0  # assumed for archives and frame folders made by others, which do not record it


@dataclass(frozen=True)
class VideoRecord:
    """One video of a dataset and where it came from (start and end in seconds of the source file)."""

    name: str
    shard: str
    num_frames: int
    label: str | None
    source: str
    start: float
    end: float


class VideoDataset:
    """Random access to the frames of many videos. Picklable; every process opens the files it needs on first use."""

    def __init__(
        self,
        path: Path,
        resolution: int,
        fps: float,
        videos: list[VideoRecord],
        stores: dict[str, FrameStore],
        shard_digests: dict[str, str] | None = None,
        notes: tuple[str, ...] = (),
    ) -> None:
        self.path = path
        self.resolution = resolution
        self.fps = fps
        self.videos = videos
        self.notes = notes  # what its owner should know
        self.label_names = sorted({video.label for video in videos if video.label is not None})
        self._stores = stores
        self._shard_digests = shard_digests

    @property
    def label_dim(self) -> int:
        """Length of the one-hot label vectors; 0 for a dataset without labels."""
        return len(self.label_names)

    @property
    def num_frames(self) -> int:
        """Frames of all videos together."""
        return sum(video.num_frames for video in self.videos)

    def read(self, video: int, frames: Sequence[int]) -> np.ndarray:
        """Decode some frames of one video.

        Args:
            video: index into `videos`.
            frames: T frame numbers, in any order, each in [0, num_frames).

        Returns:
            uint8 [T, 3, H, W], RGB.

        Raises:
            DataError: a frame is missing, damaged, or of another size than the dataset.
        """
        clip = np.empty((len(frames), 3, self.resolution, self.resolution), np.uint8)
        for planes, picture in zip(clip, self._pictures(video, frames), strict=True):
            for plane, band in zip(planes, "RGB", strict=True):  # faster than to transpose the pixels
                plane[...] = np.frombuffer(picture.tobytes("raw", band), np.uint8).reshape(plane.shape)
        return clip

    def read_into(self, pixels: np.ndarray, video: int, frames: Sequence[int], mirror: bool = False) -> None:
        """Decode some frames of one video to uint8 `pixels` [T, H, W, 3], the fastest way; errors as in `read`.

        Args:
            mirror: turn left and right around.
        """
        for out, picture in zip(pixels, self._pictures(video, frames), strict=True):
            turned = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if mirror else picture
            out[...] = np.frombuffer(turned.tobytes(), np.uint8).reshape(out.shape)

    def label(self, video: int) -> np.ndarray:
        """The one-hot label of a video: float32 [label_dim], all zero for a video without a label."""
        vector = np.zeros(self.label_dim, np.float32)
        name = self.videos[video].label
        if name is not None:
            vector[self.label_names.index(name)] = 1.0
        return vector

    def fingerprint(self) -> str:
        """sha256 (hexadecimal) that changes with any change of the videos, their frames, the size or the rate."""
        if self._shard_digests is None:
            digests = {name: hashlib.sha256(store.contents()).hexdigest() for name, store in self._stores.items()}
        else:
            digests = self._shard_digests
        videos = [asdict(video) for video in self.videos]
        index = {"resolution": self.resolution, "fps": self.fps, "videos": videos, "shards": digests}
        return hashlib.sha256(json.dumps(index, sort_keys=True).encode()).hexdigest()

    def _pictures(self, video: int, frames: Sequence[int]) -> Iterator[Image.Image]:
        """The decoded frames: RGB pictures of the dataset's size."""
        record = self.videos[video]
        for frame in frames:
            if not 0 <= frame < record.num_frames:
                raise IndexError(f"frame {frame} of video '{record.name}', which has {record.num_frames} frames")
            where = f"frame {frame} of video '{record.name}' in {self.path}"
            try:
                data = self._stores[record.shard].read(record.name, int(frame))
            except (KeyError, IndexError) as error:
                raise DataError(f"{where} is missing. Make the dataset again.") from error
            yield _decode_image(data, self.resolution, where)


def open_dataset(path: str | Path) -> VideoDataset:
    """Open a prepared dataset, or a zip or folder of frames made by others. Reads the index, never the frames.

    Args:
        path: a folder with dataset.json; or a .zip or folder in which every folder of JPEG or PNG files is a video
            (labels are those in StyleGAN's dataset.json, or else the names of the outermost folders when videos lie two
            levels deep; 25 fps is assumed).

    Raises:
        DataError: nothing usable is there, or the index and the files do not fit together.
    """
    path = Path(path)
    if is_prepared(path):
        return _open_prepared(path)
    if path.is_dir():
        return _open_foreign(path, FolderFrames(path))
    if path.is_file():
        _check_archive(path)
        return _open_foreign(path, ZipFrames(path))
    if path.exists():
        raise DataError(
            f"{path} is no dataset: that is a folder, or an archive of frames. Make one of videos with: "
            "smoothvid prepare VIDEOS --out DATASET"
        )
    raise DataError(f"There is no dataset at {path}. Make one with: smoothvid prepare VIDEOS --out {path}")


def _check_archive(path: Path) -> None:
    """Raise DataError for a file that is something else than an archive, with what to do about it."""
    try:
        kind, advice = file_kind(path)
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from None
    if kind and "zip archive" not in kind:
        raise DataError(f"{path} is no dataset but {kind}{advice}.")


def is_prepared(path: Path) -> bool:
    """Whether a folder's dataset.json is ours (StyleGAN-V puts one with other contents beside its frames)."""
    content = _load_json(path / INDEX_NAME) if (path / INDEX_NAME).is_file() else None
    return isinstance(content, dict) and content.get("format") == FORMAT


def _load_json(path: Path) -> Any:
    try:
        return read_json(path.read_text("utf-8-sig"))  # some editors put a byte-order mark before it
    except (OSError, ValueError) as error:
        raise DataError(f"{path} is damaged ({error}). Make the dataset again.") from error


def _open_prepared(path: Path) -> VideoDataset:
    index = _load_json(path / INDEX_NAME)
    if index.get("version") != FORMAT_VERSION:
        raise DataError(f"{path} has dataset format {index.get('version')!r}; this smoothvid reads {FORMAT_VERSION}.")
    try:
        shards = {_text(shard, "name"): shard for shard in index["shards"]}
        videos = [
            VideoRecord(
                name=_text(video, "name"),
                shard=_text(video, "shard"),
                num_frames=_whole(video, "frames"),
                label=None if video["label"] is None else _text(video, "label"),
                source=_text(video, "source"),
                start=_number(video, "start"),
                end=_number(video, "end"),
            )
            for video in index["videos"]
        ]
        resolution, fps = _whole(index, "resolution"), _number(index, "fps")
        sizes = {name: _whole(shard, "bytes", 0) for name, shard in shards.items()}
        digests = {name: _text(shard, "sha256") for name, shard in shards.items()}
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path / INDEX_NAME} is damaged (at {error}). Make the dataset again.") from None
    if (
        not videos
        or not 1 <= resolution <= MAX_RESOLUTION
        or not 1e-3 <= fps <= 1e6
        or not {video.shard for video in videos} <= set(shards)
    ):
        raise DataError(f"{path / INDEX_NAME} is damaged (its entries contradict each other). Make the dataset again.")
    for name, size in sizes.items():
        if PurePosixPath(name).name != name:
            raise DataError(f"{path / INDEX_NAME} is refused: its shard {name!r} lies outside the dataset.")
        if not (path / name).is_file() or (path / name).stat().st_size != size:
            raise DataError(f"{path / name} is missing or has the wrong size. Copy or make the dataset again.")
    return VideoDataset(path, resolution, fps, videos, {name: ZipFrames(path / name) for name in shards}, digests)


def _text(entry: Any, key: str) -> str:
    if not isinstance(entry[key], str):
        raise ValueError(f"{key}: {str(entry[key])[:100]!r} is no text")
    return str(entry[key])


def _whole(entry: Any, key: str, least: int = 1) -> int:
    if type(entry[key]) is not int or not least <= entry[key] < 2**48:
        raise ValueError(f"{key}: {str(entry[key])[:100]!r} is no whole number from {least} on")
    return int(entry[key])


def _number(entry: Any, key: str) -> float:
    if type(entry[key]) not in (int, float) or not abs(entry[key]) < 1e12:
        raise ValueError(f"{key}: {str(entry[key])[:100]!r} is no number of seconds or frames")
    return float(entry[key])


def _but_videos(path: Path) -> str:
    """What to say of a folder that holds videos instead of frames."""
    from smoothvid.data.video_io import VIDEO_SUFFIXES  # PyAV is for those who read videos

    names = [item.name for item in path.iterdir() if item.suffix.lower() in VIDEO_SUFFIXES] if path.is_dir() else []
    return (
        f" but videos ({min(names)}); make a dataset of them: smoothvid prepare {path} --out DATASET" if names else ""
    )


def _open_foreign(path: Path, store: FrameStore) -> VideoDataset:
    counts = store.videos()
    if not counts:
        raise DataError(f"{path} holds no dataset.json and no folders of frames{_but_videos(path)}.")
    labels: dict[str, str | None] = {n: PurePosixPath(n).parts[0] for n in counts if len(PurePosixPath(n).parts) > 1}
    if len(labels) < len(counts) or len(set(labels.values())) < 2:
        labels = {}
    index = store.read_other(INDEX_NAME)
    told, note = read_labels(index) if index is not None else ({}, "")
    if told.keys() & counts.keys():
        labels = {name: told.get(name) for name in counts}
    videos = [
        VideoRecord(name, path.name, count, labels.get(name), f"{path.name}/{name}", 0.0, count / UNKNOWN_FPS)
        for name, count in counts.items()
    ]
    first = videos[0].name
    width, height = _image_size(store.read(first, 0), f"{first} in {path}")
    if width != height:
        raise DataError(f"{path} holds frames of {width}x{height}, not square; `smoothvid prepare` makes folders so.")
    if width > MAX_RESOLUTION:
        raise DataError(f"{path} holds frames of {width}x{height}; at most {MAX_RESOLUTION}x{MAX_RESOLUTION} are read.")
    notes = (f"{INDEX_NAME} {note}",) if note else ()
    return VideoDataset(path, width, UNKNOWN_FPS, videos, {path.name: store}, notes=notes)


def _image_size(data: bytes, where: str) -> tuple[int, int]:
    try:
        with Image.open(io.BytesIO(data), formats=IMAGE_FORMATS) as image:
            return image.size
    except IMAGE_ERRORS as error:
        raise DataError(f"{where}: not a readable picture.") from error


def _decode_image(data: bytes, side: int, where: str) -> Image.Image:
    """A frame file's picture, decoded to RGB; it must be square, with this side."""
    try:
        with Image.open(io.BytesIO(data), formats=IMAGE_FORMATS) as image:
            if image.size != (side, side):  # known from the header: nothing large is ever decoded
                raise DataError(f"{where} is {image.width}x{image.height}, but the dataset is {side}x{side}.")
            image.load()
            return as_shown(image)
    except UnidentifiedImageError as error:
        raise DataError(f"{where} is damaged (it is not a picture file).") from error
    except IMAGE_ERRORS as error:
        raise DataError(f"{where} is damaged ({error}).") from error
