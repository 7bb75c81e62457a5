"""One run over the stages: every variant in turn, then its memory."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import asdict, astuple, dataclass
from typing import Any

from smoothvid.bench.case import BenchSettings, Case
from smoothvid.bench.elsewhere import Elsewhere, start_process
from smoothvid.bench.machine import machine_facts
from smoothvid.bench.memory import peak_bytes
from smoothvid.bench.stages import STAGES, choose_stages
from smoothvid.bench.timing import Measure, Spread, clock_of, ratio, seconds_of, spread, take_turns
from smoothvid.memory_pool import keep_memory

FORMAT = 1
VARIANTS = ("floor", "ours", "plain", "plain, default memory")
_LEAST_TURNS = 3
_SECONDS, _SECONDS_FULL = 2.0, 20.0  # of the turns of a case, about


@dataclass(frozen=True)
class Timing:
    """One variant of a case.

    seconds: of one unit. over: how many times as long as other variants it took, turn by turn.
    peak_bytes: memory of a call beside what is held before it, such as weights; None where that is not measured.
    """

    variant: str
    seconds: Spread
    over: dict[str, Spread]
    peak_bytes: int | None


@dataclass(frozen=True)
class Result:
    """One case: `unit` says what the seconds are for, `turns` how often each variant was timed."""

    stage: str
    case: str
    unit: str
    turns: int
    timings: tuple[Timing, ...]

    def timing(self, variant: str) -> Timing | None:
        return next((timing for timing in self.timings if timing.variant == variant), None)


@dataclass(frozen=True)
class Report:
    """A whole run, with what it depends on."""

    machine: dict[str, Any]
    settings: BenchSettings
    results: tuple[Result, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain data; names and units stay as they are from version to version."""
        settings = {**asdict(self.settings), "dataset": self.settings.dataset and str(self.settings.dataset)}
        return {
            "format": FORMAT,
            "machine": self.machine,
            "settings": settings,
            "results": [_result_to_json(result) for result in self.results],
        }


def bench(settings: BenchSettings, tell: Callable[[str], None] = lambda message: None) -> Report:
    """Measure the chosen stages, in this process and, for plain variants with default memory, in another one.

    Args:
        tell: told about each case.

    Raises:
        ConfigError: a wrong stage or preset. DataError: a video or dataset cannot be read. DeviceError: no such device.
    """
    chosen = choose_stages(settings.stages, settings.full)
    start_process(settings)
    keeps_memory = keep_memory()
    device, results = settings.torch_device, list[Result]()
    with ExitStack() as stack:
        other = None
        if device.type == "cpu" and keeps_memory and any(STAGES[name].of_networks for name in chosen):
            other = stack.enter_context(Elsewhere(settings))
        for name in chosen:
            for result in _stage(name, settings, other if STAGES[name].of_networks else None):
                results.append(result)
                tell(describe(result))
    return Report(machine_facts(device, keeps_memory), settings, tuple(results))


def describe(result: Result) -> str:
    """A case in a line."""
    times = [f"{timing.variant} {seconds_text(timing.seconds.median)}" for timing in result.timings]
    return f"{result.stage} {result.case}: {', '.join(times)} per {result.unit}"


def seconds_text(seconds: float) -> str:
    """For example 1.23 s, 45.6 ms or 7.89 µs."""
    factor, unit = next(((f, u) for f, u in ((1, "s"), (1e3, "ms")) if seconds * f >= 1), (1e6, "µs"))
    value = seconds * factor
    return f"{value:.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"


def ratio_text(ratio: Spread) -> str:
    """For example 1.45× (1.4–1.52)."""
    median, low, high = (f"{value:.0f}" if value >= 100 else f"{value:.3g}" for value in astuple(ratio))
    return f"{median}× ({low}–{high})"


def _stage(name: str, settings: BenchSettings, other: Elsewhere | None) -> Iterator[Result]:
    clock, device = clock_of(settings.torch_device), settings.torch_device
    cases = STAGES[name].cases(settings)
    try:
        for case in cases:
            measures = {variant: _measure(case, variant, clock) for variant in VARIANTS if variant in case.calls}
            for call in () if case.timed else case.calls.values():
                call()
            if other is not None:
                other.open(name)
                measures["plain, default memory"] = other.seconds
            taken = take_turns(measures, _LEAST_TURNS, _SECONDS_FULL if settings.full else _SECONDS)
            seconds = {variant: [one / case.count for one in times] for variant, times in taken.items()}
            peaks: dict[str, int | None] = {}
            if STAGES[name].of_networks:
                peaks = {variant: peak_bytes(call, device) for variant, call in case.calls.items()}
            if other is not None:
                peaks["plain, default memory"] = other.peak()
            yield _result(name, case, seconds, peaks)
    finally:
        cases.close()  # type: ignore[attr-defined]


def _measure(case: Case, variant: str, clock: Callable[[], float]) -> Measure:
    call: Any = case.calls[variant]
    return call if case.timed else lambda: seconds_of(call, clock)


def _result(stage: str, case: Case, seconds: dict[str, list[float]], peaks: dict[str, int | None]) -> Result:
    references = [name for name in ("floor", "ours") if name in seconds]
    timings = tuple(
        Timing(
            variant,
            spread(times),
            {name: ratio(times, seconds[name]) for name in references if name != variant},
            peaks.get(variant),
        )
        for variant, times in seconds.items()
    )
    return Result(stage, case.name, case.unit, len(seconds["ours"]), timings)


def _result_to_json(result: Result) -> dict[str, Any]:
    return {
        "stage": result.stage,
        "case": result.case,
        "unit": result.unit,
        "turns": result.turns,
        "variants": [
            {
                "variant": timing.variant,
                "median_s": timing.seconds.median,
                "low_s": timing.seconds.low,
                "high_s": timing.seconds.high,
                "peak_mb": None if timing.peak_bytes is None else round(timing.peak_bytes / 1e6, 1),
                "ratios": {f"over_{name}": asdict(value) for name, value in timing.over.items()},
            }
            for timing in result.timings
        ],
    }
