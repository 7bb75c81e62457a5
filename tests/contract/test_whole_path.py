"""Every family through the whole path: exact resume, endless sampling, and the commands one after the other."""

import json
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from typer.testing import CliRunner

from smoothvid.data.dataset import open_dataset
from smoothvid.errors import ConfigError
from smoothvid.evaluation.smoothness import code_smoothness
from smoothvid.models import family_names, get_family
from smoothvid.run_config import preset_names, resolve, run_config_to_dict
from smoothvid.sampling.model import ModelFacts, VideoModel, load_model
from smoothvid.training import record
from smoothvid.training.loop import Training
from smoothvid.training.run import RunRequest, prepare_run, train

FAMILIES = pytest.mark.parametrize("family", family_names())


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "PREVIEW_VIDEOS", 2)
    monkeypatch.setattr(record, "PREVIEW_FRAMES", 4)
    monkeypatch.setenv("SMOOTHVID_KEEP_MEMORY", "0")
    monkeypatch.setenv("COLUMNS", "200")


def request_for(out: Path, dataset: Path, config: Any, steps: int, **more: Any) -> RunRequest:
    """A request for a video training of so many steps."""
    frames = config.train.batch * config.train.num_frames
    settings = replace(config, train=replace(config.train, kimg=steps * frames / 1000, measure_clips=0))
    return RunRequest(dataset=dataset, out=out, phase="train", config=settings, **more)


def parameters(training: Training) -> list[Tensor]:
    networks = training.generator, training.discriminator, training.average
    return [tensor for network in networks for tensor in network.state_dict().values()]


@FAMILIES
def test_a_resumed_run_ends_bit_for_bit_like_one_that_never_stopped(
    family: str, tiny_config: Any, tiny_dataset: Path, tmp_path: Path
) -> None:
    config = tiny_config(family)
    straight = train(request_for(tmp_path / "straight", tiny_dataset, config, 4))
    train(request_for(tmp_path / "parts", tiny_dataset, config, 2))
    parts, _ = prepare_run(request_for(tmp_path / "parts", tiny_dataset, config, 4, resume=True))
    assert parts.step_number == 2
    parts.run()
    assert all(map(torch.equal, parameters(straight), parameters(parts)))


def build(family: str, tiny_config: Any) -> VideoModel:
    """An untrained model whose motion is seen."""
    torch.manual_seed(0)
    config = tiny_config(family).model
    generator: Any = get_family(family).build_generator(config, 0, False)
    if family == "stylesv":
        generator.synthesis.motion_mask.data.fill_(1.0)
    if family == "mocogan":  # batch norm's running statistics find their place
        times = torch.arange(32, dtype=torch.float64).reshape(8, 4)
        first, count = generator.motion.code_range(times)
        for _ in range(50):
            generator(
                torch.randn(8, generator.z_dim), None, torch.randn(8, count, generator.motion.z_dim), times, first
            )
    facts = ModelFacts(family=family, config={}, resolution=16, fps=25)
    return VideoModel(generator, config, facts, "cpu")


@FAMILIES
def test_a_frame_depends_on_its_seed_and_time_alone(family: str, tiny_config: Any) -> None:
    model = build(family, tiny_config)
    for start in (0.0, 1e7):
        whole = torch.cat(list(model.stream(3, start, 7, chunk=7))).int()
        pieces = torch.cat(list(model.stream(3, start, 7, chunk=2))).int()
        late = torch.cat(list(model.stream([8, 3], start + 5, 2)), dim=1)[1].int()
        assert (whole - pieces).abs().max() <= 1 and (whole[5:] - late).abs().max() <= 1
        assert (whole[0] - whole[-1]).abs().max() > 1  # it moves
    endless = model.stream(3, 0.0, None, chunk=2)
    assert [next(endless).shape[0] for _ in range(3)] == [2, 2, 2]


@FAMILIES
def test_before_time_0_there_is_motion_or_a_clear_word(family: str, tiny_config: Any) -> None:
    model = build(family, tiny_config)
    try:
        early = torch.cat(list(model.stream(3, -5.0, 10, chunk=5))).int()
    except ConfigError as error:
        assert "begins at time 0" in str(error) and "-5" in str(error)
    else:
        again = torch.cat(list(model.stream(3, 0.0, 5))).int()
        assert (early[5:] - again).abs().max() <= 1


@FAMILIES
@pytest.mark.parametrize("c_dim", [0, 2])
def test_motion_codes_can_be_measured(family: str, c_dim: int, tiny_config: Any) -> None:
    generator: Any = get_family(family).build_generator(tiny_config(family).model, c_dim, False)
    (row,) = code_smoothness(generator.motion, [0.0], num_codes=3, seeds=3)
    assert row["speed"] > 0 and row["jump"] >= 0


@FAMILIES
def test_the_commands_one_after_the_other(
    family: str, tiny_config: Any, tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from smoothvid_cli.main import app
    from smoothvid_cli.run_training import to_toml

    def smoothvid(*arguments: object) -> Any:
        result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
        assert result.exit_code == 0, (arguments, result.output)
        return json.loads(result.stdout) if "--json" in arguments else None

    config = tiny_config(family)
    one_step = config.train.batch * config.train.num_frames / 1000
    text = to_toml(run_config_to_dict(config))
    assert tomllib.loads(text)["family"] == family
    (tmp_path / "settings.toml").write_text(text)
    settings = "--preset", tiny_preset(family), "--config", tmp_path / "settings.toml", "--kimg", one_step
    options = *settings, "--quiet", "--json", "--set", "train.measure_clips=8", "--set", "pretrain.measure_clips=0"
    images, run = tmp_path / "images", tmp_path / "run"
    smoothvid("pretrain", tiny_dataset, "--out", images, *options)
    told = smoothvid("train", tiny_dataset, "--out", run, "--init", images, *options)
    assert told["transfer"]["generator"]["loaded"] and told["transfer"]["discriminator"]["loaded"]
    assert smoothvid("info", run, "--json")
    smoothvid("sample", run, "--out", tmp_path / "video.mp4", "--length", 4, "--quiet")
    assert (tmp_path / "video.mp4").stat().st_size > 0
    told = smoothvid(
        *("eval", run, tiny_dataset, "--num-videos", 8, "--clip-frames", 8, "--long-videos", 2, "--long-frames", 16),
        *("--allow-few", "--quiet", "--json"),
    )
    assert told
    frames = load_model(run, "cpu").sample([1], 4, label="left")
    assert frames.shape == (1, 4, 3, 16, 16)


def tiny_preset(family: str) -> str:
    """The one tiny preset that every family has."""
    (name,) = [name for name in preset_names() if name.endswith("tiny") and resolve(name).family == family]
    return name


def test_the_dataset_is_what_the_tests_take_it_for(tiny_dataset: Path) -> None:
    assert open_dataset(tiny_dataset).label_names == ["left", "right"]
