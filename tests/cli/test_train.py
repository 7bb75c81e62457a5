"""`smoothvid pretrain` and `smoothvid train`: settings, initial weights, stopping and going on, as a person does it."""

import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
SMALL = [
    *("--set", "model.generator.channel_max=8", "--set", "model.discriminator.channel_max=8"),
    *("--set", "pretrain.tick_kimg=0.008", "--set", "train.tick_kimg=0.012"),
]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from smoothvid.data.prepare import PrepareSettings, prepare

    out = tmp_path_factory.mktemp("data") / "worlds"
    prepare(["synthetic:shapes"], out, PrepareSettings(resolution=32, num_videos=2, num_frames=24, workers=1))
    return out


@pytest.fixture(scope="module")
def image_run(dataset: Path) -> Path:
    """A run of `pretrain`, as short as can be."""
    out = dataset.parent / "images"
    command = [sys.executable, "-m", "smoothvid_cli.main", "pretrain", dataset, "--out", out, "--kimg", "0.016", *SMALL]
    subprocess.run(command, check=True, capture_output=True)
    return out


def test_pretraining_leaves_a_run_that_says_what_it_is(image_run: Path) -> None:
    config = json.loads((image_run / "config.json").read_text())
    assert config["phase"] == "pretrain" and config["pretrain"]["kimg"] == 0.016
    assert config["model"]["resolution"] == 32 and config["model"]["generator"]["channel_max"] == 8
    assert [folder.name for folder in (image_run / "checkpoints").iterdir()] == ["000000016"]
    assert (image_run / "previews" / "000000016.png").is_file()
    assert [json.loads(line)["step"] for line in (image_run / "log.jsonl").read_text().splitlines()] == [1, 2]


def test_training_takes_the_networks_and_weights_of_init(
    smoothvid: Run, dataset: Path, image_run: Path, tmp_path: Path
) -> None:
    """No --set names the narrow networks here: they come from --init, so that every content weight finds its place."""
    run = tmp_path / "run"
    result = smoothvid("train", dataset, "--out", run, "--init", image_run, "--kimg", "0.04", "--json")
    assert result.returncode == 0, result.stderr
    told = json.loads(result.stdout)
    assert told["last_tick"]["seen_clips"] == 8 and told["checkpoint"] == str(run / "checkpoints" / "000000008")
    transfer = json.loads((run / "transfer.json").read_text())
    assert told["transfer"] == transfer
    assert "synthesis.layers.0.conv.weight" in transfer["generator"]["loaded"]
    assert "head.out.weight" in transfer["discriminator"]["loaded"] + transfer["discriminator"]["widened"]
    assert "gap_encoding.embedding.weight" in transfer["discriminator"]["fresh"]
    lines = result.stderr.splitlines()
    assert f"settings: preset tiny, networks as in {image_run}" in lines
    loaded = len(transfer["generator"]["loaded"])
    assert any(line.startswith(f"generator from {image_run}: {loaded} loaded") for line in lines)


def test_dry_run_shows_settings_that_config_reads(smoothvid: Run, dataset: Path, tmp_path: Path) -> None:
    options = ["--set", "train.spans=[2,6]", "--kimg", "3", "--batch", "2", "--set", "train.batch=8", *SMALL]
    toml = smoothvid("train", dataset, "--out", tmp_path / "run", *options, "--dry-run")
    assert toml.returncode == 0 and not (tmp_path / "run").exists()
    settings = tomllib.loads(toml.stdout)
    assert settings["train"]["spans"] == [2, 6] and settings["train"]["kimg"] == 3.0
    assert settings["train"]["batch"] == 2, "an option of the command wins over --set"
    assert settings["model"]["resolution"] == 32, "the preset for the dataset's size is taken"
    assert "settings: preset tiny" in toml.stderr
    (tmp_path / "mine.toml").write_text(toml.stdout)
    again = smoothvid(
        "train", dataset, "--out", tmp_path / "run", "--config", tmp_path / "mine.toml", "--dry-run", "--json"
    )
    as_toml = smoothvid("train", dataset, "--out", tmp_path / "run", "--config", tmp_path / "mine.toml", "--dry-run")
    assert as_toml.stdout == toml.stdout
    assert json.loads(again.stdout)["train"]["ema_kimg"] is None and settings["train"]["ema_kimg"] == "none"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--preset", "tinny"], "--preset tinny: no such preset; did you mean tiny?"),
        (["--preset", "stylesv-64"], "has 32×32 frames, the model makes 64×64"),
        (["--set", "train.bach=2"], "train.bach: no such setting; did you mean batch?"),
        (["--model", "stylesw"], "model family 'stylesw' does not exist"),
        (["--batch-gpu", "3"], "--batch-gpu 3: the batch can be cut into parts of"),
        (["--init", "nowhere"], "--init nowhere: no run or checkpoint folder"),
    ],
)
def test_mistakes_are_one_clear_line(
    smoothvid: Run, dataset: Path, tmp_path: Path, options: list[str], message: str
) -> None:
    result = smoothvid("train", dataset, "--out", tmp_path / "run", *options)
    assert result.returncode in (1, 2) and result.stdout == ""
    assert message in result.stderr.splitlines()[-1] and "Traceback" not in result.stderr
    assert not (tmp_path / "run").exists()


def test_a_finished_run_is_not_overwritten(smoothvid: Run, dataset: Path, image_run: Path) -> None:
    result = smoothvid("pretrain", dataset, "--out", image_run)
    assert result.returncode == 2 and "--resume goes on with it, --force starts over" in result.stderr


def test_interrupted_and_resumed_is_the_run_that_never_stopped(dataset: Path, image_run: Path, tmp_path: Path) -> None:
    """Ctrl-C saves and exits with 130; --resume alone goes on to the same weights, whatever reads the data."""
    run = tmp_path / "stopped"
    command = [sys.executable, "-W", "error", "-m", "smoothvid_cli.main", "pretrain", str(dataset), "--out", str(run)]
    process = subprocess.Popen(
        [*command, "--kimg", "1000", "--workers", "1", *SMALL],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    wait_for(run / "log.jsonl", process)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does it: the loader's processes hear it as well
    output, messages = process.communicate(timeout=120)
    assert (process.returncode, output) == (130, ""), messages
    assert "the same command with --resume goes on" in messages and "Traceback" not in messages
    steps = int(next((run / "checkpoints").iterdir()).name) // 8
    ends = {"stopped": [*command, "--resume"], "whole": [*command[:-1], str(tmp_path / "whole"), *SMALL]}
    for arguments in ends.values():
        subprocess.run([*arguments, "--kimg", str(0.008 * (steps + 2))], check=True, capture_output=True)
    models = [next((tmp_path / name / "checkpoints").glob(f"{8 * (steps + 2):09d}")) for name in ends]
    assert (models[0] / "model.safetensors").read_bytes() == (models[1] / "model.safetensors").read_bytes()


def wait_for(path: Path, process: "subprocess.Popen[str]") -> None:
    """Wait until a file has a line."""
    while not (path.exists() and path.read_text()):
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
