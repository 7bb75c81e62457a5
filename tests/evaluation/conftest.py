"""Clips of the synthetic drive, datasets in memory and an untrained model, with which the measures are tried."""

from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from smoothvid.data.synthetic import make_world
from smoothvid.models import get_family
from smoothvid.sampling.model import VideoModel
from smoothvid.sampling.model_file import ModelFacts
from smoothvid.settings import from_dict

MODEL = {
    "resolution": 32,
    "motion": {"z_dim": 16, "fourier_dim": 8, "distance": 16, "min_period": 16, "max_period": 64},
    "generator": {"z_dim": 16, "w_dim": 16, "num_layers": 4, "margin": 4, "channel_base": 256, "channel_max": 16},
}


class Videos:
    """A dataset in memory."""

    def __init__(self, clips: NDArray[np.uint8], name: str = "real") -> None:
        self.clips, self.path, self.resolution, self.fps = clips, Path(name), clips.shape[-1], 25.0
        self.videos = [SimpleNamespace(num_frames=clips.shape[1]) for _ in clips]
        self.num_frames = len(clips) * clips.shape[1]

    def read(self, video: int, frames: Sequence[int]) -> NDArray[np.uint8]:
        return self.clips[video][list(frames)]

    def fingerprint(self) -> str:
        return "0" * 64


@pytest.fixture(scope="session")
def drive() -> NDArray[np.uint8]:
    """Clips of 64 different worlds, uint8 [64, 16, 3, 32, 32]."""
    worlds = [make_world("drive", seed) for seed in range(64)]
    clips = [np.stack([world.frame(float(t), 32) for t in range(16)]) for world in worlds]
    return np.stack(clips).transpose(0, 1, 4, 2, 3)


@pytest.fixture(scope="session")
def in_memory() -> Callable[..., Any]:
    """A dataset of clips uint8 [N, T, 3, R, R], each a video."""
    return Videos


@pytest.fixture(scope="session")
def noise() -> Any:
    """40 videos of 20 frames of noise, 32 × 32."""
    return Videos(np.random.default_rng(0).integers(0, 256, (40, 20, 3, 32, 32), np.uint8))


@pytest.fixture(scope="session")
def model() -> VideoModel:
    """Untrained, 32 × 32, at 50 frames a second; large motion weights make every frame differ."""
    torch.manual_seed(0)
    family = get_family("stylesv")
    config = from_dict(family.config_class, MODEL)
    generator = family.build_generator(config, 0, False)
    generator.synthesis.motion_mask.data.fill_(0.7)  # type: ignore[operator, union-attr]
    facts = ModelFacts(family="stylesv", config=MODEL, resolution=32, fps=50.0, seen_clips=5)
    return VideoModel(generator, config, facts, "cpu")
