"""Which clips are compared, what is refused, and the command."""

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from smoothvid.errors import ConfigError, DataError
from smoothvid.evaluation.clips import choose_windows
from smoothvid.evaluation.run import EvalSettings, evaluate
from smoothvid_cli.main import app


class Videos:
    """A dataset in memory; clips are videos of 20 frames."""

    def __init__(self, clips: np.ndarray, name: str = "real") -> None:
        self.clips, self.path, self.resolution, self.fps = clips, Path(name), clips.shape[-1], 25.0
        self.videos = [SimpleNamespace(num_frames=clips.shape[1]) for _ in clips]

    def read(self, video: int, frames: Sequence[int]) -> np.ndarray:
        return self.clips[video][list(frames)]

    def fingerprint(self) -> str:
        return "0" * 64


class Model:
    """Makes noise that depends on the seed alone, and notes how it was asked."""

    family, seen_clips, resolution, fps = "noise", 5, 16, 50.0

    def __init__(self) -> None:
        self.seeds: list[int] = []
        self.asked: dict[str, Any] = {}

    def sample(self, seeds: Sequence[int], num_frames: int, **asked: Any) -> torch.Tensor:
        self.seeds += seeds
        self.asked = asked
        clips = [np.random.default_rng(seed).integers(0, 256, (num_frames, 3, 16, 16), np.uint8) for seed in seeds]
        return torch.from_numpy(np.stack(clips))


@pytest.fixture
def real() -> Videos:
    return Videos(np.random.default_rng(0).integers(0, 256, (40, 20, 3, 16, 16), np.uint8))


def test_windows_do_not_overlap_and_videos_take_turns() -> None:
    lengths = [100, 15, 16, 47, 33]
    windows = choose_windows(lengths, 16, seed=3)
    assert len(windows) == 6 + 0 + 1 + 2 + 2
    assert [video for video, _ in windows[:4]] != [0, 2, 3, 4] and {video for video, _ in windows[:4]} == {0, 2, 3, 4}
    assert {video for video, _ in windows[4:7]} == {0, 3, 4}
    for video, length in enumerate(lengths):
        starts = sorted(start for other, start in windows if other == video)
        assert all(b - a >= 16 for a, b in zip(starts, starts[1:], strict=False))
        assert not starts or (starts[0] >= 0 and starts[-1] + 16 <= length)
    assert choose_windows(lengths, 16, seed=3) == windows != choose_windows(lengths, 16, seed=4)


def test_a_model_is_asked_for_the_protocol(real: Videos) -> None:
    model, told = Model(), []
    settings = EvalSettings(num_videos=20, seed=2, start=1000.0, truncation_psi=0.7)
    result = evaluate(model, real, settings, on_progress=lambda *news: told.append(news))  # type: ignore[arg-type]
    assert model.seeds == list(range(40, 60))
    assert model.asked == {
        "start": 1000.0,
        "fps": 25.0,
        "truncation_psi": 0.7,
    }  # the dataset's rate, not the model's 50
    assert told[-1] == (60, 60, "generated clips")
    assert result["num_clips"] == 20 and result["num_samples"] == {"rfid": 120, "rfid_diff": 100, "rfvd_16f": 20}
    assert result["protocol"]["features"] == "random-1" and result["protocol"]["real"]["videos_compared"] == 20
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert evaluate(Model(), real, settings) == result  # type: ignore[arg-type]


def test_the_same_distribution_scores_like_the_floor(real: Videos) -> None:
    others = Videos(np.random.default_rng(1).integers(0, 256, (40, 20, 3, 16, 16), np.uint8), "others")
    result = evaluate(others, real, EvalSettings(num_videos=20))  # type: ignore[arg-type]
    for name in ("rfid", "rfid_diff", "rfvd_16f", "motion"):
        assert result["metrics"][name] == pytest.approx(result["references"]["real"][name], rel=0.3)


def test_too_few_clips_and_other_sizes_are_refused(real: Videos) -> None:
    with pytest.raises(DataError, match="40 clips of 16 frames.*--num-videos 20, or --allow-few"):
        evaluate(Model(), real, EvalSettings(num_videos=30))  # type: ignore[arg-type]
    few = evaluate(Model(), real, EvalSettings(num_videos=30, allow_few=True))  # type: ignore[arg-type]
    assert few["num_clips"] == few["protocol"]["num_videos"] == 20
    less = evaluate(Videos(real.clips[:8], "less"), real, EvalSettings(num_videos=9, allow_few=True))  # type: ignore[arg-type]
    assert less["num_clips"] == 8
    with pytest.raises(DataError, match="16x16, but wide is 32x32; prepare"):
        wide = Videos(np.zeros((40, 20, 3, 32, 32), np.uint8), "wide")
        evaluate(Model(), wide, EvalSettings(num_videos=20))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="made already"):
        evaluate(real, real, EvalSettings(num_videos=20, start=5.0))  # type: ignore[arg-type]
    for wrong in ({"num_videos": 2}, {"clip_frames": 4}, {"start": float("nan")}):
        with pytest.raises(ValueError, match="needed|finite"):
            EvalSettings(**wrong)  # type: ignore[arg-type]


def test_the_command_on_video_files(tmp_path: Path) -> None:
    """Drawn videos written to files score far better against their dataset than still ones."""
    from smoothvid.data.prepare import PrepareSettings, prepare
    from smoothvid.data.synthetic import make_world
    from smoothvid.sampling.sinks import open_sink

    settings = PrepareSettings(resolution=16, num_videos=12, num_frames=32, workers=1, format="png")
    prepare(["synthetic:drive"], tmp_path / "real", settings)
    for seed in range(6):
        world = make_world("drive", 100 + seed)
        moving = np.stack([world.frame(float(t), 16) for t in range(32)]).transpose(0, 3, 1, 2)
        for folder, frames in (("moving", moving), ("still", np.repeat(moving[:1], 32, axis=0))):
            (tmp_path / folder).mkdir(exist_ok=True)
            with open_sink(str(tmp_path / folder / f"{seed}.mp4"), 25.0) as sink:
                sink.write(torch.from_numpy(np.ascontiguousarray(frames)))
    results = {}
    for folder in ("moving", "still"):
        arguments = ["eval", tmp_path / folder, tmp_path / "real", "--num-videos", "12", "--json", "--quiet"]
        outcome = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
        results[folder] = json.loads(outcome.stdout)
    assert results["moving"]["metrics"]["rfid_diff"] < 0.5 < results["still"]["metrics"]["rfid_diff"]
    assert results["still"]["metrics"]["motion"] < 0.1 < results["moving"]["metrics"]["motion"] < 2
    assert results["moving"]["protocol"]["generated"]["files"] == 6
    table = CliRunner().invoke(app, ["eval", str(tmp_path / "moving"), str(tmp_path / "real"), "--num-videos", "12"])
    assert table.exit_code == 0 and "not FID or FVD" in table.stdout and "real.fingerprint" in table.stdout
    missing = CliRunner().invoke(app, ["eval", str(tmp_path / "none"), str(tmp_path / "real")])
    assert isinstance(missing.exception, DataError) and "does not exist" in str(missing.exception)
