"""The pace "auto": what it is measured to be, and what follows it."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from smoothvid.data.dataset import open_dataset
from smoothvid.data.frame_times import FrameDraw
from smoothvid.nn.motion import Motion, MotionConfig
from smoothvid.training.pace import measure_pace
from smoothvid.training.run import prepare_run, read_run_config


def gratings(period: float, count: int = 20, length: int = 200) -> Any:
    """Videos of a grating that moves by a wavelength in `period` frames."""

    def read(video: int, frames: range) -> np.ndarray:
        turns = np.arange(16) / 16 - np.array(frames)[:, None] / period + video / 7
        lines = 127.5 + 100 * np.sin(2 * np.pi * turns)
        return np.broadcast_to(lines[:, None, None], (len(frames), 3, 16, 16)).astype(np.uint8)

    return SimpleNamespace(videos=[SimpleNamespace(num_frames=length)] * count, read=read)


@pytest.mark.parametrize("pace", [1.0, 1.5, 2.0, 4.0])
def test_a_moving_grating_has_the_pace_of_its_period(pace: float) -> None:
    assert measure_pace(gratings(10 * pace), 10) == pace
    assert measure_pace(gratings(5 * pace), 5) == pace


def test_pace_has_bounds() -> None:
    assert measure_pace(gratings(3), 10) == 1
    assert measure_pace(gratings(1e9), 10) == 1  # nothing moves
    assert measure_pace(gratings(20, length=1), 10) == 1  # nothing can be said
    slow = gratings(20)
    slow.read = lambda video, frames: gratings(20).read(video, range(len(frames) // 2)).repeat(2, axis=0)
    assert measure_pace(slow, 1e-3) == 64


def test_a_slower_motion_is_the_same_motion_later() -> None:
    times = torch.arange(0, 50, dtype=torch.float64)[None]
    made = []
    for pace in (1.0, 2.5):
        torch.manual_seed(0)
        motion = Motion(MotionConfig(z_dim=8, fourier_dim=8, distance=16, kernel_size=3, pace=pace)).double()
        first, count = motion.code_range(times * pace)
        codes = torch.randn(1, count, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
        made.append(motion(codes, times * pace, first_code=first).detach())
    torch.testing.assert_close(made[0], made[1], rtol=0, atol=1e-6)  # periods are float32


def test_slower_draws() -> None:
    draw = FrameDraw(4, (10, 16), "near", steps=(1, 2, 3))
    assert draw.slower(2.5) == FrameDraw(4, (25, 40), "near", steps=(2, 5, 8))
    assert FrameDraw(3, (2, 4), "even").slower(1.5).spans == (4, 6)


def test_a_training_takes_the_pace_of_its_data_and_keeps_it(
    request_for: Any, tiny_config: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = request_for("run", 2, {"spacing": "near", "spans": [4], "near_steps": [1]})
    auto = {"model": {"motion": {"pace": "auto"}}, "train": {"kimg": 0.006, "spacing": "near", "near_steps": [1]}}
    options = {**vars(request), "config": tiny_config(changes=auto)}
    training, _ = prepare_run(type(request)(**options))
    pace = measure_pace(open_dataset(request.dataset), 4)
    assert pace > 1
    assert json.loads((tmp_path / "run" / "config.json").read_text())["model"]["motion"]["pace"] == pace
    assert training.generator.motion.distance == round(4 * pace)
    times = training.parts(training.reader[0])[0].real.times
    assert set(times.diff(dim=1)[:, 0].tolist()) == {round(pace)}
    training.run()

    monkeypatch.setattr("smoothvid.training.pace.measure_pace", lambda *_: 7.0)
    resumed, _ = prepare_run(type(request)(**{**options, "resume": True}))
    assert resumed.step_number == training.step_number and read_run_config(tmp_path / "run").model.motion.pace == pace
