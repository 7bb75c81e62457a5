"""Files that are there whole or not at all, whatever ends the process."""

import os
from pathlib import Path


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
