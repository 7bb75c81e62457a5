"""The model that ships with the package starts a training, and is the model that its description says."""

from pathlib import Path

import pytest

from smoothvid.errors import CheckpointError
from smoothvid.models import get_family
from smoothvid.run_config import resolve
from smoothvid.sampling.model import load_model
from smoothvid.settings import to_dict
from smoothvid.training.checkpoint import load_state
from smoothvid.training.shipped import SHIPPED, find_init, shipped_names
from smoothvid.training.transfer import transfer


def test_the_shipped_model_is_whole_and_fits_the_tiny_preset() -> None:
    folder = find_init(SHIPPED)
    model, state = load_model(folder, "cpu"), load_state(folder)
    config = resolve("tiny").model
    # But for motion, which is off in an image model: a video model begins its own.
    assert {**to_dict(model.config), "motion": None} == {**to_dict(config), "motion": None}
    assert state["phase"] == "pretrain"
    family = get_family("stylesv")
    report = transfer(state["discriminator"], family.build_discriminator(config, 1, 0))
    assert not report.fresh and not report.dropped
    report = transfer(model.generator.state_dict(), family.build_generator(config, 0, False))
    assert report.loaded and not report.widened
    assert all("motion" in name for name in report.fresh + report.dropped)


def test_its_pictures_have_the_variety_of_the_world_it_learnt() -> None:
    """Road below and sky above differ, and lights of day differ between seeds: more than any one picture says."""
    pictures = load_model(find_init(SHIPPED), "cpu").sample(range(24), 1)[:, 0].float()  # [24, 3, 32, 32]
    sky, road = pictures[:, :, :10].mean((1, 2, 3)), pictures[:, :, 24:, 12:20].mean((1, 2, 3))
    assert float(sky.std()) > 25
    assert float((sky - road).abs().mean()) > 20


def test_what_is_neither_a_path_nor_a_name_is_refused(tmp_path: Path) -> None:
    assert SHIPPED in shipped_names()
    with pytest.raises(CheckpointError, match=SHIPPED):
        find_init(tmp_path / "nothing")
