"""Resizing with antialiasing as Pillow does it, to the same bytes: by compiled code where there is any, else by Pillow.

Loading the compiled code takes half a second, and the first time of all some seconds more. So the first pictures of a
process are resized by Pillow, and go on being so while a thread loads.
"""

import threading
from functools import lru_cache
from typing import Literal

import numpy as np
from PIL import Image

Filter = Literal["bicubic", "box"]
Order = Literal["across", "down"]  # which pass comes first
WEIGHT_BITS = 22  # a weight of 1 is 2 to that power; a byte, the sign and weights above 1 make up the rest of 32
_PILLOW = {"bicubic": Image.Resampling.BICUBIC, "box": Image.Resampling.BOX}
_SUPPORT = {"bicubic": 2.0, "box": 0.5}  # pixels of the smaller picture that weigh, to either side
_FEW = 200  # pictures that are not worth the loading
_MOST_REDUCED = 64  # beyond that the tables of weights grow large

_resized = 0
_is_loaded = False


def resample(picture: np.ndarray, height: int, width: int, filter: Filter) -> np.ndarray:
    """Resize a picture.

    Args:
        picture: uint8 [H, W, 3], also a view of a larger one, or [H, W, 4], of which three count.
        height, width: of the result.
        filter: "bicubic", or "box" for plain means.

    Returns:
        uint8 [height, width, 4]: RGB, and a fourth byte without a meaning, as Pillow keeps RGB in memory.
    """
    global _resized
    if picture.shape[:2] == (height, width):
        pixels = np.zeros((height, width, 4), np.uint8)
        pixels[..., :3] = picture[..., :3]
        return pixels
    _resized += 1
    if _resized == _FEW:
        threading.Thread(target=load, daemon=True).start()
    order = _pillows_order(*picture.shape[:2], height, width, filter) if _is_loaded else None
    return by_numba(picture, height, width, filter, order) if order else by_pillow(picture, height, width, filter)


def by_pillow(picture: np.ndarray, height: int, width: int, filter: Filter) -> np.ndarray:
    """`resample` by Pillow."""
    image = Image.fromarray(np.ascontiguousarray(picture[..., :3])).resize((width, height), _PILLOW[filter])
    return np.frombuffer(image.tobytes("raw", "RGBX"), np.uint8).reshape(height, width, 4)


def by_numba(picture: np.ndarray, height: int, width: int, filter: Filter, order: Order) -> np.ndarray:
    """`resample` by compiled code, one pass after the other."""
    if order == "across":
        wide = _across(picture, width, filter)
        return wide if height == len(wide) else _down(wide, height, filter)
    return _across(_down(picture, height, filter), width, filter)


def _across(picture: np.ndarray, width: int, filter: Filter) -> np.ndarray:
    from smoothvid.data.weighing import across

    source, row, step = _flat(picture)
    out = np.empty((picture.shape[0], width, 4), np.uint8)
    sizes = map(np.uint64, (row, step, *picture.shape[:2]))
    across(source, *sizes, *weights(picture.shape[1], width, filter), out.reshape(-1))
    return out


def _down(picture: np.ndarray, height: int, filter: Filter) -> np.ndarray:
    from smoothvid.data.weighing import down

    source, row, step = _flat(picture)
    out = np.empty((height, picture.shape[1], step), np.uint8)
    lanes = (picture.shape[1] - 1) * step + 3
    table = weights(picture.shape[0], height, filter)
    down(source, np.uint64(row), np.uint64(lanes), *table, out.reshape(-1), np.uint64(out.strides[0]))
    return out


def _flat(picture: np.ndarray) -> tuple[np.ndarray, int, int]:
    """The bytes of a picture in one row, and how far rows and pixels are apart."""
    height, width, channels = picture.shape
    row, step, byte = picture.strides
    if not picture.flags.c_contiguous and byte == 1 and step in (3, 4) and row >= step * width:
        length = (height - 1) * row + (width - 1) * step + 3
        return np.lib.stride_tricks.as_strided(picture, (length,), (1,), writeable=False), row, step
    return np.ascontiguousarray(picture).reshape(-1), width * channels, channels  # a copy where it is turned


def load() -> None:
    """Let compiled code be used from now on, if it is there and gives what Pillow gives."""
    global _is_loaded
    asked: list[tuple[int, int, Filter]] = [(45, 24, "bicubic"), (45, 80, "bicubic"), (45, 16, "box")]
    try:
        _is_loaded = all(_same(size, size, new, new, filter, "across") for size, new, filter in asked)
    except Exception:  # no Numba, no memory for it, an unknown processor: Pillow serves as well
        return


@lru_cache(maxsize=64)
def _pillows_order(height: int, width: int, new_height: int, new_width: int, filter: Filter) -> Order | None:
    """Which pass Pillow does first; for pictures that are no squares its versions differ, so it is tried.

    Returns None where compiled code does not serve, or where the trial says nothing because the result is too small.
    """
    if height > _MOST_REDUCED * new_height or width > _MOST_REDUCED * new_width:
        return None
    if height == new_height or width == new_width or (height == width and new_height == new_width):
        return "across"
    orders: tuple[Order, ...] = ("across", "down")
    possible = [order for order in orders if _same(height, width, new_height, new_width, filter, order)]
    return possible[0] if len(possible) == 1 else None


def _same(height: int, width: int, new_height: int, new_width: int, filter: Filter, order: Order) -> bool:
    """Whether both ways give the same, on noise."""
    picture = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    ours = by_numba(picture, new_height, new_width, filter, order)
    return np.array_equal(ours[..., :3], by_pillow(picture, new_height, new_width, filter)[..., :3])


@lru_cache(maxsize=64)
def weights(size: int, new_size: int, filter: Filter) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.uint64]:
    """Which pixels make up each of the new ones, and with what weights, as Pillow has it.

    Returns:
        first pixel of each sum, uint64 [new_size]; pixels in it, likewise; weights, int32 [new_size · room], 1 being
        2 ** WEIGHT_BITS; room. Nothing of it may be changed.
    """
    scale = size / new_size
    stretch = max(scale, 1.0)  # a picture that shrinks is filtered as the smaller one needs it
    reach = _SUPPORT[filter] * stretch
    centers = (np.arange(new_size) + 0.5) * scale
    first = np.maximum((centers - reach + 0.5).astype(np.int64), 0)
    count = np.minimum((centers + reach + 0.5).astype(np.int64), size) - first
    room = int(count.max())
    pixels = np.arange(room)
    distances = (first[:, None] + pixels - centers[:, None] + 0.5) * (1.0 / stretch)
    table = np.where(pixels < count[:, None], _response(distances, filter), 0.0)
    totals = np.cumsum(table, axis=1)[:, -1:]  # added one by one, as Pillow does; sum() would add in pairs
    table = np.divide(table, totals, out=table, where=totals != 0)
    fixed = np.trunc(table * (1 << WEIGHT_BITS) + np.copysign(0.5, table)).astype(np.int32)
    return first.astype(np.uint64), count.astype(np.uint64), fixed.reshape(-1), np.uint64(room)


def _response(x: np.ndarray, filter: Filter) -> np.ndarray:
    """The filters: a box, and the cubic with a = -1/2."""
    if filter == "box":
        return ((x > -0.5) & (x <= 0.5)).astype(np.float64)
    x = np.abs(x)
    near, far = (1.5 * x - 2.5) * x * x + 1.0, (((x - 5.0) * x + 8.0) * x - 4.0) * -0.5
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))
