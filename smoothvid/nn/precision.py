"""What stays in float32 when a network runs under `torch.autocast` in bfloat16.

Autocast turns convolutions and matrix products into bfloat16, which keeps 8 bits. Of these only the convolutions
between feature maps take long, and only they are left to it; all the rest is marked `full_precision`.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, TypeVar, cast

import torch
from torch import Tensor

Function = TypeVar("Function", bound=Callable[..., Any])


def full_precision(function: Function) -> Function:
    """Run a function of tensors outside autocast, its float16 and bfloat16 arguments as float32.

    Without autocast it is the function itself. The device is that of the first tensor among the positional arguments.
    """

    @wraps(function)
    def in_float32(*args: Any, **kwargs: Any) -> Any:
        device = next(value.device.type for value in args if isinstance(value, Tensor))
        if not (torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)):
            return function(*args, **kwargs)
        with torch.autocast(device, enabled=False):
            return function(*map(_widened, args), **{name: _widened(value) for name, value in kwargs.items()})

    return cast(Function, in_float32)


@contextmanager
def tf32(allowed: bool) -> Iterator[None]:
    """Within it NVIDIA cards may convolve float32 in TF32, which keeps 11 of 24 bits; elsewhere it changes nothing.

    PyTorch allows that unless told otherwise. The switch is one of the whole process.
    """
    cudnn: Any = torch.backends.cudnn
    convolutions = cudnn.conv
    before, convolutions.fp32_precision = convolutions.fp32_precision, "tf32" if allowed else "ieee"
    try:
        yield
    finally:
        convolutions.fp32_precision = before


def in_two_terms(matrix: Tensor) -> Tensor:
    """A float32 matrix [in, out] for `wide_product`: bfloat16 [in, 2·out], whose halves add up to it within 2⁻¹⁷."""
    first = matrix.bfloat16()
    return torch.cat([first, (matrix - first).bfloat16()], 1)


def wide_product(x: Tensor, terms: Tensor) -> Tensor:
    """x @ matrix in float32: x bfloat16 [N, in], read once and never widened on CUDA; see `in_two_terms`."""
    on_card = x.device.type == "cuda"
    parts = torch.mm(x, terms, out_dtype=torch.float32) if on_card else x.float() @ terms.float()
    first, second = parts.chunk(2, 1)
    return first + second


def quotient(x: Tensor, divisor: float) -> Tensor:
    """x / divisor, rounded once on every device.

    CUDA takes `x / number` for x times 1 / number: at a whole multiple that can fall just below the whole number, and
    `floor` then differs from the CPU's.
    """
    return x / x.new_full((), divisor)


def _widened(value: Any) -> Any:
    narrow = isinstance(value, Tensor) and value.dtype in (torch.float16, torch.bfloat16)
    return value.float() if narrow else value
