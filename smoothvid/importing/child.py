"""The process in which a snapshot is read: `python -m smoothvid.importing.child FILE FOLDER MEMORY SECONDS`.

It gets little memory and time, and what it leaves in FOLDER is plain data: tensors.safetensors, named NETWORK.TENSOR,
and facts.json.
"""

import contextlib
import os
import resource
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from smoothvid.errors import CheckpointError
from smoothvid.importing.records import printable, unpickle
from smoothvid.plain_text import write_json

TENSORS, FACTS = "tensors.safetensors", "facts.json"


@contextlib.contextmanager
def little_memory(size: int) -> Iterator[None]:
    """Within this block the process may take this many bytes beside those in use."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    with contextlib.suppress(OSError, ValueError):  # not every system can
        pages = int(Path("/proc/self/statm").read_text().split()[0])
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def little_time(seconds: int) -> None:
    """Let this process end after so many seconds of work."""
    total = int(time.process_time()) + seconds
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CPU, (total, total + 5))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main(path: str, folder: str, memory: int, seconds: int) -> None:
    little_time(seconds)
    facts: dict[str, Any]
    try:
        with open(path, "rb") as file, little_memory(memory):
            records, size = unpickle(file), os.fstat(file.fileno()).st_size
        # These bring torch, which a file that was refused above need not wait for, and which takes its own memory.
        from safetensors.torch import save_file

        from smoothvid.importing.networks import read_networks

        with little_memory(memory):
            tensors, facts = read_networks(records, size)
            del records
            save_file(tensors, Path(folder, TENSORS))
    except CheckpointError as error:
        facts = {"error": str(error)}
    except MemoryError:
        facts = {"error": "reading it takes more memory than a file of its size can need; refused"}
    except Exception as error:  # OSError: no right to read it, or no room for the tensors; others: an odd file
        facts = {"error": f"cannot be read ({printable(' '.join(str(error).split())) or type(error).__name__})"}
    Path(folder, FACTS).write_text(write_json(facts))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
