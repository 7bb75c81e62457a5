"""`smoothvid info` tells datasets, runs, checkpoints and model files apart and says what is in them."""

import io
import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

Run = Callable[..., subprocess.CompletedProcess[str]]


def write_model(path: Path) -> Path:
    tensors = {"a.weight": np.zeros((2, 3), np.float32), "a.bias": np.zeros(2, np.float32)}
    path.parent.mkdir(parents=True, exist_ok=True)
    header = {"family": "stylesv", "seen_clips": 7, "config": {"z_dim": 8, "motion": {"kind": "bspline"}}}
    save_file(tensors, path, {"smoothvid": json.dumps(header)})
    return path


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    for clips in (1000, 900, 20000):
        write_model(tmp_path / "run" / "checkpoints" / str(clips) / "model.safetensors")
    (tmp_path / "run" / "checkpoints" / "30000.tmp").mkdir()
    (tmp_path / "run" / "config.json").write_text('{"train": {"batch": 8}}')
    (tmp_path / "run" / "log.jsonl").write_text('{"clips": 1000, "loss": 0.5}\n{"clips": 20000, "loss": 0.25}\n')
    return tmp_path / "run"


def facts(result: subprocess.CompletedProcess[str]) -> dict[str, object]:
    assert (result.returncode, result.stderr) == (0, "")
    return json.loads(result.stdout)  # type: ignore[no-any-return]


def test_model_file(smoothvid: Run, tmp_path: Path) -> None:
    told = facts(smoothvid("info", write_model(tmp_path / "model.safetensors"), "--json"))
    assert told["kind"] == "model file" and told["family"] == "stylesv" and told["seen_clips"] == 7
    assert told["config"] == {"z_dim": 8, "motion": {"kind": "bspline"}}
    assert (told["tensors"], told["parameters"]) == (2, 8)


def test_model_file_as_a_table(smoothvid: Run, tmp_path: Path) -> None:
    lines = smoothvid("info", write_model(tmp_path / "model.safetensors")).stdout.splitlines()
    rows = [line.split() for line in lines]
    assert ["config.motion.kind", "bspline"] in rows and ["parameters", "8"] in rows


def test_run_and_its_checkpoints(smoothvid: Run, run_folder: Path) -> None:
    told = facts(smoothvid("info", run_folder, "--json"))
    assert told["kind"] == "run" and told["checkpoints"] == [900, 1000, 20000]
    assert told["newest_checkpoint"] == str(run_folder / "checkpoints" / "20000")
    assert told["ticks"] == 2 and told["last_tick"] == {"clips": 20000, "loss": 0.25}
    assert told["config"] == {"train": {"batch": 8}}
    checkpoint = facts(smoothvid("info", str(told["newest_checkpoint"]), "--json"))
    assert checkpoint["kind"] == "checkpoint" and checkpoint["family"] == "stylesv"


def test_dataset(smoothvid: Run, tmp_path: Path) -> None:
    for video, frames in (("a", 3), ("b", 5)):
        (tmp_path / "frames" / video).mkdir(parents=True)
        for index in range(frames):
            buffer = io.BytesIO()
            Image.new("RGB", (16, 16), (index, 0, 0)).save(buffer, "PNG")
            (tmp_path / "frames" / video / f"{index:06}.png").write_bytes(buffer.getvalue())
    told = facts(smoothvid("info", tmp_path / "frames", "--json"))
    assert told["kind"] == "dataset" and told["resolution"] == 16
    assert (told["videos"], told["frames"], told["shortest_video"], told["longest_video"]) == (2, 8, 3, 5)


@pytest.mark.parametrize("content", [b"", b"\xff" * 64, b"\x10\0\0\0\0\0\0\0not json at all!"])
def test_a_broken_model_file_is_one_clear_line(smoothvid: Run, tmp_path: Path, content: bytes) -> None:
    (tmp_path / "model.safetensors").write_bytes(content)
    result = smoothvid("info", tmp_path / "model.safetensors")
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr.startswith(f"error: {tmp_path / 'model.safetensors'}: not a readable model file")
    assert result.stderr.count("\n") == 1


def test_a_broken_run_is_one_clear_line(smoothvid: Run, run_folder: Path) -> None:
    (run_folder / "config.json").unlink()
    result = smoothvid("info", run_folder)
    assert result.returncode == 1 and result.stderr.startswith(f"error: {run_folder}: not a whole run")
