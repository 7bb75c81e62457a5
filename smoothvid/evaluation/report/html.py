"""Pieces of a page that needs nothing beside itself: every video and picture is in it, nothing is fetched."""

import base64
import io
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from PIL import Image

from smoothvid.evaluation.report.style import STYLE

WIDTH, HEIGHT, LEFT, BOTTOM = 320, 150, 38, 20  # of a chart, and of the room for its labels
COLOURS = 6  # of curves, beside that of the real data, which has number 0
NARROW = 420  # pixels that a picture beside others takes at most
MOST_BESIDE = 5  # in a row

Points = Sequence[tuple[float, float]]


def page(title: str, body: str, refresh: int | None = None) -> str:
    """A whole HTML document, which reloads itself every `refresh` seconds if wished."""
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head += "" if refresh is None else f'<meta http-equiv="refresh" content="{refresh}">'
    head += f"<title>{escape(title)}</title><style>\n{STYLE}</style>"
    return f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body><main>\n{body}\n</main></body>\n</html>\n'


def section(title: str, text: str, *parts: str) -> str:
    return "\n".join([f"<h2>{escape(title)}</h2>", f"<p>{text}</p>", *parts])


def row(*parts: str) -> str:
    """Parts side by side, below each other where the window is narrow."""
    return f'<div class="row">{"".join(parts)}</div>'


def cards(*parts: str, least: int = 250) -> str:
    """Parts of one width, at least so many pixels, however many there are; below each other where that is too much."""
    return f'<div class="row cards" style="--least:{least}px">{"".join(parts)}</div>'


def beside(*parts: str) -> str:
    """Pictures to be compared: side by side even on a phone, none larger than needed, in rows of about equal length."""
    across = -(-len(parts) // -(-len(parts) // MOST_BESIDE))
    style = f"--across:{across};max-width:{len(parts) * NARROW}px"
    return f'<div class="row beside" style="{style}">{"".join(parts)}</div>'


def stack(*parts: str) -> str:
    """Parts below each other."""
    return f'<div class="stack">{"".join(parts)}</div>'


def video(content: Path | bytes, title: str, text: str = "", colour: int | None = None) -> str:
    """A silent MP4 that plays in a loop by itself; `colour` is the number of its curves, shown beside the title."""
    data = base64.b64encode(content.read_bytes() if isinstance(content, Path) else content).decode()
    tag = f'<video autoplay loop muted playsinline src="data:video/mp4;base64,{data}"></video>'
    return _figure(tag, title, text, colour)


def picture(
    image: Image.Image | Path,
    title: str,
    text: str = "",
    pixels: bool = False,
    colour: int | None = None,
    lossy: bool = False,
) -> str:
    """A picture; with `pixels` every pixel stays a sharp square when it is enlarged.

    lossy: as JPEG, a tenth of the size; for an Image that is not small.
    """
    form = "jpeg" if lossy else "png"
    if isinstance(image, Path):
        content = image.read_bytes()
    else:
        buffer = io.BytesIO()
        image.save(buffer, form, optimize=True, **({"quality": 88} if lossy else {}))
        content = buffer.getvalue()
    kind = ' class="pixels"' if pixels else ""
    tag = f'<img{kind} alt="{escape(title)}" src="data:image/{form};base64,{base64.b64encode(content).decode()}">'
    return _figure(tag, title, text, colour)


def chart(
    title: str,
    lines: Mapping[str, Points],
    limits: tuple[float, float] | None = None,
    first_colour: int = 1,
    across: tuple[float, float] | None = None,
) -> str:
    """A card with a curve for each entry that has two points; nothing where none has.

    limits: lowest and highest value shown; None goes from 0, or less if need be, to the highest.
    first_colour: of the first entry, 0 for real data; an entry without a curve keeps its colour from the others.
    across: the points' first values at the left and the right edge; None goes from the least to the highest.
    """
    numbered = enumerate(lines.items(), first_colour)
    drawn = {name: (_cycle(number), points) for number, (name, points) in numbered if len(points) > 1}
    if not drawn:
        return ""
    xs = across or [x for _, points in drawn.values() for x, _ in points]
    ys = [y for _, points in drawn.values() for _, y in points]
    bottom, top = limits or (min(0.0, *ys), max(*ys, 1e-6))

    def place(x: float, y: float) -> str:
        across = LEFT + (x - min(xs)) / (max(xs) - min(xs)) * (WIDTH - LEFT)
        return f"{across:.1f},{(HEIGHT - BOTTOM) * (1 - (y - bottom) / (top - bottom)):.1f}"

    parts = []
    for share in (0.0, 0.5, 1.0):
        at = (HEIGHT - BOTTOM) * (1 - share)
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH}" y1="{at}" y2="{at}"/>')
        value = bottom + share * (top - bottom)
        parts.append(f'<text x="{LEFT - 6}" y="{at + 4}" text-anchor="end">{value:.3g}</text>')
    for x, anchor in ((min(xs), "start"), (max(xs), "end")):
        parts.append(f'<text x="{place(x, 0).split(",")[0]}" y="{HEIGHT - 4}" text-anchor="{anchor}">{x:,.0f}</text>')
    for number, points in drawn.values():
        path = " ".join(place(x, y) for x, y in points)
        parts.append(f'<polyline class="s{number}" points="{path}"/>')
    drawing = f'<svg viewBox="0 -6 {WIDTH} {HEIGHT + 6}" role="img" aria-label="{escape(title)}">{"".join(parts)}</svg>'
    names = _legend((number, name, "") for name, (number, _) in drawn.items()) if len(drawn) > 1 else ""
    return f'<div class="card"><h3>{escape(title)}</h3>{drawing}{names}</div>'


def legend(entries: Mapping[str, str]) -> str:
    """Names with the colours of curves or of a timeline, in order, and a word on each."""
    return _legend((number, name, text) for number, (name, text) in enumerate(entries.items(), 1))


def _cycle(number: int) -> int:
    """Number of the colour of the curve with this number: 0 is real data's, the others come round again."""
    return (number - 1) % COLOURS + 1 if number else 0


def chip(number: int) -> str:
    """A small square in the colour of a curve."""
    return f'<i class="chip k{_cycle(number)}"></i>'


def timeline(seconds: Mapping[str, float]) -> str:
    """How time was shared out, as a strip."""
    pieces = (
        f'<i class="k{number + 1}" style="flex-grow:{value:.1f}"></i>' for number, value in enumerate(seconds.values())
    )
    return f'<div class="timeline">{"".join(pieces)}</div>' + legend({n: duration(s) for n, s in seconds.items()})


def progress(share: float) -> str:
    """How much is done, 0 to 1, as a strip."""
    return f'<div class="progress"><i style="width:{100 * min(max(share, 0.0), 1.0):.1f}%"></i></div>'


def table(columns: Sequence[str], rows: Mapping[str, Sequence[float | None]], ours: Sequence[str] = ()) -> str:
    """Numbers in rows by name; the rows named in `ours` stand out."""
    head = "".join(f"<th>{escape(column)}</th>" for column in columns)
    body = ""
    for name, values in rows.items():
        cells = "".join(f"<td>{'–' if value is None else f'{value:.3f}'}</td>" for value in values)
        kind = ' class="ours"' if name in ours else ""
        body += f"<tr{kind}><td>{escape(name)}</td>{cells}</tr>"
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def facts(values: Mapping[str, Any] | Sequence[Any]) -> str:
    """Names and values, as deep as they are nested."""
    entries = values.items() if isinstance(values, Mapping) else enumerate(values, 1)
    rows = (f"<dt>{escape(str(name).replace('_', ' '))}</dt><dd>{_fact(value)}</dd>" for name, value in entries)
    return f"<dl>{''.join(rows)}</dl>"


def details(summary: str, *parts: str) -> str:
    """Parts that are hidden until one asks for them."""
    return f"<details><summary>{escape(summary)}</summary>{''.join(parts)}</details>"


def download(content: str, name: str, text: str, kind: str = "application/json") -> str:
    """A link that saves this text, which is in the page, as a file."""
    data = base64.b64encode(content.encode()).decode()
    return f'<a download="{escape(name)}" href="data:{kind};base64,{data}">{escape(text)}</a>'


def code(lines: Sequence[str]) -> str:
    return f"<pre>{escape(chr(10).join(lines))}</pre>"


def duration(seconds: float) -> str:
    """12 s, 3 min 20 s, 5 h 12 min, or 4 d 7 h."""
    parts: list[str] = []
    rest = round(seconds)
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, rest = divmod(rest, size)
        if count or parts or unit == "s":
            parts.append(f"{count}\u00a0{unit}")
    return " ".join(parts[:2])


def _figure(tag: str, title: str, text: str, colour: int | None = None) -> str:
    mark = "" if colour is None else chip(colour)
    return f"<figure>{tag}<figcaption>{mark}<b>{escape(title)}</b> {escape(text)}</figcaption></figure>"


def _legend(entries: Iterable[tuple[int, str, str]]) -> str:
    items = (f'<span><i class="k{n}"></i>{escape(name)} <b>{escape(text)}</b></span>' for n, name, text in entries)
    return f'<div class="legend">{"".join(items)}</div>'


def _fact(value: Any) -> str:
    if isinstance(value, Mapping):
        return facts(value) if value else "–"
    if isinstance(value, list | tuple):
        nested = any(isinstance(item, Mapping | list | tuple) for item in value)
        return facts(value) if nested else escape(", ".join(map(str, value))) or "–"
    return "–" if value is None else escape(str(value))
