"""`smoothvid info` tells datasets, runs, checkpoints and model files apart and says what is in them."""

import io
import json
import subprocess
import sys
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


@pytest.fixture
def half_done(run_folder: Path) -> Path:
    """A run that has seen 20,000 of 40,000 clips and lost its oldest checkpoint."""
    settings = {"batch": 8, "num_frames": 3, "kimg": 120}
    config = {"phase": "train", "dataset": str(run_folder / "data"), "train": settings}
    (run_folder / "config.json").write_text(json.dumps(config))
    log = [
        {"step": 100, "seen_clips": 800, "score": 0.1, "skipped": 3},
        {"step": 125, "seen_clips": 1000, "score": 0.25, "warnings": {"collapse": "samples are alike"}},
        {"step": 2500, "seen_clips": 20000, "score": 0.5, "r1": float("inf")},
    ]
    (run_folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    speed = {"step": 2500, "seen_clips": 20000, "clips_per_second": 40.0, "seconds": 10.0, "time": 1.7e9}
    (run_folder / "speed.jsonl").write_text(json.dumps(speed) + "\n")
    (run_folder / "previews").mkdir()
    (run_folder / "previews" / "000001000.png").write_bytes(b"picture")
    return run_folder


def test_a_run_that_goes_on(smoothvid: Run, half_done: Path) -> None:
    told = facts(smoothvid("info", half_done, "--json"))
    assert (told["state"], told["phase"]) == ("unfinished", "train")
    assert (told["seen_clips"], told["total_clips"]) == (20000, 40000)
    assert (told["kimg"], told["total_kimg"]) == (60, 120)
    assert (told["clips_per_second"], told["seconds_left"]) == (40, 500)
    assert str(told["last_written"]).startswith("2023-11-1")
    assert told["best_checkpoint"] == str(half_done / "checkpoints" / "1000") and told["best_score"] == 0.25
    assert told["newest_checkpoint"] == str(half_done / "checkpoints" / "20000")
    assert told["warnings"] == {"collapse": "after 1000 clips: samples are alike"} and told["skipped_steps"] == 3
    assert told["previews"] == 1
    assert told["bytes"] == sum(file.stat().st_size for file in half_done.rglob("*") if file.is_file())
    assert (told["dataset"], told["dataset_found"]) == (str(half_done / "data"), False)
    assert told["last_tick"] == {"step": 2500, "seen_clips": 20000, "score": 0.5, "r1": "inf"}


def test_a_run_as_a_table_leaves_its_settings_out(smoothvid: Run, half_done: Path) -> None:
    result = smoothvid("info", half_done)
    rows = [line.split() for line in result.stdout.splitlines()]
    assert ["state", "unfinished"] in rows and ["seconds_left", "500"] in rows
    assert "config." not in result.stdout and str(half_done / "config.json") in result.stderr


def test_a_dataset_of_no_possible_name(smoothvid: Run, half_done: Path) -> None:
    config = json.loads((half_done / "config.json").read_text())
    (half_done / "config.json").write_text(json.dumps({**config, "dataset": "9" * 5000}))
    assert facts(smoothvid("info", half_done, "--json"))["dataset_found"] is False


def test_a_finished_run(smoothvid: Run, half_done: Path) -> None:
    with open(half_done / "log.jsonl", "a") as log:
        log.write('{"step": 5000, "seen_clips": 40000}\n')
    assert facts(smoothvid("info", half_done, "--json"))["state"] == "unfinished"  # its checkpoint is to come
    write_model(half_done / "checkpoints" / "40000" / "model.safetensors")
    (half_done / "data").mkdir()
    told = facts(smoothvid("info", half_done, "--json"))
    assert (told["state"], told["seconds_left"], told["dataset_found"]) == ("finished", 0, True)


@pytest.mark.parametrize("rest", ['{"step": 2600, "seen_cl', "\xff\xfe", "12"])
def test_a_log_that_was_cut_in_a_line(smoothvid: Run, half_done: Path, rest: str) -> None:
    with open(half_done / "log.jsonl", "a", encoding="latin-1") as log:
        log.write(rest)
    told = facts(smoothvid("info", half_done, "--json"))
    assert (told["ticks"], told["seen_clips"]) == (3, 20000)


def test_a_run_that_has_just_begun(smoothvid: Run, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"phase": "pretrain", "pretrain": {"batch": 8, "num_frames": 1, "kimg": 1}}')
    told = facts(smoothvid("info", tmp_path, "--json"))
    assert (told["kind"], told["state"], told["seen_clips"], told["total_clips"]) == ("run", "unfinished", 0, 1000)
    assert told["checkpoints"] == [] and told["last_tick"] is told["newest_checkpoint"] is told["seconds_left"] is None


def test_torch_is_not_loaded_for_a_run(half_done: Path) -> None:
    code = "import sys; from smoothvid_cli.info import describe; describe(__import__('pathlib').Path(sys.argv[1]))"
    code += "; print('torch' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", code, str(half_done)], capture_output=True, text=True, check=True)
    assert result.stdout == "False\n"


def test_what_ships_is_listed_and_told_about_by_name(smoothvid: Run, tmp_path: Path) -> None:
    names = facts(smoothvid("info", "shipped", "--json"))
    assert names["video"] == ["drive"] and names["image"] == ["drive-32"]
    assert "smoothvid sample drive --length inf" in smoothvid("info", "shipped").stdout
    for name in ("drive", "drive-32"):
        told = facts(smoothvid("info", name, "--json"))
        assert told["kind"] == "checkpoint" and told["family"] == "stylesv" and told["resolution"] == 32


def test_a_folder_of_that_name_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, smoothvid: Run) -> None:
    write_model(tmp_path / "shipped" / "model.safetensors")
    monkeypatch.chdir(tmp_path)
    assert facts(smoothvid("info", "shipped", "--json"))["kind"] == "checkpoint"
