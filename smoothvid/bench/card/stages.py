"""The stages in order of worth."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """A part of the work, in a process of its own.

    jobs: "module:function" that yields the stage's jobs from (CardSettings, until), until a moment of time.time().
    share: of the minutes given, the most it may take; None for all that is left.
    """

    name: str
    jobs: str
    share: float | None


_HERE = "smoothvid.bench.card"
STAGES = (
    Stage("limits", f"{_HERE}.speed:limits", 0.03),
    Stage("operations", f"{_HERE}.equal:operations", 0.08),
    Stage("faults", f"{_HERE}.faults:faults", 0.06),
    Stage("sweep", f"{_HERE}.sweep:sweep", 0.08),
    Stage("networks", f"{_HERE}.equal:networks", 0.08),
    Stage("filters", f"{_HERE}.speed:filters", 0.06),
    Stage("generators", f"{_HERE}.speed:generators", 0.13),
    Stage("training", f"{_HERE}.speed:training", 0.08),
    Stage("memory", f"{_HERE}.speed:memory", 0.06),
    Stage("runs", f"{_HERE}.equal:runs", 0.06),
    Stage("learn", f"{_HERE}.learn:learn", None),
)
