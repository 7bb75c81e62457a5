"""Clips as pictures: grids that play, rows of pixels over time, matrices of likeness.

All is bounded, so that a page stays a few megabytes however large the videos are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from smoothvid.sampling.grid import tile
from smoothvid.sampling.sinks import open_sink

SMALL, LARGE = 128, 256  # a clip in a player is enlarged to the one at least, and reduced to the other at most
TILES, LARGE_TILES = 9, 4  # clips in a player, and of clips larger than SMALL
PLAYER_FRAMES = 256
PLAYER_BYTES = 4_000_000  # of all players together; beyond, they show fewer frames
LEAST_FRAMES = 16
AT_ONCE = 16  # frames that are enlarged in memory
SLICES = 3  # clips in a picture of slices
SLICE_PIXELS, SLICE_FRAMES = 128, 128  # of one slice; of longer lines the middle
GAP = 4  # pixels between slices
MATRIX = 256  # rows of a matrix
ANCHORS = ((68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37))  # dark to bright: least to most

Axis = Literal["row", "column"]
Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Shown:
    """What the page shows of the data, or of one column of the result.

    clips: uint8 [N, T, 3, R, R].
    similarity: how alike any two moments of a long video are, [T', T'], 1 = alike.
    colour: how alike the colours of a video are at growing distance in time, [L], 1 = alike.
    log: lines of a run's log.jsonl.
    lags: the distances of `colour` in frames, [L]; without them 1, 2, ... frames.
    """

    name: str
    clips: Bytes
    fps: float
    similarity: NDArray[np.floating] | None = None
    colour: NDArray[np.floating] | None = None
    log: Sequence[dict[str, Any]] = field(default_factory=list)
    lags: NDArray[np.floating] | None = None


def write_players(shown: Sequence[Shown], folder: Path) -> list[Path]:
    """Write an H.264 file of each one's clips side by side; all together at most about PLAYER_BYTES."""
    num_frames = PLAYER_FRAMES
    while True:
        paths = [folder / f"{number}.mp4" for number in range(len(shown))]
        for path, item in zip(paths, shown, strict=True):
            with open_sink(path, item.fps, force=True) as sink:
                for first in range(0, min(num_frames, item.clips.shape[1]), AT_ONCE):
                    sink.write(grid(item.clips[:, first : min(first + AT_ONCE, num_frames)]))
        size = sum(path.stat().st_size for path in paths)
        longest = min(num_frames, max(item.clips.shape[1] for item in shown))
        if size <= PLAYER_BYTES or longest <= LEAST_FRAMES:
            return paths
        num_frames = max(LEAST_FRAMES, int(0.9 * longest * PLAYER_BYTES / size))


def grid(clips: Bytes) -> Tensor:
    """Clips [N, T, 3, R, R] side by side, uint8 [T, 3, H, W], each by a whole factor at a size that is seen well."""
    videos = [_fitted(torch.from_numpy(clip)) for clip in clips[: clips_wanted(clips.shape[-1])]]
    columns = int(np.ceil(np.sqrt(len(videos))))
    blank = [torch.full_like(videos[0], 128)] * (-len(videos) % columns)
    return tile([*videos, *blank], columns)


def clips_wanted(resolution: int) -> int:
    """How many clips of this size the page has room for."""
    return TILES if resolution <= SMALL else LARGE_TILES


def busiest_line(clips: Bytes, axis: Axis) -> int:
    """Number of the row (column) of pixels that changes most from frame to frame, outside the outer eighths."""
    along = 4 if axis == "row" else 3
    changes = np.abs(np.diff(clips.astype(np.float32), axis=1)).mean(axis=(0, 1, 2, along))
    margin = len(changes) // 8
    return margin + int(changes[margin : len(changes) - margin].argmax()) if clips.shape[1] > 1 else len(changes) // 2


def pixel_slices(clips: Bytes, axis: Axis, line: int) -> Bytes:
    """One row (column) of pixels at every frame, uint8 [n, P, T, 3]: the line runs downwards, time to the right."""
    lines = clips[:SLICES, :SLICE_FRAMES, :, line] if axis == "row" else clips[:SLICES, :SLICE_FRAMES, :, :, line]
    first = max(0, lines.shape[-1] - SLICE_PIXELS) // 2
    return lines[..., first : first + SLICE_PIXELS].transpose(0, 3, 1, 2)


def slice_picture(clips: Bytes, axis: Axis, line: int) -> Image.Image:
    """The slices of several clips below each other; a frame is `slice_stretch` pixels wide."""
    slices = pixel_slices(clips, axis, line).repeat(slice_stretch(clips), axis=2)
    opaque = np.pad(slices, ((0, 0), (0, 0), (0, 0), (0, 1)), constant_values=255)
    return Image.fromarray(np.concatenate(np.pad(opaque, ((0, 0), (0, GAP), (0, 0), (0, 0))))[:-GAP])


def slice_stretch(clips: Bytes) -> int:
    """Pixels that a frame is wide in a picture of slices: short clips are drawn out."""
    length, pixels = min(clips.shape[1], SLICE_FRAMES), min(clips.shape[-1], SLICE_PIXELS)
    return -(-2 * pixels // length)


def least_alike(matrices: Sequence[NDArray[np.floating]]) -> float:
    """Where a colour scale begins that serves all these matrices: only one value in a hundred is below."""
    values = np.concatenate([matrix[np.isfinite(matrix)] for matrix in matrices])
    return min(float(np.quantile(values, 0.01)), 0.999) if len(values) else 0.0


def matrix_picture(matrix: NDArray[np.floating], low: float) -> Image.Image:
    """Colours from ANCHORS for values from `low` to 1; of a large matrix the highest value of each block."""
    block = -(-len(matrix) // MATRIX)
    size = len(matrix) // block
    cut = np.nan_to_num(matrix[: size * block, : size * block], nan=low).reshape(size, block, size, block)
    level = np.clip((cut.max(axis=(1, 3)) - low) / (1 - low), 0, 1) * (len(ANCHORS) - 1)
    channels = [np.interp(level, range(len(ANCHORS)), values) for values in zip(*ANCHORS, strict=True)]
    return Image.fromarray(np.stack(channels, axis=-1).round().astype(np.uint8))


def _fitted(frames: Tensor) -> Tensor:
    """Frames uint8 [T, 3, R, R] with sharp larger pixels, or with means of several."""
    side = frames.shape[-1]
    if side < SMALL:
        factor = -(-SMALL // side)
        return frames.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)
    factor = -(-side // LARGE)
    if factor == 1:
        return frames
    return torch.nn.functional.interpolate(frames.float(), size=side // factor, mode="area").round().to(torch.uint8)
