"""Bias and activation of the discriminator on CUDA, in Triton: one pass instead of four.

What is saved for the way back is the result: it tells where the activation had which slope.
"""
# Kernels take pointers and numbers of the device, for which there are no types:
# mypy: allow-untyped-defs, allow-incomplete-defs

import torch
import triton
import triton.language as tl
from torch import Tensor

from smoothvid.nn.kernels.blocks import layout_of, on
from smoothvid.nn.lrelu import LRELU_SLOPE

BLOCK = 1024
SLOPE = tl.constexpr(LRELU_SLOPE)


def bias_lrelu(x: Tensor, bias: Tensor, gain: float, clamp: float) -> Tensor:
    """clamp(lrelu(x + bias) · gain): x [N, C, H, W], bias [C] → like x."""
    layout = layout_of(x)
    x = x.contiguous(memory_format=layout)
    y = torch.empty_like(x)
    inner = 1 if layout == torch.channels_last else x[0, 0].numel()  # so many values of a channel lie side by side
    with on(x.device):
        _bias_lrelu[(triton.cdiv(x.numel(), BLOCK),)](
            x, bias.contiguous(), y, x.numel(), x.shape[1], inner, gain, clamp, BLOCK
        )
    return y


def slopes(grad: Tensor, y: Tensor, gain: float, clamp: float) -> Tensor:
    """`grad` times the slope with which y, a result of `bias_lrelu`, came about; like y."""
    grad = grad.to(y.dtype).contiguous(memory_format=layout_of(y))
    out = torch.empty_like(y)
    with on(y.device):
        _slopes[(triton.cdiv(y.numel(), BLOCK),)](grad, y, out, y.numel(), gain, clamp, BLOCK)
    return out


@triton.jit
def _bias_lrelu(x, bias, y, count, channels, inner, gain, clamp, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    value = tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
    value += tl.load(bias + at // inner % channels, mask=inside, other=0.0).to(tl.float32)
    value = tl.where(value > 0, value, value * SLOPE) * gain
    value = tl.where(value > clamp, clamp, tl.where(value < -clamp, -clamp, value))  # so written, it lets NaN through
    tl.store(y + at, value.to(y.dtype.element_ty), mask=inside)


@triton.jit
def _slopes(grad, y, out, count, gain, clamp, BLOCK: tl.constexpr):
    at = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    inside = at < count
    value = tl.load(y + at, mask=inside, other=0.0).to(tl.float32)
    slope = tl.where(value > 0, gain, gain * SLOPE)
    slope = tl.where(tl.abs(value) >= clamp, 0.0, slope)
    result = tl.load(grad + at, mask=inside, other=0.0).to(tl.float32) * slope
    tl.store(out + at, result.to(out.dtype.element_ty), mask=inside)
