"""The filtered activation on CUDA, in Triton: a tile at a time, whose upsampled samples never leave the chip.

One program makes one square tile of one plane. Along each axis, a tile of outputs needs a window of upsampled samples
("mid"), and these need a window of inputs. Between windows all is products with small banded matrices, those of plan.py
cut to size: U from inputs to mid, D from mid to outputs.

    forward     u = U · x · Uᵀ      a = clamp(lrelu(u))                 tile of y = D · a · Dᵀ
    backward    u = U · x · Uᵀ      w = a'(u) · (Dᵀ · grad · D)    tile of grad_x = Vᵀ · w · V

Backward goes over tiles of the input. Its mid samples are those that the tile reaches, its windows of inputs and
outputs those that touch them, and V is U cut to the tile. It makes u anew: the forward pass keeps nothing but x.

From one tile to the next, windows move by whole inputs and whole outputs. So the phase of the filters, and with it each
matrix, is the same for all tiles; tiling.py makes them once, both ways round. Windows are filled up to the powers of
two that `tl.dot` takes. The filling is zero where it is loaded, and where it is computed no tap reaches it.

Products take operands of the type that tuning.py says, float32 or that of x, and add in float32; sums over planes are
float32. With narrow operands planes are rounded between products, as they would be by PyTorch's own operations.
"""
# Kernels take pointers and numbers of the device, for which there are no types:
# mypy: allow-untyped-defs, allow-incomplete-defs

from contextlib import AbstractContextManager, nullcontext

import torch
import triton
import triton.language as tl
from torch import Tensor

from smoothvid.nn.kernels.plan import FilterPlan
from smoothvid.nn.kernels.tiling import backward_tiling, forward_tiling
from smoothvid.nn.kernels.tuning import sizes
from smoothvid.nn.lrelu import LRELU_SLOPE

SLOPE = tl.constexpr(LRELU_SLOPE)
# Kernels are compiled for each set of sizes of windows, not for each value of these.
VARYING = "channels in_size out_size tiles tile in_start in_step in_length".split()


def forward(x: Tensor, bias: Tensor, scale: Tensor | None, out_scale: Tensor | None, plan: FilterPlan) -> Tensor:
    """down(clamp(lrelu(up(x · scale + bias)))) · out_scale.

    Args:
        x: [N, C, plan.in_size, plan.in_size], float32, bfloat16 or float16.
        bias: [C].
        scale, out_scale: [N, C]; None for one.

    Returns [N, C, plan.out_size, plan.out_size] in the type of x.
    """
    n, c = x.shape[:2]
    y = x.new_empty(n, c, plan.out_size, plan.out_size)
    tensors = (x.contiguous(), bias.contiguous(), contiguous(scale), contiguous(out_scale), y)
    tiles, matrices, others = forward_tiling(plan, sizes().operands(x.dtype), x.device, sizes())
    with on(x.device):
        _forward[(n * c * tiles**2,)](*tensors, c, plan.in_size, plan.out_size, plan.clamp, *matrices, **others)
    return y


def backward(
    grad: Tensor, x: Tensor, bias: Tensor, scale: Tensor | None, plan: FilterPlan
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradients of `forward` without out_scale, for `grad` [N, C, plan.out_size, plan.out_size] of its result.

    Returns the gradient of x, like x; and two sums over each plane, float32 [N, C]: of the gradient of x · scale +
    bias, which is what a bias wants, and of x times that gradient, which is what `scale` wants.
    """
    n, c = x.shape[:2]
    x = x.contiguous()
    grad_x = torch.empty_like(x)
    tiles, matrices, others = backward_tiling(plan, sizes().operands(x.dtype), x.device, sizes())
    sums = x.new_empty(
        n, c, tiles**2, 2, dtype=torch.float32
    )  # one pair from each tile: no order of adding is left open
    tensors = (grad.contiguous(), x, bias.contiguous(), contiguous(scale), grad_x, sums)
    with on(x.device):
        _backward[(n * c * tiles**2,)](*tensors, c, plan.in_size, plan.out_size, plan.clamp, *matrices, **others)
    grad_bias, grad_scale = sums.sum(2).unbind(2)
    return grad_x, grad_bias, grad_scale


def contiguous(scale: Tensor | None) -> Tensor | None:
    return None if scale is None else scale.contiguous()


def on(device: torch.device) -> AbstractContextManager[None]:
    """Triton launches on the current device."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


@triton.jit(do_not_specialize=VARYING)
def _forward(
    x, bias, scale, out_scale, y, channels, in_size, out_size, clamp, up, up_t, down, down_t,
    tiles, tile, in_start, in_step, in_length,
    MID: tl.constexpr, IN: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    plane, row, column = _place(tiles)
    at, inside = _square(in_start + row * in_step, in_start + column * in_step, in_length, in_size, IN)
    patch = tl.load(x + plane * in_size * in_size + at, mask=inside, other=0.0)
    patch = _shifted(patch, inside, bias, scale, plane, channels)
    u = _out_of(_whole(up, MID, IN), patch, _whole(up_t, IN, MID), PRODUCTS)

    a = tl.where(u > 0, u, u * SLOPE)
    a = tl.where(a > clamp, clamp, tl.where(a < -clamp, -clamp, a))  # so written, it lets NaN through
    result = _into(_whole(down, TILE, MID), a, _whole(down_t, MID, TILE), PRODUCTS)

    if out_scale is not None:
        result *= tl.load(out_scale + plane).to(tl.float32)
    at, inside = _square(row * tile, column * tile, tile, out_size, TILE)
    tl.store(y + plane * out_size * out_size + at, result.to(y.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=[*VARYING, "out_start", "out_step", "out_length"])
def _backward(
    grad, x, bias, scale, grad_x, sums, channels, in_size, out_size, clamp, up, up_t, down, down_t, cut, cut_t,
    tiles, tile, in_start, in_step, in_length, out_start, out_step, out_length,
    MID: tl.constexpr, IN: tl.constexpr, OUT: tl.constexpr, TILE: tl.constexpr, PRODUCTS: tl.constexpr,
):  # fmt: skip
    plane, row, column = _place(tiles)
    x += plane * in_size * in_size
    at, inside = _square(in_start + row * in_step, in_start + column * in_step, in_length, in_size, IN)
    patch = tl.load(x + at, mask=inside, other=0.0)
    patch = _shifted(patch, inside, bias, scale, plane, channels)
    u = _out_of(_whole(up, MID, IN), patch, _whole(up_t, IN, MID), PRODUCTS)

    at, inside = _square(out_start + row * out_step, out_start + column * out_step, out_length, out_size, OUT)
    patch = tl.load(grad + plane * out_size * out_size + at, mask=inside, other=0.0)
    w = _out_of(_whole(down_t, MID, OUT), patch, _whole(down, OUT, MID), PRODUCTS)
    slope = tl.where(u > 0, 1.0, SLOPE)
    w = tl.where(tl.abs(u * slope) >= clamp, 0.0, w * slope)
    result = _into(_whole(cut_t, TILE, MID), w, _whole(cut, MID, TILE), PRODUCTS)

    at, inside = _square(row * tile, column * tile, tile, in_size, TILE)
    result = tl.where(inside, result, 0.0)
    values = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    sums += 2 * tl.program_id(0).to(tl.int64)
    tl.store(sums, tl.sum(tl.sum(result, 1), 0))
    tl.store(sums + 1, tl.sum(tl.sum(result * values, 1), 0))
    if scale is not None:
        result *= tl.load(scale + plane).to(tl.float32)
    tl.store(grad_x + plane * in_size * in_size + at, result.to(grad_x.dtype.element_ty), mask=inside)


@triton.jit
def _place(tiles):
    """This program's plane, in 64 bits for the offsets that follow, and its tile's row and column."""
    program = tl.program_id(0)
    tile = program % (tiles * tiles)
    return (program // (tiles * tiles)).to(tl.int64), tile // tiles, tile % tiles


@triton.jit
def _square(top, left, length, size, SIDE: tl.constexpr):
    """Offsets [SIDE, SIDE] into a plane, and where they are in the first `length` of each axis and inside the plane."""
    steps = tl.arange(0, SIDE)
    rows, columns = top + steps, left + steps
    rows_inside = (steps < length) & (rows >= 0) & (rows < size)
    columns_inside = (steps < length) & (columns >= 0) & (columns < size)
    return rows[:, None] * size + columns[None, :], rows_inside[:, None] & columns_inside[None, :]


@triton.jit
def _shifted(patch, inside, bias, scale, plane, channels):
    """patch · scale + bias, zero outside."""
    shifted = patch.to(tl.float32)
    if scale is not None:
        shifted *= tl.load(scale + plane).to(tl.float32)
    shifted += tl.load(bias + plane % channels).to(tl.float32)
    return tl.where(inside, shifted, 0.0)


@triton.jit
def _whole(matrix, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    return tl.load(matrix + tl.arange(0, ROWS)[:, None] * COLUMNS + tl.arange(0, COLUMNS)[None, :])


@triton.jit
def _out_of(left, patch, right, PRODUCTS: tl.constexpr):
    """left · patch · right: from what was loaded to mid samples."""
    half = tl.dot(left, patch.to(left.dtype), input_precision=PRODUCTS)
    return tl.dot(half.to(right.dtype), right, input_precision=PRODUCTS)


@triton.jit
def _into(left, mid, right, PRODUCTS: tl.constexpr):
    """left · mid · right: from mid samples to a tile. As left factors they can stay in the registers they are in."""
    half = tl.dot(mid.to(right.dtype), right, input_precision=PRODUCTS)
    return tl.dot(left, half.to(left.dtype), input_precision=PRODUCTS)
