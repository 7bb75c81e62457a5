"""The models that ship are what their descriptions say: the image model starts a training, by its name alone."""

from pathlib import Path

import pytest

from smoothvid.errors import CheckpointError
from smoothvid.models import get_family
from smoothvid.run_config import resolve
from smoothvid.sampling.model import load_model
from smoothvid.sampling.shipped import SHIPPED_IMAGES, shipped
from smoothvid.settings import to_dict
from smoothvid.training.checkpoint import find_init, load_state
from smoothvid.training.transfer import transfer


def test_the_image_model_is_whole_and_fits_the_tiny_preset() -> None:
    folder = find_init(SHIPPED_IMAGES)
    model, state = load_model(SHIPPED_IMAGES, "cpu"), load_state(folder)
    sets = ["model.motion.pace=1", "model.discriminator.pictures=0"]  # which pictures have nothing to do with
    config = resolve("tiny", sets=sets).model
    assert to_dict(model.config) == to_dict(config)
    assert state["phase"] == "pretrain"
    family = get_family("stylesv")
    report = transfer(state["discriminator"], family.build_discriminator(config, 1, 0))
    assert not report.fresh and not report.dropped
    report = transfer(model.generator.state_dict(), family.build_generator(config, 0, False))
    assert report.loaded and not (report.widened or report.fresh or report.dropped)


def test_its_pictures_have_the_variety_of_the_world_it_learnt() -> None:
    """Road below and sky above differ, and lights of day differ between seeds: more than any one picture says."""
    pictures = load_model(SHIPPED_IMAGES, "cpu").sample(range(24), 1)[:, 0].float()  # [24, 3, 32, 32]
    sky, road = pictures[:, :, :10].mean((1, 2, 3)), pictures[:, :, 24:, 12:20].mean((1, 2, 3))
    assert float(sky.std()) > 25
    assert float((sky - road).abs().mean()) > 20


def test_what_is_neither_a_path_nor_a_name_is_refused(tmp_path: Path) -> None:
    assert SHIPPED_IMAGES in shipped()["image"]
    with pytest.raises(CheckpointError, match=SHIPPED_IMAGES):
        find_init(tmp_path / "nothing")
    with pytest.raises(CheckpointError, match=SHIPPED_IMAGES):
        load_model(tmp_path / "nothing", "cpu")


def test_a_path_with_a_model_goes_before_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path(SHIPPED_IMAGES).mkdir()  # a dataset of that name, say
    assert load_model(SHIPPED_IMAGES, "cpu").resolution == 32
    (Path(SHIPPED_IMAGES) / "model.safetensors").write_bytes(b"no model")
    with pytest.raises(CheckpointError, match="not a model file"):
        load_model(SHIPPED_IMAGES, "cpu")
