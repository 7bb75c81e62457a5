"""A dataset, settings and runs so small that a whole training takes a second."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from smoothvid.run_config import RunConfig, run_config_from_dict
from smoothvid.settings import merge
from smoothvid_cli import console

TinyConfig = Callable[..., RunConfig]

TINY_MODELS: dict[str, dict[str, Any]] = {
    "stylesv": {
        "resolution": 16,
        "motion": {"z_dim": 8, "fourier_dim": 8, "distance": 4, "kernel_size": 3, "min_period": 4, "max_period": 16},
        "generator": {
            "z_dim": 8,
            "w_dim": 16,
            "num_layers": 4,
            "first_stopband": 4.0,
            "margin": 2,
            "channel_max": 8,
            "channel_base": 128,
            "waves": 16,
        },
        "discriminator": {
            "channel_max": 16,
            "channel_base": 256,
            "fusion_resolution": 8,
            "time_embedding": 8,
            "differences": 2.0,
            "pictures": 0.5,
        },
    },
    "styleganv": {
        "resolution": 16,
        "motion": {"z_dim": 8, "fourier_dim": 8, "distance": 4, "kernel_size": 3, "min_period": 4, "max_period": 16},
        "generator": {"z_dim": 8, "w_dim": 16, "channel_max": 8, "channel_base": 128},
        "discriminator": {"channel_max": 16, "channel_base": 256, "fusion_resolution": 8, "time_embedding": 8},
    },
    "mocogan": {"resolution": 16, "z_dim": 8, "width": 4, "motion": {"z_dim": 4}},
    "mocogan-sg2": {
        "resolution": 16,
        "motion": {"z_dim": 8},
        "generator": {"z_dim": 8, "w_dim": 16, "channel_max": 8, "channel_base": 128},
        "discriminator": {"channel_max": 16, "channel_base": 256, "video_width": 4},
    },
}
TINY_TRAINING = {"batch": 2, "spans": [2, 4], "chunk": 24, "r1_interval": 2, "tick_kimg": 0.012, "snapshot_ticks": 100}


@contextmanager
def no_waiting() -> Iterator[None]:
    """Within it whatever makes this process wait for a CUDA card is an error."""
    import torch

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the mode warns of itself
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.fixture(scope="session")
def without_waiting() -> Callable[[], AbstractContextManager[None]]:
    return no_waiting


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A frame folder, 6 videos of 24 frames, 16 × 16, two labels. Red is 10 · frame, green 40 · video, blue slides."""
    root = tmp_path_factory.mktemp("tiny") / "dataset"
    for video in range(6):
        folder = root / ("left" if video < 3 else "right") / f"video{video}"
        folder.mkdir(parents=True)
        for frame in range(24):
            picture = np.zeros((16, 16, 3), np.uint8)
            picture[..., 0], picture[..., 1] = 10 * frame, 40 * video
            picture[..., 2] = (np.arange(16) * 16 + frame * (8 if video < 3 else -8)) % 256
            Image.fromarray(picture).save(folder / f"{frame:06d}.png")
    return root


@pytest.fixture(scope="session")
def tiny_config() -> TinyConfig:
    """`tiny_config(family, {"train": {"batch": 3}})`: settings that fit the tiny dataset, with changes."""

    def make(family: str = "stylesv", changes: dict[str, Any] | None = None) -> RunConfig:
        frames = {"num_frames": 5} if family == "mocogan" else {}  # its layers need them
        sections = {"pretrain": TINY_TRAINING, "train": {**TINY_TRAINING, **frames}}
        data = {"family": family, "model": TINY_MODELS[family], **sections}
        return run_config_from_dict(merge(data, changes or {}))

    return make


@pytest.fixture(autouse=True)
def not_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that runs within the tests' own process leaves its --quiet behind."""
    monkeypatch.setattr(console, "quiet", False)


@pytest.fixture
def means_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Running means move within the pass, as in the published networks; ours move after the step."""
    from smoothvid.nn import mapping, modulation

    def move(module: Any, name: str, value: Any, decay: float) -> None:
        getattr(module, name).lerp_(value.detach().float(), 1 - decay)

    for place in (mapping, modulation):
        monkeypatch.setattr(place, "note_mean", move)
