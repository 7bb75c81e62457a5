"""Posts and trees beside the road: upright cut-outs, one per slot of road, each a function of (seed, side, slot)."""

from dataclasses import dataclass
from functools import lru_cache
from math import ceil, floor

import numpy as np

from smoothvid.data.synthetic.hashing import between, uniform

NEAREST = 1.0  # metres; anything closer has left the picture sideways
FADE_IN = 30.0  # things fade in over this far so that nothing pops up
POST_SPACING = 12.0
POST_REACH = 75.0
TREE_SPACING = 9.0
TREE_REACH = 115.0
POST_X = 4.7
_BARK = (0.30, 0.21, 0.14)


@dataclass(frozen=True)
class Part:
    """A box, ellipse or cone: centre and half sizes in metres (across the road, above the ground), and albedo."""

    shape: str
    x: float
    y: float
    half_width: float
    half_height: float
    colour: tuple[float, float, float]
    glow: float = 0.0  # how far headlights make it shine by itself


@dataclass(frozen=True)
class Thing:
    """Something upright at `s` metres along the road, seen from `reach` metres away; each has its own `key`."""

    key: int
    s: float
    reach: float
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class Flora:
    """How one world's trees look."""

    density: float
    conifers: float  # share of conifers
    leaf: tuple[float, float, float]
    size: float


@lru_cache(maxsize=4096)
def _post(side: int, slot: int) -> Thing:
    x = side * POST_X
    parts = (
        Part("box", x, 0.8, 0.2, 0.8, (1.0, 1.0, 0.98), 0.6),
        Part("box", x, 1.2, 0.2, 0.2, (0.85, 0.12, 0.10) if side > 0 else (0.15, 0.15, 0.16), 0.4),
    )
    return Thing(slot * 8 + side + 1, slot * POST_SPACING, POST_REACH, parts)


@lru_cache(maxsize=4096)
def _tree(seed: int, flora: Flora, side: int, slot: int) -> Thing | None:
    def draw(number: int, low: float, high: float) -> float:
        return between(low, high, seed, side, slot, number)

    if uniform(seed, side, slot, 0) >= flora.density:
        return None
    s = (slot + draw(1, 0.15, 0.85)) * TREE_SPACING
    x = side * draw(2, 8.0, 14.0)
    tone = draw(3, 0.75, 1.25)
    leaf = (flora.leaf[0] * tone * draw(4, 0.85, 1.2), flora.leaf[1] * tone, flora.leaf[2] * tone)
    if uniform(seed, side, slot, 5) < flora.conifers:
        height, width = flora.size * draw(6, 6.5, 10.0), flora.size * draw(7, 1.7, 2.4)
        crown = Part("cone", x, 1.0 + height / 2, width, height / 2, leaf)
        trunk = Part("box", x, 0.6, 0.25, 0.6, _BARK)
    else:
        width, stem = flora.size * draw(6, 2.2, 3.4), draw(7, 1.6, 2.6)
        height = width * draw(8, 0.85, 1.2)
        crown = Part("ellipse", x, stem + height, width, height, leaf)
        trunk = Part("box", x, stem / 2 + 0.3, 0.32, stem / 2 + 0.3, _BARK)
    return Thing(slot * 8 + side + 5, s, TREE_REACH, (trunk, crown))


def things_ahead(seed: int, flora: Flora, s: float) -> list[Thing]:
    """Everything that a camera at s can see, farthest first."""
    found = []
    for side in (-1, 1):
        for slot in range(ceil((s + NEAREST) / POST_SPACING), ceil((s + POST_REACH) / POST_SPACING)):
            found.append(_post(side, slot))
        for slot in range(floor(s / TREE_SPACING), ceil((s + TREE_REACH) / TREE_SPACING)):
            tree = _tree(seed, flora, side, slot)
            if tree is not None and NEAREST <= tree.s - s < TREE_REACH:
                found.append(tree)
    return sorted(found, key=lambda thing: (-thing.s, thing.key))


def inside(shape: str, across: np.ndarray, down: np.ndarray) -> np.ndarray:
    """Signed measure of a part at points in units of its half sizes: negative inside, 0 on the outline."""
    if shape == "ellipse":
        return np.sqrt(across * across + down * down) - 1.0
    if shape == "cone":
        return np.maximum(2.0 * np.abs(across) - 1.0 - down, down - 1.0)
    return np.maximum(np.abs(across), np.abs(down)) - 1.0


def draw_part(
    image: np.ndarray, part: Part, x: float, y: float, scale: float, alpha: float, colour: np.ndarray
) -> None:
    """Blend one part into image [H, W, 3]: its centre at pixel (x, y), `scale` pixels a metre, edges antialiased."""
    half_width, half_height = part.half_width * scale, part.half_height * scale
    blur = 0.0 if part.shape == "box" else 0.5
    left, right = _pixels(x - half_width - blur, x + half_width + blur, image.shape[1])
    top, bottom = _pixels(y - half_height - blur, y + half_height + blur, image.shape[0])
    if left >= right or top >= bottom:
        return
    region = image[top:bottom, left:right]
    if part.shape == "box":
        cover = _cover(top, bottom, y, half_height)[:, None] * (_cover(left, right, x, half_width) * alpha)
        region += cover[:, :, None] * (colour - region)
        return
    across = (np.arange(left, right, dtype=np.float32) + np.float32(0.5 - x)) * np.float32(1 / half_width)
    down = (np.arange(top, bottom, dtype=np.float32)[:, None] + np.float32(0.5 - y)) * np.float32(1 / half_height)
    edge = 0.5 - inside(part.shape, across, down) * np.float32(min(half_width, half_height))
    thin = min(1.0, 2.0 * half_width) * min(1.0, 2.0 * half_height)  # less than a pixel covers a part of one
    cover = np.minimum(np.maximum(edge, 0.0), 1.0) * np.float32(thin * alpha)
    shade = np.float32(0.86) - np.float32(0.22) * down - np.float32(0.14) * across
    region += cover[:, :, None] * (shade[:, :, None] * colour - region)


def _pixels(low: float, high: float, size: int) -> tuple[int, int]:
    """Range of the pixels that the interval from low to high touches."""
    return max(floor(low), 0), min(ceil(high), size)


def _cover(first: int, stop: int, centre: float, half: float) -> np.ndarray:
    """Share of each pixel in range(first, stop) that lies within `half` of `centre`."""
    edges = np.arange(first - centre, stop + 0.5 - centre, dtype=np.float32).clip(-half, half)
    return np.asarray(edges[1:] - edges[:-1])
