"""What a run writes down while it goes: one line of JSON a tick; and how it hears that it should stop."""

import json
import signal
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from torch import Tensor


class Tick:
    """Means of the numbers of several steps, and how fast the steps went."""

    def __init__(self) -> None:
        self.last: dict[str, float] = {}
        self._start()

    def _start(self) -> None:
        self._sums: dict[str, list[Tensor]] = defaultdict(list)
        self._steps, self._began = 0, time.perf_counter()

    def add(self, numbers: dict[str, Tensor]) -> None:
        self._steps += 1
        for name, value in numbers.items():
            self._sums[name].append(value.detach())

    def close(self, batch: int) -> dict[str, float]:
        """The means since the last call, with `clips_per_second`."""
        seconds = time.perf_counter() - self._began
        self.last = {name: round(float(sum(values)) / len(values), 5) for name, values in self._sums.items()}
        self.last["clips_per_second"] = round(self._steps * batch / seconds, 3)
        self._start()
        return self.last


class RunLog:
    """log.jsonl. A run that goes on from step n drops the lines after it, so that no step stands there twice."""

    def __init__(self, path: Path, from_step: int) -> None:
        self.path = path
        kept = [line for line in read_log(path) if line["step"] <= from_step]
        path.write_text("".join(json.dumps(line) + "\n" for line in kept))

    def write(self, line: dict[str, Any]) -> None:
        with open(self.path, "a") as file:
            file.write(json.dumps(line) + "\n")


def read_log(path: Path) -> list[dict[str, Any]]:
    """The lines of a log.jsonl, up to the one at which a killed run was cut off; none where there is no log."""
    lines: list[dict[str, Any]] = []
    for text in path.read_text().splitlines() if path.exists() else []:
        try:
            lines.append(json.loads(text))
        except ValueError:
            break
    return lines


@contextmanager
def interrupt_flag() -> Iterator[threading.Event]:
    """An event that Ctrl-C or SIGTERM sets, instead of breaking into the step at hand; a second one breaks in."""
    flag = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        if flag.is_set():
            raise KeyboardInterrupt
        flag.set()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
