"""Pillow's resizing of 8-bit pictures, compiled by Numba: the same sums of the same whole numbers.

Each axis has its pass, in which weights are whole numbers and sums are rounded to bytes. Processors want long stretches
of memory with one weight for all. Down the columns, a row is one. Across the rows, 32 of them at a time are laid on
their side, so that a column is one.
"""

import numpy as np

from smoothvid.compiling import compiled, inlined
from smoothvid.data.resample import WEIGHT_BITS

_HALF = 1 << (WEIGHT_BITS - 1)
_ROWS = np.uint64(32)
_1, _2, _3, _4 = (np.uint64(number) for number in (1, 2, 3, 4))


@compiled
def across(source, row, step, height, width, first, count, weights, room, out):
    """Change the width of a picture, from `step` bytes a pixel, of which three count, to four.

    Args:
        source: uint8, flat, from the first byte to the last.
        row, step: bytes from a row to the next, and from a pixel; uint64, like all sizes.
        height, width: in pixels.
        first, count, weights, room: of `weights`.
        out: uint8 [height · len(first) · 4].
    """
    lanes = _3 * _ROWS
    lying = np.zeros(width * lanes, np.uint8)
    sums, line = np.empty(lanes, np.int32), np.empty(lanes, np.uint8)
    new_row = np.uint64(len(first)) * _4
    top = np.uint64(0)
    while top < height:
        rows = min(_ROWS, height - top)
        for x in range(width):
            at, to = top * row + x * step, x * lanes
            for _ in range(rows):
                lying[to], lying[to + _1], lying[to + _2] = source[at], source[at + _1], source[at + _2]
                at, to = at + row, to + _3
        for i in range(np.uint64(len(first))):
            _weigh(lying, first[i] * lanes, lanes, lanes, weights, i * room, count[i], sums)
            for lane in range(lanes):
                line[lane] = _byte(sums[lane])
            at, to = np.uint64(0), top * new_row + i * _4
            for _ in range(rows):
                out[to], out[to + _1], out[to + _2] = line[at], line[at + _1], line[at + _2]
                at, to = at + _3, to + new_row
        top += _ROWS


@compiled
def down(source, row, lanes, first, count, weights, room, out, new_row):
    """Change the height of a picture.

    Args:
        source, row: as above. lanes: bytes of a row that count; uint64.
        first, count, weights, room: of `weights`.
        out: uint8 [len(first) · new_row].
    """
    sums = np.empty(lanes, np.int32)
    for i in range(np.uint64(len(first))):
        _weigh(source, first[i] * row, row, lanes, weights, i * room, count[i], sums)
        to = i * new_row
        for lane in range(lanes):
            out[to + lane] = _byte(sums[lane])


@inlined
def _weigh(source, at, step, lanes, weights, w, count, sums):
    """In each lane the sum of `count` weights, from place w on, times as many bytes, `step` apart from `at` on."""
    for lane in range(lanes):
        sums[lane] = _HALF
    n = np.uint64(0)
    while n + _2 < count:  # three at a time: sums are read and written less often
        a, b, c = weights[w + n], weights[w + n + _1], weights[w + n + _2]
        p = at + n * step
        q, r = p + step, p + _2 * step
        for lane in range(lanes):
            one, two = np.int32(a * np.int32(source[p + lane])), np.int32(b * np.int32(source[q + lane]))
            sums[lane] += one + two + np.int32(c * np.int32(source[r + lane]))
        n += _3
    while n < count:
        a, p = weights[w + n], at + n * step
        for lane in range(lanes):
            sums[lane] += np.int32(a * np.int32(source[p + lane]))
        n += _1


@inlined
def _byte(total):
    return min(max(total >> WEIGHT_BITS, 0), 255)
