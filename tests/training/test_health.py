"""Warnings: each comes when it is deserved, once, and not before."""

from typing import Any

import pytest

from smoothvid.training.health import new_warnings


def told(lines: list[dict[str, Any]]) -> dict[int, list[str]]:
    """Write the lines one after the other, as a run does: the warnings by the number of the line they came with."""
    log: list[dict[str, Any]] = []
    found = {}
    for number, line in enumerate(lines):
        line = {"augment_p": 0.0, **line}
        if warnings := new_warnings([*log, line]):
            line["warnings"] = warnings
            found[number] = sorted(warnings)
        log.append(line)
    return found


def test_a_healthy_run_is_left_in_peace() -> None:
    scores = [0.9, 0.5, 0.4, 0.45, 0.38, 0.5, 0.36]
    signs = [{"real_sign": 0.99, "fake_sign": -0.99}] * 4 + [{"real_sign": 0.5, "fake_sign": -0.6}]
    assert told([{"score": score, "diversity": 0.9} for score in scores]) == {}
    assert told(signs * 3) == {}
    assert told([{"diversity": 0.1}, {"diversity": 0.2}, {"diversity": 0.4}, {}, {"diversity": 0.2}]) == {}


@pytest.mark.parametrize(
    "name, lines, at",
    [
        ("nan", [{}, {"skipped": 2}, {"skipped": 1}], 1),
        ("discriminator_won", [{"real_sign": 0.99, "fake_sign": -0.99}] * 9, 4),
        ("collapse", [{"diversity": 0.1}, {}, {"diversity": 0.2}, {}, {"diversity": 0.25}, {"diversity": 0.1}], 4),
        ("getting_worse", [{"score": s} for s in (0.9, 0.3, 0.5, 0.4, 0.45, 0.5)], 4),
        ("augment_high", [{"augment_p": 0.79}, {"augment_p": 0.81}, {"augment_p": 0.9}], 1),
    ],
)
def test_each_warning_comes_once_when_it_is_deserved(name: str, lines: list[dict[str, Any]], at: int) -> None:
    assert told(lines) == {at: [name]}


def test_advice_names_the_numbers() -> None:
    (text,) = new_warnings([{"diversity": 0.1}, {"diversity": 0.1}, {"diversity": 0.123}]).values()
    assert "0.12 times" in text and "r1_gamma" in text
