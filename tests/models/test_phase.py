"""Motion kind `phase`: the integral of a smooth speed that is never negative, the same at any time."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from smoothvid.nn.bspline import cubic_weights, quadratic_weights
from smoothvid.nn.motion import _MEMORY, Motion, MotionConfig

DISTANCE = 8


def build(**changes: Any) -> Motion:
    torch.manual_seed(0)
    settings = {"z_dim": 8, "fourier_dim": 4, "distance": DISTANCE, "kernel_size": 3, "min_period": 5, "max_period": 40}
    return Motion(MotionConfig(kind="phase", **(settings | changes))).double().requires_grad_(False)


def turning(motion: Motion, times: Tensor, seed: int = 0) -> Tensor:
    """Phases in turns [B, T, F], made continuous, of the same codes wherever `times` [B, T] begin."""
    first, count = motion.code_range(times)
    random = torch.Generator().manual_seed(seed)
    codes = torch.randn(len(times), count, motion.z_dim, dtype=torch.float64, generator=random)
    motion.align.weight.zero_()
    sine, cosine = motion(codes, times, first_code=first).chunk(2, dim=2)
    return torch.from_numpy(np.unwrap(torch.atan2(sine, cosine).numpy(), axis=1)) / (2 * torch.pi)


def test_the_slope_of_a_cubic_spline_is_the_quadratic_spline_of_differences() -> None:
    points = torch.randn(4, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    s = torch.linspace(0, 1, 11, dtype=torch.float64).requires_grad_(True)
    value = torch.stack(cubic_weights(s)).T @ points
    (slope,) = torch.autograd.grad(value.sum(), s)
    torch.testing.assert_close(slope.detach(), (torch.stack(quadratic_weights(s)).T @ points.diff()).detach())
    torch.testing.assert_close(torch.stack(cubic_weights(s)).sum(0), torch.ones_like(s))


def test_the_phase_is_the_integral_of_the_speed_it_is_said_to_have() -> None:
    motion, fine = build(), 200
    times = torch.arange(0, 10 * DISTANCE * fine + 1, dtype=torch.float64)[None] / fine
    phases = turning(motion, times)[0]
    # The same from the definition: quadratic spline of (deviation − mean of the M before), integrated step by step.
    _, count = motion.code_range(times)
    codes = torch.randn(1, count, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    u = motion.conv1(motion.conv0(codes.transpose(1, 2))).transpose(1, 2)[0]
    delta = torch.tanh(motion.speed(u)).numpy()
    high = np.stack([delta[k] - delta[k - _MEMORY : k].mean(0) for k in range(_MEMORY, len(delta))])
    speeds = []
    for t in times[0].numpy() + 0.5 / fine:
        k, s = divmod(t / DISTANCE, 1)
        weights = [float(weight) for weight in quadratic_weights(torch.tensor(s))]
        speeds.append(1 + sum(w * high[min(int(k) + i, len(high) - 1)] for i, w in enumerate(weights)) / 2)
    expected = np.cumsum(np.stack(speeds)[:-1], axis=0) / fine / motion.periods.numpy()
    np.testing.assert_allclose((phases[1:] - phases[0]).numpy(), expected, atol=1e-4)


def test_nothing_ever_runs_backwards() -> None:
    motion = build()
    motion.speed.weight.mul_(100)  # every deviation is at its bound
    steps = turning(motion, torch.arange(0, 200, 0.125, dtype=torch.float64)[None]).diff(dim=1)
    # A step cannot be told from one a whole turn shorter; these are far below half a turn.
    assert float(steps.min()) > -1e-12 and 0.02 < float(steps.max()) < 0.06
    assert float(steps.max()) <= 0.125 * 2 / 5


@pytest.mark.parametrize("start", [0.0, -160.0, 1e5, 1e9])
def test_curvature_is_continuous_and_speed_does_not_grow(start: float) -> None:
    motion, width = build(), 1 / 64
    boundaries = torch.arange(1, 9, dtype=torch.float64) * DISTANCE + start
    around = (boundaries[:, None] + torch.tensor([-2, -1, 0, 1, 2]) * width).reshape(1, -1)
    first, count = motion.code_range(around)
    codes = torch.randn(1, count, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    a, b, c, d, e = motion(codes, around, first_code=first)[0].unflatten(0, (-1, 5)).unbind(1)
    speed = ((d - b) / (2 * width)).norm(dim=1)
    left, right = (a - 2 * b + c) / width**2, (c - 2 * d + e) / width**2
    # The third derivative is bounded, so the difference is of the order of the width; a kink would make it 1 / width.
    assert float((left - right).norm(dim=1).max() / speed.max()) < 0.1
    assert 0.5 < float(speed.mean() / 1.3) < 1.5
    gap = (codes, around[:, ::5].repeat_interleave(2, 1) + torch.tensor([-1e-7, 1e-7]).repeat(8))
    before, after = motion(*gap, first_code=first)[0].unflatten(0, (-1, 2)).unbind(1)
    assert float((before - after).abs().max()) < 1e-5


def test_late_times_see_what_early_ones_see() -> None:
    """Codes, speeds and values at t = 10⁹ are distributed as at 0, and eighths of a frame are all there."""
    motion = build(fourier_dim=6)
    random = torch.Generator().manual_seed(5)
    moments = []
    for start in (0.0, 1e9):
        times = (start + torch.arange(0, 16, 0.125, dtype=torch.float64)).expand(400, -1)
        first, count = motion.code_range(times)
        codes = torch.randn(400, count, 8, dtype=torch.float64, generator=random)
        phases = torch.rand(400, motion.num_phases, dtype=torch.float64, generator=random)
        v = motion(codes, times, first_code=first, start_phase=phases)
        steps = v.diff(dim=1)
        assert float(steps.norm(dim=2).min()) > 1e-3
        moments.append(torch.stack([v.mean((0, 1)), v.var((0, 1)), steps.square().mean((0, 1)) * 64]))
    torch.testing.assert_close(moments[0], moments[1], atol=0.15, rtol=0.1)
    motion.align.weight.zero_()
    v = motion(codes, times, first_code=first, start_phase=phases)
    assert float(v[:, 0].mean(0).abs().max()) < 0.15  # start phases are spread evenly over the turn


def test_the_start_phase_shifts_whole_turns_to_nothing() -> None:
    motion = build()
    times = torch.arange(20, dtype=torch.float64)[None] * 0.7
    first, count = motion.code_range(times)
    codes = torch.randn(1, count, 8, dtype=torch.float64)
    still = motion(codes, times, first_code=first)
    whole = torch.full((1, motion.num_phases), 3.0, dtype=torch.float64)
    torch.testing.assert_close(motion(codes, times, first_code=first, start_phase=whole), still)
    assert float((motion(codes, times, first_code=first, start_phase=whole / 2) - still).abs().max()) > 1
