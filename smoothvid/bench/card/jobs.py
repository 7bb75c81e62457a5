"""One stage in its process: its jobs one by one, each result on disk as soon as it is there.

    python -m smoothvid.bench.card.jobs STAGE MODULE:FUNCTION SETTINGS UNTIL

A job that was begun twice and never finished has ended its process both times: it is passed over from then on.
"""

import json
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from smoothvid.bench.card.settings import CardSettings

ROWS = "rows"  # folder with a file of JSON lines for each stage
_TRIES = 2
OUT_OF_TIME = 4  # exit codes; 0 is for all done
BROKEN = 3  # after an error of the device, when nothing in the same process can be trusted


@dataclass(frozen=True)
class Job:
    """One line of a table.

    work: makes its figures by column. "ok", if among them, says whether the line is as it should be.
    """

    table: str
    name: str
    work: Callable[[], dict[str, Any]]

    @property
    def key(self) -> str:
        return f"{self.table} | {self.name}"


def rows_file(out: Path, stage: str) -> Path:
    return out / ROWS / f"{stage}.jsonl"


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a file of results; one that was cut off in writing is left out."""
    lines = path.read_text().splitlines() if path.exists() else []
    for line in lines:
        with suppress(ValueError):
            yield json.loads(line)


def run_jobs(stage: str, jobs: Iterator[Job], path: Path, until: float) -> bool:
    """Run the jobs that have no result yet, as long as there is time; returns whether none is left."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = list(read_rows(path))
    done = {row["key"] for row in rows if row["state"] != "begun"}
    cut_off = path.exists() and not path.read_bytes().endswith(b"\n")
    with path.open("a") as file:
        if cut_off:
            file.write("\n")

        def note(job: Job, state: str, figures: dict[str, Any], seconds: float = 0.0) -> None:
            row = {"key": job.key, "state": state, "stage": stage, "table": job.table, "name": job.name}
            file.write(json.dumps({**row, "seconds": round(seconds, 2), "figures": figures}) + "\n")
            file.flush()

        for job in jobs:
            if job.key in done:
                continue
            if time.time() > until:
                return False
            if sum(row["key"] == job.key and row["state"] == "begun" for row in rows) >= _TRIES:
                note(job, "failed", {"error": "it has ended its process"})
                continue
            note(job, "begun", {})
            began = time.time()
            try:
                note(job, "done", job.work(), time.time() - began)
            except Exception as error:
                words = " ".join(f"{type(error).__name__}: {error}".split())
                note(job, "failed", {"error": words[:400]}, time.time() - began)
                traceback.print_exc()
                if _is_of_device(error):
                    sys.exit(BROKEN)
    return True


def _is_of_device(error: Exception) -> bool:
    return "CUDA error" in str(error) or type(error).__name__ == "AcceleratorError"


def main() -> None:
    stage, target, settings, until = sys.argv[1:]
    given = CardSettings.from_json(settings)
    module, _, function = target.partition(":")
    jobs = getattr(import_module(module), function)(given, float(until))
    sys.exit(0 if run_jobs(stage, jobs, rows_file(given.out, stage), float(until)) else OUT_OF_TIME)


if __name__ == "__main__":
    main()
