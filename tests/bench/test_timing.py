"""Turns are taken one after the other, and ratios are formed turn by turn."""

import pytest

from smoothvid.bench.timing import MOST_TURNS, Spread, ratio, seconds_of, spread, take_turns


class FakeClock:
    """Stands still but for the work that is done."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def work(self, seconds: float) -> None:
        self.now += seconds


def test_short_calls_are_repeated_until_a_measurement_is_long_enough() -> None:
    clock, calls = FakeClock(), []

    def call() -> None:
        calls.append(1)
        clock.work(0.004)

    assert seconds_of(call, clock) == pytest.approx(0.004)
    assert 0.05 / 0.004 <= len(calls) <= 2 * 0.05 / 0.004 + 1


def test_a_long_call_is_made_once() -> None:
    clock, calls = FakeClock(), []

    def call() -> None:
        calls.append(1)
        clock.work(2.5)

    assert (seconds_of(call, clock), len(calls)) == (2.5, 1)


def test_turns_alternate_so_that_a_slow_spell_falls_on_all() -> None:
    """While turn 2 lasts the machine is ten times slower: the ratio, turn by turn, does not notice."""
    clock, order = FakeClock(), []

    def measure(name: str, seconds: float) -> float:
        slow = 10 if 2 <= len(order) < 4 else 1
        order.append(name)
        clock.work(seconds * slow)
        return seconds * slow

    taken = take_turns({"a": lambda: measure("a", 0.3), "b": lambda: measure("b", 0.1)}, 4, 0.0, clock)
    assert order == ["a", "b"] * 4
    assert taken["a"] == pytest.approx([0.3, 3.0, 0.3, 0.3])
    found = ratio(taken["a"], taken["b"])
    assert (found.median, found.low, found.high) == pytest.approx((3, 3, 3))


def test_turns_go_on_until_the_time_is_over_but_not_for_ever() -> None:
    clock = FakeClock()

    def measure(seconds: float) -> float:
        clock.work(seconds)
        return seconds

    assert len(take_turns({"a": lambda: measure(1.0)}, 3, 7.5, clock)["a"]) == 8
    assert len(take_turns({"a": lambda: measure(100.0)}, 3, 7.5, clock)["a"]) == 3
    assert len(take_turns({"a": lambda: measure(1e-4)}, 3, 7.5, clock)["a"]) == MOST_TURNS


def test_spread_is_the_median_and_the_ends() -> None:
    assert spread([4.0, 1.0, 2.0, 3.0]) == Spread(2.5, 1.0, 4.0)
    assert ratio([2.0, 9.0, 4.0], [1.0, 3.0, 4.0]) == Spread(2.0, 1.0, 3.0)
