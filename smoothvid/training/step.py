"""One training step: what it draws, and the optimizations of the family's phases."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from smoothvid.batch import Batch, move_times
from smoothvid.models.family import Augment, Latents, Phase
from smoothvid.run_config import TrainingConfig
from smoothvid.training.randomness import generator_for

GRADIENT_BOUND = 1e5


class TrainingStep:
    """Everything the losses of step `number` look at; see models.family.Step."""

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        real: Batch,
        augment: Augment,
        draw_times: Callable[[str], Tensor],
        config: TrainingConfig,
        key: tuple[int, int],
    ) -> None:
        self.generator: Any = generator
        self.discriminator = discriminator
        self.real, self.augment, self.r1_gamma = real, augment, config.r1_gamma
        self.report: dict[str, Tensor] = {}
        self._draw_times, self._share, self._key = draw_times, config.share_fakes, key
        self._kept: tuple[Tensor, Latents] | None = None

    def fake(self, phase: str) -> tuple[Tensor, Latents]:
        """Generated videos [B, T, C, H, W]; the generator's running means are updated once a step."""
        if self._kept is not None:
            return self._kept
        latents = self._latents(phase)
        images = self.generator(
            latents.z,
            latents.labels,
            latents.motion_z,
            latents.times,
            latents.first_code,
            latents.start_phase,
            update_emas=self._share or phase == "discriminator",
        )
        made = images.unflatten(0, latents.times.shape), latents
        if self._share:
            self._kept = made
        return made

    def _latents(self, phase: str) -> Latents:
        random = generator_for(*self._key, "latents", phase)
        device, count = self.real.frames.device, len(self.real.frames)
        times = self._draw_times(phase)
        first, codes = self.generator.motion.code_range(times)
        z = torch.randn(count, self.generator.z_dim, generator=random)
        motion_z = torch.randn(count, codes, self.generator.motion.z_dim, generator=random)
        start_phase = torch.rand(count, self.generator.motion.num_phases, generator=random)
        labels = self.real.labels[torch.randperm(count, generator=random)]
        return Latents(
            z.to(device),
            labels,
            motion_z.to(device),
            move_times(times, device),
            first.to(device),
            start_phase.to(device),
        )


def optimize(phase: Phase, step: TrainingStep, optimizer: torch.optim.Optimizer) -> Tensor:
    """Run one phase: loss, gradients, optimizer. Returns the mean loss, detached."""
    trained = getattr(step, phase.network)
    for network in (step.generator, step.discriminator):
        network.requires_grad_(network is trained)
    optimizer.zero_grad(set_to_none=True)
    loss = phase.loss(step).mean()
    (loss * phase.interval).backward()
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if parameter.grad is not None:
                torch.nan_to_num(
                    parameter.grad, nan=0.0, posinf=GRADIENT_BOUND, neginf=-GRADIENT_BOUND, out=parameter.grad
                )
    optimizer.step()
    return loss.detach()
