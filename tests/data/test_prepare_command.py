"""`smoothvid prepare` as a person runs it: what it prints, its exit codes, Ctrl-C."""

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from smoothvid.data.dataset import open_dataset

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "smoothvid_cli.main", "prepare"]
ENVIRONMENT = os.environ | {
    "NO_COLOR": "1",
    "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "cli"), os.environ.get("PYTHONPATH", "")]),
}
MakeClip = Callable[..., Path]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], capture_output=True, text=True, env=ENVIRONMENT, timeout=120
    )


def moving(count: int, side: int = 64) -> list[np.ndarray]:
    return [np.full((side, side, 3), 30 + 3 * (number % 60), np.uint8) for number in range(count)]


def test_table_and_json(make_clip: MakeClip, tmp_path: Path) -> None:
    make_clip("in/a b.mp4", moving(40))
    (tmp_path / "in" / "broken.mp4").write_bytes(b"nonsense")
    done = run(tmp_path / "in", "--out", tmp_path / "set", "--resolution", 16, "--fps", 12.5)
    assert done.returncode == 0, done.stderr
    assert "in/a b.mp4" in done.stdout and "in/broken.mp4" in done.stdout and "cannot be opened" in done.stdout
    assert "1 used, 1 skipped" in done.stderr
    assert open_dataset(tmp_path / "set").num_frames == 20

    again = run(tmp_path / "in", "--out", tmp_path / "set", "--resolution", 16)
    assert again.returncode == 1 and again.stderr.count("\n") == 1 and "--force" in again.stderr

    as_json = run(tmp_path / "in", "--out", tmp_path / "set", "--resolution", 16, "--force", "--json", "--quiet")
    assert as_json.returncode == 0 and as_json.stderr == ""
    content = json.loads(as_json.stdout)
    assert (content["used"], content["skipped"], content["frames"]) == (1, 1, 40)
    assert [row["status"] for row in content["sources"]] == ["used", "skipped"]


def test_no_usable_input_is_exit_1_and_a_wrong_option_2(tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"nonsense")
    failed = run(tmp_path / "broken.mp4", "--out", tmp_path / "set")
    assert failed.returncode == 1 and not (tmp_path / "set").exists()
    assert "cannot be opened" in failed.stdout and "Traceback" not in failed.stderr
    assert run(tmp_path / "broken.mp4", "--out", tmp_path / "set", "--quality", 0).returncode == 2


def test_ctrl_c_ends_at_once_with_130_and_the_same_command_goes_on(make_clip: MakeClip, tmp_path: Path) -> None:
    first = make_clip("in/0.mp4", moving(150, side=320))
    for number in range(1, 16):  # work for long enough, on a fast machine, too
        shutil.copy(first, tmp_path / "in" / f"{number}.mp4")
    arguments = [str(tmp_path / "in"), "--out", str(tmp_path / "set"), "--workers", "1"]
    process = subprocess.Popen([*COMMAND, *arguments], env=ENVIRONMENT, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not list(tmp_path.glob(".set.partial/parts/*.zip")) and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    stopped = time.monotonic()
    _, messages = process.communicate(timeout=30)
    assert process.returncode == 130, messages
    assert time.monotonic() - stopped < 5 and "Traceback" not in messages
    assert not (tmp_path / "set").exists()
    assert run(*arguments).returncode == 0
    assert open_dataset(tmp_path / "set").num_frames == 16 * 150


def test_a_full_disk_stops_everything_and_skips_nothing(make_clip: MakeClip, tmp_path: Path) -> None:
    for number in range(2):
        make_clip(f"in/{number}.mp4", moving(100, side=320))

    def write_little() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    arguments = [str(tmp_path / "in"), "--out", str(tmp_path / "set")]
    process = subprocess.run(
        [*COMMAND, *arguments], env=ENVIRONMENT, capture_output=True, text=True, preexec_fn=write_little
    )
    assert process.returncode == 1 and not (tmp_path / "set").exists()
    assert "cannot be written (File too large)" in process.stderr and "skipped" not in process.stdout
    assert run(*arguments).returncode == 0
    assert open_dataset(tmp_path / "set").num_frames == 200


def test_a_place_that_cannot_be_written_is_an_error_in_one_line(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("clip.mp4", moving(20))
    (tmp_path / "file").touch()
    failed = run(clip, "--out", tmp_path / "file" / "set", "--quiet")
    assert failed.returncode == 1 and failed.stderr.count("\n") == 1 and "cannot be written" in failed.stderr


def test_worlds_that_came_out_alike_are_one_row(make_clip: MakeClip, tmp_path: Path) -> None:
    clip = make_clip("clip.mp4", moving(20))
    arguments = ["synthetic:sky", clip, "--videos", 3, "--frames", 16, "--resolution", 8, "--out", tmp_path / "set"]
    rows = [line.split() for line in run(*arguments).stdout.splitlines() if "used" in line]
    assert rows == [
        ["synthetic:sky", "seeds", "0", "to", "2", "used", "3", "48", "25"],
        ["clip.mp4", "used", "1", "20", "25"],
    ]
