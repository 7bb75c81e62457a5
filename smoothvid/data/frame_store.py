"""Reading single frame files out of zip archives and folders, without unpacking and without trusting them.

A store holds videos by name; each is a row of JPEG or PNG files in one folder. Opening reads the index only.
"""

import os
import re
import stat
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Protocol
from weakref import WeakKeyDictionary

import numpy as np

from smoothvid.data.images import IMAGE_SUFFIXES
from smoothvid.errors import DataError

MAX_FRAME_BYTES = 64 << 20
MAX_DEFLATE_RATIO = 20  # JPEG and PNG hardly shrink; more than this is a decompression bomb
MAX_DIRECTORY_BYTES = 256 << 20  # of an archive; some 4 million frames, whose index takes half a minute to read
_ROW = np.dtype([("offset", "<i8"), ("packed", "<i4"), ("size", "<i4"), ("crc", "<u4"), ("deflated", "?")])
_LOCAL_HEADER_BYTES = 30
MOST_OPEN = 128  # archives that a process holds open; it may have 256 (macOS) or 1,024 files open altogether


class FrameStore(Protocol):
    """Where the frames of videos lie. Stores are picklable and open their files on first use in each process."""

    def videos(self) -> dict[str, int]:
        """Number of frames of each video, by name."""

    def read(self, video: str, frame: int) -> bytes:
        """The file of one frame, as it is stored."""

    def read_other(self, name: str) -> bytes | None:
        """A small file beside the folders of frames; None if there is none."""

    def contents(self) -> bytes:
        """Bytes that change when any frame's name, size or (where known) content changes."""


class ZipFrames:
    """Frames inside one zip file, read by offset. Raises DataError for archives that are damaged or hostile.

    The file stays open until the store is gone, or until MOST_OPEN others were opened after it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._version = _version(os.stat(path))
        self._file: _OpenFile | None = None
        self._index: dict[str, np.ndarray] | None = None

    def __getstate__(self) -> dict[str, object]:
        return {**vars(self), "_file": None, "_index": None}

    @property
    def index(self) -> dict[str, np.ndarray]:
        """Rows (offset, packed size, size, crc, deflated) of each video's frames, in frame order."""
        if self._index is None:
            file = self._open()
            self._index = read_zip_index(self.path, file.number)
        return self._index

    def videos(self) -> dict[str, int]:
        return {name: len(rows) for name, rows in self.index.items()}

    def read(self, video: str, frame: int) -> bytes:
        where = f"frame {frame} of video '{video}' in {self.path}"
        try:
            offset, packed, size, crc, deflated = self.index[video][frame].item()
        except OSError as error:
            raise DataError(f"{where} cannot be read ({error.strerror or error}).") from error
        return self._contents(where, offset, packed, size, crc, deflated)

    def read_other(self, name: str) -> bytes | None:
        where = f"{name} in {self.path}"
        try:
            directory, _, shift = _central_directory(self._open().number)
            place = _place_of(name.encode(), directory)
            if place is None:
                return None
            entry = {key: int(values[0]) for key, values in _fields(directory, [place]).items()}
        except (OSError, ValueError, struct.error) as error:
            raise DataError(f"{where} cannot be read ({error}).") from error
        packed, size, method = entry["packed"], entry["size"], entry["method"]
        if (
            not 0 <= min(packed, size) <= max(packed, size) <= MAX_FRAME_BYTES
            or entry["flags"] & 1
            or method not in (0, 8)
        ):
            raise DataError(
                f"{where} is refused: it is encrypted, larger than {MAX_FRAME_BYTES >> 20} MiB, or damaged."
            )
        return self._contents(where, entry["offset"] + shift, packed, size, entry["crc"], method != 0)

    def _contents(self, where: str, offset: int, packed: int, size: int, crc: int, deflated: bool) -> bytes:
        """The unpacked contents of an entry."""
        try:
            file = self._open()
            header = os.pread(file.number, _LOCAL_HEADER_BYTES, offset).ljust(_LOCAL_HEADER_BYTES, b"\0")
            name_bytes, extra_bytes = struct.unpack_from("<HH", header, 26)
            data = os.pread(file.number, packed, offset + _LOCAL_HEADER_BYTES + name_bytes + extra_bytes)
        except OSError as error:
            raise DataError(f"{where} cannot be read ({error.strerror or error}).") from error
        if len(data) < packed:
            raise DataError(f"{where} is damaged (the archive ends too early). Copy or make the dataset again.")
        if header[:4] != b"PK\x03\x04":
            raise DataError(f"{where} is damaged (no file header at its place). Make the dataset again.")
        if deflated:
            data = _inflate(data, size, where)
        if len(data) != size or zlib.crc32(data) != crc:
            raise DataError(f"{where} is damaged (its checksum does not match). Make the dataset again.")
        return data

    def _open(self) -> "_OpenFile":
        """The open file; every process opens its own. It must still be the one that it was at first."""
        file = self._file
        if file is None:
            if len(_opened) >= MOST_OPEN:
                oldest = next(iter(_opened))
                oldest._file = None
                del _opened[oldest]
            file = _OpenFile(self.path)
            if _version(os.fstat(file.number)) != self._version:
                raise OSError("the file has been changed or replaced since the dataset was opened")
            self._file = file
            _opened[self] = None
        return file

    def contents(self) -> bytes:
        return b"".join(
            name.encode() + b"\0" + rows["size"].tobytes() + rows["crc"].tobytes() for name, rows in self.index.items()
        )


class _OpenFile:
    """A file that is open for as long as anything refers to this."""

    def __init__(self, path: Path) -> None:
        self.number = os.open(path, os.O_RDONLY)

    def __del__(self) -> None:
        if hasattr(self, "number"):
            os.close(self.number)


_opened: WeakKeyDictionary[ZipFrames, None] = WeakKeyDictionary()  # the stores whose file is open, oldest first


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
        return read_small_file(self.path / video / self.index[video][frame])

    def read_other(self, name: str) -> bytes | None:
        return read_small_file(self.path / name) if (self.path / name).is_file() else None

    def contents(self) -> bytes:
        return "\0".join(
            f"{name}/{file} {(self.path / name / file).stat().st_size}"
            for name, files in self.index.items()
            for file in files
        ).encode()


def read_small_file(path: Path) -> bytes:
    """The contents of a file. Raises DataError if it cannot be read, is no file, or is too large to be a frame."""
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode) or about.st_size > MAX_FRAME_BYTES:  # a pipe would never end
            raise DataError(f"{path} is no file, or larger than {MAX_FRAME_BYTES >> 20} MiB: too large for a frame.")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}).") from error


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sort key that puts frame_2 before frame_10."""
    return [
        (int(part), "") if part.isdecimal() and len(part) < 100 else (-1, part) for part in re.split(r"(\d+)", name)
    ]


def _is_image(name: str) -> bool:
    return not name.startswith(".") and name.lower().endswith(IMAGE_SUFFIXES)


def _version(about: os.stat_result) -> tuple[int, int, int]:
    return about.st_ino, about.st_size, about.st_mtime_ns


def _inflate(data: bytes, size: int, where: str) -> bytes:
    try:
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(data, size + 1)
    except zlib.error as error:
        raise DataError(f"{where} is damaged ({error}).") from error


# Reading the index of a zip archive. Python's zipfile takes five times as long and has no bound on memory.

_ENTRY = np.dtype(
    {  # the fixed part of an entry of the central directory
        "names": ["flags", "method", "crc", "packed", "size", "mode", "offset"],
        "formats": ["<u2", "<u2", "<u4", "<u4", "<u4", "<u2", "<u4"],
        "offsets": [8, 10, 16, 20, 24, 40, 42],
        "itemsize": 46,
    }
)
_ENTRY_START = struct.Struct("<4s24x3H")  # signature; bytes of the name, of the extra fields, of the comment
_IN_ZIP64 = 0xFFFFFFFF
_HOSTILE_NAME = re.compile(r"/|[^/]*:|.*\\|(.*/)?\.\.(/|$)|.*\0", re.DOTALL)


def read_zip_index(path: Path, file: int) -> dict[str, np.ndarray]:
    """The frames of every video in an archive, after checks that none of its entries can do harm."""
    try:
        directory, start, shift = _central_directory(file)
        names, fields = _image_entries(directory)
    except (OSError, ValueError, struct.error) as error:
        raise DataError(f"{path} cannot be read as a zip archive ({error}).") from error
    fields["offset"] += shift
    for problem, entries in _problems(names, fields, start):
        if len(entries):
            raise DataError(f"{path} is refused because of its entry {names[entries[0]]!r}: {problem}.")
    rows = np.empty(len(names), _ROW)
    for key in ("offset", "packed", "size", "crc"):
        rows[key] = fields[key]
    rows["deflated"] = fields["method"] != 0
    folders: dict[str, list[tuple[str, int]]] = {}
    for number, name in enumerate(names):
        folder, _, frame = name.rpartition("/")
        folders.setdefault(folder or ".", []).append((frame, number))
    return {folder: rows[_in_order(frames)] for folder, frames in sorted(folders.items())}


def _in_order(frames: list[tuple[str, int]]) -> list[int]:
    """The numbers of frames, sorted by natural key; most often the names are numbers of one length."""
    numbered = len({len(name) for name, _ in frames}) == 1 and all(
        name.rpartition(".")[0].isdecimal() for name, _ in frames
    )
    return [number for _, number in (sorted(frames) if numbered else sorted(frames, key=lambda f: natural_key(f[0])))]


def _central_directory(file: int) -> tuple[bytes, int, int]:
    """The bytes of the central directory, where it starts, and what must be added to the offsets in it."""
    file_bytes = os.fstat(file).st_size
    tail_start = max(0, file_bytes - 22 - 0xFFFF)
    tail = os.pread(file, file_bytes - tail_start, tail_start)
    end = tail_start + tail.rfind(b"PK\x05\x06", 0, max(0, len(tail) - 18))  # it has 22 bytes
    if end < tail_start:
        raise ValueError("it has no end record; perhaps it is incomplete")
    size, offset = struct.unpack_from("<LL", tail, end - tail_start + 12)
    if end >= 76 and os.pread(file, 4, end - 20) == b"PK\x06\x07":
        end -= 76
        size, offset = struct.unpack("<4s36xQQ", os.pread(file, 56, end))[1:]
    start = end - size
    if start < offset:
        raise ValueError("its directory lies outside the file")
    if size > MAX_DIRECTORY_BYTES:
        raise ValueError(f"its directory is larger than {MAX_DIRECTORY_BYTES >> 20} MiB; split the archive")
    return os.pread(file, size, start), start, start - offset


def _image_entries(directory: bytes) -> tuple[list[str], dict[str, np.ndarray]]:
    """Names of the JPEG and PNG entries, and by field int64 [entries]."""
    names, places = [], []
    for place, name, _ in _entries(directory):
        text = name.decode("utf-8" if directory[place + 9] & 8 else "cp437")
        if _is_image(text.rpartition("/")[2]):
            names.append(text)
            places.append(place)
    return names, _fields(directory, places)


def _place_of(name: bytes, directory: bytes) -> int | None:
    """Where the entry of this name begins."""
    found = directory.find(name)
    while found >= 0:
        place = found - _ENTRY.itemsize
        if directory[place : place + 4] == b"PK\x01\x02" and _ENTRY_START.unpack_from(directory, place)[1] == len(name):
            return place
        found = directory.find(name, found + 1)
    return None


def _fields(directory: bytes, places: list[int]) -> dict[str, np.ndarray]:
    """The fixed fields of the entries at these places, by name: int64 [entries]."""
    table = np.frombuffer(b"".join(directory[place : place + _ENTRY.itemsize] for place in places), _ENTRY)
    fields = {key: table[key].astype(np.int64) for key in table.dtype.names or ()}
    large = (fields["size"] == _IN_ZIP64) | (fields["packed"] == _IN_ZIP64) | (fields["offset"] == _IN_ZIP64)
    for number in np.flatnonzero(large):
        _, _, extra = next(_entries(directory, places[number]))
        values = iter(_zip64_values(extra))
        for key in ("size", "packed", "offset"):
            if fields[key][number] == _IN_ZIP64:
                fields[key][number] = next(values, -1)
    return fields


def _entries(directory: bytes, place: int = 0) -> Iterator[tuple[int, bytes, bytes]]:
    """Place, name and extra fields of the entries from `place` on."""
    while place < len(directory):
        signature, name, extra, comment = _ENTRY_START.unpack_from(directory, place)
        if signature != b"PK\x01\x02":
            raise ValueError("its directory is damaged")
        after = place + _ENTRY.itemsize + name
        yield place, directory[after - name : after], directory[after : after + extra]
        place = after + extra + comment


def _zip64_values(extra: bytes) -> tuple[int, ...]:
    """The long sizes and offsets among the extra fields of an entry, as signed numbers: none are below 0."""
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        if kind == 1:
            return struct.unpack_from(f"<{size // 8}q", extra, 4)
        extra = extra[4 + size :]
    return ()


def _problems(names: list[str], fields: dict[str, np.ndarray], end: int) -> Iterator[tuple[str, np.ndarray]]:
    """What is wrong with which entries of an archive whose contents end at `end`."""
    yield "its path leaves the archive", np.array([n for n, name in enumerate(names) if _HOSTILE_NAME.match(name)])
    last = {name: number for number, name in enumerate(names)}
    yield "the name occurs twice", np.array([n for n, name in enumerate(names) if last[name] != n])
    size, packed, offset, method = (fields[key] for key in ("size", "packed", "offset", "method"))
    tests = {
        "it is a symbolic link": fields["mode"] & 0xF000 == stat.S_IFLNK,
        "it is encrypted": fields["flags"] & 1 == 1,
        "only stored and deflated entries are read": (method != 0) & (method != 8),
        f"it is larger than {MAX_FRAME_BYTES >> 20} MiB": np.maximum(size, packed) > MAX_FRAME_BYTES,
        "its sizes contradict each other": ((method == 0) & (size != packed)) | (np.minimum(size, packed) < 0),
        f"it would grow more than {MAX_DEFLATE_RATIO} times": size > MAX_DEFLATE_RATIO * np.maximum(packed, 64),
        "it lies outside the file": (offset < 0) | (offset > end - packed - _LOCAL_HEADER_BYTES),
    }
    for problem, entries in tests.items():
        yield problem, np.flatnonzero(entries)
    order = np.argsort(offset, kind="stable")
    ends = offset[order] + _LOCAL_HEADER_BYTES + packed[order]
    yield "it overlaps another entry", order[1:][ends[:-1] > offset[order][1:]]
