"""Optimizers of the two networks."""

import torch
from torch import nn

from smoothvid.run_config import TrainingConfig


def build_optimizers(
    generator: nn.Module, discriminator: nn.Module, config: TrainingConfig, motion_parameters: tuple[str, ...]
) -> dict[str, torch.optim.Optimizer]:
    """Adam for each network; the generator's in two groups, content and motion.

    The discriminator also takes the lazy penalty's steps, 1 in r1_interval beside the others: its rate and memory are
    scaled so that it moves as if the penalty were part of every step (StyleGAN2, appendix B).
    """
    motion = [p for name, p in generator.named_parameters() if name.startswith(motion_parameters)]
    content = [p for name, p in generator.named_parameters() if not name.startswith(motion_parameters)]
    lazy = config.r1_interval / (config.r1_interval + 1)
    return {
        "generator": torch.optim.Adam(
            [{"params": content}, {"params": motion, "lr": config.lr_g * config.motion_lr_mult}],
            lr=config.lr_g,
            betas=(config.beta1, config.beta2),
            eps=1e-8,
        ),
        "discriminator": torch.optim.Adam(
            discriminator.parameters(),
            lr=config.lr_d * lazy,
            betas=(config.beta1**lazy, config.beta2**lazy),
            eps=1e-8,
        ),
    }
