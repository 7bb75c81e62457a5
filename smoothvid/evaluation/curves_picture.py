"""The picture of corruption curves: a panel for each damage and source, drawn with Pillow."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from smoothvid.evaluation.corruptions import CORRUPTIONS, harms

if TYPE_CHECKING:
    from smoothvid.evaluation.curves import Curves

_SCALE = 2  # drawn so much larger, then reduced: smooth lines
_WIDTH = 1200
_MARGIN, _HEAD, _LEFT, _GAP = 24, 96, 150, 18
_PANEL_HEIGHT, _FOOT = 96, 22
_DECADES = (-3, 2)  # of the distances shown
_INK, _GREY, _PALE, _RED = (32, 33, 36), (112, 117, 122), (232, 234, 237), (217, 48, 37)
_COLOURS = {"rfid": (26, 115, 232), "rfid_diff": (227, 116, 0), "rfvd": (24, 128, 56)}


def draw(every: Sequence["Curves"]) -> Image.Image:
    """A row for each damage, a column for each source; thick is the distance that is meant for the damage."""
    rows, columns = len(CORRUPTIONS), len(every)
    step_x = (_WIDTH - _LEFT - _MARGIN + _GAP) / columns
    step_y = _PANEL_HEIGHT + _FOOT
    image = Image.new("RGB", (_WIDTH * _SCALE, int(_HEAD + rows * step_y + _MARGIN) * _SCALE), "white")
    pen = _Pen(ImageDraw.Draw(image))
    _legend(pen, every[0].num_frames)
    for column, curves in enumerate(every):
        left = _LEFT + column * step_x
        about = f"{curves.num_clips} clips, {curves.resolution} px"
        pen.text(left, _HEAD - 34, curves.source.removeprefix("synthetic:"), 15)
        pen.text(left, _HEAD - 14, about, 11, _GREY)
        for row, name in enumerate(CORRUPTIONS):
            top = _HEAD + row * step_y
            if column == 0:
                pen.text(_MARGIN, top + 34, name.replace("_", " "), 15)
                pen.text(_MARGIN, top + 54, CORRUPTIONS[name].unit, 11, _GREY)
            _panel(pen, (left, top, left + step_x - _GAP, top + _PANEL_HEIGHT), curves, name, column == 0)
    return image.resize((image.width // _SCALE, image.height // _SCALE), Image.Resampling.LANCZOS)


def _panel(pen: "_Pen", box: tuple[float, float, float, float], curves: "Curves", name: str, labelled: bool) -> None:
    left, top, right, bottom = box
    corruption = CORRUPTIONS[name]

    def height(value: float) -> float:
        low, high = _DECADES
        place = (np.log10(max(value, 1e-12)) - low) / (high - low)
        return bottom - float(np.clip(place, 0, 1)) * (bottom - top)

    xs = np.linspace(left + 14, right - 14, len(corruption.strengths) + 1).tolist()
    for decade in range(_DECADES[0], _DECADES[1] + 1):
        pen.line([(left, height(10.0**decade)), (right, height(10.0**decade))], _GREY if decade == 0 else _PALE, 1)
        if labelled and decade in (-2, 0):
            pen.text(left - 6, height(10.0**decade), f"{10.0**decade:g}", 10, _GREY, "rm")
    for x, label in zip(xs, ["none", *(f"{strength:g}" for strength in corruption.strengths)], strict=True):
        pen.text(x, bottom + 9, label, 10, _GREY, "mm")
    order = sorted(_COLOURS, key=lambda distance: distance == corruption.seen_by)
    for distance in order:
        meant = distance == corruption.seen_by
        values, colour = curves.line(name, distance), _COLOURS[distance]
        points = [(x, height(value)) for x, value in zip(xs, values, strict=True)]
        pen.dashes(points[0], right, colour)
        pen.line(points, colour, 3 if meant else 1.25)
        for x, y in points:
            pen.dot(x, y, 3.5 if meant else 2, colour)
        if meant and not curves.grows(name, distance):
            words, shade = ("not monotone", _RED) if harms(name, curves.source) else ("may look alike", _GREY)
            pen.text(right - 4, top + 9, words, 11, shade, "rm")


def _legend(pen: "_Pen", num_frames: int) -> None:
    pen.text(_MARGIN, 20, "Distance from real clips, over damage of rising strength", 18)
    x = 520.0
    for distance, colour in _COLOURS.items():
        name = f"{distance}_{num_frames}f" if distance == "rfvd" else distance
        pen.line([(x, 20), (x + 26, 20)], colour, 3)
        x = pen.text(x + 34, 20, name, 13) + 22
    pen.text(x, 20, "thick: meant for the damage    dashed: floor    1: the mean image", 11, _GREY)


class _Pen:
    """Draws in units of the reduced picture."""

    def __init__(self, canvas: ImageDraw.ImageDraw) -> None:
        self._canvas = canvas

    def line(self, points: Sequence[tuple[float, float]], colour: tuple[int, int, int], width: float) -> None:
        scaled = [(x * _SCALE, y * _SCALE) for x, y in points]
        self._canvas.line(scaled, colour, round(width * _SCALE), joint="curve")

    def dashes(self, start: tuple[float, float], right: float, colour: tuple[int, int, int]) -> None:
        x, y = start
        while x < right:
            self.line([(x, y), (min(x + 3, right), y)], colour, 0.75)
            x += 7

    def dot(self, x: float, y: float, radius: float, colour: tuple[int, int, int]) -> None:
        box = [(x - radius) * _SCALE, (y - radius) * _SCALE, (x + radius) * _SCALE, (y + radius) * _SCALE]
        self._canvas.ellipse(box, fill=colour)

    def text(
        self, x: float, y: float, words: str, size: float, colour: tuple[int, int, int] = _INK, anchor: str = "lm"
    ) -> float:
        """Write and return where the words end."""
        font = ImageFont.load_default(size * _SCALE)
        self._canvas.text((x * _SCALE, y * _SCALE), words, colour, font, anchor)
        return x + self._canvas.textlength(words, font) / _SCALE
