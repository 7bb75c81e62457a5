"""Starts each stage in a process of its own, until the time is up."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence

from smoothvid.bench.card.jobs import OUT_OF_TIME, rows_file
from smoothvid.bench.card.page import write_pages
from smoothvid.bench.card.settings import CardSettings
from smoothvid.bench.card.stages import STAGES, Stage
from smoothvid.errors import DataError
from smoothvid.plain_text import read_json

LOGS = "logs"
SETTINGS_FILE = "settings.json"
_GRACE = 8.0  # seconds that a stage has to come to an end after its time
_LEAST = 3.0  # seconds: for less, no process is started


def run_card(
    settings: CardSettings,
    minutes: float,
    stages: Sequence[Stage] = STAGES,
    tell: Callable[[str], None] = lambda message: None,
) -> bool:
    """Run what is not done yet, for at most so many minutes; returns whether everything is done.

    Results are in settings.out from the first on: rows/STAGE.jsonl, logs/STAGE.log, card.json and card.md.

    Raises:
        DataError: the folder holds results of other settings.
    """
    end = time.time() + 60 * minutes
    _claim(settings)
    finished = True
    for stage in stages:
        limit = end - _GRACE
        until = limit if stage.share is None else min(limit, time.time() + 60 * minutes * stage.share)
        if until - time.time() < _LEAST:
            tell(f"{stage.name}: no time left")
            finished = False
            continue
        began = time.time()
        code = _run_stage(stage, settings, until)
        finished &= code == 0
        words = {0: "done", OUT_OF_TIME: "its time is up"}.get(
            code, f"ended with code {code}, see {LOGS}/{stage.name}.log"
        )
        tell(f"{stage.name}: {words} ({time.time() - began:.0f} s)")
        write_pages(settings.out)
    return finished


def _run_stage(stage: Stage, settings: CardSettings, until: float) -> int:
    """The exit code of the stage's process, as jobs.py has them. One that breaks down is followed by another."""
    while True:
        before = _size(stage, settings)
        code = _start(stage, settings, until)
        if code in (0, OUT_OF_TIME) or _size(stage, settings) == before or until - time.time() < _LEAST:
            return code


def _size(stage: Stage, settings: CardSettings) -> int:
    path = rows_file(settings.out, stage.name)
    return path.stat().st_size if path.exists() else 0


def _start(stage: Stage, settings: CardSettings, until: float) -> int:
    arguments = [stage.name, stage.jobs, settings.to_json(), str(until)]
    log = settings.out / LOGS / f"{stage.name}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as file:
        command = [sys.executable, "-m", "smoothvid.bench.card.jobs", *arguments]
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
        try:
            return process.wait(max(0.0, until - time.time()) + _GRACE)
        except subprocess.TimeoutExpired:
            return OUT_OF_TIME
        finally:  # Ctrl-C, too
            process.kill()
            process.wait()


def _claim(settings: CardSettings) -> None:
    path = settings.out / SETTINGS_FILE
    settings.out.mkdir(parents=True, exist_ok=True)
    if path.exists() and read_json(path.read_text()) != read_json(settings.to_json()):
        raise DataError(f"{settings.out} holds results of other settings; give the same, or another --out")
    if not path.exists() and any(settings.out.iterdir()):
        raise DataError(f"{settings.out} exists and holds no results of a card; give another --out")
    path.write_text(settings.to_json() + "\n")
