"""How fast videos move: what the pace "auto" of a motion comes to when a training starts.

What is learned about motion depends on how much changes from frame to frame. Clouds that take a second to cross a pixel
and a road that is another one after three frames need other periods of the motion code, and other distances between the
frames that the discriminator compares. So a preset counts them in units of the pace, and the pace is measured.
"""

import math
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from smoothvid.data.dataset import VideoDataset
from smoothvid.run_config import RunConfig

VIDEOS, FRAMES = 16, 96  # that are looked at, at most
SLOWEST = 64.0


def pace_of(config: RunConfig) -> float | Literal["auto"]:
    """The pace of a model's motion; 1 for a family whose motion has none."""
    pace: float | Literal["auto"] = getattr(getattr(config.model, "motion", None), "pace", 1.0)
    return pace


def settled(config: RunConfig, dataset: VideoDataset, earlier: RunConfig | None = None) -> RunConfig:
    """The settings with a number in place of the pace "auto": that of an earlier part of the run, or of the data."""
    if pace_of(config) != "auto":
        return config
    model: Any = config.model
    pace = "auto" if earlier is None else pace_of(earlier)
    if pace == "auto":
        pace = measure_pace(dataset, model.motion.min_period)
    return replace(config, model=replace(model, motion=replace(model.motion, pace=pace)))


def measure_pace(dataset: VideoDataset, shortest_period: float) -> float:
    """How many times slower the videos move than a motion whose shortest sinusoid has this period in frames.

    A sinusoid of period P and spread s changes by c = s·2π/P from frame to frame (root mean squares). So the videos'
    own period is 2π·s/c, s the spread of a pixel along time and c its change. Rounded to halves, so that like data get
    the same, and at least 1: between neighbouring frames there are none.
    """
    long_enough = [number for number, video in enumerate(dataset.videos) if video.num_frames > 1]
    spread = change = 0.0
    for number in long_enough[:: max(1, len(long_enough) // VIDEOS)][:VIDEOS]:
        count = min(dataset.videos[number].num_frames, FRAMES)
        video = dataset.read(number, range(count)).astype(np.float32)
        spread += float(video.var(axis=0).mean())
        change += float(np.square(np.diff(video, axis=0)).mean())
    if not change:
        return 1.0
    pace = 2 * math.pi * math.sqrt(spread / change) / shortest_period
    return min(max(1.0, round(2 * pace) / 2), SLOWEST)
