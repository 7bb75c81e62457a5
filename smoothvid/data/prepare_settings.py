"""What a user can choose about preparing a dataset."""

import os
from dataclasses import dataclass
from typing import Literal

from smoothvid.errors import ConfigError

_LONGEST_TIMEOUT = 31_536_000  # a year; clocks cannot count to the end of any number
_MOST_DRAWN = 1_000_000  # synthetic videos, and frames of each


def available_cores() -> int:
    """Processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True, kw_only=True)
class PrepareSettings:
    """How videos become a dataset.

    resolution: side of the square frames in pixels.
    fps: rate of the dataset; None keeps each source's own rate.
    crop: "center" cuts the largest central square, "fit" keeps the whole frame between black bars.
    min_frames: videos (and scenes) with fewer frames are skipped.
    scene_cuts: split sources at hard cuts, so that no video spans two scenes.
    format, quality: how frames are stored (quality for JPEG only, 1 to 100).
    upscale: also take sources whose short side is less than half of the resolution.
    max_frames: frames taken of one source at most.
    timeout: seconds one source may take before it is given up.
    workers: processes, each with one decoder thread.
    num_videos, num_frames, seed: for synthetic sources, how many videos of how many frames, and which.
    """

    resolution: int = 256
    fps: float | None = None
    crop: Literal["center", "fit"] = "center"
    min_frames: int = 16
    scene_cuts: bool = True
    format: Literal["jpeg", "png"] = "jpeg"
    quality: int = 95
    upscale: bool = False
    max_frames: int = 1_000_000
    timeout: float = 1800.0
    workers: int = available_cores()
    num_videos: int = 64
    num_frames: int = 128
    seed: int = 0

    def __post_init__(self) -> None:
        checks = {
            "resolution": (4 <= self.resolution <= 4096, "between 4 and 4096"),
            "fps": (self.fps is None or 0 < self.fps <= 1000, "above 0 and at most 1000"),
            "crop": (self.crop in ("center", "fit"), "center or fit"),
            "min_frames": (self.min_frames >= 1, "at least 1"),
            "format": (self.format in ("jpeg", "png"), "jpeg or png"),
            "quality": (1 <= self.quality <= 100, "between 1 and 100"),
            "max_frames": (self.max_frames >= self.min_frames, f"at least min_frames, {self.min_frames}"),
            "timeout": (0 < self.timeout <= _LONGEST_TIMEOUT, f"above 0 and at most {_LONGEST_TIMEOUT:,} seconds"),
            "workers": (self.workers >= 1, "at least 1"),
            "num_videos": (1 <= self.num_videos <= _MOST_DRAWN, f"between 1 and {_MOST_DRAWN:,}"),
            "num_frames": (1 <= self.num_frames <= _MOST_DRAWN, f"between 1 and {_MOST_DRAWN:,}"),
        }
        for name, (good, expected) in checks.items():
            if not good:
                raise ConfigError(f"{name} is {getattr(self, name)!r}; it must be {expected}.")
