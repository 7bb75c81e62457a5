"""Reading single frame files out of zip archives and folders, without unpacking and without trusting them.

A store holds videos by name; each is a row of JPEG or PNG files in one folder. Opening reads the index only.
"""

import os
import re
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath
from typing import Protocol

import numpy as np

from smoothvid.errors import DataError

IMAGE_SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
MAX_FRAME_BYTES = 64 << 20
MAX_DEFLATE_RATIO = 20  # JPEG and PNG hardly shrink; more than this is a decompression bomb
_ROW = np.dtype([("offset", "<i8"), ("packed", "<i4"), ("size", "<i4"), ("crc", "<u4"), ("deflated", "?")])
_LOCAL_HEADER_BYTES = 30


class FrameStore(Protocol):
    """Where the frames of videos lie. Stores are picklable and open their files on first use in each process."""

    def videos(self) -> dict[str, int]:
        """Number of frames of each video, by name."""

    def read(self, video: str, frame: int) -> bytes:
        """The file of one frame, as it is stored."""

    def contents(self) -> bytes:
        """Bytes that change when any frame's name, size or (where known) content changes."""


class ZipFrames:
    """Frames inside one zip file, read by offset. Raises DataError for archives that are damaged or hostile."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: int | None = None
        self._index: dict[str, np.ndarray] | None = None

    def __getstate__(self) -> dict[str, object]:
        return {"path": self.path, "_file": None, "_index": None}

    def __del__(self) -> None:
        if getattr(self, "_file", None) is not None:
            os.close(self._file)  # type: ignore[arg-type]

    @property
    def index(self) -> dict[str, np.ndarray]:
        """Rows (offset, packed size, size, crc, deflated) of each video's frames, in frame order."""
        if self._index is None:
            self._index = _read_zip_index(self.path)
        return self._index

    def videos(self) -> dict[str, int]:
        return {name: len(rows) for name, rows in self.index.items()}

    def read(self, video: str, frame: int) -> bytes:
        row = self.index[video][frame]
        where = f"frame {frame} of video '{video}' in {self.path}"
        if self._file is None:
            self._file = os.open(self.path, os.O_RDONLY)
        header = os.pread(self._file, _LOCAL_HEADER_BYTES, int(row["offset"]))
        if len(header) != _LOCAL_HEADER_BYTES or header[:4] != b"PK\x03\x04":
            raise DataError(f"{where} is damaged (no file header at its place). Make the dataset again.")
        name_bytes, extra_bytes = struct.unpack_from("<HH", header, 26)
        start = int(row["offset"]) + _LOCAL_HEADER_BYTES + name_bytes + extra_bytes
        data = os.pread(self._file, int(row["packed"]), start)
        if row["deflated"]:
            data = _inflate(data, int(row["size"]), where)
        if len(data) != row["size"] or zlib.crc32(data) != row["crc"]:
            raise DataError(f"{where} is damaged (its checksum does not match). Make the dataset again.")
        return data

    def contents(self) -> bytes:
        return b"".join(
            name.encode() + b"\0" + rows["size"].tobytes() + rows["crc"].tobytes() for name, rows in self.index.items()
        )


class FolderFrames:
    """Frames as files below a folder: every folder that directly holds images is a video."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.index = {
            PurePosixPath(Path(folder).relative_to(path)).as_posix(): files
            for folder, _, names in sorted(os.walk(path))
            if (files := sorted((n for n in names if _is_image(n)), key=natural_key))
        }

    def videos(self) -> dict[str, int]:
        return {name: len(files) for name, files in self.index.items()}

    def read(self, video: str, frame: int) -> bytes:
        file = self.path / video / self.index[video][frame]
        try:
            if file.stat().st_size > MAX_FRAME_BYTES:
                raise DataError(f"{file} is larger than {MAX_FRAME_BYTES >> 20} MiB; that is no video frame.")
            return file.read_bytes()
        except OSError as error:
            raise DataError(f"{file} cannot be read ({error.strerror}).") from error

    def contents(self) -> bytes:
        return "\0".join(
            f"{name}/{file} {(self.path / name / file).stat().st_size}"
            for name, files in self.index.items()
            for file in files
        ).encode()


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key that puts frame_2 before frame_10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _is_image(name: str) -> bool:
    return not name.startswith(".") and PurePosixPath(name).suffix.lower() in IMAGE_SUFFIXES


def _read_zip_index(path: Path) -> dict[str, np.ndarray]:
    """The frames of every video in an archive, after checks that none of its entries can do harm."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [entry for entry in archive.infolist() if _is_image(PurePosixPath(entry.filename).name)]
        file_bytes = path.stat().st_size
    except (OSError, zipfile.BadZipFile, ValueError, NotImplementedError) as error:
        raise DataError(f"{path} cannot be read as a zip archive ({error}).") from error
    _check_entries(path, entries, file_bytes)
    folders: dict[str, list[zipfile.ZipInfo]] = {}
    for entry in entries:
        folders.setdefault(entry.filename.rpartition("/")[0] or ".", []).append(entry)
    return {
        folder: _rows(sorted(images, key=lambda entry: natural_key(entry.filename)))
        for folder, images in sorted(folders.items())
    }


def _rows(entries: Iterable[zipfile.ZipInfo]) -> np.ndarray:
    rows = [(e.header_offset, e.compress_size, e.file_size, e.CRC, e.compress_type != 0) for e in entries]
    return np.array(rows, dtype=_ROW)


def _check_entries(path: Path, entries: list[zipfile.ZipInfo], file_bytes: int) -> None:
    """Raise DataError when an entry points outside the archive or its folder, or claims an unlikely size."""
    seen: set[str] = set()
    for entry in entries:
        name = entry.filename
        problem = None
        if name.startswith(("/", "\\")) or "\\" in name or ".." in name.split("/") or ":" in name.split("/")[0]:
            problem = "its path leaves the archive"
        elif stat.S_ISLNK(entry.external_attr >> 16):
            problem = "it is a symbolic link"
        elif name in seen:
            problem = "the name occurs twice"
        elif entry.flag_bits & 1:
            problem = "it is encrypted"
        elif entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            problem = "only stored and deflated entries are read"
        elif max(entry.file_size, entry.compress_size) > MAX_FRAME_BYTES:
            problem = f"it is larger than {MAX_FRAME_BYTES >> 20} MiB"
        elif entry.compress_type == zipfile.ZIP_STORED and entry.file_size != entry.compress_size:
            problem = "its sizes contradict each other"
        elif entry.file_size > MAX_DEFLATE_RATIO * max(entry.compress_size, 64):
            problem = f"it would grow more than {MAX_DEFLATE_RATIO} times when unpacked"
        elif not 0 <= entry.header_offset <= file_bytes - entry.compress_size - _LOCAL_HEADER_BYTES:
            problem = "it lies outside the file"
        if problem:
            raise DataError(f"{path} is refused because of its entry {name!r}: {problem}.")
        seen.add(name)


def _inflate(data: bytes, size: int, where: str) -> bytes:
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, size + 1)
    except zlib.error as error:
        raise DataError(f"{where} is damaged ({error}).") from error
