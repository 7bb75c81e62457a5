"""Files that are there whole or not at all, whatever ends the process; and what can be opened as a file."""

import os
import stat
from pathlib import Path

_KINDS = {
    stat.S_IFIFO: "a pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder",
}


def why_no_file(path: str | Path) -> str:
    """Why a path cannot be read as a file, such as "is a pipe, not a file"; "" if it can.

    Ask before opening what a user names: a pipe keeps its reader waiting, and a device may never end.
    """
    try:
        about = os.stat(path)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    if not stat.S_ISREG(about.st_mode):
        return f"is {_KINDS.get(stat.S_IFMT(about.st_mode), 'something else')}, not a file"
    return "" if about.st_size else "is empty (0 bytes)"


def write_whole(path: Path, text: str) -> None:
    """Write a text file: it appears under its name, in place of an older one, when it is whole and on the disk."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        partial.write_text(text, encoding="utf-8", errors="backslashreplace")
        flush(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def flush(path: Path) -> None:
    """Return when what is in a file, or which names are in a folder, is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
