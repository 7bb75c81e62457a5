"""What a person sees: results on stdout, messages and progress on stderr.

Colours and bars appear only on a terminal, colours never under NO_COLOR. Rich is imported when something is shown.
"""

import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from smoothvid.plain_text import printable, write_json

if TYPE_CHECKING:
    from rich.console import Console

SECONDS_BETWEEN_LINES = 10.0  # progress where there is no terminal to draw a bar on
RATE_WINDOW = 30.0  # seconds over which the rate is measured, so that a slow start is soon forgotten
SECONDS_BETWEEN_MARKS = 0.1  # how fine the window slides; bounds what it has to remember

quiet = False
debug = False


def set_quiet(value: bool) -> bool:
    """Callback of `--quiet`: hold back messages and progress."""
    global quiet
    quiet = value
    return value


def set_debug(value: bool) -> bool:
    """Callback of `--debug`: show tracebacks."""
    global debug
    debug = value
    return value


def say(message: str) -> None:
    """Write a message for the person watching to stderr, unless `--quiet`."""
    if not quiet:
        print(printable(message, keep="\n"), file=sys.stderr, flush=True)


def print_error(message: str) -> None:
    """Write an error to stderr as one line."""
    _rich(stderr=True).print(printable(f"error: {' '.join(message.split())}"), style="red", soft_wrap=True)


class PlainLines(logging.Formatter):
    """Log messages as one line each, without what a terminal may obey."""

    def format(self, record: logging.LogRecord) -> str:
        return printable(super().format(record))


def print_json(data: Any) -> None:
    """Write a result to stdout as JSON."""
    print(printable(write_json(data, indent=2, ensure_ascii=False), keep="\n"))


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]], title: str | None = None) -> None:
    """Write a result to stdout as a table; numbers stand to the right, None is a dash."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    rows = [list(row) for row in rows]
    table = Table(title=title and printable(title), title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        numbers = all(isinstance(row[index], int | float | None) for row in rows)
        table.add_column(printable(column), justify="right" if numbers else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(_cell, row))
    _rich().print(table)


@contextmanager
def progress(label: str, total: float | None = None, unit: str = "it", done: float = 0) -> Iterator["Advance"]:
    """Show how far the work is, its rate and the time left, and yield the function that moves it on.

        with progress("frames", total=len(frames), unit="frames") as advance:
            for frame in frames:
                write(frame)
                advance()  # or advance(8, note="loss 0.31")

    A bar on a terminal, else a line every ten seconds, nothing under `--quiet`. `total=None` is endless work;
    `done` is where the work starts, when it continues earlier work.
    """
    meter, label = Meter(total, unit, done), printable(label)
    if quiet:
        yield meter.advance
    elif sys.stderr.isatty() and not _rich(stderr=True).is_dumb_terminal:
        with _bar(label, meter) as advance:
            yield advance
    else:
        yield _lines(label, meter)
        say(f"{label}: {meter.text()}")


Advance = Callable[..., None]  # (amount: float = 1, note: str = "") -> None


class Meter:
    """Counts work done and tells its rate and the time left. Times are seconds."""

    def __init__(self, total: float | None, unit: str, done: float = 0, clock: Callable[[], float] = time.monotonic):
        self.total, self.unit, self.done, self.note, self.clock = total, unit, done, "", clock
        self.marks = deque([(clock(), done)])

    def advance(self, amount: float = 1, note: str = "") -> None:
        now = self.clock()
        self.done += amount
        self.note = printable(note) or self.note
        if len(self.marks) > 1 and self.marks[-1][0] - self.marks[-2][0] < SECONDS_BETWEEN_MARKS:
            self.marks.pop()
        self.marks.append((now, self.done))
        while len(self.marks) > 2 and self.marks[1][0] <= now - RATE_WINDOW:
            self.marks.popleft()

    def rate(self) -> float:
        """Units per second over the last RATE_WINDOW seconds; 0 while unknown."""
        (start, first), (end, last) = self.marks[0], self.marks[-1]
        return (last - first) / (end - start) if end > start else 0.0

    def text(self) -> str:
        """For example `120/1000 frames, 35.2 frames/s, 0:00:25 left, loss 0.31`."""
        rate = self.rate()
        parts = [f"{self.done:.10g}" + (f"/{self.total:.10g}" if self.total is not None else "") + f" {self.unit}"]
        if rate:
            seconds, name = next(((n, name) for n, name in ((1, "s"), (60, "min")) if rate * n >= 1), (3600, "h"))
            parts.append(f"{rate * seconds:.3g} {self.unit}/{name}")
            if self.total is not None and self.done < self.total:
                left = round((self.total - self.done) / rate)
                parts.append(f"{left // 3600}:{left // 60 % 60:02}:{left % 60:02} left")
        return ", ".join([*parts, self.note] if self.note else parts)


def _lines(label: str, meter: Meter) -> Advance:
    last = meter.clock()

    def advance(amount: float = 1, note: str = "") -> None:
        nonlocal last
        meter.advance(amount, note)
        if meter.clock() - last >= SECONDS_BETWEEN_LINES and meter.done != meter.total:
            last = meter.clock()
            say(f"{label}: {meter.text()}")

    return advance


@contextmanager
def _bar(label: str, meter: Meter) -> Iterator[Advance]:
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    texts = TextColumn("{task.description}", markup=False), TextColumn("{task.fields[text]}", markup=False)
    with Progress(texts[0], BarColumn(), TimeElapsedColumn(), texts[1], console=_rich(stderr=True)) as bar:
        task = bar.add_task(label, total=meter.total, completed=int(meter.done), text=meter.text())

        def advance(amount: float = 1, note: str = "") -> None:
            meter.advance(amount, note)
            bar.update(task, completed=meter.done, text=meter.text())

        yield advance


def _rich(stderr: bool = False) -> "Console":
    from rich.console import Console

    # File names and messages are text, never markup; a table that goes to a file or a pipe is not folded.
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else 1000
    return Console(file=stream, width=width, markup=False, highlight=False, emoji=False)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "-" if value is None else printable(str(value))
