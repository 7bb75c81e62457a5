"""What to prepare: the video files, frame folders and synthetic worlds that the given paths stand for."""

import os
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from smoothvid.data.frame_store import natural_key
from smoothvid.data.images import IMAGE_SUFFIXES
from smoothvid.data.prepare_settings import PrepareSettings
from smoothvid.data.video_io import VIDEO_SUFFIXES
from smoothvid.errors import DataError

SYNTHETIC_PREFIX = "synthetic:"


@dataclass(frozen=True)
class Source:
    """One video to be: a file, a folder of frames, or a synthetic world.

    path: absolute path, or the name of a world. shown: name for people and for dataset.json.
    name: stem of the video's name in the dataset. label: its class, if the sources have classes. seed: of a world.
    """

    kind: Literal["video", "frames", "synthetic"]
    path: str
    shown: str
    name: str
    label: str | None = None
    seed: int = 0


def find_sources(given: Sequence[str | Path], settings: PrepareSettings) -> tuple[list[Source], int]:
    """Everything to be prepared, in a fixed order, and the number of files passed over because they are no videos.

    The immediate sub-folders of a given folder become labels when two or more of them hold videos.

    Raises:
        DataError: a given path does not exist.
    """
    found: list[Source] = []
    ignored = 0
    for item in given:
        text = str(item)
        path = Path(item)
        if text.startswith(SYNTHETIC_PREFIX):
            found += _worlds(text.removeprefix(SYNTHETIC_PREFIX), settings)
        elif path.is_dir():
            inside, passed_over = _search_folder(path)
            found += inside
            ignored += passed_over
        elif path.is_file():
            found.append(Source("video", str(path.absolute()), _printable(path.name), _safe_name(path.stem)))
        else:
            raise DataError(f"{text} does not exist. Give video files, folders, or synthetic:drive, :sky or :shapes.")
    return list(dict.fromkeys(found)), ignored


def _worlds(name: str, settings: PrepareSettings) -> Iterator[Source]:
    from smoothvid.data.synthetic import WORLDS

    if name not in WORLDS:
        raise DataError(f"There is no synthetic world '{name}'. There are: {', '.join(WORLDS)}.")
    for number in range(settings.num_videos):
        seed = settings.seed + number
        yield Source("synthetic", name, f"{SYNTHETIC_PREFIX}{name} seed {seed}", f"{name}-{seed:06d}", seed=seed)


def _search_folder(root: Path) -> tuple[list[Source], int]:
    found: list[Source] = []
    ignored = 0
    visited: set[str] = set()
    root_name = root.resolve().name
    for folder, subfolders, names in os.walk(root, followlinks=True):
        if os.path.realpath(folder) in visited:  # a link that leads back up
            subfolders.clear()
            continue
        visited.add(os.path.realpath(folder))
        subfolders[:] = sorted((s for s in subfolders if not s.startswith(".")), key=natural_key)
        files = sorted((n for n in names if not n.startswith(".")), key=natural_key)
        videos = [n for n in files if Path(n).suffix.lower() in VIDEO_SUFFIXES]
        images = [n for n in files if Path(n).suffix.lower() in IMAGE_SUFFIXES]
        inside = Path(folder).relative_to(root)
        found += [_found("video", root, root_name, inside / name) for name in videos]
        if images and not videos:
            found.append(_found("frames", root, root_name, inside))
            ignored += len(files) - len(images)
        else:
            ignored += len(files) - len(videos)
    if len({source.label for source in found} - {None}) < 2:
        found = [replace(source, label=None) for source in found]
    return found, ignored


def _found(kind: Literal["video", "frames"], root: Path, root_name: str, inside: Path) -> Source:
    """A source at a path inside a given folder. Its first sub-folder is its label, for now."""
    is_folder = kind == "frames"
    shown = "/".join((root_name, *inside.parts))
    stem = inside if is_folder else inside.with_suffix("")
    name = _safe_name("-".join(stem.parts) or root_name)
    label = _printable(inside.parts[0]) if len(inside.parts) > 1 or (is_folder and inside.parts) else None
    return Source(kind, str((root / inside).absolute()), _printable(shown), name, label)


def _safe_name(name: str) -> str:
    """A folder name that every file system and zip tool accepts; letters of all scripts are kept."""
    name = unicodedata.normalize("NFC", _printable(name))
    return re.sub(r'[\\/:*?"<>|\x00-\x1f]', "_", name)[:150].strip(" .") or "video"


def _printable(name: str) -> str:
    """Text without the stray bytes that file names on Linux may hold."""
    return name.encode("utf-8", "replace").decode("utf-8")
