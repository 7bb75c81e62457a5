"""Carry the weights of one network into another, and say what became of every key."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn


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

    A single row where the target has many (the image discriminator's logit, the video discriminator's projection) is repeated.

    Args:
        fresh: names that keep the target's own values even where the source has them.
    """
    report = TransferReport()
    own = dict(target.named_parameters()) | dict(target.named_buffers())
    own = {name: tensor for name, tensor in own.items() if name in target.state_dict()}
    for name, tensor in own.items():
        value = None if name in fresh else source.get(name)
        if value is not None and value.shape == tensor.shape:
            tensor.copy_(value)
            report.loaded.append(name)
        elif value is not None and value.shape[:1] == (1,) and value.shape[1:] == tensor.shape[1:]:
            tensor.copy_(value.expand_as(tensor))
            report.widened.append(name)
        else:
            report.fresh.append(name)
    report.dropped = [name for name in source if name not in report.loaded and name not in report.widened]
    return report
