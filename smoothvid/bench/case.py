"""What a stage measures: cases, each in several variants, under the settings of a run."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import torch

from smoothvid.data.prepare_settings import available_cores
from smoothvid.nn import kernels
from smoothvid.run_config import RunConfig, resolve
from smoothvid.sampling.model import choose_device

Call = Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class BenchSettings:
    """What to measure, and how.

    stages: names; none for all that `full` asks for.
    preset, sets: the networks; without a preset each stage has its own.
    full: every stage, at the size of the paper.
    device, precision: where and how networks compute; bf16 is for convolutions alone.
    threads: of the processor; None for as many as PyTorch takes.
    videos: files and folders that are decoded; none for a made-up one.
    dataset: what the loader reads; None for a made-up one.
    """

    stages: tuple[str, ...] = ()
    preset: str | None = None
    sets: tuple[str, ...] = ()
    full: bool = False
    device: str = "auto"
    precision: Literal["float32", "bf16"] = "float32"
    threads: int | None = None
    videos: tuple[str, ...] = ()
    dataset: Path | None = None

    def config(self, preset: str) -> RunConfig:
        """The networks' settings, where the stage would take this preset."""
        return resolve(self.preset or preset, None, self.sets)

    def preset_name(self, preset: str) -> str:
        """The same in a word or two."""
        return f"{self.preset or preset}{' changed' if self.sets else ''}"

    @property
    def usual_preset(self) -> str:
        """What stages of whole networks take by themselves."""
        return "stylesv-256" if self.full else "stylesv-64"

    @property
    def usual_name(self) -> str:
        """What these run, in a word or two."""
        return self.preset_name(self.usual_preset)

    @property
    def torch_device(self) -> torch.device:
        return choose_device(self.device)

    @property
    def workers(self) -> int:
        """Processes where a stage has several."""
        return self.threads or available_cores()


@dataclass(frozen=True)
class Case:
    """One thing to measure.

    calls: what is timed, by variant: "ours"; perhaps "plain", the plain composition; perhaps "floor".
    unit, count: what one call makes, and how many of it.
    timed: the calls return the seconds that count, for one unit.
    """

    name: str
    calls: Mapping[str, Call]
    unit: str = "call"
    count: int = 1
    timed: bool = False


Cases = Callable[[BenchSettings], Iterator[Case]]


def ours_and_plain(call: Call, settings: BenchSettings) -> dict[str, Call]:
    """A call of networks by the fastest paths and by plain ones, in the precision that was asked for."""
    device = settings.torch_device.type

    def ours() -> object:
        with torch.autocast(device, torch.bfloat16, enabled=settings.precision == "bf16"):
            return call()

    def plain() -> object:
        with kernels.chosen("plain"):
            return ours()

    return {"ours": ours, "plain": plain}


def made_when_called(make: Callable[[], Call]) -> Call:
    """A call that is made when it is first asked for; not all processes ask for all variants."""
    made = cache(make)
    return lambda: made()()
