"""The report's page: what is shown, and in which words."""

import tempfile
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from smoothvid.evaluation.report import html
from smoothvid.evaluation.report.pictures import (
    ANCHORS,
    SLICE_PIXELS,
    SLICES,
    Axis,
    Shown,
    busiest_line,
    clips_wanted,
    least_alike,
    matrix_picture,
    slice_picture,
    slice_stretch,
    write_players,
)
from smoothvid.evaluation.report.tables import number_or_none, short_facts, tables
from smoothvid.plain_text import write_json
from smoothvid.sampling.sinks.base import errors_name
from smoothvid.sampling.sinks.names import write_whole

LONGEST_LABEL = 32  # letters of a column's name where there is little room; the whole name stands in the head
CURVE_POINTS = 200
MARKED = "The best figure of several is marked, and with it those that their spreads do not tell apart. "
CURVES = {
    "loss_generator": "Loss of the generator",
    "loss_discriminator": "Loss of the discriminator",
    "real_sign": "Verdicts on real ones",
    "fake_sign": "Verdicts on generated ones",
}


def write_report(path: Path, result: Mapping[str, Any], shown: Sequence[Shown]) -> None:
    """Write one HTML file that needs nothing beside itself; under a temporary name first, so it is there whole or not.

    Args:
        result: of an evaluation: protocol, metrics, references, columns, notes.
        shown: what is seen of the data, and then of each column.

    Raises:
        SmoothvidError: the file cannot be written.
    """
    assert len(shown) == 1 + len(result["columns"])
    names = short_labels([item.name for item in shown])
    parts = [
        _head(result, shown, names),
        tables(result, names[1:]),
        _players(shown, names),
        _slices(shown, names),
        _similarity(shown, names),
        _colour(shown, names),
        _training(result["columns"], shown, names),
        _protocol(result),
    ]
    text = html.page(_title(result), "\n".join(part for part in parts if part))
    with errors_name(str(path)):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, text.encode())


def short_labels(names: Sequence[str]) -> list[str]:
    """Names for where there is little room, each another: of a long one the end."""
    short = [name if len(name) <= LONGEST_LABEL else "…" + name[1 - LONGEST_LABEL :] for name in names]
    return [f"{label} ({n})" if short.count(label) > 1 else label for n, label in enumerate(short)]


def _title(result: Mapping[str, Any]) -> str:
    names = list(dict.fromkeys(_last(column["name"]) for column in result["columns"]))
    what = ", ".join(names) if len(names) <= 3 else f"{len(names)} sources"
    return f"{what} against {_last(_data(result).get('path', 'the data'))}"


def _head(result: Mapping[str, Any], shown: Sequence[Shown], names: Sequence[str]) -> str:
    """What was compared with what, when and on what, and what to beware of."""
    protocol, data = result["protocol"], _data(result)
    said = [
        ("on {}", protocol.get("date")),
        ("on {}", protocol.get("device")),
        ("at {0} × {0} pixels", protocol.get("resolution")),
        ("{:g} frames a second", protocol.get("fps")),
    ]
    circumstances = ", ".join(words.format(value) for words, value in said if value)
    measured = f"Measured {circumstances}. " if circumstances else ""
    sources = [data, *(column.get("source", {}) for column in result["columns"])]
    entries = (_source(n, names[n], shown[n].name, facts) for n, facts in enumerate(sources))
    notes = "".join(f"<p>{escape(str(note))}</p>" for note in result.get("notes", ()))
    return (
        f"<header><h1>{escape(_title(result))}</h1>"
        f"<p>{escape(measured)}{MARKED if len(names) > 2 else ''}The whole protocol stands at the end. "
        f"{html.download(_json(result), 'evaluation.json', 'Save the figures as JSON')}.</p>"
        f'<ul class="sources">{"".join(entries)}</ul>'
        + (f'<div class="notes">{notes}</div>' if notes else "")
        + "</header>"
    )


def _source(number: int, label: str, name: str, facts: Mapping[str, Any]) -> str:
    """An entry of the head: the whole name and path, and what else can be said in a word."""
    first = [text for text in dict.fromkeys([name, str(facts.get("path", label))]) if text != label]
    others = short_facts({key: value for key, value in facts.items() if key != "path"})
    return f"<li>{html.chip(number)}<b>{escape(label)}</b><br>{escape(' · '.join(first + others))}</li>"


def _players(shown: Sequence[Shown], names: Sequence[str]) -> str:
    with tempfile.TemporaryDirectory() as folder:
        paths = write_players(shown, Path(folder))
        videos = [
            html.video(path, name, f"{min(len(item.clips), clips_wanted(item.clips.shape[-1]))} clips", colour=number)
            for number, (path, name, item) in enumerate(zip(paths, names, shown, strict=True))
        ]
    text = "Every tile is another clip. Small pictures are enlarged with sharp pixels, large ones reduced."
    return html.section("Videos", text, html.beside(*videos))


def _slices(shown: Sequence[Shown], names: Sequence[str]) -> str:
    """Rows and columns of pixels over time, the same of all: those that change most in the data."""
    side = shown[0].clips.shape[-1]

    def pictures(axis: Axis) -> str:
        line = busiest_line(shown[0].clips, axis)
        where = f"{axis.capitalize()} {line} of {side}" + (", its middle" if side > SLICE_PIXELS else "")
        figures = (
            html.picture(slice_picture(item.clips, axis, line), name, pixels=True, colour=number)
            for number, (name, item) in enumerate(zip(names, shown, strict=True))
        )
        return f"<h3>{where}</h3>" + html.beside(*figures)

    stretch = slice_stretch(shown[0].clips)
    scale = "one frame is one pixel wide" if stretch == 1 else f"one frame is {stretch} pixels wide"
    return html.section(
        "Pixels over time",
        f"The row of pixels that changes most in the data, stood upright, and then the column, at every frame of up to "
        f"{SLICES} clips: time runs to the right, {scale}. "
        "What moves slants, the steeper the faster; what stands still draws level lines. Level lines across slanting "
        "ones are detail that sticks to the screen; zigzags are motion that turns back; what comes again is a loop.",
        pictures("row"),
        pictures("column"),
    )


def _similarity(shown: Sequence[Shown], names: Sequence[str]) -> str:
    found = [(number, item.similarity) for number, item in enumerate(shown) if item.similarity is not None]
    if not found:
        return ""
    low = least_alike([matrix for _, matrix in found])
    figures = (
        html.picture(matrix_picture(matrix, low), names[number], pixels=True, colour=number) for number, matrix in found
    )
    stops = ", ".join(f"rgb{colour}" for colour in ANCHORS)
    bar = f'<div class="scale">{low:.2f}<i style="background:linear-gradient(90deg, {stops})"></i>1, alike</div>'
    return html.section(
        "A long video beside itself",
        "How alike any two moments of one long video are: time runs to the right and downwards. Bright lines beside "
        "the diagonal are moments that come again, as in a loop; bright squares are times in which nothing changes.",
        html.beside(*figures),
        bar,
    )


def _colour(shown: Sequence[Shown], names: Sequence[str]) -> str:
    curves = {name: _colour_curve(item) for name, item in zip(names, shown, strict=True)}
    lowest = min((value for points in curves.values() for _, value in points), default=0.0)
    chart = html.chart("Likeness over distance in frames", curves, (min(lowest, 0.99), 1.0), first_colour=0)
    if not chart:
        return ""
    return html.section(
        "Colours over time",
        "How alike the colours of a video are to those it had before. Below the curve of the data, colours wander; "
        "far above it, nothing new comes.",
        html.beside(chart),
    )


def _colour_curve(item: Shown) -> list[tuple[float, float]]:
    if item.colour is None:
        return []
    lags = range(1, 1 + len(item.colour)) if item.lags is None else item.lags
    return [(float(x), float(y)) for x, y in zip(lags, item.colour, strict=True) if np.isfinite(y)]


def _training(columns: Sequence[Mapping[str, Any]], shown: Sequence[Shown], names: Sequence[str]) -> str:
    """Curves of the runs; of a run that stands in several columns, once."""
    runs = [column["name"] for column in columns]
    logs = [item.log if run not in runs[:n] else [] for n, (run, item) in enumerate(zip(runs, shown[1:], strict=True))]
    charts = []
    for key, title in CURVES.items():
        lines = {name: _curve(log, key) for name, log in zip(names[1:], logs, strict=True)}
        charts.append(html.chart(title, lines, limits=(-1.0, 1.0) if key.endswith("sign") else None))
    if not any(charts):
        return ""
    return html.section(
        "Training",
        "Over the clips that a run has seen. A verdict of 1 is “all real”, −1 “all generated”; in a healthy training "
        "those on real and on generated ones stay apart from both.",
        html.row(*charts),
    )


def _curve(log: Sequence[Mapping[str, Any]], key: str) -> list[tuple[float, float]]:
    """Points (clips seen, value), means over neighbours where there are many."""
    points = [(number_or_none(line.get("seen_clips")), number_or_none(line.get(key))) for line in log]
    known = np.array([(x, y) for x, y in points if x is not None and y is not None]).reshape(-1, 2)
    parts = np.array_split(known, min(len(known), CURVE_POINTS)) if len(known) else []
    return [(float(x), float(y)) for x, y in (part.mean(axis=0) for part in parts)]


def _protocol(result: Mapping[str, Any]) -> str:
    columns = {
        f"{column['name']}, from frame {column['start']:,g}": column.get("source", {}) for column in result["columns"]
    }
    return html.section(
        "How it was measured",
        "Figures compare only where all of this is the same.",
        html.details("Data, settings, versions", html.facts(result["protocol"])),
        html.details("What was measured", html.facts(columns)),
        html.details("Each figure", html.facts(result["metrics"])),
    )


def _json(result: Mapping[str, Any]) -> str:
    return write_json(result, indent=1, ensure_ascii=False)


def _data(result: Mapping[str, Any]) -> Mapping[str, Any]:
    """The facts of the data, of which the path alone may be given."""
    data = result["protocol"].get("data", {})
    return data if isinstance(data, Mapping) else {"path": str(data)}


def _last(path: Any) -> str:
    """The last part of a path."""
    return str(path).rstrip("/").rsplit("/", 1)[-1] or str(path)
