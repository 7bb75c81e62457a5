"""A checkpoint is whole or it is not there; a damaged one is passed over."""

import hashlib
import json
import logging
import os
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from smoothvid.errors import CheckpointError
from smoothvid.sampling.model import ModelFacts
from smoothvid.training.checkpoint import checkpoint_folders, load_state, newest_state, save_checkpoint


def save(run: Path, clips: int, keep: int = 3) -> Path:
    facts = ModelFacts(family="stylesv", config={}, resolution=16, fps=25, seen_clips=clips)
    average = torch.nn.Linear(3, 2)
    return save_checkpoint(run, average, facts, {"step": clips, "weights": average.state_dict()}, keep)


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    folder = save(tmp_path, 8)
    assert sorted(item.name for item in folder.iterdir()) == ["checksums.json", "model.safetensors", "state.pt"]
    found, state = newest_state(tmp_path)
    assert found == folder and state["step"] == 8 and state["weights"]["weight"].shape == (2, 3)
    assert [item.name for item in (tmp_path / "checkpoints").iterdir()] == [folder.name]  # nothing temporary is left


def test_the_newest_ones_are_kept(tmp_path: Path) -> None:
    for clips in (5, 100, 20, 1000):
        save(tmp_path, clips, keep=2)
    assert [int(folder.name) for folder in checkpoint_folders(tmp_path)] == [1000, 100]


@pytest.mark.parametrize("file", ["state.pt", "model.safetensors", "checksums.json"])
@pytest.mark.parametrize("damage", ["cut", "flip", "gone"])
def test_a_damaged_checkpoint_is_passed_over(
    tmp_path: Path, file: str, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    save(tmp_path, 4)
    newest = save(tmp_path, 8)
    path = newest / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(content if damage == "flip" else content[: len(content) // 2])
    with caplog.at_level(logging.WARNING):
        _, state = newest_state(tmp_path)
    assert state["step"] == 4
    assert str(newest) in caplog.text and "before it" in caplog.text
    with pytest.raises(CheckpointError, match=str(newest)):
        load_state(newest)


def test_a_half_written_checkpoint_does_not_count(tmp_path: Path) -> None:
    folder = save(tmp_path, 4)
    folder.with_name(".000000009.partial").mkdir()
    assert checkpoint_folders(tmp_path) == [folder]
    save(tmp_path, 9)  # is not in the way of the next attempt either
    assert newest_state(tmp_path)[1]["step"] == 9


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), RuntimeError("file write failed")])
def test_a_full_disk_leaves_the_earlier_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    folder = save(tmp_path, 4)

    def fail(state: Any, path: Path) -> None:
        path.write_bytes(b"half")
        raise failure

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(CheckpointError, match="cannot be written .*(No space|write failed).*earlier checkpoints"):
        save(tmp_path, 9)
    assert list((tmp_path / "checkpoints").iterdir()) == [folder]


class Attack:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


def test_reading_a_state_runs_no_code(tmp_path: Path) -> None:
    folder = save(tmp_path, 4)
    marker = tmp_path / "ran"
    for write in (torch.save, lambda value, path: path.write_bytes(pickle.dumps(value, protocol=2))):
        write({"step": Attack(marker)}, folder / "state.pt")
        sums = {
            name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in ("model.safetensors", "state.pt")
        }
        (folder / "checksums.json").write_text(json.dumps(sums))
        with pytest.raises(CheckpointError, match="damaged"):
            load_state(folder)
    assert not marker.exists()


def test_without_a_checkpoint_there_is_a_clear_word(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no usable checkpoint"):
        newest_state(tmp_path)


def test_all_files_can_be_read_by_whom_the_umask_lets(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        folder = save(tmp_path, 8)
    finally:
        os.umask(before)
    assert {item.name: oct(item.stat().st_mode & 0o777) for item in folder.iterdir()} == {
        name: "0o644" for name in ("checksums.json", "model.safetensors", "state.pt")
    }
