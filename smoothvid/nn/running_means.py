"""Running means of what a network sees, moved once a training step by the mean over all of the step's videos.

A step's videos may pass in parts, one after the other or in several processes. So a pass only notes what it has seen,
and `settle_means` moves the means when all parts have passed: the result does not depend on how the step was cut.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass
class Noted:
    """What was seen since the means were moved last: the sum over `parts` passes."""

    total: Tensor
    parts: int
    decay: float


def note_mean(module: nn.Module, name: str, value: Tensor, decay: float) -> None:
    """Note the mean `value` of a pass, for the buffer `name`, which will keep the share `decay` of itself."""
    noted: dict[str, Noted] = module.__dict__.setdefault("noted_means", {})
    value = value.detach().float()
    if name in noted:
        noted[name].total += value
        noted[name].parts += 1
    else:
        noted[name] = Noted(value.clone(), 1, decay)


def mean_square(x: Tensor) -> Tensor:
    """The mean of the squares, float32, without gradients."""
    x = x.detach()
    if x.device.type == "cuda":  # one pass over x; a CPU would add up one by one, which errs by thousandths
        return torch.linalg.vector_norm(x, dtype=torch.float32).square() / x.numel()
    return x.float().square().mean()


@torch.no_grad()
def settle_means(network: nn.Module, average: Callable[[Tensor], Tensor] = lambda values: values) -> None:
    """Move all running means of a network by what its passes have noted, where that is finite.

    Args:
        average: takes the means of this process, [n], to those over all processes.
    """
    found = [
        (getattr(module, name), noted)
        for module in network.modules()
        for name, noted in module.__dict__.pop("noted_means", {}).items()
    ]
    if not found:
        return
    means = average(torch.cat([(noted.total / noted.parts).flatten() for _, noted in found]))
    for (buffer, noted), mean in zip(found, means.split([buffer.numel() for buffer, _ in found]), strict=True):
        seen = mean.view_as(buffer)
        buffer.lerp_(torch.where(seen.isfinite(), seen, buffer), 1 - noted.decay)


def forget_means(network: nn.Module) -> None:
    """Drop what passes have noted since the means were moved last."""
    for module in network.modules():
        module.__dict__.pop("noted_means", None)
