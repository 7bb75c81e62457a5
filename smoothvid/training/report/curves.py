"""A run's numbers over the clips it has seen."""

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from smoothvid.evaluation.report import html
from smoothvid.training.report.state import RunState, number

POINTS = 200  # of a curve; of longer logs means over neighbours are shown


@dataclass(frozen=True)
class Chart:
    """lines: the log's keys, or patterns of them, and what they are called."""

    title: str
    lines: dict[str, str]
    limits: tuple[float, float] | None = None


@dataclass(frozen=True)
class Group:
    title: str
    text: str
    charts: tuple[Chart, ...]


GROUPS = (
    Group(
        "How good it is",
        "Measured at each checkpoint by the averaged weights, over clips seen. Distances are over random features: 0 "
        "is alike, 1 as far as the data's mean image. They are not FID or FVD. The best checkpoint is the one with the "
        "lowest score; the table shows those that are kept.",
        (
            Chart("Score, lower is better", {"score": "score"}),
            Chart(
                "Distances from the data",
                {"rfid": "frames (rfid)", "rfid_diff": "changes (rfid_diff)", "rfvd_*f": "clips (rfvd)"},
            ),
            Chart(
                "Diversity and motion (data: 1)",
                {"diversity": "diversity", "motion": "motion", "motion_lag4": "over 4 frames"},
            ),
        ),
    ),
    Group(
        "How the two networks stand",
        "Means over each tick, over clips seen. A verdict of 1 is “all real”, −1 “all generated”; in a healthy "
        "training those on real and on generated ones stay apart from both.",
        (
            Chart("Verdicts", {"real_sign": "on real ones", "fake_sign": "on generated ones"}, (-1.0, 1.0)),
            Chart("Losses", {"loss_generator": "generator", "loss_discriminator": "discriminator"}),
            Chart("Gradient penalty", {"r1": "r1", "loss_r1": "loss_r1"}),
            Chart("Strength of augmentation", {"augment_p": "p"}, (0.0, 1.0)),
        ),
    ),
    Group(
        "How fast it goes",
        "As measured, tick by tick.",
        (
            Chart("Clips a second", {"clips_per_second": "clips a second"}),
            Chart("Peak of memory in use, GB", {"peak_memory_gb": "peak"}),
        ),
    ),
)


def sections(state: RunState) -> str:
    """A section for each group of curves of which something is known."""
    lines = [*state.log, *state.speed]
    end = max((point[0] for line in lines if (point := _point(line, "seen_clips"))), default=0.0)
    parts = []
    for group in GROUPS:
        shown = [html.cards(*charts)] if any(charts := [_chart(chart, lines, end) for chart in group.charts]) else []
        shown += [_kept(state)] if group is GROUPS[0] and state.scores else []
        if shown:
            parts.append(html.section(group.title, group.text, *shown))
    return "\n".join(parts)


def _named(chart: Chart, lines: Sequence[dict[str, Any]]) -> dict[str, str]:
    """The keys that a chart shows, those of a pattern as far as the lines have them, and what they are called."""
    known = sorted({key for line in lines for key in line})
    return {key: title for pattern, title in chart.lines.items() for key in fnmatch.filter(known, pattern)}


def _kept(state: RunState) -> str:
    """A table of the checkpoints that are still there, with their figures; the best one stands out."""
    known = {line.get("seen_clips"): line for line in state.log}
    keys = [key for chart in GROUPS[0].charts for key in _named(chart, state.log)]
    rows = {clips: [number(known[clips].get(key)) for key in keys] for clips in state.checkpoints if clips in known}
    names = {clips: f"after {clips:,} clips" + ", best" * (clips == state.best) for clips in rows}
    best = [] if state.best is None else [names[state.best]]
    return html.table(["", *keys], {names[clips]: values for clips, values in rows.items()}, best)


def _chart(chart: Chart, lines: Sequence[dict[str, Any]], end: float) -> str:
    """The card of a chart; nothing where all is zero all the time, as the strength of augmentation that is off."""
    drawn = {title: curve(lines, key) for key, title in _named(chart, lines).items()}
    if not any(y for points in drawn.values() for _, y in points):
        return ""
    return html.chart(chart.title, drawn, chart.limits, across=(0.0, end))


def curve(lines: Sequence[dict[str, Any]], key: str) -> list[tuple[float, float]]:
    """Points (clips seen, value) of the lines that have this key, means over neighbours where there are many."""
    known = [point for line in lines if (point := _point(line, key))]
    parts = np.array_split(np.array(known), min(len(known), POINTS)) if known else []
    return [(float(x), float(y)) for x, y in (part.mean(axis=0) for part in parts)]


def _point(line: dict[str, Any], key: str) -> tuple[float, float] | None:
    x, y = number(line.get("seen_clips")), number(line.get(key))
    return None if x is None or y is None else (x, y)
