"""How strips.py walks down pictures: strips and chunks, and the small matrices that are the same for each of them."""

from collections.abc import Callable
from functools import lru_cache
from math import lcm
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from smoothvid.nn.kernels.plan import TAPS, FilterPlan
from smoothvid.nn.kernels.tuning import StripSizes
from smoothvid.nn.lrelu import LRELU_SLOPE

REACH = TAPS - 1  # results of a chunk that mid samples before it have a part in
MOST_CARRIED = 2  # later chunks whose results a chunk has a part in
MEAN_SLOPE = (1 + LRELU_SLOPE) / 2  # the activation leaves this factor to the matrix after it
MOVE_COST = 64  # of a number between registers and memory, in multiplications


class Window(NamedTuple):
    """A part's share of an axis: part k has `length` samples from start + k · step on."""

    start: int
    step: int
    length: int

    @property
    def filled(self) -> int:
        """What `tl.dot` takes for it: a power of two, at least 16."""
        return max(16, 1 << (self.length - 1).bit_length())


class Walk(NamedTuple):
    """What a kernel of strips.py is launched with: counts of strips and chunks, tensors, other arguments by name."""

    strips: int
    chunks: int
    tensors: list[Tensor | None]
    arguments: dict[str, int]


@lru_cache(maxsize=256)
def forward_walk(plan: FilterPlan, dtype: torch.dtype, device: torch.device, sizes: StripSizes) -> Walk:
    """Results are outputs.

    Matrices: up along rows, up across, down across; down along rows, for the results that a chunk completes and for
    those of the next one or two.
    """
    rows = _chunk(plan, 0, plan.down, sizes.rows)
    results = _results(rows.length // plan.down)
    seen = inputs_of(plan, rows)

    def across(count: int) -> list[Window]:
        mid = Window(0, count * plan.down, (count + REACH) * plan.down)
        return [mid, inputs_of(plan, mid), Window(0, count, count)]

    mid, inputs, tile = _cheapest(plan.out_size, lcm(plan.up, plan.down) // plan.down, across, sizes.side)
    matrices = [
        _cut(up_matrix(plan, rows, seen), rows, seen).T,
        up_matrix(plan, mid, inputs).T,
        down_matrix(plan, mid, tile).T * MEAN_SLOPE,
        *(_cut(down_matrix(plan, rows, part), part, rows).T[:, : _columns(part)] for part in results),
    ]
    named = {"in_rows": seen, "mid": mid, "in": inputs}
    arguments = _arguments(plan.out_size, rows, results, tile, named, sizes)
    arguments["TILE"] = tile.filled
    return _walk(plan, arguments, seen, matrices, dtype, device)


@lru_cache(maxsize=256)
def backward_walk(plan: FilterPlan, dtype: torch.dtype, device: torch.device, sizes: StripSizes) -> Walk:
    """Results are gradients of inputs.

    Matrices: up along rows, up across; along rows and across for the gradient from above; back across; one that picks
    the inputs where the results are; back along rows, for the results that a chunk completes and for those of the next
    one or two.
    """
    first = plan.low - TAPS * plan.up + 1  # the first mid sample that input 0 reaches
    rows = _chunk(plan, first, plan.up, sizes.rows)
    results = _results(rows.length // plan.up)
    seen, above = inputs_of(plan, rows), outputs_of(plan, rows)

    def across(count: int) -> list[Window]:
        mid = Window(first, count * plan.up, (count + REACH) * plan.up)
        return [mid, inputs_of(plan, mid), outputs_of(plan, mid), Window(0, count, count)]

    mid, inputs, outputs, tile = _cheapest(plan.in_size, lcm(plan.up, plan.down) // plan.up, across, sizes.side)
    # Inputs that take part start REACH before those whose gradients are made, in both directions.
    assert seen.start == inputs.start == results[0].start == -REACH
    own = abs(np.arange(inputs.filled) - REACH - (tile.length - 1) / 2) < tile.length / 2
    matrices = [
        _cut(up_matrix(plan, rows, seen), rows, seen).T,
        up_matrix(plan, mid, inputs).T,
        _cut(down_matrix(plan, rows, above), above, rows),
        down_matrix(plan, mid, outputs),
        up_matrix(plan, mid, inputs) * own,
        np.eye(seen.filled)[:, : _columns(results[0])],
        *(_cut(up_matrix(plan, rows, part), rows, part)[:, : _columns(part)] for part in results),
    ]
    named = {"in_rows": seen, "out_rows": above, "mid": mid, "in": inputs, "out": outputs}
    arguments = _arguments(plan.in_size, rows, results, tile, named, sizes)
    arguments["FOLDED"] = min(16 * sizes.warps, inputs.filled * sizes.channels)
    return _walk(plan, arguments, seen, matrices, dtype, device)


def _chunk(plan: FilterPlan, first: int, factor: int, rows: int) -> Window:
    """The mid rows of a chunk: whole numbers of inputs and outputs, and enough that only the next results need them.

    `factor` mid rows go to a result; `first` is the first row of all.
    """
    whole = lcm(plan.up, plan.down)
    while rows // whole * whole * MOST_CARRIED < REACH * factor:
        rows *= 2
    length = rows // whole * whole
    return Window(first, length, length)


def _results(count: int) -> list[Window]:
    """The results that a chunk completes, and those of chunks after it that it has a part in."""
    return [Window(later * count - REACH, count, count) for later in range(1 + ceil_div(REACH, count))]


def _columns(results: Window) -> int:
    """`filled` where nothing is added up along the window: a power of two, at least 8."""
    return results.filled if results.length > 8 else 8


def _cheapest(size: int, multiple: int, windows: Callable[[int], list[Window]], side: int) -> list[Window]:
    """Windows, mid first and the tile last, for strips that cover `size` at the least cost; `multiple` divides them."""

    def cost(choice: list[Window]) -> int:
        wide, sides = choice[0].filled, sum(window.filled for window in choice[1:])
        return ceil_div(size, choice[-1].length) * (wide * sides + MOVE_COST * (wide + sides))

    choices = map(windows, range(multiple, side + 1, multiple))
    return min((choice for choice in choices if all(window.filled <= side for window in choice)), key=cost)


def _cut(matrix: np.ndarray, rows: Window, columns: Window) -> np.ndarray:
    """With zeros for what fills up windows: in the walk's direction these samples belong to the next chunk."""
    inside = np.arange(rows.filled)[:, None] < rows.length, np.arange(columns.filled) < columns.length
    return matrix * inside[0] * inside[1]


def _arguments(
    size: int, rows: Window, results: list[Window], tile: Window, windows: dict[str, Window], sizes: StripSizes
) -> dict[str, int]:
    arguments = {"strips": ceil_div(size, tile.length), "tile": tile.length}
    arguments |= {"chunks": ceil_div(size + REACH, results[0].length), "result_rows": results[0].length}
    arguments |= {"CHANNELS": sizes.channels, "ROWS": rows.filled, "RESULT_ROWS": _columns(results[0])}
    arguments |= {"num_warps": sizes.warps, "STAGES": sizes.stages, "EARLY": len(results) - 1}
    if sizes.registers is not None:
        arguments["maxnreg"] = sizes.registers
    for name, window in windows.items():
        arguments[name.upper()] = window.filled
        if name != "mid":
            arguments |= {f"{name}_{field}": number for field, number in window._asdict().items()}
    return arguments


def _walk(
    plan: FilterPlan,
    arguments: dict[str, int],
    seen: Window,
    matrices: list[np.ndarray],
    dtype: torch.dtype,
    device: torch.device,
) -> Walk:
    inputs = seen.start + seen.step * np.arange(arguments["chunks"])[:, None] + np.arange(seen.filled)
    ones = ((inputs >= 0) & (inputs < plan.in_size)) @ matrices[0]  # what becomes of the rows of a picture of ones
    with torch.inference_mode(False):  # what is kept must serve a later training step too
        tensors: list[Tensor | None] = [torch.tensor(ones, dtype=torch.float32, device=device)]
        tensors += [torch.tensor(np.ascontiguousarray(matrix), dtype=dtype, device=device) for matrix in matrices]
    if arguments["EARLY"] == 1:
        tensors.append(None)
    return Walk(arguments["strips"], arguments["chunks"], tensors, arguments)


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
