"""The operations that take time beside convolutions, each by the fastest path this machine has.

    rows        CPU: compiled by Numba when first used, a row at a time through the processor's nearest memory;
                with it go `winograd`, convolutions with fewer products, and `blurring`, the discriminator's filter
    strips      CUDA: a Triton kernel, a strip at a time from top to bottom; with it go `blocks`, the discriminator's
                filter, and `pointwise`, its bias and activation
    matrices    anywhere, differentiable any number of times: dense products with small matrices
    plain       the reference, written as in the papers: insert zeros, filter, activate, filter, drop samples

All compute the same; tests hold them to each other. `chosen("plain")` is for these tests and for `smoothvid bench`.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from importlib.util import find_spec
from types import ModuleType
from typing import Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.autograd.function import once_differentiable

from smoothvid.nn.filters import blur_matrix, resample
from smoothvid.nn.kernels import plain
from smoothvid.nn.kernels.plan import FilterPlan, plan_matrices
from smoothvid.nn.lrelu import lrelu
from smoothvid.nn.precision import full_precision

_logger = logging.getLogger(__name__)
Path = Literal["auto", "matrices", "plain"]
_path: Path = "auto"


@contextmanager
def chosen(path: Path) -> Iterator[None]:
    """Within it the operations go this way; "auto" is the fastest that there is."""
    global _path
    before, _path = _path, path
    try:
        yield
    finally:
        _path = before


def filtered_lrelu(
    x: Tensor, bias: Tensor, plan: FilterPlan, scale: Tensor | None = None, out_scale: Tensor | None = None
) -> Tensor:
    """Filter, activate at a higher rate, filter: down(clamp(lrelu(up(x · scale + bias)))) · out_scale.

    Args:
        x: [N, C, s, s].
        bias: [C].
        scale, out_scale: [N, C]; None for one.

    Returns [N, C, plan.out_size, plan.out_size], channels last on CUDA.
    Source: StyleGAN3 (Karras et al., NeurIPS 2021), section 3.2.
    """
    if _for_triton(x):  # reads and writes bfloat16, and adds up in float32
        return _filtered_lrelu(x, bias, plan, scale, out_scale, _strips(plan, x.shape[1]))
    return _filtered_lrelu_in_float32(x, bias, plan, scale, out_scale)


@full_precision
def _filtered_lrelu_in_float32(
    x: Tensor, bias: Tensor, plan: FilterPlan, scale: Tensor | None, out_scale: Tensor | None
) -> Tensor:
    return _filtered_lrelu(x, bias, plan, scale, out_scale, _rows() if _for_numba(x) else None)


def _filtered_lrelu(
    x: Tensor,
    bias: Tensor,
    plan: FilterPlan,
    scale: Tensor | None,
    out_scale: Tensor | None,
    kernel: ModuleType | None,
) -> Tensor:
    if kernel is None:
        y = _by_torch(x, bias, plan, scale)
    elif torch.is_grad_enabled() and any(t is not None and t.requires_grad for t in (x, bias, scale)):
        y = _FilteredLReLU.apply(x, bias, scale, plan, kernel)
    else:
        result: Tensor = kernel.forward(x, bias, scale, out_scale, plan)
        return result
    return y if out_scale is None else y * out_scale[:, :, None, None]


def blur(x: Tensor, pad: int, down: int = 1) -> Tensor:
    """Filter square planes with [1, 3, 3, 1]/8 on both axes: [N, C, s, s] → [N, C, m, m].

    `pad` zeros stand beyond the borders, every `down`-th sample is kept: m = (s + 2·pad − 4)//down + 1.
    """
    if _for_triton(x) and down in (1, 2):
        y: Tensor = _Blur.apply(x, pad, down, None)  # reads and writes bfloat16, and adds up in float32
        return y
    return _blur_in_float32(x, pad, down)


@full_precision
def _blur_in_float32(x: Tensor, pad: int, down: int) -> Tensor:
    if _path == "plain":
        return plain.blur(x, pad, down)
    if _for_numba(x):
        y: Tensor = _Blur.apply(x, pad, down, None)
        return y
    return resample(x, blur_matrix(x.shape[-1], pad, down, x.dtype, x.device))


class _Blur(torch.autograd.Function):
    """Blurs, or goes back to planes of a given size as gradients do; each is the other's gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, pad: int, down: int, back_to: int | None) -> Tensor:
        blurring = _blurring(x)
        ctx.pad, ctx.down, ctx.other = pad, down, x.shape[-1] if back_to is None else None
        return blurring.blur(x, pad, down) if back_to is None else blurring.transposed(x, pad, down, back_to)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return _Blur.apply(grad, ctx.pad, ctx.down, ctx.other), None, None, None


def fuses_bias(x: Tensor) -> bool:
    """Whether `bias_lrelu` is one pass, with no need to join the bias to a convolution."""
    return _for_triton(x)


def bias_lrelu(x: Tensor, bias: Tensor, gain: float, clamp: float | None) -> Tensor:
    """lrelu(x + bias, gain, clamp): x [N, C, H, W], bias [C]."""
    if not _for_triton(x):
        return lrelu(x + bias[:, None, None], gain, clamp)
    y: Tensor = _BiasLReLU.apply(x, bias, gain, float("inf") if clamp is None else clamp)
    return y


class _BiasLReLU(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, bias: Tensor, gain: float, clamp: float) -> Tensor:
        from smoothvid.nn.kernels import pointwise

        y = pointwise.bias_lrelu(x, bias, gain, clamp)
        ctx.save_for_backward(y)
        ctx.numbers, ctx.bias_type = (gain, clamp), bias.dtype
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        grad_x = _Slopes.apply(grad, *ctx.saved_tensors, *ctx.numbers)
        wanted = ctx.needs_input_grad[1]
        return grad_x, grad_x.sum((0, 2, 3), dtype=torch.float32).to(ctx.bias_type) if wanted else None, None, None


class _Slopes(torch.autograd.Function):
    """A gradient times the slopes of `_BiasLReLU`, which are constant but for the kinks; so it is its own gradient."""

    @staticmethod
    def forward(ctx: Any, grad: Tensor, y: Tensor, gain: float, clamp: float) -> Tensor:
        from smoothvid.nn.kernels import pointwise

        ctx.save_for_backward(y)
        ctx.numbers = gain, clamp
        return pointwise.slopes(grad, y, gain, clamp)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        return _Slopes.apply(grad, *ctx.saved_tensors, *ctx.numbers), None, None, None


def conv(
    x: Tensor, weight: Tensor, padding: int, scale: Tensor | None = None, prepared: Tensor | None = None
) -> Tensor:
    """F.conv2d of x · scale, [N, in, H, W] and [N, in], with `padding` at all borders.

    `prepared` is `prepare_conv(weight)`, where the same weights serve many times.
    """
    winograd = _winograd(x, weight)
    differentiable = torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad)
    if scale is not None and (winograd is None or differentiable):
        narrow = x.dtype in (torch.float16, torch.bfloat16)
        x, scale = _Scaled.apply(x, scale) if narrow else x * scale[:, :, None, None], None
    if winograd is None:
        y = F.conv2d(x, weight, padding=padding)
    elif differentiable:
        y = _Convolution.apply(x, weight, padding, winograd)
    else:
        y = winograd.forward(x, winograd.transformed(weight) if prepared is None else prepared, padding, scale)
    return y


def prepare_conv(weight: Tensor, size: int) -> Tensor | None:
    """What `conv` over pictures of this size otherwise makes of the weights at each call; None for nothing."""
    winograd = _winograd(weight.new_empty(1, weight.shape[1], size, size), weight)
    return None if winograd is None else winograd.transformed(weight)


class _Scaled(torch.autograd.Function):
    """x [N, C, H, W] in half precision times scale [N, C] in float32, in x's type at once; it has one gradient only."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor) -> Tensor:
        ctx.save_for_backward(x, scale)
        return torch.mul(x, scale[:, :, None, None], out=torch.empty_like(x))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, scale = ctx.saved_tensors
        for_x, for_scale = ctx.needs_input_grad
        grad_x = torch.mul(grad, scale[:, :, None, None], out=torch.empty_like(x)) if for_x else None
        return grad_x, (grad * x).sum((2, 3), dtype=torch.float32) if for_scale else None


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, padding: int, winograd: ModuleType) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.padding, ctx.winograd = padding, winograd
        y: Tensor = winograd.forward(x, winograd.transformed(weight), padding)
        return y

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        for_x, for_weight = ctx.needs_input_grad[:2]
        if torch.is_grad_enabled():
            y = F.conv2d(x, weight, padding=ctx.padding)
            inputs = [t for t, needed in ((x, for_x), (weight, for_weight)) if needed]
            found = iter(torch.autograd.grad(y, inputs, grad, create_graph=True))
            return next(found) if for_x else None, next(found) if for_weight else None, None, None
        # The gradient of the input is a convolution of that of the output, with the kernels turned round.
        turned = ctx.winograd.transformed(weight.flip(2, 3).transpose(0, 1)) if for_x else None
        grad_x = ctx.winograd.forward(grad, turned, 2 - ctx.padding) if for_x else None
        grad_weight = ctx.winograd.weight_gradient(grad, x, ctx.padding) if for_weight else None
        return grad_x, grad_weight, None, None


def _winograd(x: Tensor, weight: Tensor) -> ModuleType | None:
    narrow = torch.is_autocast_enabled("cpu") or {x.dtype, weight.dtype} != {torch.float32}
    if narrow or not _for_numba(x):
        return None
    from smoothvid.nn.kernels import winograd

    return winograd if winograd.suits(weight, x.shape[2], x.shape[3]) else None


def _by_torch(x: Tensor, bias: Tensor, plan: FilterPlan, scale: Tensor | None) -> Tensor:
    if scale is not None:
        x = x * scale[:, :, None, None]
    x = x + bias[:, None, None]
    if _path == "plain":
        return plain.filtered_lrelu(x, plan)
    up, down = plan_matrices(plan, x.dtype, x.device)
    return resample(lrelu(resample(x, up), gain=1.0, clamp=plan.clamp), down)


class _FilteredLReLU(torch.autograd.Function):
    """A kernel's two passes. Where gradients are to be differentiated once more, PyTorch's own operations do it all."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, bias: Tensor, scale: Tensor | None, plan: FilterPlan, kernel: ModuleType
    ) -> Tensor:
        ctx.save_for_backward(x, bias, scale)
        ctx.plan, ctx.kernel = plan, kernel
        result: Tensor = kernel.forward(x, bias, scale, None, plan)
        return result

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        x, bias, scale = ctx.saved_tensors
        if torch.is_grad_enabled():
            inputs = [t for t, needed in zip((x, bias, scale), ctx.needs_input_grad, strict=False) if needed]
            y = _by_torch(x, bias, ctx.plan, scale)
            found = iter(torch.autograd.grad(y, inputs, grad, create_graph=True))
            return tuple(next(found) if needed else None for needed in ctx.needs_input_grad)
        grad_x, grad_bias, grad_scale = ctx.kernel.backward(grad, x, bias, scale, ctx.plan)
        return (
            grad_x,
            grad_bias.sum(0).to(bias.dtype),
            None if scale is None else grad_scale.to(scale.dtype),
            None,
            None,
        )


def _for_numba(x: Tensor) -> bool:
    return _path == "auto" and x.device.type == "cpu" and x.dtype in (torch.float32, torch.float64) and _numba()


@cache
def _numba() -> bool:
    return find_spec("numba") is not None


def _blurring(x: Tensor) -> ModuleType:
    if x.device.type == "cuda":
        from smoothvid.nn.kernels import blocks

        return blocks
    from smoothvid.nn.kernels import blurring

    return blurring


def _rows() -> ModuleType:
    from smoothvid.nn.kernels import rows

    return rows


def _strips(plan: FilterPlan, channels: int) -> ModuleType | None:
    from smoothvid.nn.kernels import strips

    return strips if strips.suits(plan, channels) else None


def _for_triton(x: Tensor) -> bool:
    return _path == "auto" and x.device.type == "cuda" and x.dtype != torch.float64 and _triton()


@cache
def _triton() -> bool:
    """Whether Triton is there and can start kernels: what starts them is built on the spot, by a C compiler."""
    if find_spec("triton") is None:
        return False
    from triton.runtime import driver

    try:
        driver.active.get_current_target()
    except Exception as error:
        reason = " ".join(str(error).split())[:200]
        _logger.warning(
            "Triton cannot start kernels here (%s); filters take several times as long. It needs a C compiler and "
            "Python's headers: on Debian and Ubuntu, apt install gcc python3-dev",
            reason,
        )
        return False
    return True
