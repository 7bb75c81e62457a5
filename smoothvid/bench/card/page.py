"""card.json and card.md, made of the results so far."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from smoothvid.bench.card.jobs import ROWS, read_rows
from smoothvid.plain_text import write_json

_INTRODUCTION = """# On a card

What `python -m smoothvid.bench.card` found. A line that says **no** under "ok" is not as it should be.
"""


def write_pages(out: Path) -> None:
    """Write OUT/card.json, all results as data, and OUT/card.md, the same as tables."""
    rows = list(finished_rows(out))
    (out / "card.json").write_text(write_json({"format": 1, "rows": rows}, indent=1) + "\n")
    (out / "card.md").write_text(_INTRODUCTION + "".join(_table(title, of) for title, of in _by_table(rows).items()))


def finished_rows(out: Path) -> Iterable[dict[str, Any]]:
    """The results of all stages, in the order in which they came."""
    files = sorted((out / ROWS).glob("*.jsonl"), key=lambda path: path.stat().st_ctime)
    return (row for file in files for row in read_rows(file) if row["state"] != "begun")


def _by_table(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    tables: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        tables.setdefault(row["table"], []).append(row)
    return tables


def _table(title: str, rows: list[dict[str, Any]]) -> str:
    columns = list(dict.fromkeys(column for row in rows for column in row["figures"] if column != "error"))
    lines = [["", *columns], ["---"] * (len(columns) + 1)]
    for row in rows:
        error = row["figures"].get("error")
        name = row["name"] if error is None else f"{row['name']}: **failed**, {error}"
        lines.append([_cell(name), *(_cell(row["figures"].get(column)) for column in columns)])
    return f"\n## {title}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "**no**"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"
    return "" if value is None else str(value).replace("|", "/")
