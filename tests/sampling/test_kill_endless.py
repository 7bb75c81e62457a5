"""The short form of kill_endless.py."""

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).with_name("kill_endless.py")


def test_a_killed_video_plays_to_its_last_second(checkpoint: Path) -> None:
    words = [str(checkpoint), "--times", "1", "--longest", "1"]
    run = subprocess.run([sys.executable, str(SCRIPT), *words], capture_output=True, text=True)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "2 kills, 0 failures" in run.stdout
