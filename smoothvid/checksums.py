"""Checksums of the files in a folder, noted beside them and checked before a file is used."""

import hashlib
import json
from functools import lru_cache
from pathlib import Path

from smoothvid.errors import CheckpointError
from smoothvid.files import write_whole
from smoothvid.plain_text import read_json

CHECKSUMS = "checksums.json"


def write_checksums(folder: Path, *names: str) -> None:
    """Note the sha256 of these files of a folder."""
    sums = {name: _sha256(folder / name) for name in names}
    write_whole(folder / CHECKSUMS, json.dumps(sums, indent=1) + "\n")


def check_all(folder: Path, *names: str) -> None:
    """Raise CheckpointError unless these files of a folder are those that were written."""
    sums = _read(folder)
    if any(_sha256(folder / name) != sums.get(name) for name in names):
        raise CheckpointError(f"{folder}: damaged (its checksum does not fit)")


def check_file(path: Path) -> None:
    """Raise CheckpointError if the checksum noted beside a file is another one. A file without one is as it is.

    A file is read once for this: the result is remembered until it changes.
    """
    if not (path.parent / CHECKSUMS).is_file():
        return
    noted = _read(path.parent).get(path.name)
    try:
        about = path.stat()
        found = _remembered_sha256(path, about.st_ino, about.st_size, about.st_mtime_ns)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
    if noted is not None and noted != found:
        raise CheckpointError(f"{path}: damaged (its checksum does not fit); copy it again or use another checkpoint")


def _read(folder: Path) -> dict[str, str]:
    try:
        sums = read_json((folder / CHECKSUMS).read_text())
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{folder / CHECKSUMS}: cannot be read ({' '.join(str(error).split())[:120]})") from None
    if not isinstance(sums, dict):
        raise CheckpointError(f"{folder / CHECKSUMS}: damaged")
    return sums


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@lru_cache
def _remembered_sha256(path: Path, inode: int, size: int, changed: int) -> str:
    return _sha256(path)
