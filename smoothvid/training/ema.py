"""Averaged weights: the generator that is kept is a running mean of the one that is trained."""

import torch
from torch import nn


def ema_decay(batch: int, half_life_kimg: float, rampup: float | None, seen: int) -> float:
    """How much of the average a step of `batch` videos keeps, in [0, 1).

    Args:
        half_life_kimg: thousands of videos after which old weights count half.
        rampup: early on the half-life is at most this share of the `seen` videos; None for no bound.
    """
    half_life = half_life_kimg * 1000
    if rampup is not None:
        half_life = min(half_life, seen * rampup)
    return 0.5 ** (batch / max(half_life, 1e-8))


@torch.no_grad()
def update_ema(average: nn.Module, model: nn.Module, decay: float) -> None:
    """Move the average's parameters towards the model's; buffers, running means already, are copied."""
    torch._foreach_lerp_(list(average.parameters()), list(model.parameters()), 1 - decay)
    if buffers := list(average.buffers()):
        torch._foreach_copy_(buffers, list(model.buffers()))
