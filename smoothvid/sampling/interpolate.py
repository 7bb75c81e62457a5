"""Walks between contents while the motion goes on.

Content and motion of a video are separate: what it shows is ws, how it moves is v(t). A walk leads ws along a smooth
curve through the contents of several seeds, or holds ws and leads v through the motions of several seeds.

A loop of L frames shows (1 − h)·v(t) + h·v(t − L), h going smoothly from 0 to 1 over it: its end, v(t − L), is its
beginning, in value and in velocity.
"""

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from smoothvid.batch import to_uint8
from smoothvid.errors import ConfigError
from smoothvid.sampling.curve import check_knots, curve_weights, smootherstep
from smoothvid.sampling.grid import tile
from smoothvid.sampling.model import VideoModel
from smoothvid.sampling.stream import time_chunks

Hold = Literal["motion", "content"]
Mix = tuple[int, int, int]
"""A seed and the first and last of the layers that show its content."""


def walk(
    model: VideoModel,
    seeds: Sequence[int],
    *,
    at: Sequence[float] | None = None,
    frames_per_step: float = 48,
    loop: int | None = None,
    num_frames: int | None = None,
    hold: Hold | None = None,
    held_seed: int | None = None,
    mix: Sequence[Mix] = (),
    start: float = 0.0,
    fps: float | None = None,
    slowmo: float = 1.0,
    truncation_psi: float = 1.0,
    label: str | None = None,
    chunk: int = 8,
) -> Iterator[Tensor]:
    """Return a walk through seeds, in chunks uint8 [T, 3, H, W] on the CPU, made when asked for.

    Args:
        at: number of the frame that shows each seed, whole or not; the walk rests before the first and after the last.
            None: they follow each other every `frames_per_step` frames, and the first comes again after the last.
        loop: frames after which everything, motion too, begins anew: once around all seeds.
        num_frames: None is endless, with motion that never repeats unless there is a loop.
        hold: None walks between contents while time runs; "motion" walks between contents at the one time `start`;
            "content" keeps the content and walks between the motions while time runs.
        held_seed: whose motion (or content) it is that the walk leaves alone; None takes the first of the seeds.
        mix: layers that show the content of other seeds, which does not walk.
        start, fps, slowmo, truncation_psi, label: as in VideoModel.stream.

    Raises:
        ConfigError: at once, for frames in `at` that do not increase or do not fit into the loop, or layers that the
            model lacks.
    """
    period: float | None = loop
    if at is None:
        period = len(seeds) * frames_per_step if loop is None else loop
        at = [index * period / len(seeds) for index in range(len(seeds))]
    knots = np.array(at, np.float64)
    check_knots(knots, period)
    held = [seeds[0] if held_seed is None else held_seed]
    walked = model.contents(held if hold == "content" else seeds, truncation_psi, label)
    mixed = mix_layers(model, walked, mix, truncation_psi, label)
    step = 0.0 if hold == "motion" else model.step(fps, slowmo)

    def frames(numbers: NDArray[np.float64]) -> Tensor:
        weights = torch.from_numpy(curve_weights(knots, numbers, period)).to(walked)  # [T, n]
        if hold == "content":
            # Scaled so that a sum of independent motions moves as much as each of them does.
            weights = weights / weights.norm(dim=1, keepdim=True)
            v = torch.einsum("tn,ntv->tv", weights, looped_motions(model, seeds, numbers, start, step, loop, label))
            made = model.render(mixed, v[None])
        else:
            ws = torch.tensordot(weights, mixed, dims=1)  # one content a frame
            made = model.render(ws[None], looped_motions(model, held, numbers, start, step, loop, label))
        return to_uint8(made[0]).cpu()

    return map(frames, _frame_numbers(num_frames, loop, chunk))


def content_motion_grid(
    model: VideoModel,
    seeds: Sequence[int],
    *,
    loop: int | None = None,
    num_frames: int | None = None,
    mix: Sequence[Mix] = (),
    start: float = 0.0,
    fps: float | None = None,
    slowmo: float = 1.0,
    truncation_psi: float = 1.0,
    label: str | None = None,
    chunk: int = 8,
) -> Iterator[Tensor]:
    """Return one video of N·N tiles, uint8 [T, 3, N·H, N·W]: row i shows content i, column j moves like seed j.

    Arguments as for `walk`.
    """
    contents = mix_layers(model, model.contents(seeds, truncation_psi, label), mix, truncation_psi, label)
    step = model.step(fps, slowmo)

    def frames(numbers: NDArray[np.float64]) -> Tensor:
        motions = looped_motions(model, seeds, numbers, start, step, loop, label)
        rows = [to_uint8(model.render(ws.expand_as(contents), motions)).cpu() for ws in contents]
        return tile([video for row in rows for video in row], len(seeds))

    return map(frames, _frame_numbers(num_frames, loop, chunk))


def looped_motions(
    model: VideoModel,
    seeds: Sequence[int],
    numbers: NDArray[np.float64],
    start: float,
    step: float,
    loop: int | None,
    label: str | None = None,
) -> Tensor:
    """Return how each seed moves at frames `numbers` [T] from `start` on, v float32 [B, T, v_dim].

    With a loop, numbers are from 0 to below `loop`, and frame `loop` would be frame 0 again.
    """
    times = start + step * numbers
    motions = model.motions(seeds, times, label)
    if loop is None or step == 0:
        return motions
    share = smootherstep(numbers / loop)
    shares = np.stack([1 - share, share]) / np.hypot(1 - share, share)  # scaled like a walk between motions
    now, before = torch.from_numpy(shares[:, :, None]).to(motions)
    return now * motions + before * model.motions(seeds, times - step * loop, label)


def mix_layers(
    model: VideoModel, ws: Tensor, mix: Sequence[Mix], truncation_psi: float = 1.0, label: str | None = None
) -> Tensor:
    """Return contents ws [B, num_ws, w_dim] with some layers taken from the contents of other seeds.

    Layers count from 0, the one that places the picture, to num_ws - 1, colours; both ends of a range are included.
    Raises ConfigError for layers that the model lacks.
    """
    mixed = ws.clone()
    for seed, first, last in mix:
        if not 0 <= first <= last < ws.shape[1]:
            raise ConfigError(f"layers {first}-{last}: this model has layers 0 to {ws.shape[1] - 1}, first before last")
        mixed[:, first : last + 1] = model.contents([seed], truncation_psi, label)[:, first : last + 1]
    return mixed


def _frame_numbers(num_frames: int | None, loop: int | None, chunk: int) -> Iterator[NDArray[np.float64]]:
    """The numbers 0, 1, ... of frames in chunks [T], beginning anew after a loop."""
    for numbers in time_chunks(0.0, num_frames, 1.0, chunk):
        yield numbers if loop is None else numbers % loop
