"""Putting the parts of a dataset together: zip shards and their index."""

import hashlib
import json
import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from smoothvid.data.convert import MAX_VIDEO_FRAMES, Outcome, frame_suffix, write_zip_entry
from smoothvid.data.dataset import FORMAT, FORMAT_VERSION, INDEX_NAME, VideoRecord
from smoothvid.data.frame_store import ZipFrames
from smoothvid.data.prepare_settings import PrepareSettings
from smoothvid.data.sources import Source
from smoothvid.data.supervisor import JobFailed
from smoothvid.files import flush

MAX_SHARD_FRAMES = MAX_VIDEO_FRAMES
Piece = tuple[VideoRecord, Path, int]  # a video, the part that holds it, and its first frame there


def videos_of(found: list[Source], outcomes: Sequence[Outcome | JobFailed], parts: list[Path]) -> Iterator[Piece]:
    """A record for every video, with its part and its first frame there. A lone label says nothing and is dropped."""
    used = [
        (source, outcome, part)
        for source, outcome, part in zip(found, outcomes, parts, strict=True)
        if isinstance(outcome, Outcome) and outcome.segments
    ]
    labelled = len({outcome.label for _, outcome, _ in used} - {None}) > 1
    taken: set[str] = set()
    for source, outcome, part in used:
        for number, segment in enumerate(outcome.segments):
            stem = source.name if len(outcome.segments) == 1 else f"{source.name}-{number:03d}"
            name = _free_name(stem, taken)
            label = outcome.label if labelled else None
            count = segment.last - segment.first
            yield VideoRecord(name, "", count, label, source.shown, segment.start, segment.end), part, segment.first


def _free_name(stem: str, taken: set[str]) -> str:
    """The stem, or the stem with a number; names that differ in case only would clash on some disks."""
    name, number = stem, 1
    while name.casefold() in taken:
        number += 1
        name = f"{stem}_{number}"
    taken.add(name.casefold())
    return name


def plan_shards(videos: Iterable[Piece]) -> list[list[Piece]]:
    """Divide videos, in order, among shards of at most MAX_SHARD_FRAMES frames, and note in each its shard."""
    shards: list[list[Piece]] = []
    free = 0
    for record, part, first in videos:
        if record.num_frames > free:
            shards.append([])
            free = MAX_SHARD_FRAMES
        free -= record.num_frames
        shards[-1].append((replace(record, shard=f"frames-{len(shards) - 1:05d}.zip"), part, first))
    return shards


def write_shard(
    folder: Path, pieces: list[Piece], suffix: str, on_video: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Copy videos out of parts into their shard, wait until it is on the disk, and return its entry of the index.

    Args:
        folder: where the shard goes.
        pieces: one element of what `plan_shards` gave.
        suffix: of the frame files.
        on_video: told when a video is written.
    """
    path = folder / pieces[0][0].shard
    with zipfile.ZipFile(path, "w") as archive:
        for record, part, first in pieces:
            frames = ZipFrames(part)
            for frame in range(record.num_frames):
                write_zip_entry(archive, f"{record.name}/{frame:06d}{suffix}", frames.read(".", first + frame))
            on_video()
    flush(path)
    contents = hashlib.sha256(ZipFrames(path).contents()).hexdigest()
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": contents}


def write_index(
    folder: Path, shards: list[dict[str, Any]], records: list[VideoRecord], fps: float, settings: PrepareSettings
) -> None:
    """Write dataset.json, the last thing that makes a folder of shards a dataset.

    Args:
        shards: what `write_shard` returned, in order.
        records: the videos of all shards, in order.
    """
    videos = [asdict(record) for record in records]
    for video in videos:
        video["frames"] = video.pop("num_frames")
    index: dict[str, Any] = {
        "format": FORMAT,
        "version": FORMAT_VERSION,
        "resolution": settings.resolution,
        "fps": fps,
        "frame_suffix": frame_suffix(settings),
        "shards": shards,
        "videos": videos,
    }
    (folder / INDEX_NAME).write_text(json.dumps(index, indent=1, ensure_ascii=False) + "\n", "utf-8")
    flush(folder / INDEX_NAME)
    flush(folder)
