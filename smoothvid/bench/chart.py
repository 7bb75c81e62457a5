"""The picture of a run: bars for floor, ours and plain, in units of the floor, drawn with Pillow."""

import math
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from smoothvid.bench.run import Report, Result, Timing, ratio_text, seconds_text

_SCALE = 2  # drawn so much larger, then reduced: smooth edges
_WIDTH, _MARGIN, _HEAD, _LEFT, _RIGHT = 1100, 24, 92, 310, 220
_BAR, _GAP, _FOOT = 15, 14, 34
_TICKS = (0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
_START = 0.35  # where the scale begins: room for what is faster than the floor
_INK, _GREY, _PALE = (32, 33, 36), (112, 117, 122), (232, 234, 237)
COLOURS = {
    "floor": (176, 180, 185),
    "ours": (26, 115, 232),
    "plain": (227, 116, 0),
    "plain, default memory": (242, 178, 110),
}
_LETTERS = str.maketrans("×–µ", "x-u")  # Pillow's own font lacks them
Colour = tuple[int, int, int]


def write_chart(report: Report, path: Path) -> None:
    """Write the picture of a run as PNG."""
    draw(report).save(path, "PNG")


def draw(report: Report) -> Image.Image:
    """A group of bars for each case that has a floor; their lengths grow with the logarithm of the ratio."""
    results = [result for result in report.results if result.timing("floor")]
    ratios = [_over_floor(timing) for result in results for timing in result.timings]
    longest = next((tick for tick in _TICKS if tick >= max(ratios, default=2)), _TICKS[-1])
    height = _HEAD + sum(len(result.timings) * _BAR + _GAP for result in results) + _FOOT
    image = Image.new("RGB", (_WIDTH * _SCALE, height * _SCALE), "white")
    pen = _Pen(ImageDraw.Draw(image))
    right = _WIDTH - _RIGHT

    def place(ratio: float) -> float:
        share = math.log(max(ratio, _START) / _START) / math.log(longest / _START)
        return _LEFT + min(share, 1.0) * (right - _LEFT)

    _title(pen, report)
    for tick in _TICKS:
        if tick <= longest:
            pen.box(place(tick), _HEAD - 8, 1, height - _HEAD - _FOOT + 8, _GREY if tick == 1 else _PALE)
            pen.text(place(tick), height - _FOOT + 8, f"{tick:g}×", 11, _GREY, "mm")
    top = _HEAD
    for result in results:
        pen.text(_MARGIN, top + 8, result.stage, 14)
        pen.text(_MARGIN, top + 24, result.case, 11, _GREY)
        for timing in result.timings:
            end = place(_over_floor(timing))
            pen.box(_LEFT, top, end - _LEFT, _BAR - 3, COLOURS[timing.variant])
            pen.text(end + 7, top + _BAR / 2 - 2, _numbers(timing, result), 11)
            top += _BAR
        top += _GAP
    return image.resize((image.width // _SCALE, image.height // _SCALE), Image.Resampling.LANCZOS)


def _over_floor(timing: Timing) -> float:
    return timing.over["floor"].median if "floor" in timing.over else 1.0


def _numbers(timing: Timing, result: Result) -> str:
    seconds = f"{seconds_text(timing.seconds.median)} per {result.unit}"
    if "floor" not in timing.over:
        return seconds
    return f"{ratio_text(timing.over['floor'])}, {seconds}"


def _title(pen: "_Pen", report: Report) -> None:
    machine = report.machine
    pen.text(_MARGIN, 22, "Time of each part, in units of the floor", 18)
    where = machine["card"] or f"{machine['processor']}, {machine['threads']} threads"
    pen.text(_MARGIN, 46, f"{where}, torch {machine['torch']}, medians (lowest to highest) over turns", 12, _GREY)
    x: float = _MARGIN
    for name, colour in COLOURS.items():
        if any(result.timing(name) for result in report.results):
            pen.box(x, 63, 14, 10, colour)
            x = pen.text(x + 20, 68, name, 12) + 22


class _Pen:
    """Draws in units of the reduced picture."""

    def __init__(self, canvas: ImageDraw.ImageDraw) -> None:
        self._canvas = canvas

    def box(self, x: float, y: float, width: float, height: float, colour: Colour) -> None:
        corners = [x * _SCALE, y * _SCALE, (x + max(width, 0.5)) * _SCALE - 1, (y + height) * _SCALE - 1]
        self._canvas.rectangle(corners, fill=colour)

    def text(self, x: float, y: float, words: str, size: float, colour: Colour = _INK, anchor: str = "lm") -> float:
        """Write and return where the words end."""
        words = words.translate(_LETTERS)
        font = ImageFont.load_default(size * _SCALE)
        self._canvas.text((x * _SCALE, y * _SCALE), words, colour, font, anchor)
        return x + self._canvas.textlength(words, font) / _SCALE
