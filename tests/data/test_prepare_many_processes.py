"""`smoothvid prepare` shared among processes: the dataset of one, one report, one message, going on after kill -9."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from smoothvid.data.dataset import open_dataset
from smoothvid.data.prepare import PrepareReport, PrepareSettings, part_key
from smoothvid.data.prepare_report import PrepareRow
from smoothvid.data.sources import find_sources
from smoothvid_cli.main import app
from smoothvid_cli.prepare import print_report

TWO = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "--"]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "NO_COLOR": "1"}


def start(*words: object) -> "subprocess.Popen[str]":
    """`smoothvid prepare` in two processes."""
    command = [*TWO, "smoothvid_cli", "prepare", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)


def alone(*words: object) -> str:
    """`smoothvid prepare` in this process; what it prints."""
    result = CliRunner().invoke(app, ["prepare", *map(str, words)])
    if result.exception is not None:
        raise result.exception
    return result.stdout


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_two_processes_make_the_dataset_of_one_and_report_once(tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"nonsense")
    words = ["synthetic:drive", tmp_path / "broken.mp4", "synthetic:shapes", "--videos", 3, "--frames", 20]
    words += ["--resolution", 16, "--workers", 1, "--json"]
    expected = alone(*words, "--out", tmp_path / "alone")
    report, messages = (shared := start(*words, "--out", tmp_path / "shared")).communicate(timeout=120)
    assert shared.returncode == 0, messages
    assert json.loads(report) == json.loads(expected.replace(str(tmp_path / "alone"), str(tmp_path / "shared")))
    assert [row["status"] for row in json.loads(report)["sources"]] == ["used"] * 3 + ["skipped"] + ["used"] * 3
    assert files(tmp_path / "shared") == files(tmp_path / "alone")
    assert messages.count("prepare, share 1 of 2") == 1
    assert sorted(os.listdir(tmp_path)) == ["alone", "broken.mp4", "shared"]

    refused = start(*words, "--out", tmp_path / "shared")
    _, messages = refused.communicate(timeout=120)
    assert refused.returncode != 0 and messages.count("error: ") == 1 and "exists already" in messages


def test_kill_9_of_one_ends_all_and_the_same_command_goes_on(tmp_path: Path) -> None:
    words = ["synthetic:drive", "--videos", 8, "--frames", 60, "--resolution", 32, "--workers", 1]
    first = start(*words, "--out", tmp_path / "set")
    deadline = time.monotonic() + 60
    while len(list(tmp_path.glob(".set.partial/parts/*.zip"))) < 2:
        assert time.monotonic() < deadline, "nothing is converted"
        time.sleep(0.02)
    os.kill(process_with_rank(1, first.pid), signal.SIGKILL)
    first.communicate(timeout=60)
    assert first.returncode != 0 and os.listdir(tmp_path) == [".set.partial"]
    assert len(list(tmp_path.glob(".set.partial/parts/*.zip"))) < 8

    second = start(*words, "--out", tmp_path / "set")
    _, messages = second.communicate(timeout=120)
    assert second.returncode == 0 and "share 1 of 2" in messages, messages
    alone(*words, "--out", tmp_path / "alone")
    assert files(tmp_path / "set") == files(tmp_path / "alone")
    assert open_dataset(tmp_path / "set").num_frames == 480


def test_a_failure_in_one_process_ends_all_with_its_message(tmp_path: Path) -> None:
    settings = PrepareSettings(resolution=16, num_videos=4, num_frames=20, workers=1)
    found = find_sources(["synthetic:drive"], settings).sources
    # Where the part of the second source, which is the share of process 1, cannot appear:
    (tmp_path / ".set.partial" / "parts" / f"{part_key(found[1], settings)}.zip").mkdir(parents=True)
    words = ["synthetic:drive", "--videos", 4, "--frames", 20, "--resolution", 16, "--workers", 1]
    failed = start(*words, "--out", tmp_path / "set")
    _, messages = failed.communicate(timeout=60)
    assert failed.returncode != 0 and not (tmp_path / "set").exists()
    assert messages.count("cannot be written (Is a directory)") == 1 and "unexpected" not in messages


def test_of_very_many_sources_the_table_lists_those_skipped(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [PrepareRow(f"clip{number}", "used", 1, 20, 25.0, "") for number in range(2000)]
    rows[700] = PrepareRow("clip700", "skipped", 0, 0, 0.0, "too short")
    print_report(PrepareReport(Path("set"), rows, 0, 16, 25.0, []), as_json=False, dry_run=False)
    shown = capsys.readouterr()
    assert shown.out.count("clip") == 1 and "clip700" in shown.out and "1999 used, 1 skipped" in shown.err


def process_with_rank(rank: int, parent: int) -> int:
    """The process of this rank below torchrun."""
    for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
        if f"RANK={rank}".encode() in Path(f"/proc/{child}/environ").read_bytes().split(b"\0"):
            return int(child)
    raise AssertionError(f"there is no process {rank}")
