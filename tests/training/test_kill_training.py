"""The short form of kill_training.py."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("kill_training.py")


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_killed_training_ends_as_if_nobody_had_stopped_it(workers: str) -> None:
    words = ["--kills", "2", "--steps", "60", "--workers", workers]
    run = subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "0 files differ" in run.stdout
