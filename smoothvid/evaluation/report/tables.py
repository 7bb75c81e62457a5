"""Tables of figures by group: a row for each metric, a column for each result, beside real videos and cheap frauds."""

import math
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from smoothvid.evaluation.report import html
from smoothvid.evaluation.report.words import GROUPS, REFERENCES, metric

Figures = Mapping[str, float | None]
LONGEST_FACT = 24  # letters; longer facts stand in the full protocol only


def tables(result: Mapping[str, Any], labels: Sequence[str]) -> str:
    """A section for each group of metrics that was measured."""
    names = list(result["metrics"])
    parts = []
    for group, (title, text) in GROUPS.items():
        members = [name for name in names if metric(name).group == group]
        if members:
            parts.append(html.section(title, text, _table(result, labels, members)))
    return "\n".join(parts)


def best_columns(name: str, columns: Sequence[Mapping[str, Any]], real: float | None) -> set[int]:
    """Numbers of the columns whose figure is best, those within the spreads of it included.

    None if there is nothing to choose: fewer than two figures, or all of them alike.
    """
    target = metric(name).best
    misses = {}
    for number, column in enumerate(columns):
        value = number_or_none(column["metrics"].get(name))
        if value is not None:
            goal = (real or 0.0) if target == "real" else target
            miss = value if goal == "least" else abs(value - float(goal))
            misses[number] = (miss, number_or_none(column.get("spread", {}).get(name)) or 0.0)
    if len(misses) < 2:
        return set()
    least, spread = min(misses.values())
    found = {number for number, (miss, own) in misses.items() if miss <= least or miss - own <= least + spread}
    return found if len(found) < len(misses) else set()


def short_facts(facts: Mapping[str, Any]) -> list[str]:
    """Those facts that can be said in a word, each with its name."""
    plain = {name: value for name, value in facts.items() if isinstance(value, str | int | float)}
    words = {name: f"{value:g}" if isinstance(value, float) else str(value) for name, value in plain.items()}
    return [f"{name.replace('_', ' ')} {word}" for name, word in words.items() if len(word) <= LONGEST_FACT]


def number_or_none(value: Any) -> float | None:
    """The value where it is a finite number."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _table(result: Mapping[str, Any], labels: Sequence[str], names: Sequence[str]) -> str:
    """The table of a group; what its metrics have in common of their protocol stands below it."""
    columns, beside = result["columns"], _beside(result["references"], names)
    facts = {name: short_facts(result["metrics"][name]) for name in names}
    common = [fact for fact in facts[names[0]] if all(fact in others for others in facts.values())]
    rows = ""
    for name in names:
        own = [fact for fact in facts[name] if fact not in common]
        about = f"{escape(metric(name).sentence)} <small>{escape(' · '.join(own))}</small>"
        width = 1 + len(labels) + len(beside)
        rows += _figures(name, columns, beside)
        rows += f'<tr class="about"><td colspan="{width}"><div>{about}</div></td></tr>'
    below = f'<p class="facts">{escape(" · ".join(common))}</p>' if common else ""
    head = _head(labels, list(beside))
    return f'<div class="scroll"><table class="figures">{head}<tbody>{rows}</tbody></table></div>{below}'


def _beside(references: Mapping[str, Figures], names: Sequence[str]) -> dict[str, Figures]:
    """The references that have any of these figures, real ones first."""
    order = [*(key for key in REFERENCES if key in references), *(key for key in references if key not in REFERENCES)]
    return {
        key: references[key]
        for key in order
        if any(number_or_none(references[key].get(name)) is not None for name in names)
    }


def _head(labels: Sequence[str], references: Sequence[str]) -> str:
    frauds = [key for key in references if key != "real"]
    cells = f"<th>{html.chip(0)}real</th>" if "real" in references else ""
    cells += "".join(f"<th>{html.chip(number)}{escape(label)}</th>" for number, label in enumerate(labels, 1))
    cells += "".join(f'<th class="fraud">{escape(REFERENCES.get(key, key))}</th>' for key in frauds)
    before = 1 + len(labels) + len(references) - len(frauds)
    over = (
        f'<tr class="over"><td colspan="{before}"></td><td class="fraud" colspan="{len(frauds)}">cheap frauds</td></tr>'
    )
    return f'<thead>{over if frauds else ""}<tr><th class="name"></th>{cells}</tr></thead>'


def _figures(name: str, columns: Sequence[Mapping[str, Any]], beside: Mapping[str, Figures]) -> str:
    """A row of numbers, the best of the columns marked."""
    digits = _decimals([column["metrics"].get(name) for column in columns])
    real = beside.get("real", {}).get(name)
    best = best_columns(name, columns, number_or_none(real))
    cells = f"<td>{_text(real, digits)}</td>" if "real" in beside else ""
    for number, column in enumerate(columns):
        text, spread = _text(column["metrics"].get(name), digits), column.get("spread", {}).get(name)
        text = f"<mark>{text}</mark>" if number in best else text
        cells += f"<td>{text}"
        cells += "</td>" if number_or_none(spread) is None else f"<small>± {_text(spread, digits)}</small></td>"
    frauds = [figures for key, figures in beside.items() if key != "real"]
    cells += "".join(f'<td class="fraud">{_text(figures.get(name), digits)}</td>' for figures in frauds)
    return f'<tr><td class="name">{escape(name).replace("_", "_<wbr>")}</td>{cells}</tr>'


def _decimals(values: Sequence[Any]) -> int:
    """So many that the largest of these has three digits, or one decimal more."""
    largest = max((abs(value) for value in map(number_or_none, values) if value), default=1.0)
    return 1 if largest >= 100 else min(5, 2 - math.floor(math.log10(largest)))


def _text(value: Any, digits: int) -> str:
    number = number_or_none(value)
    if number is None:
        return "–"
    if 0 < abs(number) < 10.0**-digits / 2:
        return f"{number:.0e}".replace("-", "−")
    return f"{round(number, digits) + 0.0:,.{digits}f}".replace("-", "−")
