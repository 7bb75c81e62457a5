"""One training step: what it draws, the parts that its videos pass in, and the optimizations of the family's phases.

A step's batch may be cut in parts, one after the other or in several processes. Whatever is drawn is drawn for the
whole batch, every part takes its own, and gradients are means over all of it: the result is the same however it is cut.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from smoothvid import processes
from smoothvid.batch import Batch, move_times
from smoothvid.data.loader import BatchReader
from smoothvid.devices import to_device
from smoothvid.models.family import Latents, Phase
from smoothvid.nn.augment import augment
from smoothvid.run_config import TrainingConfig
from smoothvid.training.randomness import generator_for


class Draws:
    """What a step draws at random, for the whole batch, as a function of (seed, step) alone; on the CPU."""

    def __init__(self, seed: int, step: int, reader: BatchReader, generator: nn.Module) -> None:
        self.key, self.reader = (seed, step), reader
        self.generator: Any = generator
        self.latents = cache(self._latents)

    def times_and_labels(self, purpose: str) -> tuple[Tensor, Tensor]:
        """Times [B, T] and labels [B, c_dim] of generated videos, as the data's are distributed."""
        key = int(generator_for(*self.key, "times", purpose).initial_seed())
        return self.reader.draw(np.random.Generator(np.random.Philox(key=key)), self.reader.settings.batch)

    def _latents(self, purpose: str) -> Latents:
        motion, count = self.generator.motion, self.reader.settings.batch
        random = generator_for(*self.key, "latents", purpose)
        times, labels = self.times_and_labels(purpose)
        first, codes = motion.code_range(times)
        z = torch.randn(count, self.generator.z_dim, generator=random)
        motion_z = torch.randn(count, codes, motion.z_dim, generator=random)
        start_phase = torch.rand(count, motion.num_phases, generator=random)
        return Latents(z, labels, motion_z, times, first, start_phase)


class StepPart:
    """Part number `part` of the `of` parts of a step, as its losses see it; see models.family.Step."""

    def __init__(
        self,
        generator: nn.Module,
        discriminator: nn.Module,
        real: Batch,
        draws: Draws,
        augment_p: float,
        config: TrainingConfig,
        part: int = 0,
        of: int = 1,
    ) -> None:
        self.generator: Any = generator
        self.discriminator = discriminator
        self.real, self.r1_gamma, self.part, self.of = real, config.r1_gamma, part, of
        self.disorder = config.disorder if config.num_frames > 1 else 0.0
        self.report: dict[str, Tensor] = {}
        self._draws, self._p, self._config, self._augmentations = draws, augment_p, config, 0
        self._kept: tuple[Tensor, Latents] | None = None

    def fake(self, phase: str) -> tuple[Tensor, Latents]:
        """Generated videos [B, T, C, H, W]; what the running means should see is noted once a step."""
        if self._kept is not None:
            return self._kept
        latents = self._mine(self._draws.latents(phase))
        share = self._config.share_fakes
        images = self.generator(
            latents.z,
            latents.labels,
            latents.motion_z,
            latents.times,
            latents.first_code,
            latents.start_phase,
            update_emas=share or phase == "discriminator",
        )
        made = images.float().unflatten(0, latents.times.shape), latents
        if share:
            self._kept = made
        return made

    def augment(self, videos: Tensor) -> Tensor:
        """Augment videos [B, T, C, H, W] with the present strength, by the draws of this call within the step."""
        if self._config.augment == "none" or self._p == 0:
            return videos
        self._augmentations += 1
        random = generator_for(*self._draws.key, "augment", self._augmentations)
        return augment(videos, self._p, random, self._config.augment_share_video, self.part, self.of)

    def pick_frame(self, phase: str) -> Tensor:
        """A frame of each video at random, int64 [B]."""
        random = generator_for(*self._draws.key, "frame", phase)
        settings = self._draws.reader.settings
        frames = torch.randint(settings.num_frames, (settings.batch,), generator=random)
        return to_device(frames[self.part :: self.of], self.real.frames.device)

    def disordered(self) -> tuple[Tensor, Tensor]:
        """The real videos, moving as they never do, and the times to show them with; see data.frame_times."""
        draw, device = self._draws.reader.settings.draw, self.real.frames.device
        changes = []
        for i, times in enumerate(self.real.cpu_times.numpy()):
            key = int(generator_for(*self._draws.key, "disorder", self.part + i * self.of).initial_seed())
            changes.append(draw.disorder(np.random.Generator(np.random.Philox(key=key)), times))
        orders, times = (torch.from_numpy(np.stack(change)) for change in zip(*changes, strict=True))
        places = to_device(orders, device)[:, :, None, None, None].expand_as(self.real.frames)
        return self.real.frames.gather(1, places), move_times(times, device)

    def _mine(self, whole: Latents) -> Latents:
        device = self.real.frames.device
        mine = {field.name: getattr(whole, field.name)[self.part :: self.of] for field in fields(whole)}
        times = move_times(mine.pop("times"), device)
        return Latents(times=times, **{name: to_device(x, device) for name, x in mine.items()})


def find_gradients(phase: Phase, parts: Sequence[StepPart], bf16: bool = False) -> None:
    """Add up the gradients of a phase's loss over these parts; notes the loss in each part's report."""
    for network in (parts[0].generator, parts[0].discriminator):
        network.requires_grad_(network is getattr(parts[0], phase.network))
    device = parts[0].real.frames.device.type
    for part in parts:
        with torch.autocast(device, torch.bfloat16, enabled=bf16 and not phase.full_precision):
            loss = phase.loss(part).float().mean()
        (loss * (phase.interval / part.of)).backward()
        part.report[f"loss_{phase.name}"] = loss.detach()


def optimize(phase: Phase, parts: Sequence[StepPart], optimizer: torch.optim.Optimizer, bf16: bool = False) -> Tensor:
    """Run one phase: losses, gradients, optimizer.

    Returns whether the weights were changed, one bool on the device: gradients that are not finite are left out. With a
    fused optimizer the device decides that by itself, and nothing waits for it.
    """
    optimizer.zero_grad(set_to_none=True)
    find_gradients(phase, parts, bf16)
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    _add_over_processes(gradients)
    finite = torch.stack(torch._foreach_norm(gradients)).isfinite().all()
    if optimizer.defaults.get("fused"):
        told: Any = optimizer
        told.found_inf = (~finite).float()  # by which torch.amp.GradScaler has steps left out
        optimizer.step()
    elif finite:
        optimizer.step()
    return finite


def mean_report(parts: Sequence[StepPart]) -> dict[str, Tensor]:
    """The mean of what the losses have reported, over all parts in all processes, on the device."""
    names = list(parts[0].report)
    mine = torch.stack([torch.stack([part.report[name].float() for name in names]) for part in parts]).mean(0)
    return dict(zip(names, processes.average(mine).unbind(), strict=True))


def fetch(values: Mapping[str, Tensor]) -> dict[str, float]:
    """Single numbers from the device, all at once: what a step waits for."""
    return dict(zip(values, torch.stack([value.float() for value in values.values()]).tolist(), strict=True))


def _add_over_processes(gradients: list[Tensor]) -> None:
    """Each gradient becomes its sum over the processes, all of them in one exchange."""
    if processes.count() == 1:
        return
    together = processes.add(torch.cat([gradient.flatten() for gradient in gradients]))
    pieces = together.split([gradient.numel() for gradient in gradients])
    torch._foreach_copy_(gradients, [piece.view_as(g) for piece, g in zip(pieces, gradients, strict=True)])
