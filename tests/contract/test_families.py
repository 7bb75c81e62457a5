"""What every model family must do, over the table of families."""

import math
from pathlib import Path
from typing import Any

import pytest
import torch

from smoothvid.data.dataset import open_dataset
from smoothvid.errors import ConfigError
from smoothvid.models import family_names, get_family
from smoothvid.run_config import PhaseName, load_preset, preset_names, resolve, run_config_from_dict, run_config_to_dict
from smoothvid.sampling.model import ModelFacts, VideoModel
from smoothvid.training.loop import Training


@pytest.mark.parametrize("name", family_names())
def test_shapes(name: str, tiny_config: Any) -> None:
    family, settings = get_family(name), tiny_config(name)
    config, longest = settings.model, settings.train.num_frames
    assert family.name == name
    torch.manual_seed(0)
    times = torch.tensor([[0.0, 1.5, 4.0, 5.0, 7.0], [9.0, 10.0, 13.0, 14.5, 16.0]], dtype=torch.float64)
    for c_dim, num_frames in ((0, longest), (2, longest), (0, 1)):
        generator: Any = family.build_generator(config, c_dim, num_frames == 1)
        discriminator = family.build_discriminator(config, num_frames, c_dim)
        first, count = generator.motion.code_range(times[:, :num_frames])
        motion_z = torch.randn(2, count, generator.motion.z_dim)
        c = torch.eye(2)[:, :c_dim]
        ws = generator.mapping(torch.randn(2, generator.z_dim), c)
        v = generator.motion(motion_z, times[:, :num_frames], c, first_code=first)
        images = generator.synthesis(ws, v)
        assert images.shape == (2 * num_frames, 3, config.resolution, config.resolution)
        assert ws.shape[0] == 2 and v.shape[:2] == (2, num_frames) and bool(images.isfinite().all())
        logits = discriminator(images, times[:, :num_frames], c)
        assert logits.shape == (2,) and bool(logits.isfinite().all())


@pytest.mark.parametrize("name", family_names())
@pytest.mark.parametrize("phase", ["pretrain", "train"])
def test_a_training_step_and_a_video(
    name: str, phase: PhaseName, tiny_config: Any, tiny_dataset: Path, tmp_path: Path
) -> None:
    config, dataset = tiny_config(name), open_dataset(tiny_dataset)
    training = Training(tmp_path, dataset, config, phase)
    before = [[p.clone() for p in n.parameters()] for n in (training.generator, training.discriminator)]
    assert training.step(training.reader[0]) == []
    assert all(math.isfinite(value) for value in training.close_tick().values())
    for old, network in zip(before, (training.generator, training.discriminator), strict=True):
        moved = [not torch.equal(a, b) for a, b in zip(old, network.parameters(), strict=True)]
        assert sum(moved) > len(moved) / 2
    facts = ModelFacts(family=name, config={}, resolution=16, fps=25, label_names=tuple(dataset.label_names))
    model = VideoModel(training.average, config.model, facts, "cpu")
    videos = model.sample([3, 4], 5, start=100.0, truncation_psi=0.7, label="left", chunk=2)
    assert videos.dtype == torch.uint8 and videos.shape == (2, 5, 3, 16, 16)
    again = torch.cat(list(model.stream(4, 100.0, 5, truncation_psi=0.7, label="left", chunk=5)))
    assert (again.int() - videos[1].int()).abs().max() <= 1


@pytest.mark.parametrize("name", family_names())
def test_settings_survive_a_round_trip(name: str, tiny_config: Any) -> None:
    config = tiny_config(name)
    assert run_config_from_dict(run_config_to_dict(config)) == config
    assert isinstance(config.model, get_family(name).config_class)
    with pytest.raises(ConfigError, match="model"):
        tiny_config(name, {"model": {"no_such_setting": 1}})


@pytest.mark.parametrize("name", preset_names())
def test_presets_load_and_name_only_settings_that_exist(name: str) -> None:
    config = resolve(preset=name)
    assert run_config_from_dict(run_config_to_dict(config)) == config
    for section in load_preset(name):
        with pytest.raises(ConfigError):  # the check that makes this test worth something
            resolve(preset=name, sets=[f"{section}.no_such_setting=1"])


def test_the_tiny_preset_builds() -> None:
    config = resolve(preset="tiny")
    family = get_family(config.family)
    generator = family.build_generator(config.model, 0, False)
    discriminator = family.build_discriminator(config.model, config.train.num_frames, 0)
    assert 10_000 < sum(p.numel() for p in generator.parameters()) < 3_000_000
    assert 10_000 < sum(p.numel() for p in discriminator.parameters()) < 3_000_000
    assert run_config_from_dict({"train": {"kimg": 1}}).pretrain == run_config_from_dict({}).pretrain
    assert run_config_from_dict({"pretrain": {"kimg": 1}}).pretrain.augment == "ada"  # keeps its own defaults
