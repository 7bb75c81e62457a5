"""Names that are not yet those of the result, so that a file with its own name is a whole one."""

import os
from pathlib import Path


def temporary_name(path: Path) -> Path:
    """Where to write what becomes `path` in the end."""
    return path.with_name(f".{path.name}.{os.getpid()}.tmp")


def write_whole(path: Path, data: bytes) -> None:
    """Write or replace a small file, which whoever watches never meets half written."""
    partial = path.with_name(f"{path.name}.tmp")
    try:
        partial.write_bytes(data)
        os.replace(partial, path)
    except OSError:
        partial.unlink(missing_ok=True)
        raise
