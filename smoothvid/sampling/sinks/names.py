"""Names that are not yet those of the result, so that a file with its own name is a whole one."""

import hashlib
import os
from pathlib import Path

_LONGEST_NAME = 255  # bytes, on most file systems


def temporary_name(path: Path) -> Path:
    """Where to write what becomes `path` in the end; a name that fits wherever the last one does."""
    end = f".{os.getpid()}.tmp"
    name = f".{path.name}{end}"
    too_long = len(os.fsencode(name)) > _LONGEST_NAME
    return path.with_name(f".{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:32]}{end}" if too_long else name)


def write_whole(path: Path, data: bytes) -> None:
    """Write or replace a small file, which whoever watches never meets half written."""
    partial = path.with_name(f"{path.name}.tmp")
    try:
        partial.write_bytes(data)
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
