"""The sizes that the Triton kernels of strips.py work in: all that is to be tuned on a device.

`tuned` replaces some for a while, for a sweep; what wins goes into the defaults here. They have a say in the results
by rounding alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch


@dataclass(frozen=True)
class StripSizes:
    """Of a kernel.

    Attributes:
        channels: side by side in a strip, a power of two.
        rows: mid rows in a chunk, filling included, where the factors of the resampling allow so few.
        side: the most mid samples across a strip, filling included.
        warps: of a program.
        stages: chunks that are on their way from memory at once, with the one in work.
        registers: of a thread at most; None for as many as the compiler wants. Fewer let more programs share a
            multiprocessor.
        programs: walks are cut in parts until there are about so many, so that all of a device has work.
    """

    channels: int = 8
    rows: int = 16
    side: int = 64
    warps: int = 4
    stages: int = 2
    registers: int | None = None
    programs: int = 512


@dataclass(frozen=True)
class Sizes:
    """Of all kernels; `narrow` types are bfloat16 and float16. Those of narrow types won on an H200.

    Attributes:
        float32_products: how `tl.dot` takes float32 operands; "tf32x3" would take three products on tensor cores for
            one, near full precision.
    """

    float32_products: str = "ieee"
    narrow_forward: StripSizes = field(default_factory=lambda: StripSizes(stages=3))
    narrow_backward: StripSizes = field(default_factory=StripSizes)
    float32_forward: StripSizes = field(default_factory=lambda: StripSizes(channels=4, warps=8))
    float32_backward: StripSizes = field(default_factory=lambda: StripSizes(channels=4, warps=8))

    def forward(self, dtype: torch.dtype) -> StripSizes:
        return self.float32_forward if dtype == torch.float32 else self.narrow_forward

    def backward(self, dtype: torch.dtype) -> StripSizes:
        return self.float32_backward if dtype == torch.float32 else self.narrow_backward


_sizes = Sizes()


def sizes() -> Sizes:
    """Those in force."""
    return _sizes


@contextmanager
def tuned(**changes: StripSizes | str) -> Iterator[None]:
    """Within it some fields of `Sizes` are others: tuned(narrow_forward=StripSizes(channels=16, warps=8))."""
    global _sizes
    before, _sizes = _sizes, replace(_sizes, **changes)  # type: ignore[arg-type]
    try:
        yield
    finally:
        _sizes = before
