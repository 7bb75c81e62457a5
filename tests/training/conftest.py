"""Tiny trainings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from smoothvid.data.dataset import open_dataset
from smoothvid.run_config import PhaseName
from smoothvid.training import record
from smoothvid.training.loop import Training
from smoothvid.training.run import RunRequest

NewTraining = Callable[..., Training]
FRAMES_A_STEP = 6  # 2 videos of 3 frames


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def small_previews(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "PREVIEW_VIDEOS", 2)
    monkeypatch.setattr(record, "PREVIEW_FRAMES", 8)


@pytest.fixture
def new_training(tmp_path: Path, tiny_dataset: Path, tiny_config: Any) -> NewTraining:
    """`new_training({"train": {...}})`: a training in the folder `run` under tmp_path, nothing done yet."""

    def make(
        changes: dict[str, Any] | None = None,
        phase: PhaseName = "train",
        seed: int = 0,
        family: str = "stylesv",
        **more: Any,
    ) -> Training:
        run = tmp_path / "run"
        run.mkdir(exist_ok=True)
        return Training(run, open_dataset(tiny_dataset), tiny_config(family, changes), phase, seed, **more)

    return make


@pytest.fixture
def request_for(tmp_path: Path, tiny_dataset: Path, tiny_config: Any) -> Any:
    """`request_for("run", steps=3)`: a request for a video training of so many steps."""

    def make(name: str, steps: int, changes: dict[str, Any] | None = None, **more: Any) -> RunRequest:
        train = {"kimg": steps * FRAMES_A_STEP / 1000, **(changes or {})}
        config = tiny_config(changes={"train": train, "pretrain": {"kimg": steps * 2 / 1000}})
        return RunRequest(
            **{"dataset": tiny_dataset, "out": tmp_path / name, "phase": "train", "config": config, **more}
        )

    return make
