"""Kinks: jumps of the speed in the motion codes of a model, at the boundaries between codes.

code_smoothness(model.generator.motion, starts=[0, 1e7])
"""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch


def code_smoothness(
    motion: Any, starts: Sequence[float], num_codes: int = 12, seeds: int = 32
) -> list[dict[str, float]]:
    """Measure trajectories v(t) of random motion codes, others at each start, over `num_codes` codes from there on.

    Labels, where a model has them, take turns.

    Returns:
        For each start: "jump", the largest jump of dv/dt at a boundary between codes, over the mean |dv/dt|; "speed",
        the mean |dv/dt| per frame; "ratio", that speed over the speed at the first start; "backwards", the share of
        steps of one frame that go against the step before.
    """
    motion = copy.deepcopy(motion).double().requires_grad_(False)
    distance = motion.distance
    labels = torch.eye(motion.c_dim, dtype=torch.float64)[torch.arange(seeds) % motion.c_dim] if motion.c_dim else None
    rows: list[dict[str, float]] = []
    for number, start in enumerate(starts):
        base = np.ceil(start / distance) * distance
        boundaries = torch.from_numpy(base + distance * np.arange(1.0, num_codes))
        random = torch.Generator().manual_seed(number)
        every = torch.from_numpy(base + np.arange(distance * num_codes, dtype=np.float64))
        nearby = (boundaries[:, None] + torch.arange(-2, 3) * 0.01).flatten()
        times = torch.cat([every, nearby]).expand(seeds, -1)
        first, count = motion.code_range(times)
        codes = torch.randn(seeds, count, motion.z_dim, dtype=torch.float64, generator=random)
        phases = torch.rand(seeds, motion.num_phases, dtype=torch.float64, generator=random)
        v = motion(codes, times, labels, first, phases)
        steps = v[:, : len(every)].diff(dim=1)
        a, b, c, d, e = v[:, len(every) :].unflatten(1, (-1, 5)).unbind(2)
        jump = ((-3 * c + 4 * d - e) - (3 * c - 4 * b + a)) / 0.02  # one-sided slopes of second order
        speed = float(steps.norm(dim=2).mean())
        rows.append(
            {
                "start": float(start),
                "jump": float(jump.norm(dim=2).max()) / speed,
                "speed": speed,
                "ratio": speed / (rows[0]["speed"] if rows else speed),
                "backwards": float(((steps[:, 1:] * steps[:, :-1]).sum(2) < 0).double().mean()),
            }
        )
    return rows
