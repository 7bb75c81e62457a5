"""A closer look at operations that failed: each once more, alone, under NVIDIA's memory checker where there is one.

    python -m smoothvid.bench.card.faults NAME VARIANT

runs one operation by itself, NAME as in the table of operations.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import torch

from smoothvid.bench.card import equal
from smoothvid.bench.card.jobs import Job, read_rows, rows_file
from smoothvid.bench.card.settings import CardSettings
from smoothvid.nn.kernels.tuning import StripSizes

CHECKER = "compute-sanitizer"
_EXCERPT = 300  # characters of a report in the table; the whole of it is in the log


def faults(settings: CardSettings, until: float) -> Iterator[Job]:
    """For each operation that failed: what becomes of it in other circumstances, and what the checker says."""
    failed = [row["name"] for row in read_rows(rows_file(settings.out, "operations")) if row["state"] == "failed"]
    for number, name in enumerate(failed):
        for variant in VARIANTS:
            log = settings.out / "logs" / f"fault-{number}-{variant.replace(' ', '-')}.txt"
            yield Job("Faults, looked at one by one", f"{name}: {variant}", partial(_check, name, variant, log, until))


VARIANTS: dict[str, tuple[int, dict[str, Any]]] = {
    "alone": (1, {}),
    "after convolutions": (3, {}),
    "two warps": (3, {"narrow_forward": StripSizes(warps=2), "narrow_backward": StripSizes(warps=2)}),
    "under the checker": (2, {}),
}
"""How many shapes are computed, each followed by PyTorch's own convolutions, and sizes of kernels. With fewer than
four warps Hopper uses other instructions."""


def _check(name: str, variant: str, log: Path, until: float) -> dict[str, Any]:
    command, checked = (
        [sys.executable, "-m", "smoothvid.bench.card.faults", name, variant],
        variant == "under the checker",
    )
    environment = dict(os.environ)
    if checked:
        checker = shutil.which(CHECKER)
        if checker is None:
            return {"found": f"{CHECKER} is not installed"}
        command = [checker, "--tool", "memcheck", "--print-limit", "20", *command]
        # Each tensor in memory of its own, so that what lies beyond it is nobody's; and every kernel waited for.
        environment |= {"PYTORCH_NO_CUDA_MEMORY_CACHING": "1", "CUDA_LAUNCH_BLOCKING": "1"}
    with log.open("w") as file:
        limit = max(1.0, until - time.time())
        code = subprocess.run(command, stdout=file, stderr=file, env=environment, timeout=limit).returncode
    lines = log.read_text(errors="replace").splitlines()
    found = " ".join(line for line in lines if "Invalid" in line or "Error" in line)[:_EXCERPT]
    return {"exit code": code, "found": found or "nothing", "log": log.name}


def main() -> None:
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    shapes, sizes = VARIANTS[sys.argv[2]]
    print(equal.operation(sys.argv[1], device, shapes, **sizes))


if __name__ == "__main__":
    main()
