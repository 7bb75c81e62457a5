"""Putting the parts of a dataset together: zip shards and their index."""

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from smoothvid.data.convert import MAX_VIDEO_FRAMES, frame_suffix, write_zip_entry
from smoothvid.data.dataset import FORMAT, FORMAT_VERSION, INDEX_NAME, VideoRecord
from smoothvid.data.frame_store import ZipFrames
from smoothvid.data.prepare_settings import PrepareSettings

MAX_SHARD_FRAMES = MAX_VIDEO_FRAMES


def write_shards(
    folder: Path,
    videos: Iterable[tuple[VideoRecord, Path, int]],
    suffix: str,
    on_video: Callable[[int], None] = lambda done: None,
) -> list[VideoRecord]:
    """Copy videos out of parts into shards frames-00000.zip, ... of at most MAX_SHARD_FRAMES frames.

    Args:
        folder: where the shards go.
        videos: record (its shard is filled in here), part, and first frame in the part.
        suffix: of the frame files.
        on_video: told the number of videos written so far.

    Returns:
        The records with their shards.
    """
    records: list[VideoRecord] = []
    shard_frames, number, archive = 0, -1, None
    try:
        for record, part, first in videos:
            if archive is None or shard_frames + record.num_frames > MAX_SHARD_FRAMES:
                if archive is not None:
                    archive.close()
                number, shard_frames = number + 1, 0
                archive = zipfile.ZipFile(folder / f"frames-{number:05d}.zip", "w")
            frames = ZipFrames(part)
            for frame in range(record.num_frames):
                write_zip_entry(archive, f"{record.name}/{frame:06d}{suffix}", frames.read(".", first + frame))
            shard_frames += record.num_frames
            records.append(VideoRecord(**asdict(record) | {"shard": f"frames-{number:05d}.zip"}))
            on_video(len(records))
    finally:
        if archive is not None:
            archive.close()
    return records


def write_index(folder: Path, records: list[VideoRecord], fps: float, settings: PrepareSettings) -> None:
    """Write dataset.json, the last thing that makes a folder of shards a dataset."""
    shards = [_shard_entry(folder / name) for name in dict.fromkeys(record.shard for record in records)]
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
    for path in folder.iterdir():
        if path.is_file():
            flush_to_disk(path)
    flush_to_disk(folder)


def flush_to_disk(path: Path) -> None:
    """Wait until a file or folder would survive a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _shard_entry(path: Path) -> dict[str, Any]:
    contents = hashlib.sha256(ZipFrames(path).contents()).hexdigest()
    return {"name": path.name, "bytes": path.stat().st_size, "sha256": contents}
