"""3×3 convolutions on a CPU with a quarter of the products, by Winograd's minimal filtering F(4×4, 3×3).

The picture is cut into tiles of 4 × 4 outputs, which see 6 × 6 inputs. Along an axis, four outputs y of three weights g
over six inputs d are

    y = Aᵀ · (G·g ⊙ B·d)

so that in both axes 36 products serve for 16 outputs, where a plain convolution has 144. Each of the 36 is a product of
matrices, [out, in] by [in, tiles], which every machine does at full speed; A and B are a few sums and small factors.
In float32 the result is as near to the truth as that of PyTorch's own convolution, within a factor of about two.
Source: Lavin & Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016, section 4.3.
"""

import numpy as np
import torch
from torch import Tensor

from smoothvid.compiling import compiled, inlined
from smoothvid.nn.kernels.sharing import flat, per_plane, share

_TILE, _REACH = 4, 6
_G = torch.tensor(
    [[6, 0, 0], [-4, -4, -4], [-4, 4, -4], [1, 2, 4], [1, -2, 4], [0, 0, 24]], dtype=torch.float64
) / 24  # fmt: skip
_KERNEL = torch.einsum("ai,bj->abij", _G, _G).reshape(_REACH**2, 9).float()  # from nine weights to 36
_WORK_NUMBERS = 8 * 2**20  # in each of the two workspaces, at most about so many


def suits(weight: Tensor, height: int, width: int) -> bool:
    """Whether a convolution of 3×3 weights over such a picture is work enough; the batch must not change the way."""
    worth = min(weight.shape[:2]) >= 32 and weight.shape[0] * weight.shape[1] * height * width >= 2**25
    return weight.shape[2:] == (3, 3) and worth


def transformed(weight: Tensor) -> Tensor:
    """The weights [out, in, 3, 3] as the 36 matrices [36, out, in]."""
    return (_KERNEL @ weight.detach().reshape(-1, 9).T).view(_REACH**2, *weight.shape[:2])


def forward(x: Tensor, matrices: Tensor, padding: int, scale: Tensor | None = None) -> Tensor:
    """The convolution of x · scale, [N, in, H, W] and [N, in], with `transformed` weights → [N, out, H', W']."""
    n, _, height, width = x.shape
    cut = _Cut(n, height + 2 * padding - 2, width + 2 * padding - 2)
    y = x.new_empty(n, matrices.shape[1], cut.height, cut.width)
    for rows in cut.chunks(*matrices.shape[1:]):
        cut.paste(torch.bmm(matrices, cut.tiles(x, rows, padding, scale)), y, rows)
    return y


def weight_gradient(grad: Tensor, x: Tensor, padding: int) -> Tensor:
    """The gradient of the weights [out, in, 3, 3], for `grad` [N, out, H', W'] of the convolution of x."""
    cut = _Cut(len(grad), *grad.shape[2:])
    total = x.new_zeros(_REACH**2, grad.shape[1], x.shape[1])
    for rows in cut.chunks(*total.shape[1:]):
        total.baddbmm_(cut.tiles(grad, rows, of_gradient=True), cut.tiles(x, rows, padding).transpose(1, 2))
    return (_KERNEL.T @ total.view(_REACH**2, -1)).T.reshape(*total.shape[1:], 3, 3)


class _Cut:
    """How n pictures of height × width outputs are cut: in rows of tiles, numbered through all pictures."""

    def __init__(self, n: int, height: int, width: int) -> None:
        self.n, self.height, self.width = n, height, width
        self.down, self.across = -(-height // _TILE), -(-width // _TILE)

    def chunks(self, out_channels: int, in_channels: int) -> list[tuple[int, int]]:
        """All rows in parts, first and last + 1, of which the workspaces hold one."""
        rows = self.n * self.down
        most = max(1, _WORK_NUMBERS // (_REACH**2 * max(out_channels, in_channels) * self.across))
        count = -(-rows // most)
        ends = [rows * i // count for i in range(count + 1)]
        return list(zip(ends, ends[1:], strict=False))

    def tiles(
        self,
        x: Tensor,
        rows: tuple[int, int],
        padding: int = 0,
        scale: Tensor | None = None,
        of_gradient: bool = False,
    ) -> Tensor:
        """B · d · Bᵀ for the inputs d of each tile, [36, channels, tiles]; for gradients y of outputs A · y · Aᵀ."""
        n, channels, height, width = x.shape
        made = torch.empty(_REACH**2, channels, (rows[1] - rows[0]) * self.across)
        fixed = (flat(x), flat(made), per_plane(scale, n, channels, np.dtype(np.float32)))
        sizes = (channels, height, width, *rows, self.down, self.across, padding, of_gradient)
        share(channels, lambda first, last: _to_tiles(*fixed, first, last, *sizes))
        return made

    def paste(self, tiles: Tensor, y: Tensor, rows: tuple[int, int]) -> None:
        """Write Aᵀ · m · A for each tile's m, [36, channels, tiles], into y."""
        source, made, channels = flat(tiles), flat(y), y.shape[1]
        sizes = (channels, self.height, self.width, *rows, self.down, self.across)
        share(channels, lambda first, last: _from_tiles(source, made, first, last, *sizes))


@compiled
def _to_tiles(
    x, out, scale, first_channel, last_channel, channels, height, width, first, last, down, across, padding, of_gradient
):
    stretch = _TILE * across + 2
    rows, bent = np.zeros(_REACH * stretch, x.dtype), np.zeros(_REACH * stretch, x.dtype)
    n, s = np.uint64(stretch), np.uint64(stretch)
    tiles = (last - first) * across
    left, right = np.uint64(padding), np.uint64(min(width, stretch - padding))
    for channel in range(first_channel, last_channel):
        for row in range(first, last):
            plane = row // down * channels + channel
            for i in range(_REACH):
                y = row % down * _TILE + i - padding
                to = np.uint64(i * stretch)
                if 0 <= y < height:
                    at, factor = np.uint64((plane * height + y) * width), scale[plane]
                    for k in range(right):
                        rows[to + left + k] = x[at + k] * factor
                else:
                    for k in range(n):
                        rows[to + k] = 0
            for k in range(n):
                v = _b(
                    of_gradient,
                    rows[k],
                    rows[s + k],
                    rows[s + s + k],
                    rows[np.uint64(3) * s + k],
                    rows[np.uint64(4) * s + k],
                    rows[np.uint64(5) * s + k],
                )
                bent[k], bent[s + k], bent[s + s + k] = v[0], v[1], v[2]
                bent[np.uint64(3) * s + k], bent[np.uint64(4) * s + k], bent[np.uint64(5) * s + k] = v[3], v[4], v[5]
            for i in range(_REACH):
                at = np.uint64(i * stretch)
                to = np.uint64((i * _REACH * channels + channel) * tiles + (row - first) * across)
                step = np.uint64(channels * tiles)
                for t in range(np.uint64(across)):
                    p = at + np.uint64(4) * t
                    v = _b(
                        of_gradient,
                        bent[p],
                        bent[p + np.uint64(1)],
                        bent[p + np.uint64(2)],
                        bent[p + np.uint64(3)],
                        bent[p + np.uint64(4)],
                        bent[p + np.uint64(5)],
                    )
                    q = to + t
                    out[q] = v[0]
                    out[q + step] = v[1]
                    out[q + step + step] = v[2]
                    out[q + np.uint64(3) * step] = v[3]
                    out[q + np.uint64(4) * step] = v[4]
                    out[q + np.uint64(5) * step] = v[5]


@compiled
def _from_tiles(tiles, y, first_channel, last_channel, channels, height, width, first, last, down, across):
    count = (last - first) * across
    bent = np.zeros(_TILE * _REACH * across, y.dtype)
    line = np.zeros(_TILE * across, y.dtype)
    step = np.uint64(_REACH * channels * count)
    n = np.uint64(across)
    for channel in range(first_channel, last_channel):
        for row in range(first, last):
            plane = row // down * channels + channel
            for j in range(_REACH):
                at = np.uint64((j * channels + channel) * count + (row - first) * across)
                to = np.uint64(j * across)
                hop = np.uint64(_REACH * across)
                for t in range(n):
                    p = at + t
                    v = _a(
                        tiles[p],
                        tiles[p + step],
                        tiles[p + step + step],
                        tiles[p + np.uint64(3) * step],
                        tiles[p + np.uint64(4) * step],
                        tiles[p + np.uint64(5) * step],
                    )
                    q = to + t
                    bent[q], bent[q + hop], bent[q + hop + hop], bent[q + np.uint64(3) * hop] = v[0], v[1], v[2], v[3]
            for i in range(min(_TILE, height - row % down * _TILE)):
                at = np.uint64(i * _REACH * across)
                for t in range(n):
                    p = at + t
                    v = _a(
                        bent[p],
                        bent[p + n],
                        bent[p + n + n],
                        bent[p + np.uint64(3) * n],
                        bent[p + np.uint64(4) * n],
                        bent[p + np.uint64(5) * n],
                    )
                    q = np.uint64(4) * t
                    line[q], line[q + np.uint64(1)], line[q + np.uint64(2)], line[q + np.uint64(3)] = (
                        v[0],
                        v[1],
                        v[2],
                        v[3],
                    )
                to = np.uint64((plane * height + row % down * _TILE + i) * width)
                for k in range(np.uint64(width)):
                    y[to + k] = line[k]


_2, _4, _5, _8 = (np.float32(number) for number in (2, 4, 5, 8))  # of the same kind as what they multiply


@inlined
def _b(of_gradient, d0, d1, d2, d3, d4, d5):
    """B · d, of six inputs; or A · y, of the gradients of four outputs."""
    if of_gradient:
        s, t, u, v = d0 + d2, d1 + d3, d0 + _4 * d2, _2 * d1 + _8 * d3
        return d0, s + t, s - t, u + v, u - v, d3
    even, odd = d4 - d2, _2 * (d3 - d1)
    return (
        _4 * d0 - _5 * d2 + d4,
        d3 + d4 - _4 * (d1 + d2),
        d4 - d3 + _4 * (d1 - d2),
        even + odd,
        even - odd,
        _4 * d1 - _5 * d3 + d5,
    )


@inlined
def _a(m0, m1, m2, m3, m4, m5):
    """Aᵀ · m."""
    s, d, t, e = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return m0 + s + t, d + _2 * e, s + _4 * t, d + _8 * e + m5
