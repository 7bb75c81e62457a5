"""Carry the weights of one network into another, and say what became of every key."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

PICTURE = "picture."


@dataclass
class TransferReport:
    """Names of tensors: taken over, taken over after widening, left as freshly made, and of the source left unused."""

    loaded: list[str] = field(default_factory=list)
    widened: list[str] = field(default_factory=list)
    fresh: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)

    def summary(self) -> str:
        parts = [f"{len(self.loaded)} loaded"]
        for name in ("widened", "fresh", "dropped"):
            keys = getattr(self, name)
            if keys:
                parts.append(f"{len(keys)} {name} ({', '.join(keys)})")
        return "; ".join(parts)


@torch.no_grad()
def transfer(source: Mapping[str, Tensor], target: nn.Module, fresh: tuple[str, ...] = ()) -> TransferReport:
    """Copy into `target` every tensor of `source` with the same name and shape.

    A single output where the target has many (the image discriminator's logit, the video discriminator's projection) is
    repeated; so are the inputs of a convolution that sees several frames side by side instead of one, scaled to see
    their mean. A video discriminator's judge of single frames, under `PICTURE`, takes what the source has for itself.

    Args:
        fresh: names that keep the target's own values even where the source has them.
    """
    report = TransferReport()
    own = dict(target.named_parameters()) | dict(target.named_buffers())
    own = {name: tensor for name, tensor in own.items() if name in target.state_dict()}
    for name, tensor in own.items():
        value = None if name in fresh else source.get(name, source.get(name.removeprefix(PICTURE)))
        if value is None:
            report.fresh.append(name)
        elif value.shape == tensor.shape:
            tensor.copy_(value)
            report.loaded.append(name)
        elif (wide := _widen(value, tensor)) is not None:
            tensor.copy_(wide)
            report.widened.append(name)
        else:
            report.fresh.append(name)
    report.dropped = [name for name in source if name not in report.loaded and name not in report.widened]
    return report


def _widen(value: Tensor, target: Tensor) -> Tensor | None:
    """`value` repeated to the target's shape where that means the same thing, else None."""
    if value.shape[:1] == (1,) and value.shape[1:] == target.shape[1:]:
        return value.expand_as(target)
    if value.ndim == 4 and value.shape[0] == target.shape[0] and value.shape[2:] == target.shape[2:]:
        times, rest = divmod(target.shape[1], value.shape[1])
        # Equalized weights are divided by the root of the number of inputs at run time: a mean needs only a root here.
        return None if rest else value.repeat(1, times, 1, 1) / times**0.5
    return None
