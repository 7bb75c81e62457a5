"""The discriminator's small filter [1, 3, 3, 1]/8 on a CPU, and its transpose, which takes gradients back."""

import numpy as np
import torch
from torch import Tensor

from smoothvid.compiling import compiled, inlined
from smoothvid.nn.kernels.sharing import flat, share


def blur(x: Tensor, pad: int, down: int) -> Tensor:
    """Filter both axes, `pad` zeros around, and keep every `down`-th sample: [N, C, s, s] → [N, C, m, m]."""
    n, c, size, _ = x.shape
    out_size = (size + 2 * pad - 4) // down + 1
    source, y = flat(x), np.empty(n * c * out_size**2, flat(x).dtype)
    share(n * c, lambda first, last: _blur(source, y, first, last, size, out_size, pad, down))
    return torch.from_numpy(y).view(n, c, out_size, out_size)


def transposed(y: Tensor, pad: int, down: int, size: int) -> Tensor:
    """What `blur` of pictures [N, C, size, size] does, transposed: [N, C, m, m] → [N, C, size, size]."""
    n, c, out_size, _ = y.shape
    if down == 1:
        return blur(y, 3 - pad, 1)  # the filter is symmetric
    source, x = flat(y), np.empty(n * c * size**2, flat(y).dtype)
    share(n * c, lambda first, last: _spread(source, x, first, last, size, out_size, pad, down))
    return torch.from_numpy(x).view(n, c, size, size)


@compiled
def _blur(x, y, first, last, size, out_size, pad, down):
    line = np.zeros(size + 2 * pad, x.dtype)
    taps = _taps(x)
    for plane in range(first, last):
        for j in range(out_size):
            for i in range(np.uint64(size)):
                line[np.uint64(pad) + i] = 0
            for k in range(4):
                row = j * down + k - pad
                if 0 <= row < size:
                    at = np.uint64((plane * size + row) * size)
                    for i in range(np.uint64(size)):
                        line[np.uint64(pad) + i] += taps[k] * x[at + i]
            to, step = np.uint64((plane * out_size + j) * out_size), np.uint64(down)
            for i in range(np.uint64(out_size)):
                p = step * i
                a = taps[0] * line[p] + taps[1] * line[p + np.uint64(1)]
                y[to + i] = a + (taps[2] * line[p + np.uint64(2)] + taps[3] * line[p + np.uint64(3)])


@compiled
def _spread(y, x, first, last, size, out_size, pad, down):
    line = np.zeros(size + 2 * pad + down + 4, x.dtype)
    taps = _taps(x)
    for plane in range(first, last):
        x[plane * size * size : (plane + 1) * size * size] = 0
        for j in range(out_size):
            line[:] = 0
            at, step = np.uint64((plane * out_size + j) * out_size), np.uint64(down)
            for k in range(np.uint64(4)):
                for i in range(np.uint64(out_size)):
                    line[step * i + k] += taps[k] * y[at + i]
            for k in range(4):
                row = j * down + k - pad
                if 0 <= row < size:
                    to = np.uint64((plane * size + row) * size)
                    for i in range(np.uint64(size)):
                        x[to + i] += taps[k] * line[np.uint64(pad) + i]


@inlined
def _taps(x):
    one, eight = x.dtype.type(1), x.dtype.type(8)
    edge, middle = one / eight, (one + one + one) / eight
    return edge, middle, middle, edge
