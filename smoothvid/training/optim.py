"""Optimizers of the two networks."""

import torch
from torch import nn

from smoothvid.run_config import TrainingConfig


def build_optimizers(
    generator: nn.Module, discriminator: nn.Module, config: TrainingConfig
) -> dict[str, torch.optim.Optimizer]:
    """Adam for each network.

    The discriminator also takes the lazy penalty's steps, 1 in r1_interval beside the others: its rate and memory are
    scaled so that it moves as if the penalty were part of every step (StyleGAN2, appendix B).
    """
    betas = config.beta1, config.beta2
    lazy = config.r1_interval / (config.r1_interval + 1)
    lazy_betas = config.beta1**lazy, config.beta2**lazy
    return {
        "generator": torch.optim.Adam(generator.parameters(), lr=config.lr_g, betas=betas),
        "discriminator": torch.optim.Adam(discriminator.parameters(), lr=config.lr_d * lazy, betas=lazy_betas),
    }
