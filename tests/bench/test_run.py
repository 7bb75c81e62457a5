"""A run gives a result for every case: times of one unit, ratios turn by turn, bars."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from smoothvid.bench import run
from smoothvid.bench.case import BenchSettings, Case
from smoothvid.bench.chart import COLOURS, draw
from smoothvid.bench.run import Report, Result, Timing, bench, ratio_text, seconds_text
from smoothvid.bench.stages import Stage, choose_stages
from smoothvid.bench.timing import Spread
from smoothvid.errors import ConfigError

MACHINE = {"card": None, "processor": "Some CPU", "threads": 2, "torch": "2.15"}


def fixed(*seconds: float) -> Callable[[], float]:
    values = iter(seconds)
    return lambda: next(values)


def test_seconds_are_of_one_unit_and_ratios_turn_by_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    def cases(settings: BenchSettings) -> Iterator[Case]:
        calls = {"ours": fixed(2.0, 20.0, 2.2), "floor": fixed(1.0, 10.0, 1.0), "plain": fixed(8.0, 40.0, 8.8)}
        yield Case("made up", calls, "frame", 4, timed=True)

    monkeypatch.setattr(run, "STAGES", {"stage": Stage(cases)})
    monkeypatch.setattr(run, "choose_stages", lambda names, full: ["stage"])
    monkeypatch.setattr(run, "_SECONDS", 0.0)
    monkeypatch.setattr(run, "keep_memory", lambda: True)  # it could not be undone
    told: list[str] = []
    [result] = bench(BenchSettings(device="cpu"), told.append).results
    assert [timing.variant for timing in result.timings] == ["floor", "ours", "plain"]
    ours, plain = result.timing("ours"), result.timing("plain")
    assert ours is not None and plain is not None
    assert (ours.seconds.median, ours.seconds.low, ours.seconds.high) == pytest.approx((0.55, 0.5, 5.0))
    assert ours.over == {"floor": Spread(2.0, 2.0, 2.2)}
    assert plain.over["ours"].median == pytest.approx(4.0) and plain.over["ours"].low == 2.0
    assert told == ["stage made up: floor 250 ms, ours 550 ms, plain 2.2 s per frame"]


def test_without_names_a_quick_run_leaves_out_what_is_only_full() -> None:
    assert set(choose_stages((), full=True)) - set(choose_stages((), full=False)) == {"r1"}
    assert choose_stages(("motion", "filters"), full=False) == ["filters", "motion"]
    with pytest.raises(ConfigError, match="no stage 'nothing'; there are filters, modconv, generator"):
        choose_stages(("motion", "nothing"), full=False)


@pytest.mark.parametrize(
    ("seconds", "text"), [(12.34, "12.3 s"), (1.0, "1 s"), (0.1234, "123 ms"), (4.2e-5, "42 µs"), (3e-7, "0.3 µs")]
)
def test_times_in_words(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_ratios_in_words() -> None:
    assert ratio_text(Spread(1.449, 1.4, 1520.0)) == "1.45× (1.4–1520)"


def test_the_charts_bars_grow_with_the_ratio() -> None:
    one = Spread(1.0, 0.9, 1.1)

    def timing(variant: str, ratio: float) -> Timing:
        return Timing(variant, one, {"floor": Spread(ratio, ratio, ratio)}, None)

    timings = Timing("floor", one, {}, None), timing("ours", 1.5), timing("plain", 9.0)
    pixels = np.asarray(draw(Report(MACHINE, BenchSettings(), (Result("generator", "64", "frame", 3, timings),))))
    drawn = {variant: int((pixels == colour).all(-1).sum()) for variant, colour in COLOURS.items()}
    assert drawn["floor"] > 500 and drawn["plain, default memory"] == 0
    # Lengths are logarithms, from 0.35 times the floor on.
    assert drawn["plain"] / drawn["ours"] == pytest.approx(math.log(9 / 0.35) / math.log(1.5 / 0.35), rel=0.1)
