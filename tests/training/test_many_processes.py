"""One process, several, and a batch in parts give the same training; a lost process ends or restarts it cleanly."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from smoothvid.errors import ConfigError
from smoothvid.nn.discriminator import compared
from smoothvid.run_config import run_config_to_dict
from smoothvid.training.batch_parts import part_sizes
from smoothvid.training.checkpoint import checkpoint_folders, newest_state
from smoothvid_cli.run_training import to_toml

SCRIPT = Path(__file__).with_name("steps_in_parts.py")
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
# ADA moves from the first adjustment on.
TRAIN = {
    "batch": 8,
    "augment": "ada",
    "augment_target": 0.0,
    "augment_kimg": 0.2,
    "r1_interval": 4,
    "mirror": True,
    "spacing": "near",
    "disorder": 0.1,  # little, so that real videos still look real enough for ADA to move
}


def difference(ours: dict[str, Any], theirs: dict[str, Any], network: str) -> float:
    """Norm of the difference of all of a network's weights and means over their norm."""
    a, b = (torch.cat([x.double().flatten() for x in state[network].values()]) for state in (ours, theirs))
    return float((a - b).norm() / b.norm())


# In float32 what is left is rounding, 3e-6 on one processor and 1e-4 on another; float64 tells whether it is that.
@pytest.mark.parametrize("precision, tolerance", [("float32", 3e-4), ("float64", 1e-12)])
def test_the_result_does_not_depend_on_how_a_batch_is_cut(
    precision: str, tolerance: float, tmp_path: Path, tiny_dataset: Path, tiny_config: Any
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(run_config_to_dict(tiny_config(changes={"train": TRAIN}))))
    ways = {
        "whole": [sys.executable, SCRIPT],
        "two parts": [sys.executable, SCRIPT, "4"],
        "two processes": [*TORCHRUN, "2", SCRIPT],
    }
    results = {}
    for way, (*command, last) in ways.items():
        script, at_once = (command.pop(), [last]) if last == "4" else (last, [])
        out = tmp_path / f"{way}.pt"
        words = [*command, script, tiny_dataset, tmp_path / "config.json", out, precision, *at_once]
        subprocess.run(list(map(str, words)), check=True, timeout=120)
        results[way] = torch.load(out, weights_only=True)
    whole = results.pop("whole")
    assert 0 < whole["p"] < 1 and "r1" in whole["numbers"]
    for other in results.values():
        for network in ("generator", "discriminator", "average"):
            assert difference(other, whole, network) < tolerance
        assert other["p"] == whole["p"]
        # In float32 a verdict near zero may have another sign.
        near = {"rel": 1e-3, "abs": 1e-4 if precision == "float64" else 0.05}
        assert other["numbers"] == pytest.approx(whole["numbers"], **near)


@pytest.fixture
def start(tmp_path: Path, tiny_dataset: Path, tiny_config: Any) -> Any:
    """`start("run", steps)`: two processes under torchrun begin a training in that folder; ended with the test."""
    started: list[subprocess.Popen[str]] = []
    settings = {**TRAIN, "tick_kimg": 0.048, "snapshot_ticks": 2, "keep_checkpoints": 2, "measure_clips": 4}

    def begin(name: str, steps: int) -> subprocess.Popen[str]:
        changes = {"train": {**settings, "kimg": steps * 24 / 1000}}
        (tmp_path / "settings.toml").write_text(to_toml(run_config_to_dict(tiny_config(changes=changes))))
        command = [*TORCHRUN, "2", "--max-restarts", "2", "-m", "--", "smoothvid_cli", "train", str(tiny_dataset)]
        command += ["--out", str(tmp_path / name), "--preset", "tiny", "--config", str(tmp_path / "settings.toml")]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        started.append(subprocess.Popen(command, text=True, **pipes))
        return started[-1]

    yield begin
    for child in started:
        child.terminate()  # it ends its workers, which are in sessions of their own
        child.communicate()


def wait_for_checkpoint(run: Path, child: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while not any(item.name.isdecimal() for item in run.glob("checkpoints/*")):
        assert child.poll() is None and time.monotonic() < deadline, child.communicate()[0]
        time.sleep(0.02)


def workers(launcher: subprocess.Popen[str]) -> list[int]:
    """Process ids of what torchrun has started, process 0 first."""
    return sorted(map(int, Path(f"/proc/{launcher.pid}/task/{launcher.pid}/children").read_text().split()))


def test_a_killed_worker_costs_the_steps_since_the_last_checkpoint(start: Any, tmp_path: Path) -> None:
    straight = start("straight", 16)
    printed, _ = straight.communicate(timeout=200)
    assert straight.returncode == 0 and printed.count("seen_clips") == 1, printed  # told once
    killed = start("killed", 16)
    wait_for_checkpoint(tmp_path / "killed", killed)
    os.kill(workers(killed)[1], signal.SIGKILL)
    printed, _ = killed.communicate(timeout=200)
    assert killed.returncode == 0, printed
    for name in ("log.jsonl", "checkpoints/000000128/model.safetensors", "checkpoints/000000128/state.pt"):
        assert (tmp_path / "straight" / name).read_bytes() == (tmp_path / "killed" / name).read_bytes(), name
    assert "going on at" in printed


def test_sigterm_saves_and_ends_all(start: Any, tmp_path: Path) -> None:
    child = start("run", 10_000)
    wait_for_checkpoint(tmp_path / "run", child)
    first = checkpoint_folders(tmp_path / "run")[0]
    child.send_signal(signal.SIGTERM)
    printed, _ = child.communicate(timeout=100)
    assert child.returncode != 0
    folder, state = newest_state(tmp_path / "run")
    assert int(folder.name) >= int(first.name) and state["step"] * 8 == int(folder.name)
    assert "stopped; the same command with --resume goes on" in printed


def test_a_batch_that_cannot_be_shared_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "3")
    groups = lambda count: compared(count, 4)  # noqa: E731
    assert part_sizes(24, groups) == [8, 4]
    for batch in (8, 6, 2):  # not the same for each; in groups of 2, not of 3; none for the third
        with pytest.raises(ConfigError, match="--batch .* or fewer processes"):
            part_sizes(batch, groups)
    with pytest.raises(ConfigError, match="batch norm.*start a single one"):
        part_sizes(24, lambda count: count)
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert part_sizes(24, groups) == [24, 12, 8, 4] and part_sizes(6, groups) == [6, 3]
    assert part_sizes(6, lambda count: count) == [6]
