"""Optimizers of the two networks."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from smoothvid.models.family import Phase
from smoothvid.run_config import TrainingConfig


def build_optimizers(
    generator: nn.Module,
    discriminator: nn.Module,
    config: TrainingConfig,
    phases: Sequence[Phase],
    slow: Mapping[str, float],
    fused: bool | None = None,
) -> dict[str, torch.optim.Optimizer]:
    """Adam for each network.

    Where the discriminator also takes a lazy penalty's steps, 1 in so many beside the others, its rate and memory are
    scaled so that it moves as if the penalty were part of every step (StyleGAN2, appendix B). Its parameters whose
    names begin with a key of `slow` have that share of its rate.

    On a CUDA card all weights take a step in a few launches (fused), and can be told there not to take it; see
    `step.optimize`.
    """
    betas = config.beta1, config.beta2
    lazy = 1 / sum(1 / phase.interval for phase in phases if phase.network == "discriminator")
    lazy_betas = config.beta1**lazy, config.beta2**lazy
    groups, decay = _groups(discriminator, config.lr_d * lazy, slow), config.weight_decay
    fused = True if fused is None and all(p.is_cuda for p in generator.parameters()) else fused
    return {
        "generator": torch.optim.Adam(
            generator.parameters(), lr=config.lr_g, betas=betas, weight_decay=decay, fused=fused
        ),
        "discriminator": torch.optim.Adam(groups, betas=lazy_betas, weight_decay=decay, fused=fused),
    }


def _groups(network: nn.Module, rate: float, slow: Mapping[str, float]) -> list[dict[str, Any]]:
    """Parameters by their rate; one group where nothing is slow."""
    rates: dict[float, list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        share = next((slow[prefix] for prefix in slow if name.startswith(prefix)), 1.0)
        rates.setdefault(rate * share, []).append(parameter)
    return [{"params": parameters, "lr": lr} for lr, parameters in rates.items()]
