"""The filtered activation on a CPU: row by row, so that all that is at work stays in the processor's nearest memory.

Along an axis the weights of the upsampled samples repeat every `period` samples. So a row is kept as lanes: lane r
holds samples r, r + period, …, one after the other. In lanes every step is one and the same thing, a weighted sum of a
few stretches of memory of equal length, which processors do at full speed:

    spread   an upsampled sample is a sum of TAPS input samples; gradients pass the last filter backwards in this way
    gather   an output sample is a sum of TAPS·down upsampled ones; so gradients pass the first filter backwards

Input rows are spread along x once; each upsampled row is a sum of such rows, activated at once; as soon as an output
row's upsampled rows are there, they are summed and gathered along x. Nothing of the size of the doubled picture is ever
stored. Numba compiles this when it is first used, and keeps the result on disk.
"""

import math
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smoothvid.compiling import compiled, inlined
from smoothvid.nn.kernels.plan import TAPS, FilterPlan
from smoothvid.nn.kernels.sharing import flat, per_plane, share
from smoothvid.nn.lrelu import LRELU_SLOPE

_RING = 8  # of the spread rows the last so many are kept: at least TAPS
_ALIGN = 8  # lanes are so many numbers long, or a multiple
_FORWARD_BYTES = 24 * 1024  # that a strip's rows may take: of the first level, mostly 32 KiB
_BACKWARD_BYTES = 128 * 1024  # of the second: more rows, and narrow strips would repeat too much


class Mid(NamedTuple):
    """A strip of the upsampled plane, which has `size` rows: `period` lanes of `stretch` numbers for each of its rows.

    Lane r holds the samples period·(q + begin) + r, q = 0 … stretch − 1, counted from where the strip starts.
    """

    size: int
    period: int
    begin: int
    stretch: int


class Spread(NamedTuple):
    """Upsampled sample period·q + r is Σ_k weights[r, k] · input[ceil((period·q + r − shift) / factor) + k].

    A row of `size` inputs is read into `lanes` lanes of `length` numbers: lane l holds inputs lanes·(p + begin) + l,
    p = 0 … length − 1, counted from where the strip starts, zeros where there are none. There the sum begins with the
    numbers at offsets[r, k].
    """

    size: int
    factor: int
    shift: int
    lanes: int
    begin: int
    length: int


class Gather(NamedTuple):
    """Output sample j is Σ_l weights[l] · (upsampled sample start + factor·j + l).

    A strip has `steps` outputs in each of `lanes` lanes; the sum of lane b begins with the numbers at offsets[b, l].
    """

    size: int
    factor: int
    start: int
    taps: int
    lanes: int
    steps: int


def forward(x: Tensor, bias: Tensor, scale: Tensor | None, out_scale: Tensor | None, plan: FilterPlan) -> Tensor:
    """down(clamp(lrelu(up(x · scale + bias)))) · out_scale; see kernels.filtered_lrelu."""
    n, c = x.shape[:2]
    planes = flat(x)
    y = np.empty(n * c * plan.out_size**2, planes.dtype)
    factors = [per_plane(t, n, c, planes.dtype) for t in (scale, bias, out_scale)]
    mid, (spread, *spread_table), (gather, *gather_table) = _forward_tables(plan, planes.dtype.str)
    rest = (mid, spread, gather, *spread_table, *gather_table, *_bend(plan, planes.dtype))
    share(n * c, lambda a, b: _forward(planes, y, *factors, a, b, *rest))
    return torch.from_numpy(y).view(n, c, plan.out_size, plan.out_size)


def backward(
    grad: Tensor, x: Tensor, bias: Tensor, scale: Tensor | None, plan: FilterPlan
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of `forward` without out_scale: of x, and of each plane's bias and scale, [N, C] both."""
    n, c = x.shape[:2]
    planes, grads = flat(x), flat(grad)
    out, sums = np.empty_like(planes), np.empty(2 * n * c, planes.dtype)
    factors = [per_plane(t, n, c, planes.dtype) for t in (scale, bias)]
    mid, (spread, *spread_table), (back, *back_table), (gather, *gather_table) = _backward_tables(
        plan, planes.dtype.str
    )
    rest = (mid, spread, back, gather, *spread_table, *back_table, *gather_table, *_bend(plan, planes.dtype))
    share(n * c, lambda a, b: _backward(planes, grads, out, sums, *factors, a, b, *rest))
    grad_bias, grad_scale = torch.from_numpy(sums).view(n, c, 2).unbind(2)
    return torch.from_numpy(out).view(x.shape), grad_bias, grad_scale


@compiled
def _forward(
    x, y, scale, bias, out_scale, first, last, mid, spread, gather, spread_w, spread_o, gather_w, gather_o, slope, clamp
):
    width, strip = mid.period * mid.stretch, gather.lanes * gather.steps
    row = np.zeros(spread.lanes * spread.length, x.dtype)
    wide = np.zeros(_RING * width, x.dtype)  # the last input rows, spread along x
    bent = np.zeros(gather.taps * width, x.dtype)  # the last upsampled rows, activated
    line, lane = np.zeros(width, x.dtype), np.zeros(gather.steps, x.dtype)
    near, far = np.zeros(TAPS, np.uint64), np.zeros(gather.taps, np.uint64)
    for plane in range(first, last):
        for column in range(0, gather.size, strip):
            ready, row[:] = -(spread.shift // spread.factor) - 1, 0
            step = column // gather.lanes
            for m in range(mid.size):
                ready = _spread_rows(
                    x,
                    plane,
                    step,
                    scale[plane],
                    bias[plane],
                    m,
                    ready,
                    mid,
                    spread,
                    spread_w,
                    spread_o,
                    row,
                    wide,
                    near,
                )
                to, weights = np.uint64(m % gather.taps * width), np.uint64(m % mid.period * TAPS)
                _sum_and_bend(bent, to, np.uint64(width), wide, near, spread_w, weights, slope, clamp)
                j = (m + 1 - gather.taps) // gather.factor
                if j >= 0 and j * gather.factor + gather.taps == m + 1:
                    _gather_row(
                        y, plane, j, column, out_scale[plane], mid, gather, gather_w, gather_o, bent, far, line, lane
                    )


@compiled
def _backward(
    x, grad, out, sums, scale, bias, first, last, mid, spread, back, gather,
    spread_w, spread_o, back_w, back_o, gather_w, gather_o, slope, clamp,
):  # fmt: skip
    width, strip = mid.period * mid.stretch, gather.lanes * gather.steps
    row, row_grad = np.zeros(spread.lanes * spread.length, x.dtype), np.zeros(back.lanes * back.length, x.dtype)
    wide, wide_grad = np.zeros(_RING * width, x.dtype), np.zeros(_RING * width, x.dtype)
    bent = np.zeros(gather.taps * width, x.dtype)  # the last upsampled rows of gradients, past the activation
    line, lane = np.zeros(width, x.dtype), np.zeros(gather.steps, x.dtype)
    near, near_grad, far = np.zeros(TAPS, np.uint64), np.zeros(TAPS, np.uint64), np.zeros(gather.taps, np.uint64)
    one, zero = x.dtype.type(1), x.dtype.type(0)
    end = gather.start + gather.factor * (gather.size - 1) + gather.taps
    for plane in range(first, last):
        for column in range(0, gather.size, strip):
            ready, ready_grad = -(spread.shift // spread.factor) - 1, -(back.shift // back.factor) - 1
            step = column // gather.lanes
            row[:], row_grad[:] = 0, 0
            for m in range(min(0, gather.start), end):
                to, n = np.uint64(m % gather.taps * width), np.uint64(width)
                if 0 <= m < mid.size:
                    ready = _spread_rows(
                        x, plane, step, scale[plane], bias[plane], m, ready, mid,
                        spread, spread_w, spread_o, row, wide, near,
                    )  # fmt: skip
                    ready_grad = _spread_rows(
                        grad, plane, step, one, zero, m, ready_grad, mid,
                        back, back_w, back_o, row_grad, wide_grad, near_grad,
                    )  # fmt: skip
                    weights = np.uint64(m % mid.period * TAPS)
                    _sum6(line, np.uint64(0), n, wide, near, np.uint64(0), spread_w, weights)
                    _sum_unbent(bent, to, n, wide_grad, near_grad, back_w, weights, line, slope, clamp)
                else:
                    for i in range(n):
                        bent[to + i] = zero
                j = (m + 1 - gather.taps - gather.start) // gather.factor
                if j >= 0 and gather.start + j * gather.factor + gather.taps == m + 1:
                    _gather_row(out, plane, j, column, one, mid, gather, gather_w, gather_o, bent, far, line, lane)
        size = np.uint64(gather.size * gather.size)
        sums[2 * plane], sums[2 * plane + 1] = _finish(out, x, np.uint64(plane) * size, size, scale[plane])


@inlined
def _spread_rows(x, plane, step, scale, bias, m, ready, mid, spread, weights, offsets, row, wide, near):
    """See that the rows are there of which upsampled row m is a sum, and tell in `near` where; returns the last one."""
    width, source = mid.period * mid.stretch, -((spread.shift - m) // spread.factor)
    for k in range(TAPS):
        near[k] = (source + k) % _RING * width
    while ready < source + TAPS - 1:
        ready += 1
        at = ready % _RING * width
        if ready < 0 or ready >= spread.size:
            for i in range(np.uint64(width)):
                wide[np.uint64(at) + i] = 0
            continue
        for lane in range(spread.lanes):
            # Lane position p holds input lanes·(p + begin + step) + lane; those from `low` to `high` exist.
            begin = spread.begin + step
            low = max(0, -begin)
            high = min(spread.length, (spread.size - lane + spread.lanes - 1) // spread.lanes - begin)
            source_at = (plane * spread.size + ready) * spread.size + spread.lanes * (low + begin) + lane
            to = np.uint64(lane * spread.length + low)
            _read(row, to, np.uint64(max(0, high - low)), x, np.uint64(source_at), spread.lanes, scale, bias)
        for r in range(mid.period):
            to, table = np.uint64(at + r * mid.stretch), np.uint64(r * TAPS)
            _sum6(wide, to, np.uint64(mid.stretch), row, offsets, table, weights, table)
    return ready


@inlined
def _gather_row(y, plane, j, column, scale, mid, gather, weights, offsets, bent, far, line, lane):
    """Sum the upsampled rows of output row j, along it the samples of each output sample, and write the strip."""
    zero = np.uint64(0)
    for k in range(gather.taps):
        far[k] = (gather.start + gather.factor * j + k) % gather.taps * (mid.period * mid.stretch)
    _sum(line, zero, np.uint64(mid.period * mid.stretch), bent, far, zero, gather.taps, weights, zero)
    for b in range(gather.lanes):
        count = min(gather.steps, (gather.size - column - b + gather.lanes - 1) // gather.lanes)
        _sum(lane, zero, np.uint64(gather.steps), line, offsets, np.uint64(b * gather.taps), gather.taps, weights, zero)
        _write(y, (plane * gather.size + j) * gather.size + column + b, gather.lanes, lane, max(0, count), scale)


@inlined
def _read(row, to, n, x, at, step, scale, bias):
    if step == 1:
        for i in range(n):
            row[to + i] = x[at + i] * scale + bias
    else:
        for i in range(n):
            row[to + i] = x[at + np.uint64(step) * i] * scale + bias


@inlined
def _write(y, at, step, row, n, scale):
    if step == 1:
        for i in range(np.uint64(n)):
            y[np.uint64(at) + i] = row[i] * scale
    else:
        for i in range(np.uint64(n)):
            y[np.uint64(at) + np.uint64(step) * i] = row[i] * scale


@inlined
def _finish(grad, x, at, n, scale):
    """Sum a plane of gradients, and its products with x, and multiply it by `scale`."""
    plain, weighted = grad[at] * 0, grad[at] * 0
    for i in range(n):
        plain += grad[at + i]
        weighted += grad[at + i] * x[at + i]
        grad[at + i] *= scale
    return plain, weighted


# In these loops all indexes are unsigned: Numba then need not ask whether one counts from the end, and can use vectors.


@inlined
def _sum(out, to, n, rows, o, at, terms, w, of):
    """out[to + i] = Σ_k w[of + k] · rows[o[at + k] + i] for i below n; there are 6, 12, 18 or 24 terms."""
    if terms == TAPS:
        _sum6(out, to, n, rows, o, at, w, of)
        return
    _sum12(out, to, n, rows, o, at, w, of)
    for first in range(np.uint64(2 * TAPS), np.uint64(terms), np.uint64(TAPS)):
        _add6(out, to, n, rows, o, at + first, w, of + first)


@inlined
def _sum6(out, to, n, rows, o, at, w, of):
    o0, o1, o2, o3, o4, o5, w0, w1, w2, w3, w4, w5 = _six(o, at, w, of)
    for i in range(n):
        a = w0 * rows[o0 + i] + w1 * rows[o1 + i] + w2 * rows[o2 + i]
        out[to + i] = a + (w3 * rows[o3 + i] + w4 * rows[o4 + i] + w5 * rows[o5 + i])


@inlined
def _add6(out, to, n, rows, o, at, w, of):
    o0, o1, o2, o3, o4, o5, w0, w1, w2, w3, w4, w5 = _six(o, at, w, of)
    for i in range(n):
        a = w0 * rows[o0 + i] + w1 * rows[o1 + i] + w2 * rows[o2 + i]
        out[to + i] += a + (w3 * rows[o3 + i] + w4 * rows[o4 + i] + w5 * rows[o5 + i])


@inlined
def _sum12(out, to, n, rows, o, at, w, of):
    o0, o1, o2, o3, o4, o5, w0, w1, w2, w3, w4, w5 = _six(o, at, w, of)
    p0, p1, p2, p3, p4, p5, v0, v1, v2, v3, v4, v5 = _six(o, at + np.uint64(TAPS), w, of + np.uint64(TAPS))
    for i in range(n):
        a = w0 * rows[o0 + i] + w1 * rows[o1 + i] + w2 * rows[o2 + i]
        b = w3 * rows[o3 + i] + w4 * rows[o4 + i] + w5 * rows[o5 + i]
        c = v0 * rows[p0 + i] + v1 * rows[p1 + i] + v2 * rows[p2 + i]
        out[to + i] = (a + b) + (c + (v3 * rows[p3 + i] + v4 * rows[p4 + i] + v5 * rows[p5 + i]))


@inlined
def _sum_and_bend(out, to, n, rows, o, w, of, slope, clamp):
    """As `_sum` of 6 terms, and through the activation."""
    o0, o1, o2, o3, o4, o5, w0, w1, w2, w3, w4, w5 = _six(o, np.uint64(0), w, of)
    for i in range(n):
        a = w0 * rows[o0 + i] + w1 * rows[o1 + i] + w2 * rows[o2 + i]
        a += w3 * rows[o3 + i] + w4 * rows[o4 + i] + w5 * rows[o5 + i]
        a = a if a > 0 else a * slope
        a = clamp if a > clamp else a
        out[to + i] = -clamp if a < -clamp else a


@inlined
def _sum_unbent(out, to, n, rows, o, w, of, before, slope, clamp):
    """As `_sum` of 6 terms, times the activation's slope at `before`."""
    o0, o1, o2, o3, o4, o5, w0, w1, w2, w3, w4, w5 = _six(o, np.uint64(0), w, of)
    for i in range(n):
        a = w0 * rows[o0 + i] + w1 * rows[o1 + i] + w2 * rows[o2 + i]
        a += w3 * rows[o3 + i] + w4 * rows[o4 + i] + w5 * rows[o5 + i]
        b = before[i]
        a = a if b > 0 else a * slope
        a = a if b < clamp else a * 0
        out[to + i] = a if b * slope > -clamp else a * 0


@inlined
def _six(o, at, w, of):
    """Six offsets and six weights."""
    at1, at2, at3, at4, at5 = (
        at + np.uint64(1),
        at + np.uint64(2),
        at + np.uint64(3),
        at + np.uint64(4),
        at + np.uint64(5),
    )
    of1, of2, of3, of4, of5 = (
        of + np.uint64(1),
        of + np.uint64(2),
        of + np.uint64(3),
        of + np.uint64(4),
        of + np.uint64(5),
    )
    return o[at], o[at1], o[at2], o[at3], o[at4], o[at5], w[of], w[of1], w[of2], w[of3], w[of4], w[of5]


Tables = tuple[Any, NDArray[Any], NDArray[np.uint64]]
"""A description with its weights and offsets, flat: compiled code is slow to cut arrays and quick to count."""


@lru_cache(maxsize=64)
def _forward_tables(plan: FilterPlan, dtype: str) -> tuple[Mid, Tables, Tables]:
    """Values are spread by the first filter and gathered by the second."""
    up, down = _taps(plan)
    mid, gather = _gather(plan, plan.out_size, plan.down, 0, down, _FORWARD_BYTES // (_RING + len(down)), dtype)
    return mid, _spread(mid, plan.in_size, plan.up, plan.low, up, dtype), gather


@lru_cache(maxsize=64)
def _backward_tables(plan: FilterPlan, dtype: str) -> tuple[Mid, Tables, Tables, Tables]:
    """Gradients are spread by the second filter and gathered by the first; values are spread again beside them."""
    up, down = _taps(plan)
    start = plan.low + 1 - len(up)  # the first of the upsampled samples that input 0 is in
    mid, gather = _gather(plan, plan.in_size, plan.up, start, up, _BACKWARD_BYTES // (2 * _RING + len(up)), dtype)
    spread = _spread(mid, plan.in_size, plan.up, plan.low, up, dtype)
    return mid, spread, _spread(mid, plan.out_size, plan.down, len(down) - 1, down, dtype), gather


def _taps(plan: FilterPlan) -> tuple[NDArray[Any], NDArray[Any]]:
    return np.array(plan.up_taps) * plan.up, np.array(plan.down_taps)


def _gather(
    plan: FilterPlan, size: int, factor: int, start: int, taps: NDArray[Any], row_bytes: int, dtype: str
) -> tuple[Mid, Tables]:
    """A strip's rows take `row_bytes` at most."""
    period = math.lcm(plan.up, plan.down)
    lanes = period // factor
    sample = start + factor * np.arange(lanes)[:, None] + np.arange(len(taps))
    begin, reach = int(sample.min() // period), int(sample.max() // period - sample.min() // period)
    most = max(_ALIGN, row_bytes // (np.dtype(dtype).itemsize * period) - reach)
    total = -(-size // lanes)
    steps = -(-total // -(-total // most))
    mid = Mid(plan.mid_size, period, begin, _rounded(steps + reach))
    offsets = sample % period * mid.stretch + sample // period - begin
    return mid, (Gather(size, factor, start, len(taps), lanes, steps), *_flat_table(taps, offsets, dtype))


def _spread(mid: Mid, size: int, factor: int, shift: int, taps: NDArray[Any], dtype: str) -> Tables:
    lanes = mid.period // factor
    source = np.array([[-((shift - r) // factor) + k for k in range(TAPS)] for r in range(mid.period)])
    tap = shift + source * factor - np.arange(mid.period)[:, None]
    first = int(source.min() // lanes)
    length = _rounded(int(source.max() // lanes) - first + mid.stretch)
    offsets = source % lanes * length + source // lanes - first
    return Spread(size, factor, shift, lanes, first + mid.begin, length), *_flat_table(taps[tap], offsets, dtype)


def _flat_table(weights: NDArray[Any], offsets: NDArray[Any], dtype: str) -> tuple[NDArray[Any], NDArray[np.uint64]]:
    return weights.astype(dtype).ravel(), offsets.astype(np.uint64).ravel()


def _rounded(count: int) -> int:
    return -(-count // _ALIGN) * _ALIGN


def _bend(plan: FilterPlan, dtype: np.dtype[Any]) -> tuple[Any, Any]:
    return dtype.type(LRELU_SLOPE), dtype.type(min(plan.clamp, np.finfo(dtype).max))
