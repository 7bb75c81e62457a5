"""The sizes that the Triton kernels of tiles.py and strips.py work in: all that is to be tuned on a device.

`tuned` replaces some for a while, for a sweep; what wins goes into the defaults here. They have a say in the results
by rounding alone.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import torch


@dataclass(frozen=True)
class TileSizes:
    """Of tiles.py.

    Attributes:
        side: the most samples along an axis of any window, filling included.
        tile: the most samples along an axis of a tile.
        load_cost: of loading or storing a number, in multiplications; sides are chosen by it.
        narrow_rows, float32_rows: mid samples along an axis for each warp. Tensor cores like a warp to have 16; without
            them a product keeps more in registers than that leaves.
    """

    side: int = 64
    tile: int = 32
    load_cost: int = 64
    narrow_rows: int = 16
    float32_rows: int = 8


@dataclass(frozen=True)
class StripSizes:
    """Of a kernel of strips.py.

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
    """Of all kernels; `narrow` types are bfloat16 and float16.

    Attributes:
        narrow_products: whether numbers that are read in a narrow type are multiplied in it, on tensor cores; else in
            float32. On the one card that has been tried so far, an H200, tiles.py ended with an illegal memory access
            when they were, and nobody knows why yet; in float32 it was right.
        float32_products: how `tl.dot` takes float32 operands; "tf32x3" would take three products on tensor cores for
            one, near full precision.
    """

    narrow_products: bool = False
    float32_products: str = "ieee"
    tiles: TileSizes = field(default_factory=TileSizes)
    narrow_forward: StripSizes = field(default_factory=lambda: StripSizes(channels=16, warps=8, registers=128))
    narrow_backward: StripSizes = field(default_factory=StripSizes)
    float32_forward: StripSizes = field(default_factory=lambda: StripSizes(channels=4, warps=8))
    float32_backward: StripSizes = field(default_factory=lambda: StripSizes(channels=4, warps=8))

    def operands(self, dtype: torch.dtype) -> torch.dtype:
        """What planes of this type are multiplied in."""
        return dtype if self.narrow_products else torch.float32

    def tile_rows(self, dtype: torch.dtype) -> int:
        """Mid samples along an axis of a tile for each warp."""
        plain = dtype == torch.float32 and self.float32_products == "ieee"
        return self.tiles.float32_rows if plain else self.tiles.narrow_rows

    def forward(self, dtype: torch.dtype) -> StripSizes:
        return self.float32_forward if dtype == torch.float32 else self.narrow_forward

    def backward(self, dtype: torch.dtype) -> StripSizes:
        return self.float32_backward if dtype == torch.float32 else self.narrow_backward


_sizes = Sizes()


def sizes() -> Sizes:
    """Those in force."""
    return _sizes


@contextmanager
def tuned(**changes: TileSizes | StripSizes | str | bool) -> Iterator[None]:
    """Within it some fields of `Sizes` are others: tuned(narrow_forward=StripSizes(channels=16, warps=8))."""
    global _sizes
    before, _sizes = _sizes, replace(_sizes, **changes)  # type: ignore[arg-type]
    try:
        yield
    finally:
        _sizes = before
