"""The contract between a model family and the rest: how it is built, and the phases of one training step."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from torch import Tensor, nn

from smoothvid.batch import Batch
from smoothvid.models.published import Published


@dataclass
class Latents:
    """What one batch of generated videos comes from.

    z [B, z_dim], labels [B, c_dim], motion_z [B, K, z_dim], times [B, T], first_code [B], and start_phase
    [B, num_phases] in turns.
    """

    z: Tensor
    labels: Tensor
    motion_z: Tensor
    times: Tensor
    first_code: Tensor
    start_phase: Tensor


class Step(Protocol):
    """A training step's videos, or a part of them, as the losses see them."""

    generator: nn.Module
    discriminator: nn.Module
    real: Batch
    r1_gamma: float
    disorder: float
    report: dict[str, Tensor]
    """Losses put here what the log and the adaptive augmentation should know."""

    def fake(self, phase: str) -> tuple[Tensor, Latents]:
        """Videos [B, T, C, H, W] of the current generator and what they came from.

        In the generator's phase they carry gradients.
        """
        ...

    def augment(self, videos: Tensor) -> Tensor:
        """Videos [B, T, C, H, W] → the same shape, augmented."""
        ...

    def pick_frame(self, phase: str) -> Tensor:
        """A frame of each video at random, int64 [B]: its number, in [0, T)."""
        ...

    def disordered(self) -> tuple[Tensor, Tensor]:
        """The real videos [B, T, C, H, W], moving as they never do, and the times [B, T] to show them with."""
        ...


@dataclass(frozen=True)
class Phase:
    """One optimization: `loss` of a step → one number per video [B]; every `interval` steps, times `interval`."""

    name: str
    network: Literal["generator", "discriminator"]
    loss: Callable[[Step], Tensor]
    interval: int = 1
    full_precision: bool = False
    """Never in bfloat16: a penalty on gradients."""


@dataclass(frozen=True)
class Family:
    """A model family.

    build_generator(config, c_dim, image_only) and build_discriminator(config, num_frames, c_dim) make fresh networks;
    phases(r1_interval) lists one step's optimizations in order; begin_video(generator) sets a generator that holds an
    image model's weights to where video training starts; compared(config, count) says how many of `count` videos the
    discriminator compares with each other (nn.discriminator.compared), 1 if it judges each by itself; sees_times says
    whether it is told when the frames were taken. Parameters of the discriminator whose names begin with a key of
    `slow` learn at that share of its rate; `published` tells how weights trained elsewhere are taken over. A generator
    works out what its weights give, for sampling, in prepare(); modules of it that have `checkpointing` can save
    memory. Modules of the discriminator that have calibrate(videos) are shown real videos [B, T, C, H, W] before the
    first step.
    """

    name: str
    config_class: type
    build_generator: Callable[[Any, int, bool], nn.Module]
    build_discriminator: Callable[[Any, int, int], nn.Module]
    phases: Callable[[int], list[Phase]]
    begin_video: Callable[[Any], None]
    compared: Callable[[Any, int], int]
    sees_times: bool = True
    slow: Mapping[str, float] = field(default_factory=dict)
    published: Published | None = None
