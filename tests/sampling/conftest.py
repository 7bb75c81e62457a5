"""A tiny real model on disk; nothing here is trained."""

from pathlib import Path

import pytest
import torch

from smoothvid.models import get_family
from smoothvid.sampling.model import VideoModel, load_model
from smoothvid.sampling.model_file import ModelFacts, save_model
from smoothvid.settings import from_dict

TINY = {
    "resolution": 16,
    "motion": {"z_dim": 16, "fourier_dim": 8, "distance": 16, "min_period": 16, "max_period": 64},
    "generator": {"z_dim": 16, "w_dim": 16, "num_layers": 4, "margin": 4, "channel_base": 256, "channel_max": 16},
}


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder holding an untrained model with two labels; large motion weights make every frame differ."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model") / "000000123"
    folder.mkdir()
    family = get_family("stylesv")
    generator = family.build_generator(from_dict(family.config_class, TINY), 2, False)
    generator.synthesis.motion_mask.data.fill_(0.7)
    facts = ModelFacts(family="stylesv", config=TINY, resolution=16, fps=10, seen_clips=123, label_names=("sky", "sea"))
    save_model(folder / "model.safetensors", generator, facts)
    return folder


@pytest.fixture(scope="session")
def model(checkpoint: Path) -> VideoModel:
    return load_model(checkpoint, device="cpu")
