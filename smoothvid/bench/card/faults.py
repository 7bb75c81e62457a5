"""A closer look at operations that failed: each once more, alone, under NVIDIA's memory checker where there is one.

    python -m smoothvid.bench.card.faults NAME

runs one operation in one shape by itself, NAME as in the table of operations.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from smoothvid.bench.card import equal
from smoothvid.bench.card.jobs import Job, read_rows, rows_file
from smoothvid.bench.card.settings import CardSettings

CHECKER = "compute-sanitizer"
_EXCERPT = 300  # characters of a report in the table; the whole of it is in the log


def faults(settings: CardSettings, until: float) -> Iterator[Job]:
    """One job for each operation that failed."""
    failed = [row["name"] for row in read_rows(rows_file(settings.out, "operations")) if row["state"] == "failed"]
    for number, name in enumerate(failed):
        yield Job("Faults, looked at one by one", name, partial(_check, settings, name, number, until))


def _check(settings: CardSettings, name: str, number: int, until: float) -> dict[str, Any]:
    command = [sys.executable, "-m", "smoothvid.bench.card.faults", name]
    checker = shutil.which(CHECKER)
    if checker is not None:
        command = [checker, "--tool", "memcheck", "--print-limit", "20", *command]
    # Each tensor in memory of its own, so that what lies beyond it is nobody's; and every kernel waited for.
    alone = {"PYTORCH_NO_CUDA_MEMORY_CACHING": "1", "CUDA_LAUNCH_BLOCKING": "1"}
    log = settings.out / "logs" / f"fault-{number}.txt"
    with log.open("w") as file:
        limit = max(1.0, until - time.time())
        code = subprocess.run(command, stdout=file, stderr=file, env=os.environ | alone, timeout=limit).returncode
    lines = [line for line in log.read_text(errors="replace").splitlines() if "Invalid" in line or "Error" in line]
    found = " ".join(lines)[:_EXCERPT] if lines else "nothing"
    return {
        "exit code": code,
        "under the checker": checker is not None,
        "found": found,
        "log": log.name,
        "ok": code == 0,
    }


def main() -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(equal.operation(sys.argv[1], device, shapes=1))


if __name__ == "__main__":
    main()
