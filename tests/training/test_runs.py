"""Whole runs: what is written, how they stop, and that going on is as if they had never stopped."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import av
import pytest
import torch
from PIL import Image
from torch import Tensor

from smoothvid.errors import ConfigError
from smoothvid.sampling.model import load_model
from smoothvid.training.checkpoint import newest_state
from smoothvid.training.journal import read_log
from smoothvid.training.loop import Progress, Training
from smoothvid.training.run import prepare_run, train


def same(a: Any, b: Any) -> bool:
    """Whether two states are equal to the last bit."""
    if isinstance(a, Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    return bool(a == b)


def whole_state(training: Training) -> dict[str, Any]:
    return {**training.state(), "average": training.average.state_dict()}


@pytest.mark.parametrize("augment", ["none", "ada"])
def test_a_resumed_run_ends_bit_for_bit_like_one_that_never_stopped(request_for: Any, augment: str) -> None:
    # A target of 0 or 1 and so few videos that p moves at once: draws, and the controller's sums, must be resumed too.
    changes = {
        "augment": augment,
        "augment_target": 1.0 if augment == "none" else 0.0,
        "augment_kimg": 0.02,
        "spacing": "near",
        "disorder": 0.5,
    }

    def strong(training: Training) -> Training:
        training.ada.p = 0.5
        return training

    straight, _ = prepare_run(request_for("straight", 6, changes))
    strong(straight).run()
    first, _ = prepare_run(request_for("parts", 2, changes))
    strong(first).run()
    second, reports = prepare_run(request_for("parts", 6, changes, resume=True))
    assert second.step_number == 2 and reports == {}
    second.run()
    assert same(whole_state(straight), whole_state(second))
    assert (straight.ada.p != 0.5) == (augment == "ada")
    _, saved = newest_state(second.run_folder)
    assert same(saved, whole_state(straight))


def test_what_a_run_leaves_behind(request_for: Any) -> None:
    seen: list[Progress] = []
    training = train(request_for("run", 5), seen.append)
    run = training.run_folder
    assert [progress.seen_frames for progress in seen] == [6, 12, 18, 24, 30]
    assert seen[-1].total_frames == 30 and seen[-1].seen_clips == 10

    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 5]  # a tick of 12 frames, and the end
    assert [line["seen_clips"] for line in lines] == [4, 8, 10]
    for line in lines[:2]:
        assert {"loss_generator", "loss_discriminator", "loss_r1", "real_sign", "augment_p"} <= line.keys()
        assert all(value == value for value in line.values())
    speed = read_log(run / "speed.jsonl")
    assert [line["step"] for line in speed] == [2, 4, 5] and all(line["clips_per_second"] > 0 for line in speed)
    distances = [lines[2][name] for name in ("rfid", "rfid_diff", "rfvd_8f")]  # the videos are too few for 16 frames
    assert lines[2]["score"] == pytest.approx(sum(distances) / 3, abs=1e-4)
    assert 0 < lines[2]["diversity"] < 10 and (run / "report.html").is_file()

    with av.open(str(run / "previews" / "000000010.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 8
    with Image.open(run / "previews" / "000000010.png") as picture:
        picture.load()
        assert picture.size == (16 * 8 + 16 * 3, 2 * 16)

    model = load_model(run, device="cpu")
    assert model.seen_clips == 10 and model.label_names == ["left", "right"]
    kept = training.average.state_dict()
    assert all(torch.equal(value.cpu(), kept[name]) for name, value in model.generator.state_dict().items())
    assert json.loads((run / "config.json").read_text())["phase"] == "train"


@pytest.mark.parametrize("number, ending", [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)])
def test_an_interrupt_finishes_the_step_and_saves(request_for: Any, number: int, ending: type[BaseException]) -> None:
    before = signal.getsignal(number)

    def stop(progress: Progress) -> None:
        if progress.seen_clips == 4:
            os.kill(os.getpid(), number)

    with pytest.raises(ending) as caught:
        train(request_for("run", 50), stop)
    assert ending is KeyboardInterrupt or caught.value.code == 143
    folder, state = newest_state(request_for("run", 50).out)
    assert state["step"] == 2 and folder.name == "000000004"
    assert signal.getsignal(number) == before


def test_a_run_is_not_overwritten_or_mixed_up(request_for: Any, tmp_path: Path) -> None:
    train(request_for("run", 1))
    with pytest.raises(ConfigError, match="--force"):
        train(request_for("run", 1))
    with pytest.raises(ConfigError, match=r"train\.lr_g"):
        train(request_for("run", 2, {"lr_g": 0.1}, resume=True))
    with pytest.raises(ConfigError, match="with seed 0"):
        train(request_for("run", 2, seed=1, resume=True))
    # A run may start over from its own weights.
    again, reports = prepare_run(request_for("run", 1, init=tmp_path / "run", force=True))
    assert reports["generator"].fresh == [] and not (tmp_path / "run" / "checkpoints").exists()


def test_a_folder_whose_config_is_of_something_else_is_left_alone(request_for: Any, tmp_path: Path) -> None:
    (tmp_path / "exported").mkdir()
    (tmp_path / "exported" / "config.json").write_text('{"library_name": "smoothvid"}')
    for force in (False, True):
        with pytest.raises(ConfigError, match="left alone"):
            train(request_for("exported", 1, force=force))
    assert [item.name for item in (tmp_path / "exported").iterdir()] == ["config.json"]


def test_a_video_training_starts_from_an_image_training(request_for: Any, tmp_path: Path) -> None:
    image = train(request_for("image", 2, phase="pretrain"))
    assert image.step_number == 1 or image.step_number == 2
    video, reports = prepare_run(request_for("video", 1, init=tmp_path / "image"))
    weights = image.average.state_dict()
    for network in (video.generator, video.average):
        theirs = network.state_dict()
        assert torch.equal(theirs["mapping.w_avg"], weights["mapping.w_avg"])
        assert torch.equal(theirs["synthesis.layers.0.conv.weight"], weights["synthesis.layers.0.conv.weight"])
    differences = {f"differences.{name}" for name in ("scale", "from_rgb.weight", "from_rgb.bias")}
    assert set(reports["discriminator"].fresh) == {
        "gap_encoding.embedding.weight",
        "condition.embed.weight",
        *differences,
    }
    with pytest.raises(ConfigError, match="with phase pretrain"):
        prepare_run(request_for("image", 1, resume=True))


def test_a_training_measures_its_data_before_the_first_step_alone(request_for: Any) -> None:
    first, _ = prepare_run(request_for("run", 2))
    scale = first.discriminator.differences.scale
    made = float(scale)
    assert 0 < made != first.discriminator.differences.strength
    scale.fill_(123.0)
    first.run()
    again, _ = prepare_run(request_for("run", 4, resume=True))
    assert float(again.discriminator.differences.scale) == 123.0  # as the run has it, not as the data would
    other, _ = prepare_run(request_for("other", 2, seed=0))
    assert float(other.discriminator.differences.scale) == made


def test_a_dataset_of_another_size_is_refused(request_for: Any, tiny_config: Any) -> None:
    config = tiny_config(changes={"model": {"resolution": 32}})
    with pytest.raises(ConfigError, match=r"16×16 frames.*--set model.resolution=16"):
        train(request_for("run", 1, config=config))
