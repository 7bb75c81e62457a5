"""How planes are cut into tiles for tiles.py, and the small matrices that are the same for each tile."""

from collections.abc import Callable
from functools import lru_cache
from math import gcd
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from smoothvid.nn.kernels.plan import TAPS, FilterPlan
from smoothvid.nn.kernels.tuning import Sizes, TileSizes


class Window(NamedTuple):
    """A tile's share of an axis: tile k has `length` samples from start + k · step on."""

    start: int
    step: int
    length: int

    @property
    def filled(self) -> int:
        """What `tl.dot` takes for it: a power of two, at least 16."""
        return max(16, 1 << (self.length - 1).bit_length())


class Tiling(NamedTuple):
    """What a kernel is launched with: the number of tiles along an axis, matrices, other arguments by name."""

    tiles: int
    matrices: list[Tensor]
    arguments: dict[str, int | str]


@lru_cache(maxsize=256)
def forward_tiling(plan: FilterPlan, dtype: torch.dtype, device: torch.device, sizes: Sizes) -> Tiling:
    """Tiles of the output; matrices U, Uᵀ, D, Dᵀ."""

    def windows(count: int) -> list[Window]:
        mid = Window(0, count * plan.down, (count + TAPS - 1) * plan.down)
        return [mid, inputs_of(plan, mid), Window(0, count, count)]

    whole_inputs = plan.up // gcd(plan.up, plan.down)  # a tile must be as many outputs as step by these
    mid, inputs, tile = _cheapest(plan.out_size, whole_inputs, windows, sizes.tiles)
    up, down = up_matrix(plan, mid, inputs), down_matrix(plan, mid, tile)
    return _tiling(plan.out_size, {"mid": mid, "in": inputs, "tile": tile}, [up, down], dtype, device, sizes)


@lru_cache(maxsize=256)
def backward_tiling(plan: FilterPlan, dtype: torch.dtype, device: torch.device, sizes: Sizes) -> Tiling:
    """Tiles of the input; matrices U, Uᵀ, D, Dᵀ, V, Vᵀ."""

    def windows(count: int) -> list[Window]:
        mid = Window(plan.low - TAPS * plan.up + 1, count * plan.up, (count + TAPS - 1) * plan.up)
        return [mid, inputs_of(plan, mid), outputs_of(plan, mid), Window(0, count, count)]

    whole_outputs = plan.down // gcd(plan.up, plan.down)
    mid, inputs, outputs, tile = _cheapest(plan.in_size, whole_outputs, windows, sizes.tiles)
    matrices = [up_matrix(plan, mid, inputs), down_matrix(plan, mid, outputs), up_matrix(plan, mid, tile)]
    named = {"mid": mid, "in": inputs, "out": outputs, "tile": tile}
    return _tiling(plan.in_size, named, matrices, dtype, device, sizes)


def _cheapest(size: int, multiple: int, windows: Callable[[int], list[Window]], sizes: TileSizes) -> list[Window]:
    """Windows, mid first and the tile last, for tiles that cover `size` at the least cost; `multiple` divides them."""

    def cost(choice: list[Window]) -> int:
        wide, sides = choice[0].filled, [window.filled for window in choice[1:]]
        products = sum(wide * side * (wide + side) for side in sides)
        loads = sum(window.length**2 for window in choice[1:])
        return ceil_div(size, choice[-1].length) ** 2 * (products + sizes.load_cost * loads)

    choices = map(windows, range(multiple, sizes.tile + 1, multiple))
    return min((choice for choice in choices if all(window.filled <= sizes.side for window in choice)), key=cost)


def _tiling(
    size: int,
    windows: dict[str, Window],
    matrices: list[np.ndarray],
    dtype: torch.dtype,
    device: torch.device,
    sizes: Sizes,
) -> Tiling:
    tile = windows["tile"].length
    arguments: dict[str, int | str] = {"tiles": ceil_div(size, tile), "tile": tile, "PRODUCTS": sizes.float32_products}
    arguments |= {"num_warps": windows["mid"].filled // sizes.tile_rows(dtype), "enable_fp_fusion": True}
    for name, window in windows.items():
        arguments[name.upper()] = window.filled
        if name in ("in", "out"):
            arguments |= {f"{name}_{field}": number for field, number in window._asdict().items()}
    both_ways = [way for matrix in matrices for way in (matrix, np.ascontiguousarray(matrix.T))]
    with torch.inference_mode(False):  # what is kept must serve a later training step too
        return Tiling(
            ceil_div(size, tile), [torch.tensor(way, dtype=dtype, device=device) for way in both_ways], arguments
        )


def ceil_div(size: int, part: int) -> int:
    return -(-size // part)


def inputs_of(plan: FilterPlan, mid: Window) -> Window:
    """The inputs i that reach mid samples m: 0 ≤ low + i·up − m < taps."""
    first = ceil_div(mid.start - plan.low, plan.up)
    last = (mid.start + mid.length - 1 + TAPS * plan.up - 1 - plan.low) // plan.up
    return Window(first, mid.step // plan.up, last - first + 1)


def outputs_of(plan: FilterPlan, mid: Window) -> Window:
    """The outputs j that mid samples m reach: 0 ≤ m − j·down < taps."""
    first = ceil_div(mid.start - TAPS * plan.down + 1, plan.down)
    last = (mid.start + mid.length - 1) // plan.down
    return Window(first, mid.step // plan.down, last - first + 1)


def up_matrix(plan: FilterPlan, mid: Window, inputs: Window) -> np.ndarray:
    """Upsampling from `inputs` to `mid` along an axis, [mid.filled, inputs.filled]."""
    m, i = _samples(mid)[:, None], _samples(inputs)
    return plan.up * _at(plan.low + i * plan.up - m, plan.up_taps)


def down_matrix(plan: FilterPlan, mid: Window, outputs: Window) -> np.ndarray:
    """Downsampling from `mid` to `outputs` along an axis, [outputs.filled, mid.filled]."""
    m, j = _samples(mid), _samples(outputs)[:, None]
    return _at(m - j * plan.down, plan.down_taps)


def _samples(window: Window) -> np.ndarray:
    return window.start + np.arange(window.filled)


def _at(index: np.ndarray, taps: tuple[float, ...]) -> np.ndarray:
    """The taps of these numbers, zero where there are none."""
    inside = (index >= 0) & (index < len(taps))
    return np.where(inside, np.array(taps)[np.where(inside, index, 0)], 0.0)
