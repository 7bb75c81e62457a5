"""The discriminator's small filter [1, 3, 3, 1]/8 on CUDA, in Triton, and its transpose, which takes gradients back.

Each program makes a block of results that lie side by side in memory. Pictures may lie plane by plane or channels last;
the former are to it pictures of one channel. Sums are float32.
"""
# Kernels take pointers and numbers of the device, for which there are no types:
# mypy: allow-untyped-defs, allow-incomplete-defs

from contextlib import AbstractContextManager, nullcontext

import torch
import triton
import triton.language as tl
from torch import Tensor

BLOCK, CHANNELS = 1024, 64  # results of a program, and how many channels of a pixel at most


def blur(x: Tensor, pad: int, down: int) -> Tensor:
    """Filter both axes, `pad` zeros around, and keep every `down`-th sample: [N, C, s, s] → [N, C, m, m] laid out as x.

    `down` is 1 or 2.
    """
    return _run(x, (x.shape[-1] + 2 * pad - 4) // down + 1, pad, down, False)


def transposed(y: Tensor, pad: int, down: int, size: int) -> Tensor:
    """What `blur` of pictures [N, C, size, size] does, transposed: [N, C, m, m] → [N, C, size, size] laid out as y."""
    return _run(y, size, pad, down, True)


def _run(x: Tensor, out_size: int, pad: int, down: int, back: bool) -> Tensor:
    n, c, size, _ = x.shape
    layout = layout_of(x)
    x = x.contiguous(memory_format=layout)
    y = torch.empty(n, c, out_size, out_size, dtype=x.dtype, device=x.device, memory_format=layout)
    pictures, channels = (n, c) if layout == torch.channels_last else (n * c, 1)
    across = min(triton.next_power_of_2(channels), CHANNELS)
    blocks = triton.cdiv(out_size**2, BLOCK // across), triton.cdiv(channels, across)
    with on(x.device):
        _filter[(pictures * blocks[0] * blocks[1],)](
            x, y, *blocks, channels, size, out_size, pad, down, back, BLOCK // across, across
        )
    return y


def layout_of(x: Tensor) -> torch.memory_format:
    """Channels last where x lies so and not both ways at once; else plane by plane."""
    last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    return torch.channels_last if last else torch.contiguous_format


def on(device: torch.device) -> AbstractContextManager[None]:
    """Triton launches on the current device."""
    return torch.cuda.device(device) if device.type == "cuda" else nullcontext()


@triton.jit(do_not_specialize=["blocks", "parts"])
def _filter(
    x, y, blocks, parts, channels, in_size, out_size,
    PAD: tl.constexpr, DOWN: tl.constexpr, BACK: tl.constexpr, PIXELS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    block = tl.program_id(0) // parts
    picture = (block // blocks).to(tl.int64)
    pixel = (block % blocks) * PIXELS + tl.arange(0, PIXELS)
    channel = (tl.program_id(0) % parts) * CHANNELS + tl.arange(0, CHANNELS)[None, :]
    x += picture * in_size * in_size * channels
    y += picture * out_size * out_size * channels
    inside = (pixel < out_size * out_size)[:, None] & (channel < channels)
    row, column = pixel // out_size, pixel % out_size
    total = tl.zeros([PIXELS, CHANNELS], tl.float32)
    for i in tl.static_range(4 // DOWN if BACK else 4):
        source_row, by_row = _source(row, i, in_size, PAD, DOWN, BACK)
        for j in tl.static_range(4 // DOWN if BACK else 4):
            source_column, by_column = _source(column, j, in_size, PAD, DOWN, BACK)
            weight = (by_row * by_column)[:, None]
            at = (source_row * in_size + source_column)[:, None] * channels + channel
            total += weight * tl.load(x + at, mask=inside & (weight > 0), other=0.0).to(tl.float32)
    tl.store(y + pixel[:, None] * channels + channel, total.to(y.dtype.element_ty), mask=inside)


@triton.jit
def _source(at, number: tl.constexpr, size, PAD: tl.constexpr, DOWN: tl.constexpr, BACK: tl.constexpr):
    """Of the samples that give the one at `at`, along an axis: the place of one, and its weight, zero outside.

    Forwards, y[j] = Σ taps[k]·x[j·DOWN + k − PAD]; backwards, x[i] = Σ taps[k]·y[(i + PAD − k)/DOWN], where whole.
    """
    if BACK:
        tap = (at + PAD) % DOWN + DOWN * number
        ahead = at + PAD - tap
        place = ahead // DOWN
        inside = (ahead >= 0) & (place < size)
    else:
        tap = at * 0 + number
        place = at * DOWN + number - PAD
        inside = (place >= 0) & (place < size)
    weight = tl.where((tap == 0) | (tap == 3), 0.125, 0.375)
    return place, tl.where(inside, weight, 0.0)
