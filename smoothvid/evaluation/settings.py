"""What is measured, over which clips."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from smoothvid.evaluation.compare import MIN_CLIPS
from smoothvid.evaluation.features import MIN_CLIP_FRAMES
from smoothvid.evaluation.published import PROTOCOLS
from smoothvid.evaluation.smoothness import DEFAULT_PERIOD
from smoothvid.sampling.stream import LATEST

GROUPS = ("random", "published", "smoothness")
SMOOTHNESS = ("reversal", "jitter", "repetition", "sticking", "colour_drift", "kink")


@dataclass(frozen=True, kw_only=True)
class EvalSettings:
    """What is measured.

    metrics: names of metrics or of groups.
    num_videos: generated clips for the random features, and real ones to compare with; the floor takes as many real
        ones again.
    clip_frames: frames of these clips.
    long_videos, long_frames: how many videos the smoothness is measured on, and how long.
    period: in frames; faster motion is jitter, and what recurs sooner is no repetition.
    start: a late time, in frames of the model, at which generated clips are taken too, beside time 0.
    truncation_psi: of the generated videos.
    seed: of the choice of real clips, and of the generated ones.
    repeats: how often distances are measured, each time with other clips.
    flow: how displacements are found (smoothness).
    resize: how pictures are brought to the size of the Inception network.
    weights: a folder with the files of the pretrained networks.
    allow_few: go on with fewer clips where there are not enough.
    """

    metrics: Sequence[str] = ("random", "smoothness")
    num_videos: int = 256
    clip_frames: int = 16
    long_videos: int = 16
    long_frames: int = 128
    period: float = DEFAULT_PERIOD
    start: float = 0.0
    truncation_psi: float = 1.0
    seed: int = 0
    repeats: int = 1
    flow: Literal["block", "dis"] = "block"
    resize: Literal["legacy_tensorflow", "clean"] = "legacy_tensorflow"
    weights: Path | None = None
    allow_few: bool = False

    def __post_init__(self) -> None:
        known = [*GROUPS, *(name for group in GROUPS for name in self.members(group))]
        if unknown := [word for word in self.metrics if word not in known]:
            raise ValueError(f"there is no metric {unknown[0]!r}; there are {', '.join(known)}")
        if not self.metrics:
            raise ValueError("no metrics: name some, or leave the option out")
        for name, least, most in (
            ("num_videos", MIN_CLIPS, 1_000_000),
            ("clip_frames", MIN_CLIP_FRAMES, 1_000_000),
            ("long_videos", 1, 1_000_000),
            ("long_frames", MIN_CLIP_FRAMES, 1_000_000),
            ("period", 2, 1_000_000),
            ("start", -LATEST, LATEST),
            ("truncation_psi", -10, 10),
            ("repeats", 1, 1000),
            ("seed", 0, 1_000_000_000),
        ):
            if not least <= getattr(self, name) <= most:
                raise ValueError(f"{name} is {getattr(self, name)}; it needs to be from {least:g} to {most:g}")

    @property
    def seeds(self) -> range:
        """The seed of each repeat."""
        return range(self.seed, self.seed + self.repeats)

    def members(self, group: str) -> tuple[str, ...]:
        """The metrics of a group."""
        random = ("rfid", "rfid_diff", f"rfvd_{self.clip_frames}f", "motion", "motion_lag4")
        return {"random": random, "published": tuple(PROTOCOLS), "smoothness": SMOOTHNESS}[group]

    def chosen(self, group: str) -> list[str]:
        """The metrics of a group that are asked for, in the group's order."""
        return [name for name in self.members(group) if name in self.metrics or group in self.metrics]
