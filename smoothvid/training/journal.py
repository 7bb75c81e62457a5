"""What a run writes down while it goes, and how it hears that it should stop.

log.jsonl     a line a tick: step, losses, figures, warnings. The same run gives the same file, however often it stopped
speed.jsonl   a line a tick: how fast it went, and when
"""

import math
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from smoothvid import processes
from smoothvid.files import flush, write_whole
from smoothvid.plain_text import read_json, write_json

LOG, SPEED = "log.jsonl", "speed.jsonl"


class Tick:
    """Means of the numbers of several steps; what is not finite is left out of them."""

    def __init__(self, sums: Mapping[str, tuple[float, int]] | None = None) -> None:
        self.sums = {name: tuple(pair) for name, pair in (sums or {}).items()}

    def add(self, numbers: Mapping[str, float]) -> None:
        for name, value in numbers.items():
            if math.isfinite(value):
                total, count = self.sums.get(name, (0.0, 0))
                self.sums[name] = total + value, count + 1

    def close(self) -> dict[str, float]:
        """The means since the last call."""
        means = {name: round(total / count, 5) for name, (total, count) in self.sums.items()}
        self.sums = {}
        return means


class RunLog:
    """The two files. A run that goes on from step n drops the lines after it, so that no step stands there twice."""

    def __init__(self, run: Path, from_step: int) -> None:
        self.run = run
        kept = {
            name: [line for line in read_log(run / name) if line.get("step", math.inf) <= from_step]
            for name in (LOG, SPEED)
        }
        self.lines: list[dict[str, Any]] = kept[LOG]
        for name, lines in kept.items():
            write_whole(run / name, "".join(write_json(line) + "\n" for line in lines))
        self._began = time.perf_counter()

    def write(self, line: dict[str, Any]) -> None:
        """Add a line to the log; it is on the disk before a checkpoint can be."""
        self.lines.append(line)
        self._append(LOG, line)
        flush(self.run / LOG)

    def write_speed(self, counts: dict[str, int], new_clips: int, peak_memory_gb: float) -> dict[str, float]:
        """Note how fast `new_clips` went since the last call, beside the counts (step, seen_clips) reached."""
        seconds = time.perf_counter() - self._began
        self._began = time.perf_counter()
        speed = {
            "clips_per_second": round(new_clips / seconds, 3),
            "seconds": round(seconds, 3),
            "peak_memory_gb": round(peak_memory_gb, 3),
        }
        self._append(SPEED, {**counts, **speed, "time": round(time.time(), 1)})
        return speed

    def _append(self, name: str, line: dict[str, Any]) -> None:
        with open(self.run / name, "a", encoding="utf-8") as file:
            file.write(write_json(line) + "\n")


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log, up to the one at which a killed run was cut off; none where there is no log."""
    lines: list[dict[str, Any]] = []
    for text in path.read_bytes().splitlines() if path.is_file() else []:
        try:
            line = read_json(text, finite=False)
        except ValueError:
            break
        if not isinstance(line, dict):
            break
        lines.append(line)
    return lines


def best_line(lines: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The log line of the best checkpoint so far: that of the smallest `score`, the first of equal ones."""
    measured = [line for line in lines if line.get("score") is not None]
    return min(measured, key=lambda line: line["score"]) if measured else None


class StopFlag:
    """The number of the signal that asked the run to stop, 0 before."""

    def __init__(self) -> None:
        self.signal = 0


@contextmanager
def stop_flag() -> Iterator[StopFlag]:
    """A flag that Ctrl-C or SIGTERM raises, instead of breaking into the step at hand; a second one breaks in.

    Under torchrun, which passes on what the terminal has sent already, a second one does nothing.
    """
    flag = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        if flag.signal and not processes.started_by_torchrun():
            stop_by(number)
        flag.signal = flag.signal or number

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_by(number: int) -> None:
    """End as the signal asks: KeyboardInterrupt (exit code 130), for SIGTERM SystemExit with 143."""
    if number == signal.SIGTERM:
        raise SystemExit(128 + number)
    raise KeyboardInterrupt
