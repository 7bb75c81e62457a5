"""What to prepare: the video files, frame folders and synthetic worlds that the given paths stand for."""

import os
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Literal

from smoothvid.data.dataset import INDEX_NAME
from smoothvid.data.frame_store import ZipFrames, natural_key, read_small_file
from smoothvid.data.images import IMAGE_SUFFIXES
from smoothvid.data.prepare_settings import PrepareSettings
from smoothvid.data.stylegan_labels import read_labels
from smoothvid.data.video_io import VIDEO_SUFFIXES
from smoothvid.errors import DataError

SYNTHETIC_PREFIX = "synthetic:"


@dataclass(frozen=True)
class Source:
    """One video to be: a file, a folder of frames, or a synthetic world.

    path: absolute path, or the name of a world. shown: name for people and for dataset.json.
    name: stem of the video's name in the dataset. label: its class, if the sources have classes. seed: of a world.
    inside: where the frames are in a zip archive. problem: why it cannot be used, where that is known already.
    """

    kind: Literal["video", "frames", "synthetic"]
    path: str
    shown: str
    name: str
    label: str | None = None
    seed: int = 0
    inside: str = "."
    problem: str = ""


@dataclass
class Found:
    """Sources in a fixed order, the number of files passed over because they are no videos, and what to warn of."""

    sources: list[Source] = field(default_factory=list)
    ignored: int = 0
    warnings: list[str] = field(default_factory=list)


def find_sources(given: Sequence[str | Path], settings: PrepareSettings) -> Found:
    """Everything to be prepared. A given path that leads to nothing usable is a source with a problem.

    Labels are those that a StyleGAN dataset.json gives, or else the names of the immediate sub-folders of a given
    folder when two or more of them hold videos.

    Raises:
        DataError: a given path does not exist.
    """
    found = Found()
    for item in given:
        text = str(item)
        path = Path(item)
        if text.startswith(SYNTHETIC_PREFIX):
            found.sources += _worlds(text.removeprefix(SYNTHETIC_PREFIX), settings)
        elif os.path.isdir(path):
            _search_folder(path, found)
        elif os.path.isfile(path) and path.suffix.lower() == ".zip":
            _search_zip(path, found)
        elif os.path.exists(path):
            found.sources.append(_named(path, _picture(path)))
        elif re.match(r"[a-z][a-z0-9+.-]*://", text, re.IGNORECASE):
            raise DataError(f"{text} is an address, and nothing is fetched. Download it, then give the file.")
        else:
            raise DataError(f"{text} does not exist. Give video files, folders, or synthetic:drive, :sky or :shapes.")
    once: dict[tuple[object, ...], Source] = {}
    for source in found.sources:
        once.setdefault((source.kind, _place(source.path), source.inside, source.seed), source)
    if doubles := len(found.sources) - len(once):
        found.warnings.append(f"{doubles} of the sources are given more than once and taken once.")
    found.sources = list(once.values())
    return found


@dataclass(frozen=True)
class Folder:
    """A folder below another: its place there, and what is in it, in natural order.

    problem: why it cannot be looked into.
    """

    inside: Path
    videos: list[str]
    images: list[str]
    others: list[str]
    is_empty: bool = False
    problem: str = ""


def folders_below(root: Path) -> Iterator[Folder]:
    """A folder and those below it. Hidden ones are passed over; links are followed, but never in a circle."""
    visited: set[str] = set()
    failed: list[OSError] = []
    for folder, subfolders, names in os.walk(root, onerror=failed.append, followlinks=True):
        if os.path.realpath(folder) in visited:  # a link that leads back up
            subfolders.clear()
            continue
        visited.add(os.path.realpath(folder))
        subfolders[:] = sorted((s for s in subfolders if not s.startswith(".")), key=natural_key)
        kinds: tuple[list[str], list[str], list[str]] = [], [], []
        for name in sorted((n for n in names if not n.startswith(".")), key=natural_key):
            suffix = Path(name).suffix.lower()
            kinds[0 if suffix in VIDEO_SUFFIXES else 1 if suffix in IMAGE_SUFFIXES else 2].append(name)
        yield Folder(Path(folder).relative_to(root), *kinds, is_empty=not (names or subfolders))
    for error in failed:
        problem = f"cannot be looked into ({error.strerror})"
        yield Folder(Path(error.filename).relative_to(root), [], [], [], problem=problem)


def _worlds(name: str, settings: PrepareSettings) -> Iterator[Source]:
    from smoothvid.data.synthetic import WORLDS

    if name not in WORLDS:
        raise DataError(f"There is no synthetic world '{name}'. There are: {', '.join(WORLDS)}.")
    for number in range(settings.num_videos):
        seed = settings.seed + number
        yield Source("synthetic", name, f"{SYNTHETIC_PREFIX}{name} seed {seed}", f"{name}-{seed:06d}", seed=seed)


def _search_folder(root: Path, found: Found) -> None:
    """Add what is in a given folder."""
    sources: list[Source] = []
    others: list[str] = []
    root_name = root.resolve().name
    for folder in folders_below(root):
        sources += [_below("video", root, root_name, folder.inside / name) for name in folder.videos]
        others += folder.others
        if folder.problem and folder.inside.parts:
            sources.append(_below("frames", root, root_name, folder.inside, problem=folder.problem))
        elif folder.problem:
            found.sources.append(_named(root, folder.problem))
            return
        elif folder.videos:
            others += folder.images
        elif folder.images:
            sources.append(_below("frames", root, root_name, folder.inside))
        elif folder.is_empty and folder.inside.suffix.lower() in VIDEO_SUFFIXES:
            sources.append(_below("video", root, root_name, folder.inside, problem="is an empty folder, not a file"))
    if not sources:
        found.sources.append(_named(root, f"holds no videos and no pictures{_instead(others)}"))
        return
    found.ignored += len([name for name in others if name != INDEX_NAME])
    index = root / INDEX_NAME
    found.sources += _labelled(sources, root, read_small_file(index) if index.is_file() else None, found)


def _instead(others: list[str]) -> str:
    """What a folder holds where there is nothing to use."""
    if archives := [name for name in others if name.lower().endswith(".zip")]:
        return f"; to use the frames in its archives, give each archive as a source ({_printable(archives[0])})"
    return f"; only other files ({_printable(others[0])})" if others else ""


def _search_zip(path: Path, found: Found) -> None:
    """Add the folders of frames in a given archive."""
    try:
        store = ZipFrames(path)
        sources = [
            replace(_below("frames", path, path.name, Path(folder)), path=os.path.abspath(path), inside=folder)
            for folder in store.videos()
        ]
        if not sources:
            raise DataError("holds no pictures; if there are videos in it, unpack it first")
        found.sources += _labelled(sources, path, store.read_other(INDEX_NAME), found)
    except (DataError, OSError) as error:
        found.sources.append(_named(path, str(error).removeprefix(f"{path} ").rstrip(".")))


def _labelled(sources: list[Source], root: Path, index: bytes | None, found: Found) -> list[Source]:
    """Sources with the labels of a dataset.json, if it has any for them, or else those of their sub-folders."""
    labels, note = read_labels(index) if index is not None else ({}, "")
    if labels:
        named = [replace(source, label=_label_of(source, root, labels)) for source in sources]
        without = sum(source.label is None for source in named)
        if without < len(named):
            sources = named
        if without and not note:
            note = f"gives no label to {without} of {len(named)} sources"
    if note:
        found.warnings.append(f"{root / INDEX_NAME} {note}.")
    if len({source.label for source in sources} - {None}) < 2:
        sources = [replace(source, label=None) for source in sources]
    return sources


def _label_of(source: Source, root: Path, labels: Mapping[str, str]) -> str | None:
    inside = source.inside if root.is_file() else Path(source.path).relative_to(root.absolute()).as_posix()
    label = labels.get(inside)
    return None if label is None else _printable(label)


def _below(kind: Literal["video", "frames"], root: Path, root_name: str, inside: Path, problem: str = "") -> Source:
    """A source at a path inside a given folder. Its first sub-folder is its label, for now."""
    shown = "/".join((root_name, *inside.parts))
    stem = inside if kind == "frames" else inside.with_suffix("")
    name = _safe_name("-".join(stem.parts) or root_name)
    label = _printable(inside.parts[0]) if len(inside.parts) > 1 else None
    return Source(kind, str((root / inside).absolute()), _printable(shown), name, label, problem=problem)


def _named(path: Path, problem: str = "") -> Source:
    """A source that is given by its own name."""
    name = path.name or path.resolve().name
    return Source("video", str(path.absolute()), _printable(name), _safe_name(path.stem), problem=problem)


def _picture(path: Path) -> str:
    """The problem with a single picture."""
    is_picture = path.suffix.lower() in IMAGE_SUFFIXES
    return "is a picture, not a video; give the folder to use its pictures as frames" if is_picture else ""


def _place(path: str) -> tuple[str, str]:
    """The same for the same file, however its folder is spelled."""
    return _real_folder(os.path.dirname(path)), os.path.basename(path)


@cache
def _real_folder(folder: str) -> str:
    return os.path.realpath(folder)


def _safe_name(name: str) -> str:
    """A folder name that every file system and zip tool accepts; letters of all scripts are kept."""
    name = unicodedata.normalize("NFC", _printable(name))
    return re.sub(r'[\\/:*?"<>|\x00-\x1f]', "_", name)[:150].strip(" .") or "video"


def _printable(name: str) -> str:
    """Text without the stray bytes that file names on Linux may hold."""
    return name.encode("utf-8", "replace").decode("utf-8")
