"""Stages of a training iteration, on made-up videos of one part of a step."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch

from smoothvid.bench.case import BenchSettings, Case
from smoothvid.bench.networks import NUM_FRAMES, with_convolutions_alone
from smoothvid.data.loader import Part
from smoothvid.run_config import PhaseName, RunConfig
from smoothvid.training.loop import Training
from smoothvid.training.step import optimize


def iteration(settings: BenchSettings) -> Iterator[Case]:
    """Both networks' phases, their optimizers and the averaged weights, on one video.

    Floor: all convolutions and gradients of convolutions alone, as often as the iteration makes them.
    """
    training, batch = _one_video(settings)
    training.phases = [phase for phase in training.phases if phase.interval == 1]

    def call() -> None:
        training.step(batch)
        _forget_gradients(training)

    yield Case(_name(settings), with_convolutions_alone(call, settings), "iteration")


def r1(settings: BenchSettings) -> Iterator[Case]:
    """The phases that only some steps have: the penalty on the discriminator's gradient."""
    training, batch = _one_video(settings)
    for phase in training.phases:
        if phase.interval == 1:
            continue

        def call(phase=phase) -> None:  # type: ignore[no-untyped-def]
            optimize(phase, training.parts(batch), training.optimizers[phase.network])
            _forget_gradients(training)

        yield Case(_name(settings), with_convolutions_alone(call, settings), "penalty")


def made_up_training(
    config: RunConfig,
    device: torch.device,
    batch_gpu: int | None = None,
    phase: PhaseName = "train",
    tf32: bool = True,
) -> Training:
    """A training as these settings have it, that reads and writes nothing: its batches are `made_up_batch`."""
    side = config.model.resolution
    # Stands in for a dataset; nothing is read from it.
    data: Any = SimpleNamespace(path="none", resolution=side, label_dim=0, videos=[SimpleNamespace(num_frames=4096)])
    data.label, data.fingerprint = lambda _: np.zeros(0, np.float32), lambda: ""
    return Training(Path("none"), data, config, phase, device=device, batch_gpu=batch_gpu, tf32=tf32)


def made_up_batch(training: Training) -> list[Part]:
    """Noise in the parts of a batch of this training."""
    frames, side = training.settings.num_frames, training.config.model.resolution
    count = training.settings.batch // training.reader.of
    rng = torch.Generator().manual_seed(0)
    noise = torch.randint(256, (count, frames, 3, side, side), dtype=torch.uint8, generator=rng)
    times = 4.0 * torch.arange(frames, dtype=torch.float64).expand(count, -1)
    return [(noise, times, torch.zeros(count, 0)) for _ in training.reader.parts]


def _one_video(settings: BenchSettings) -> tuple[Training, list[Part]]:
    config = settings.config(_preset(settings))
    train = replace(config.train, batch=1, num_frames=NUM_FRAMES, precision=settings.precision)
    training = made_up_training(replace(config, train=train), settings.torch_device)
    return training, made_up_batch(training)


def _forget_gradients(training: Training) -> None:
    """So that they count in the memory of a call."""
    for optimizer in training.optimizers.values():
        optimizer.zero_grad(set_to_none=True)


def _preset(settings: BenchSettings) -> str:
    return "stylesv-64" if settings.full else "tiny"


def _name(settings: BenchSettings) -> str:
    return f"{settings.preset_name(_preset(settings))}, {NUM_FRAMES} frames"
