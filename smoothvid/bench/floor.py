"""Floors: what a pass would take without all that surrounds its convolutions, and what moving its bytes takes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

_FORWARD, _BACKWARD = torch.ops.aten.convolution.default, torch.ops.aten.convolution_backward.default


@dataclass(frozen=True)
class Convolution:
    """One convolution of a pass, or the gradients of one.

    x, weight, y: shapes. geometry: stride, padding, dilation, whether transposed, output padding, groups.
    wanted: which gradients, those of input and weight; None is the convolution itself.
    """

    x: tuple[int, ...]
    weight: tuple[int, ...]
    y: tuple[int, ...]
    geometry: tuple[Any, ...]
    dtype: torch.dtype
    channels_last: bool
    wanted: tuple[bool, bool] | None = None


class _Recorder(TorchDispatchMode):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Convolution] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        if func is _FORWARD:
            x, weight, _, *geometry = args
            self._note(x, weight, result, geometry, None)
        elif func is _BACKWARD:
            grad, x, weight, _, *geometry, (of_x, of_weight, _) = args
            self._note(x, weight, grad, geometry, (of_x, of_weight))
        return result

    def _note(self, x: Tensor, weight: Tensor, y: Tensor, geometry: Any, wanted: tuple[bool, bool] | None) -> None:
        plain = tuple(tuple(value) if isinstance(value, list | tuple) else value for value in geometry)
        last = x.ndim == 4 and not x.is_contiguous() and x.is_contiguous(memory_format=torch.channels_last)
        self.found.append(
            Convolution(tuple(x.shape), tuple(weight.shape), tuple(y.shape), plain, x.dtype, last, wanted)
        )


def convolutions_of(call: Callable[[], object]) -> list[Convolution]:
    """All convolutions that a call makes, forwards and backwards, in their order."""
    with _Recorder() as recorder:
        call()
    return recorder.found


def convolutions_alone(
    convolutions: Sequence[Convolution], device: torch.device, channels_last: bool | None = None
) -> Callable[[], None]:
    """A call that makes these convolutions, on random tensors of the same shapes, and nothing else.

    channels_last: in this layout, or not; None for the layout that they had.
    """
    if channels_last is not None:
        convolutions = [replace(c, channels_last=channels_last) for c in convolutions]
    made: dict[Any, Tensor] = {}

    def tensor(shape: tuple[int, ...], c: Convolution) -> Tensor:
        key = shape, c.dtype, c.channels_last
        if key not in made:
            layout = torch.channels_last if c.channels_last else torch.contiguous_format
            made[key] = torch.randn(shape, device=device).to(c.dtype, memory_format=layout)
        return made[key]

    jobs = [(tensor(c.x, c), tensor(c.weight, c), c.wanted and tensor(c.y, c), c) for c in convolutions]

    @torch.no_grad()
    def run() -> None:
        for x, weight, grad, c in jobs:
            if grad is None:
                _FORWARD(x, weight, None, *c.geometry)
            else:
                _BACKWARD(grad, x, weight, None, *c.geometry, [*c.wanted, False])  # type: ignore[misc]

    return run


def copied(count: int, device: torch.device) -> Callable[[], object]:
    """A call that copies float32 numbers so that `count` are read or written in all."""
    source, target = torch.randn(count // 2, device=device), torch.empty(count // 2, device=device)
    return lambda: target.copy_(source)
