"""The filtered activation on CUDA, in Triton: a strip at a time, downwards. No upsampled sample leaves the chip.

NVIDIA's convolutions want each pixel's channels side by side; these kernels read and write them so. One program takes a
few channels of a few columns of one picture and walks down the rows in chunks. All is products with small banded
matrices, those of plan.py cut to size: U from inputs to upsampled samples ("mid"), D from these to outputs. For a chunk
of mid rows, with x [(w, c), rows],

    up along rows       x · Uᵀ            [(w, c), mid rows]
    up across           · Uᵀ              [(mid row, c), mid columns]
    act, down across    a · Dᵀ            [(mid row, c), columns]
    down along rows     · Dᵀ              [(w, c), result rows]

Across, a strip needs a few columns more than it makes. Along rows only the inputs overlap, which costs little: a chunk
completes some results and hands on its part of later ones ("carried"). Strips and chunks step by whole inputs and whole
outputs, so that the phase of the filters, and with it each matrix, is the same for all; walks.py makes them once.
Windows are filled up to the powers of two that `tl.dot` takes. The filling is zero where it is loaded, and where it is
computed no tap reaches it.

Backward makes u anew, takes the gradient from above to the mid samples in the same way, and walks down the inputs:

    w = a'(u) · (Dᵀ · grad · D)        grad_x = Vᵀ · w · V,        V being U cut to the strip

A walk may be cut in parts, for programs of their own. Each starts a chunk or two early, for what these hand on, so that
results are the same to the last bit. Products take operands in the type of x and add in float32; sums over planes are
float32. A float16 or bfloat16 x is thus rounded between products, as it would be by PyTorch's own operations.
"""
# Kernels take pointers and numbers of the device, for which there are no types:
# mypy: allow-untyped-defs, allow-incomplete-defs

from contextlib import AbstractContextManager, nullcontext
from math import gcd, inf

import torch
import triton
import triton.language as tl
from torch import Tensor

from smoothvid.nn.kernels.plan import FilterPlan
from smoothvid.nn.kernels.tuning import StripSizes, sizes
from smoothvid.nn.kernels.walks import MEAN_SLOPE, REACH, Walk, backward_walk, forward_walk
from smoothvid.nn.lrelu import LRELU_SLOPE

SLOPE = tl.constexpr(LRELU_SLOPE)
# Kernels are compiled for each set of sizes of windows, not for each value of these.
VARYING = """channels in_size out_size part chunks strips tile result_rows
    in_rows_start in_rows_step in_rows_length in_start in_step in_length""".split()
VARYING_BACK = "out_rows_start out_rows_step out_rows_length out_start out_step out_length".split()
# lrelu(u) = GAIN · (u + |BEND · u|): sums run at twice the speed of comparisons.
GAIN = tl.constexpr(MEAN_SLOPE)
BEND = tl.constexpr((1 - LRELU_SLOPE) / (1 + LRELU_SLOPE))
BEHIND = tl.constexpr(REACH)  # rows of results that wait for the next chunk


def suits(plan: FilterPlan, channels: int) -> bool:
    """Whether pictures are small enough for offsets of 32 bits."""
    return channels * max(plan.in_size, plan.out_size) ** 2 < 2**31


def forward(x: Tensor, bias: Tensor, scale: Tensor | None, out_scale: Tensor | None, plan: FilterPlan) -> Tensor:
    """down(clamp(lrelu(up(x · scale + bias)))) · out_scale.

    Args:
        x: [N, C, plan.in_size, plan.in_size], float32, bfloat16 or float16; best channels last, else it is copied.
        bias: [C].
        scale, out_scale: [N, C]; None for one.

    Returns [N, C, plan.out_size, plan.out_size] in the type of x, channels last.
    """
    n, c = x.shape[:2]
    x = x.contiguous(memory_format=torch.channels_last)
    y = torch.empty(
        n, c, plan.out_size, plan.out_size, dtype=x.dtype, device=x.device, memory_format=torch.channels_last
    )
    tensors = (x, bias.contiguous(), _contiguous(scale), _contiguous(out_scale), y)
    chosen = sizes().forward(x.dtype)
    walk = forward_walk(plan, x.dtype, x.device, chosen)
    grid, part = _grid(n, c, walk, chosen)
    numbers = (c, plan.in_size, plan.out_size, part)
    with _on(x.device):
        _forward[grid](*tensors, *numbers, *walk.tensors, **_constants(c, plan), **walk.arguments)
    return y


def backward(
    grad: Tensor, x: Tensor, bias: Tensor, scale: Tensor | None, plan: FilterPlan
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of `forward` without out_scale, for `grad` [N, C, plan.out_size, plan.out_size] of its result.

    Returns the gradient of x, like x and channels last; and two sums over each plane, float32 [N, C]: of the gradient
    of x · scale + bias, which is what a bias wants, and of x times that gradient, which is what `scale` wants.
    """
    n, c = x.shape[:2]
    x, grad = (tensor.contiguous(memory_format=torch.channels_last) for tensor in (x, grad))
    grad_x = torch.empty_like(x)
    chosen = sizes().backward(x.dtype)
    walk = backward_walk(plan, x.dtype, x.device, chosen)
    grid, part = _grid(n, c, walk, chosen)
    numbers = (c, plan.in_size, plan.out_size, part)
    # One pair from each program: no order of adding is left open.
    sums = x.new_empty(2, grid[1], n, walk.strips, c, dtype=torch.float32)
    tensors = (grad, x, bias.contiguous(), _contiguous(scale), grad_x, *sums)
    with _on(x.device):
        _backward[grid](*tensors, *numbers, *walk.tensors, **_constants(c, plan), **walk.arguments)
    grad_bias, grad_scale = sums.sum((1, 3))
    return grad_x, grad_bias, grad_scale


def _contiguous(scale: Tensor | None) -> Tensor | None:
    return None if scale is None else scale.contiguous()


def _on(device: torch.device) -> AbstractContextManager[None]:
    """Triton launches on the current device."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


def _grid(n: int, channels: int, walk: Walk, sizes: StripSizes) -> tuple[tuple[int, int], int]:
    """Programs for all strips and for the parts of their walks; how many chunks a part has."""
    strips = n * walk.strips * triton.cdiv(channels, sizes.channels)
    parts = min(walk.chunks, triton.cdiv(sizes.programs, strips))
    part = triton.cdiv(walk.chunks, parts)
    return (strips, triton.cdiv(walk.chunks, part)), part


def _constants(channels: int, plan: FilterPlan) -> dict[str, object]:
    return {
        "EIGHTS": gcd(channels, 8),  # where it is 8, eight of a narrow type are loaded and stored at once
        "CLAMP": None if plan.clamp == inf else plan.clamp,
        "PRODUCTS": sizes().float32_products,
        "enable_fp_fusion": True,
    }


@triton.jit(do_not_specialize=VARYING)
def _forward(
    x, bias, scale, out_scale, y, channels, in_size, out_size, part,
    ones, up_rows, up_columns, down_columns, completed, carried_on, carried_far,
    chunks, strips, tile, result_rows, in_rows_start, in_rows_step, in_rows_length, in_start, in_step, in_length,
    CHANNELS: tl.constexpr, ROWS: tl.constexpr, RESULT_ROWS: tl.constexpr, IN_ROWS: tl.constexpr,
    MID: tl.constexpr, IN: tl.constexpr, TILE: tl.constexpr,
    EIGHTS: tl.constexpr, CLAMP: tl.constexpr, PRODUCTS: tl.constexpr, STAGES: tl.constexpr,
    EARLY: tl.constexpr,
):  # fmt: skip
    channels = channels // EIGHTS * EIGHTS  # the same, and the compiler knows that EIGHTS divides it
    image, strip, channel = _place(channels, strips, CHANNELS)
    x += image * in_size * in_size * channels
    y += image * out_size * out_size * channels
    in_at, in_inside = _columns(in_start + strip * in_step, in_length, in_size, channel, channels, IN, CHANNELS)
    out_at, out_inside = _columns(strip * tile, tile, out_size, channel, channels, TILE, CHANNELS)
    shift = _per_channel(bias, channel, channels, CHANNELS)
    factor = _per_image(scale, image, channel, channels, CHANNELS)
    inside = _inside(in_start + strip * in_step, in_size, IN)
    out_factor = _per_image(out_scale, image, channel, channels, CHANNELS)

    up_rows, up_columns = _whole(up_rows, IN_ROWS, ROWS), _whole(up_columns, IN, MID)
    down_columns = _whole(down_columns, MID, TILE)
    completed, carried_on = _whole(completed, ROWS, RESULT_ROWS), _whole(carried_on, ROWS, RESULT_ROWS)
    if carried_far is not None:
        carried_far = _whole(carried_far, ROWS, RESULT_ROWS)
    carried = tl.zeros([TILE * CHANNELS, RESULT_ROWS], tl.float32)
    far = carried
    first = tl.program_id(1) * part
    for chunk in tl.range(tl.maximum(first - EARLY, 0), tl.minimum(first + part, chunks), num_stages=STAGES):
        row = in_rows_start + chunk * in_rows_step
        patch = _rows(x, in_at, in_inside, row, in_rows_length, in_size, channels, IN_ROWS)
        patch = tl.dot(patch, up_rows, input_precision=PRODUCTS)
        one = tl.load(ones + chunk * ROWS + tl.arange(0, ROWS))
        patch = _shifted(patch, factor, shift, inside, one, IN, CHANNELS, ROWS)
        u = tl.dot(_turned(patch.to(up_columns.dtype), IN, CHANNELS, ROWS), up_columns, input_precision=PRODUCTS)

        a = u + tl.abs(u * BEND)  # GAIN is in down_columns
        if CLAMP is not None:
            a = tl.clamp(a, -CLAMP / GAIN, CLAMP / GAIN, propagate_nan=tl.PropagateNan.ALL)
        half = tl.dot(a.to(down_columns.dtype), down_columns, input_precision=PRODUCTS)
        half = _turned(half.to(down_columns.dtype), ROWS, CHANNELS, TILE)
        result = tl.dot(half, completed, carried, input_precision=PRODUCTS)
        if carried_far is None:
            carried = tl.dot(half, carried_on, input_precision=PRODUCTS)
        else:
            carried = tl.dot(half, carried_on, far, input_precision=PRODUCTS)
            far = tl.dot(half, carried_far, input_precision=PRODUCTS)

        if out_scale is not None:
            result = _scaled(result, out_factor, TILE, CHANNELS, RESULT_ROWS)
        at, kept = _completed(chunk, first, result_rows, out_size, RESULT_ROWS)
        at = out_at[:, None] + (at * out_size * channels)[None, :]
        tl.store(y + at, result.to(y.dtype.element_ty), mask=out_inside[:, None] & kept[None, :])


@triton.jit(do_not_specialize=[*VARYING, *VARYING_BACK])
def _backward(
    grad, x, bias, scale, grad_x, bias_sums, scale_sums, channels, in_size, out_size, part,
    ones, up_rows, up_columns, back_rows, back_columns, cut_columns, same_rows, completed, carried_on, carried_far,
    chunks, strips, tile, result_rows, in_rows_start, in_rows_step, in_rows_length, in_start, in_step, in_length,
    out_rows_start, out_rows_step, out_rows_length, out_start, out_step, out_length,
    CHANNELS: tl.constexpr, ROWS: tl.constexpr, RESULT_ROWS: tl.constexpr, IN_ROWS: tl.constexpr,
    OUT_ROWS: tl.constexpr, MID: tl.constexpr, IN: tl.constexpr, OUT: tl.constexpr, FOLDED: tl.constexpr,
    EIGHTS: tl.constexpr, CLAMP: tl.constexpr, PRODUCTS: tl.constexpr, STAGES: tl.constexpr,
    EARLY: tl.constexpr,
):  # fmt: skip
    channels = channels // EIGHTS * EIGHTS
    image, strip, channel = _place(channels, strips, CHANNELS)
    x += image * in_size * in_size * channels
    grad_x += image * in_size * in_size * channels
    grad += image * out_size * out_size * channels
    in_at, in_inside = _columns(in_start + strip * in_step, in_length, in_size, channel, channels, IN, CHANNELS)
    out_at, out_inside = _columns(out_start + strip * out_step, out_length, out_size, channel, channels, OUT, CHANNELS)
    shift = _per_channel(bias, channel, channels, CHANNELS)
    factor = _per_image(scale, image, channel, channels, CHANNELS)
    inside = _inside(in_start + strip * in_step, in_size, IN)

    up_rows, up_columns = _whole(up_rows, IN_ROWS, ROWS), _whole(up_columns, IN, MID)
    back_rows, back_columns = _whole(back_rows, OUT_ROWS, ROWS), _whole(back_columns, OUT, MID)
    same_rows = _whole(same_rows, IN_ROWS, RESULT_ROWS)
    # Beyond the tile the matrix is zero, beyond the picture it must be made so: sums go over all columns.
    cut_columns = tl.where(inside[None, :] > 0, _whole(cut_columns, MID, IN), 0.0)
    completed, carried_on = _whole(completed, ROWS, RESULT_ROWS), _whole(carried_on, ROWS, RESULT_ROWS)
    if carried_far is not None:
        carried_far = _whole(carried_far, ROWS, RESULT_ROWS)
    carried = tl.zeros([IN * CHANNELS, RESULT_ROWS], tl.float32)
    far = carried
    tile_inside = in_inside & _of_tile(tile, IN, CHANNELS)
    bias_sum, scale_sum = tl.zeros([FOLDED, RESULT_ROWS], tl.float32), tl.zeros([FOLDED, RESULT_ROWS], tl.float32)
    first = tl.program_id(1) * part
    for chunk in tl.range(tl.maximum(first - EARLY, 0), tl.minimum(first + part, chunks), num_stages=STAGES):
        row = in_rows_start + chunk * in_rows_step
        patch = _rows(x, in_at, in_inside, row, in_rows_length, in_size, channels, IN_ROWS)
        values = patch
        patch = tl.dot(patch, up_rows, input_precision=PRODUCTS)
        one = tl.load(ones + chunk * ROWS + tl.arange(0, ROWS))
        patch = _shifted(patch, factor, shift, inside, one, IN, CHANNELS, ROWS)
        u = tl.dot(_turned(patch.to(up_columns.dtype), IN, CHANNELS, ROWS), up_columns, input_precision=PRODUCTS)

        row = out_rows_start + chunk * out_rows_step
        patch = _rows(grad, out_at, out_inside, row, out_rows_length, out_size, channels, OUT_ROWS)
        patch = tl.dot(patch, back_rows, input_precision=PRODUCTS)
        w = tl.dot(_turned(patch.to(back_columns.dtype), OUT, CHANNELS, ROWS), back_columns, input_precision=PRODUCTS)
        w = tl.where(u > 0, w, w * SLOPE)
        if CLAMP is not None:  # the gradient passes where -CLAMP / SLOPE < u < CLAMP
            w = tl.where(tl.abs(u + CLAMP * (1 / SLOPE - 1) / 2) >= CLAMP * (1 / SLOPE + 1) / 2, 0.0, w)
        half = tl.dot(w.to(cut_columns.dtype), cut_columns, input_precision=PRODUCTS)
        half = _turned(half.to(cut_columns.dtype), ROWS, CHANNELS, IN)
        result = tl.dot(half, completed, carried, input_precision=PRODUCTS)
        if carried_far is None:
            carried = tl.dot(half, carried_on, input_precision=PRODUCTS)
        else:
            carried = tl.dot(half, carried_on, far, input_precision=PRODUCTS)
            far = tl.dot(half, carried_far, input_precision=PRODUCTS)

        values = tl.dot(values, same_rows, input_precision=PRODUCTS)
        rows, kept = _completed(chunk, first, result_rows, in_size, RESULT_ROWS)
        bias_sum += tl.where(kept[None, :], _folded(result, FOLDED), 0.0)
        scale_sum += tl.where(kept[None, :], _folded(result * values, FOLDED), 0.0)
        if scale is not None:
            result = _scaled(result, factor, IN, CHANNELS, RESULT_ROWS)
        at = in_at[:, None] + (rows * in_size * channels)[None, :]
        tl.store(grad_x + at, result.to(grad_x.dtype.element_ty), mask=tile_inside[:, None] & kept[None, :])

    images = tl.num_programs(0) // (strips * tl.cdiv(channels, CHANNELS))
    channel += tl.arange(0, CHANNELS)
    at = ((tl.program_id(1) * images + image) * strips + strip) * channels + channel
    tl.store(bias_sums + at, _by_channel(bias_sum, CHANNELS), mask=channel < channels)
    tl.store(scale_sums + at, _by_channel(scale_sum, CHANNELS), mask=channel < channels)


@triton.jit
def _place(channels, strips, CHANNELS: tl.constexpr):
    """This program's picture, in 64 bits for the offsets that follow, its strip and its first channel.

    Neighbours in memory are at work at about the same time.
    """
    groups = tl.cdiv(channels, CHANNELS)
    program = tl.program_id(0)
    image = (program // (groups * strips)).to(tl.int64)
    return image, program // groups % strips, program % groups * CHANNELS


@triton.jit
def _columns(start, length, size, channel, channels, COLUMNS: tl.constexpr, CHANNELS: tl.constexpr):
    """Offsets [COLUMNS · CHANNELS] into a row, and where they are in the first `length` columns and in the picture."""
    steps = tl.arange(0, COLUMNS * CHANNELS)
    column, channel = start + steps // CHANNELS, channel + steps % CHANNELS
    inside = (steps // CHANNELS < length) & (column >= 0) & (column < size) & (channel < channels)
    return column * channels + channel, inside


@triton.jit
def _per_image(numbers, image, channel, channels, CHANNELS: tl.constexpr):
    """As _per_channel, of [images, channels]; ones for None."""
    if numbers is None:
        result = tl.full([CHANNELS], 1.0, tl.float32)
    else:
        result = _per_channel(numbers + image * channels, channel, channels, CHANNELS)
    return result


@triton.jit
def _per_channel(numbers, channel, channels, CHANNELS: tl.constexpr):
    """The numbers of the channels from `channel` on, [CHANNELS]."""
    steps = tl.arange(0, CHANNELS)
    return tl.load(numbers + channel + steps, mask=channel + steps < channels, other=0.0).to(tl.float32)


@triton.jit
def _inside(start, size, COLUMNS: tl.constexpr):
    """One for columns inside the picture, zero for those beyond it."""
    columns = start + tl.arange(0, COLUMNS)
    return tl.where((columns >= 0) & (columns < size), 1.0, 0.0)


@triton.jit
def _whole(matrix, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    return tl.load(matrix + tl.arange(0, ROWS)[:, None] * COLUMNS + tl.arange(0, COLUMNS)[None, :])


@triton.jit
def _rows(picture, at, inside, start, length, size, channels, ROWS: tl.constexpr):
    """A chunk of a picture, [len(at), ROWS], zero outside."""
    steps = tl.arange(0, ROWS)
    rows = start + steps
    rows_inside = (steps < length) & (rows >= 0) & (rows < size)
    at = at[:, None] + (rows * size * channels)[None, :]
    return tl.load(picture + at, mask=inside[:, None] & rows_inside[None, :], other=0.0)


@triton.jit
def _shifted(patch, factor, shift, inside, ones, COLUMNS: tl.constexpr, CHANNELS: tl.constexpr, ROWS: tl.constexpr):
    """Scale and bias, for x that is upsampled along rows, [COLUMNS · CHANNELS, ROWS].

    The bias stands inside the picture only; `ones` is what became of its rows.
    """
    patch = tl.reshape(patch, [COLUMNS, CHANNELS, ROWS]) * factor[None, :, None]
    patch += (inside[:, None] * shift[None, :])[:, :, None] * ones[None, None, :]
    return tl.reshape(patch, [COLUMNS * CHANNELS, ROWS])


@triton.jit
def _turned(patch, FIRST: tl.constexpr, CHANNELS: tl.constexpr, LAST: tl.constexpr):
    """[(first, channel), last] → [(last, channel), first]."""
    patch = tl.permute(tl.reshape(patch, [FIRST, CHANNELS, LAST]), (2, 1, 0))
    return tl.reshape(patch, [LAST * CHANNELS, FIRST])


@triton.jit
def _scaled(result, factor, TILE: tl.constexpr, CHANNELS: tl.constexpr, ROWS: tl.constexpr):
    return tl.reshape(tl.reshape(result, [TILE, CHANNELS, ROWS]) * factor[None, :, None], [TILE * CHANNELS, ROWS])


@triton.jit
def _of_tile(tile, COLUMNS: tl.constexpr, CHANNELS: tl.constexpr):
    """Which of a strip's inputs [COLUMNS · CHANNELS] are those whose gradients it makes."""
    column = tl.arange(0, COLUMNS * CHANNELS) // CHANNELS
    return (column >= BEHIND) & (column - BEHIND < tile)


@triton.jit
def _folded(result, LENGTH: tl.constexpr):
    """[length, rows] added up into [LENGTH, rows]. With 16 for each warp every thread adds numbers that it has."""
    return tl.sum(tl.reshape(result, [result.shape[0] // LENGTH, LENGTH, result.shape[1]]), 0)


@triton.jit
def _by_channel(sums, CHANNELS: tl.constexpr):
    sums = tl.sum(sums, 1)
    return tl.sum(tl.reshape(sums, [sums.shape[0] // CHANNELS, CHANNELS]), 0)


@triton.jit
def _completed(chunk, first, rows, size, ROWS: tl.constexpr):
    """The rows of results that a chunk completes, and which of them are in the picture and this program's part."""
    steps = tl.arange(0, ROWS)
    at = chunk * rows + steps - BEHIND
    return at, (steps < rows) & (chunk >= first) & (at >= 0) & (at < size)
