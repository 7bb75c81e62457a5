"""Walks between contents while the motion goes on.

Content and motion of a video are separate: what it shows is ws, how it moves is v(t). A walk leads ws along a smooth
closed curve through the contents of several seeds, or holds ws and leads v through the motions of several seeds.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from torch import Tensor

from smoothvid.batch import to_uint8
from smoothvid.sampling.grid import tile
from smoothvid.sampling.model import VideoModel
from smoothvid.sampling.stream import time_chunks

Hold = Literal["motion", "content"]


def walk(
    model: VideoModel,
    seeds: Sequence[int],
    *,
    frames_per_step: float = 48,
    num_frames: int | None = None,
    hold: Hold | None = None,
    held_seed: int | None = None,
    start: float = 0.0,
    step: float = 1.0,
    truncation_psi: float = 1.0,
    label: str | None = None,
    chunk: int = 8,
) -> Iterator[Tensor]:
    """Yield a walk through seeds and back to the first, in chunks uint8 [T, 3, H, W] on the CPU.

    Frame i · frames_per_step shows the i-th seed; after len(seeds) such steps the walk begins anew.

    Args:
        num_frames: None is endless, with motion that never repeats.
        hold: None walks between contents while time runs; "motion" walks between contents at the one time `start`;
            "content" keeps the content and walks between the motions while time runs.
        held_seed: whose motion (or content) it is that the walk leaves alone; None takes the first of the seeds.
        start, step, truncation_psi, label: as in VideoModel.stream.
    """
    held = [seeds[0] if held_seed is None else held_seed]
    walked = model.contents(held if hold == "content" else seeds, truncation_psi, label)
    times_of_frames = time_chunks(start, num_frames, 0.0 if hold == "motion" else step, chunk)
    positions = time_chunks(0.0, num_frames, 1 / frames_per_step, chunk)
    for times, position in zip(times_of_frames, positions, strict=True):
        weights = torch.from_numpy(closed_spline_weights(len(seeds), position)).to(walked)  # [T, n]
        if hold == "content":
            # Scaled so that a sum of independent motions moves as much as each of them does.
            weights = weights / weights.norm(dim=1, keepdim=True)
            v = torch.einsum("tn,ntv->tv", weights, model.motions(seeds, times, label))
            frames = model.render(walked, v[None])[0]
        else:
            ws = torch.tensordot(weights, walked, dims=1)  # one content a frame
            v = model.motions(held, times, label)[0]
            frames = model.render(ws, v[:, None])[:, 0]
        yield to_uint8(frames).cpu()


def content_motion_grid(
    model: VideoModel,
    seeds: Sequence[int],
    *,
    num_frames: int | None = None,
    start: float = 0.0,
    step: float = 1.0,
    truncation_psi: float = 1.0,
    label: str | None = None,
    chunk: int = 8,
) -> Iterator[Tensor]:
    """Yield one video of N·N tiles, uint8 [T, 3, N·H, N·W]: row i shows content i, column j moves like seed j."""
    contents = model.contents(seeds, truncation_psi, label)
    for times in time_chunks(start, num_frames, step, chunk):
        motions = model.motions(seeds, times, label)
        rows = [to_uint8(model.render(ws.expand_as(contents), motions)).cpu() for ws in contents]
        yield tile([video for row in rows for video in row], len(seeds))


def closed_spline_weights(num_points: int, positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights [T, n] of n points at positions [T] on a closed cubic spline through them.

    Position i (modulo n) is point i; weights are twice continuously differentiable and sum to 1.
    """
    knots = np.arange(num_points + 1)
    points = np.eye(num_points)[knots % num_points]
    return CubicSpline(knots, points, bc_type="periodic")(positions % num_points)
