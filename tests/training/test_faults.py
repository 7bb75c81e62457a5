"""What goes wrong while training: what is said, what is kept, and how it goes on."""

import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from smoothvid.errors import CheckpointError, ConfigError, DataError, DeviceError, TrainingError
from smoothvid.models.family import Step
from smoothvid.training import checkpoint, loop, run
from smoothvid.training.checkpoint import checkpoint_folders, newest_state
from smoothvid.training.journal import read_log
from smoothvid.training.loop import Training
from smoothvid.training.run import prepare_run, train


def poison(training: Training, steps: set[int], phase: str = "generator") -> None:
    """Make the loss of a phase not a number at some steps."""

    def at(number: int) -> Any:
        before = training.phases[number].loss

        def loss(step: Step) -> Tensor:
            return before(step) * (math.nan if training.step_number in steps else 1.0)

        return loss

    training.phases = [
        replace(each, loss=at(number)) if each.name == phase else each for number, each in enumerate(training.phases)
    ]


def finite(training: Training) -> bool:
    state = [training.generator, training.discriminator, training.average]
    return all(bool(value.isfinite().all()) for network in state for value in network.state_dict().values())


@pytest.mark.parametrize("phase", ["generator", "discriminator", "r1"])
def test_a_nan_stops_the_run_with_nothing_spoilt(request_for: Any, phase: str) -> None:
    training, _ = prepare_run(request_for("run", 6))
    poison(training, {2}, phase)
    with pytest.raises(
        TrainingError, match=rf"step 3: gradients of {phase} are not finite.*saved at 6 clips.*--on-nan"
    ):
        training.run()
    assert finite(training)
    again, _ = prepare_run(request_for("run", 6, resume=True))
    assert again.step_number == 3 and finite(again)
    again.run()
    assert again.step_number == 6


def test_updates_that_are_not_numbers_can_be_skipped(request_for: Any) -> None:
    training, _ = prepare_run(request_for("run", 6, {"on_nan": "skip"}))
    poison(training, {2, 3})
    before = [parameter.clone() for parameter in training.generator.parameters()]
    training.run()
    assert finite(training) and training.step_number == 6
    assert any(not torch.equal(*pair) for pair in zip(before, training.generator.parameters(), strict=True))
    lines = read_log(training.run_folder / "log.jsonl")
    assert [line.get("skipped") for line in lines] == [None, 2, None]  # ticks of two steps
    assert [list(line.get("warnings", {})) for line in lines] == [[], ["nan"], []]
    assert all(math.isfinite(line["loss_generator"]) for line in lines if "loss_generator" in line)


def test_skipping_has_an_end(request_for: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "MOST_SKIPPED", 3)
    training, _ = prepare_run(request_for("run", 9, {"on_nan": "skip"}))
    poison(training, set(range(2, 9)))
    with pytest.raises(TrainingError, match="step 5"):
        training.run()


def test_a_damaged_dataset_stops_the_run_and_mending_it_goes_on(
    request_for: Any, tiny_dataset: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    shutil.copytree(tiny_dataset, data)
    straight = train(request_for("straight", 12, dataset=data))
    training, _ = prepare_run(request_for("run", 12, dataset=data))

    def damage(progress: Any) -> None:
        if progress.seen_clips == 6:
            data.rename(tmp_path / "away")

    with pytest.raises(DataError, match=r"cannot be read.*saved at 8 clips; --resume goes on"):
        training.run(damage)
    (tmp_path / "away").rename(data)
    training, _ = prepare_run(request_for("run", 12, dataset=data, resume=True))
    training.run()
    for ours, theirs in zip(training.generator.parameters(), straight.generator.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    logs = [read_log(each.run_folder / "log.jsonl") for each in (training, straight)]
    assert logs[0] == logs[1] and len(logs[0]) == 6


def test_a_full_disk_is_told_and_the_last_checkpoint_goes_on(request_for: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    request = request_for("run", 6, {"snapshot_ticks": 1})
    training, _ = prepare_run(request)
    save, saved = torch.save, []

    def fill(state: Any, path: Path) -> None:
        if len(saved) == 1:
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        saved.append(path)
        save(state, path)

    monkeypatch.setattr(checkpoint.torch, "save", fill)
    with pytest.raises(CheckpointError, match="cannot be written .*No space left on device.*earlier checkpoints are"):
        training.run()
    monkeypatch.undo()
    assert [folder.name for folder in checkpoint_folders(request.out)] == ["000000004"]
    again, _ = prepare_run(request_for("run", 6, {"snapshot_ticks": 1}, resume=True))
    assert again.step_number == 2


def test_a_log_that_cannot_be_written_is_told(request_for: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    training, _ = prepare_run(request_for("run", 6))

    def full(self: Any, name: str, line: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("smoothvid.training.journal.RunLog._append", full)
    with pytest.raises(CheckpointError, match="run: cannot be written .No space left on device.*--resume goes on"):
        training.run()


def test_resume_starts_what_is_not_there_and_what_was_ended_too_early(request_for: Any) -> None:
    training, _ = prepare_run(request_for("run", 2, resume=True))
    assert training.step_number == 0
    again, _ = prepare_run(request_for("run", 2, resume=True))  # config.json alone is there
    again.run()
    done, _ = prepare_run(request_for("run", 2, resume=True))
    assert done.step_number == 2
    done.run()  # has nothing to do
    assert len(read_log(done.run_folder / "log.jsonl")) == 1


def test_a_run_of_which_all_checkpoints_are_damaged_is_not_started_over(request_for: Any) -> None:
    training = train(request_for("run", 2))
    for folder in checkpoint_folders(training.run_folder):
        (folder / "state.pt").write_bytes(b"damaged")
    with pytest.raises(CheckpointError, match="no usable checkpoint"):
        prepare_run(request_for("run", 4, resume=True))


def test_a_changed_setting_is_refused_by_name_unless_it_is_accepted(request_for: Any) -> None:
    train(request_for("run", 2))
    with pytest.raises(ConfigError, match=r"train\.lr_g \(0\.0025 → 0\.1\).*--accept train\.lr_g"):
        prepare_run(request_for("run", 4, {"lr_g": 0.1}, resume=True))
    with pytest.raises(ConfigError, match=r"train\.num_frames .*Give the same; --init"):
        prepare_run(request_for("run", 4, {"num_frames": 4}, resume=True, accept=("train.num_frames",)))
    training, _ = prepare_run(
        request_for("run", 4, {"lr_g": 0.1, "batch": 4}, resume=True, accept=("train.lr_g", "train.batch"))
    )
    assert training.optimizers["generator"].param_groups[0]["lr"] == 0.1
    assert training.seen_clips == 4 and training.seen_frames == 12
    training.run()
    assert training.seen_clips == 8 and training.step_number == 3  # the length is in frames
    content = json.loads((training.run_folder / "config.json").read_text())
    assert content["train"]["lr_g"] == 0.1
    noted = {change["key"]: (change["step"], change["from"], change["to"]) for change in content["changes"]}
    assert noted["train.lr_g"] == (2, 0.0025, 0.1) and "train.kimg" in noted


@pytest.mark.parametrize("more", [{}, {"force": True}, {"resume": True}])
def test_folders_of_others_are_left_alone(request_for: Any, tmp_path: Path, more: dict[str, bool]) -> None:
    theirs = tmp_path / "run" / "checkpoints" / "epoch1.pt"
    theirs.parent.mkdir(parents=True)
    theirs.write_text("precious")
    with pytest.raises(ConfigError, match="holds checkpoints but no config.json; it is left alone"):
        prepare_run(request_for("run", 1, **more))
    assert theirs.read_text() == "precious" and not (tmp_path / "run" / "config.json").exists()
    pictures = tmp_path / "other" / "previews" / "mine.png"
    pictures.parent.mkdir(parents=True)
    pictures.write_text("precious")
    prepare_run(request_for("other", 1, **more))
    assert pictures.read_text() == "precious"


def test_other_data_are_refused_unless_accepted(request_for: Any, tiny_dataset: Path, tmp_path: Path) -> None:
    train(request_for("run", 1))
    other = tmp_path / "other"
    shutil.copytree(tiny_dataset, other)
    shutil.rmtree(other / "left" / "video0")
    with pytest.raises(ConfigError, match="is not the dataset that .*--accept dataset"):
        prepare_run(request_for("run", 2, dataset=other, resume=True))
    training, _ = prepare_run(request_for("run", 2, dataset=other, resume=True, accept=("dataset",)))
    assert training.step_number == 1


def test_two_trainings_cannot_share_a_folder(request_for: Any, tmp_path: Path) -> None:
    prepare_run(request_for("run", 1))  # holds the folder as long as this process lives
    program = "from pathlib import Path; from smoothvid.training.run import _lock; import sys; _lock(Path(sys.argv[1]))"
    other = subprocess.run([sys.executable, "-c", program, str(tmp_path / "run")], capture_output=True, text=True)
    assert other.returncode != 0 and "another training is at work here" in other.stderr
    assert run._locks


def test_the_best_checkpoint_outlives_the_newest(request_for: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([0.9, 0.2, 0.5, 0.4, 0.3])
    monkeypatch.setattr("smoothvid.training.measure.Yardstick.measure", lambda self, model: {"score": next(scores)})
    training = train(request_for("run", 10, {"snapshot_ticks": 1, "keep_checkpoints": 2}))
    assert [int(folder.name) for folder in checkpoint_folders(training.run_folder)] == [20, 16, 8]
    assert newest_state(training.run_folder)[1]["step"] == 10


def test_as_many_videos_at_once_as_the_card_holds(request_for: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def find(phase: Any, parts: Any, bf16: bool) -> None:
        tried.append(len(parts[0].real.frames))
        if phase.name == "r1" and tried[-1] > room:
            raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(loop, "find_gradients", find)
    for room, expected in ((100, 16), (9, 8), (4, 4)):
        tried: list[int] = []
        training, _ = prepare_run(request_for(f"run{room}", 1, {"batch": 16}, batch_gpu="auto"))
        sizes = loop.largest_that_fits(training.sizes, training._rehearse, torch.device("cuda"))
        assert sizes == expected and sorted(set(tried), reverse=True) == [n for n in (16, 8, 4) if n >= expected]
    room = 3
    with pytest.raises(DeviceError, match="not even 4 videos at once"):
        loop.largest_that_fits(training.sizes, training._rehearse, torch.device("cuda"))
    assert loop.largest_that_fits([16, 8], training._rehearse, torch.device("cpu")) == 16


def test_a_rehearsal_changes_nothing(request_for: Any) -> None:
    training, _ = prepare_run(request_for("run", 1))
    before = {name: value.clone() for name, value in training.generator.state_dict().items()}
    training._rehearse(2)
    training._reader(2)
    assert all(torch.equal(value, before[name]) for name, value in training.generator.state_dict().items())
    assert all(parameter.grad is None for parameter in training.generator.parameters())
    straight, _ = prepare_run(request_for("other", 1))
    for each in (training, straight):
        each.step(each.reader[0])
    for ours, theirs in zip(
        training.average.state_dict().values(), straight.average.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs)
