"""Timing in turns: A B C A B C ..., so that whatever else the machine does falls on all alike."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

Clock = Callable[[], float]
Measure = Callable[[], float]  # → seconds of one call

SHORTEST = 0.05  # seconds of one measurement; short calls are repeated
MOST_TURNS = 25


@dataclass(frozen=True)
class Spread:
    """The median of some values, the lowest and the highest."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    return Spread(statistics.median(values), min(values), max(values))


def clock_of(device: torch.device) -> Clock:
    """A clock in seconds that first waits for what the device has been given to do."""
    if device.type == "cpu":
        return time.perf_counter
    wait = torch.cuda.synchronize if device.type == "cuda" else torch.mps.synchronize

    def clock() -> float:
        wait()
        return time.perf_counter()

    return clock


def seconds_of(call: Callable[[], object], clock: Clock) -> float:
    """Seconds of one call: the mean of as many as take SHORTEST seconds together."""
    calls, more, start = 0, 1, clock()
    while True:
        for _ in range(more):
            call()
        calls += more
        elapsed = clock() - start
        if elapsed >= SHORTEST:
            return elapsed / calls
        more = calls


def take_turns(
    measures: Mapping[str, Measure], least: int, seconds: float, clock: Clock = time.perf_counter
) -> dict[str, list[float]]:
    """Measure one after the other, again and again: at least `least` turns, and more until `seconds` have passed."""
    taken: dict[str, list[float]] = {name: [] for name in measures}
    start, turns = clock(), 0
    while turns < least or (turns < MOST_TURNS and clock() - start < seconds):
        for name, measure in measures.items():
            taken[name].append(measure())
        turns += 1
    return taken


def ratio(above: Sequence[float], below: Sequence[float]) -> Spread:
    """How many times as long as another one it took, turn by turn."""
    return spread([a / b for a, b in zip(above, below, strict=True)])
