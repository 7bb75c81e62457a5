"""Which stages there are."""

from collections.abc import Sequence
from dataclasses import dataclass

from smoothvid.bench import networks, preparing, training, videos
from smoothvid.bench.case import Cases
from smoothvid.errors import ConfigError


@dataclass(frozen=True)
class Stage:
    """A part of the work. of_networks: its memory matters, for the time too. only_full: not part of a quick run."""

    cases: Cases
    of_networks: bool = False
    only_full: bool = False


STAGES = {
    "filters": Stage(networks.filters, of_networks=True),
    "modconv": Stage(networks.modconv, of_networks=True),
    "generator": Stage(networks.generator, of_networks=True),
    "discriminator": Stage(networks.discriminator, of_networks=True),
    "training": Stage(training.iteration, of_networks=True),
    "r1": Stage(training.r1, of_networks=True, only_full=True),
    "motion": Stage(videos.motion),
    "prepare": Stage(preparing.prepare),
    "resize": Stage(preparing.resize),
    "loader": Stage(videos.loader),
    "encode": Stage(videos.encode),
    "sample": Stage(videos.sample),
}


def choose_stages(names: Sequence[str], full: bool) -> list[str]:
    """These stages, in their order; without names all, or those of a quick run.

    Raises:
        ConfigError: there is no such stage.
    """
    unknown = [name for name in names if name not in STAGES]
    if unknown:
        raise ConfigError(f"--stages {','.join(names)}: no stage {unknown[0]!r}; there are {', '.join(STAGES)}")
    return [name for name, stage in STAGES.items() if name in names or (not names and (full or not stage.only_full))]
