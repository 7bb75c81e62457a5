"""Tiny real models on disk; nothing here is trained."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from smoothvid.models import get_family
from smoothvid.sampling.model import VideoModel, load_model
from smoothvid.sampling.model_file import ModelFacts, save_model
from smoothvid.settings import from_dict

MOTION = {"z_dim": 16, "fourier_dim": 8, "distance": 16, "min_period": 16, "max_period": 64}
TINY = {
    "resolution": 16,
    "motion": MOTION,
    "generator": {"z_dim": 16, "w_dim": 16, "num_layers": 4, "margin": 4, "channel_base": 256, "channel_max": 16},
}


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def untrained(config: dict[str, Any]) -> tuple[torch.nn.Module, ModelFacts]:
    """A model with two labels; large motion weights make every frame differ."""
    torch.manual_seed(0)
    family = get_family("stylesv")
    generator = family.build_generator(from_dict(family.config_class, config), 2, False)
    generator.synthesis.motion_mask.data.fill_(0.7)
    names = ("sky", "sea")
    facts = ModelFacts(family="stylesv", config=config, resolution=16, fps=10, seen_clips=123, label_names=names)
    return generator, facts


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "000000123"
    folder.mkdir()
    save_model(folder / "model.safetensors", *untrained(TINY))
    return folder


@pytest.fixture(scope="session")
def model(checkpoint: Path) -> VideoModel:
    return load_model(checkpoint, device="cpu")


@pytest.fixture(scope="session")
def model_of_kind() -> Callable[[str], VideoModel]:
    def make(kind: str) -> VideoModel:
        config = {**TINY, "motion": {**MOTION, "kind": kind}}
        generator, facts = untrained(config)
        return VideoModel(generator, from_dict(get_family("stylesv").config_class, config), facts, "cpu")

    return make


@pytest.fixture(scope="session")
def phase_model(model_of_kind: Callable[[str], VideoModel]) -> VideoModel:
    return model_of_kind("phase")


@pytest.fixture(scope="session", params=["bspline", "phase"])
def any_model(request: pytest.FixtureRequest, model: VideoModel, phase_model: VideoModel) -> VideoModel:
    """Of each of the two kinds of motion."""
    return model if request.param == "bspline" else phase_model


@pytest.fixture
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams and walks give float32 in about [-1, 1], as they are before they are rounded to uint8."""
    monkeypatch.setattr("smoothvid.sampling.model.to_uint8", lambda images: images)
    monkeypatch.setattr("smoothvid.sampling.interpolate.to_uint8", lambda images: images)
