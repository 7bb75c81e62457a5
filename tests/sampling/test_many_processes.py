"""`smoothvid sample` with many videos: shared among processes, gone on with after an interruption, in little memory."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import numpy as np
import pytest
from typer.testing import CliRunner

from smoothvid.errors import ConfigError
from smoothvid.sampling.model import VideoModel
from smoothvid.sampling.sinks import open_sink
from smoothvid_cli.main import app
from smoothvid_cli.output import Video
from smoothvid_cli.sample import Numbered

ALONE = [sys.executable, "-m", "smoothvid_cli"]
TWO = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "--", ALONE[2]]
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "NO_COLOR": "1"}


def smoothvid(start: list[str], *words: object) -> "subprocess.CompletedProcess[str]":
    command = [*start, *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT, timeout=120)


def here(*words: object) -> str:
    """Run a command in this process; what it prints."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception is not None:
        raise result.exception
    return result.stdout


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_two_processes_make_the_files_of_one_and_speak_once(checkpoint: Path, tmp_path: Path) -> None:
    words = ["--num", 5, "--length", 3, "--grid", "1x2", "--device", "cpu", "--json"]
    alone = here("sample", checkpoint, "--out", tmp_path / "alone", *words)
    done = smoothvid(TWO, "sample", checkpoint, "--out", tmp_path / "shared", *words)
    assert done.returncode == 0, done.stderr
    assert files(tmp_path / "shared") == files(tmp_path / "alone") and len(files(tmp_path / "alone")) == 5
    assert json.loads(done.stdout) == json.loads(alone.replace(str(tmp_path / "alone"), str(tmp_path / "shared")))
    assert done.stderr.count("videos: ") == 1 and "3 of 5 videos: 9/9 frames" in done.stderr


def test_a_name_that_is_taken_in_one_process_ends_all_before_anything_is_made(checkpoint: Path, tmp_path: Path) -> None:
    (tmp_path / "0003.mp4").write_bytes(b"mine")
    done = smoothvid(TWO, "sample", checkpoint, "--out", tmp_path, "--num", 4, "--length", 3, "--device", "cpu")
    assert done.returncode != 0
    assert done.stderr.count("error: ") == 1 and "0003.mp4: already exists" in done.stderr
    assert files(tmp_path) == {"0003.mp4": b"mine"} and done.stdout == ""


def test_a_single_video_is_made_by_one_process(checkpoint: Path, model: VideoModel) -> None:
    words = ["sample", str(checkpoint), *"--out - --length 3 --pipe rgb24 --label sky --device cpu".split()]
    done = subprocess.run([*TWO, *words], capture_output=True, env=ENVIRONMENT, timeout=120)
    assert done.returncode == 0, done.stderr.decode()
    shown = np.frombuffer(done.stdout, np.uint8).reshape(3, 16, 16, 3)
    expected = model.sample([0], 3, label="sky")[0].permute(0, 2, 3, 1).numpy()
    assert np.abs(shown.astype(int) - expected.astype(int)).max() <= 1


def test_ctrl_c_lets_every_process_finish_its_file(checkpoint: Path, tmp_path: Path) -> None:
    words = ["sample", checkpoint, "--out", tmp_path / "a", "--num", 8, "--length", 300, "--device", "cpu"]
    with subprocess.Popen(
        [*TWO, *map(str, words)], env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as child:
        deadline = time.monotonic() + 60
        while len(list(tmp_path.glob("a/.*.tmp"))) < 2:
            assert time.monotonic() < deadline, "no files are begun"
            time.sleep(0.02)
        child.send_signal(signal.SIGINT)
        table, messages = child.communicate(timeout=60)
    assert child.returncode != 0 and messages.count("finishing the file") == 1
    made = sorted(os.listdir(tmp_path / "a"))
    assert 2 <= len(made) < 8 and all(name.endswith(".mp4") and name in table for name in made)
    for name in made:
        with av.open(str(tmp_path / "a" / name)) as container:
            assert sum(1 for _ in container.decode(video=0)) == 300


def test_resume_makes_what_is_missing_and_nothing_else(checkpoint: Path, tmp_path: Path) -> None:
    words = ["--num", 4, "--length", 3, "--device", "cpu", "--json"]
    whole = json.loads(here("sample", checkpoint, "--out", tmp_path / "clips", *words))
    expected = files(tmp_path / "clips")
    (tmp_path / "clips" / "0002.mp4").unlink()
    (tmp_path / "clips" / "0001.mp4").write_bytes(b"kept")
    planned = json.loads(here("sample", checkpoint, "--out", tmp_path / "clips", *words, "--resume", "--dry-run"))
    assert planned["videos"] == [whole["videos"][2]]
    assert json.loads(here("sample", checkpoint, "--out", tmp_path / "clips", *words, "--resume")) == whole
    assert files(tmp_path / "clips") == expected | {"0001.mp4": b"kept"}


@pytest.mark.parametrize("words", [["--out", "a.mp4", "--length", "inf"], ["--out", "-"], ["--out", "a", "--force"]])
def test_resume_is_refused_where_nothing_is_ever_whole(words: list[str], checkpoint: Path) -> None:
    with pytest.raises(ConfigError, match="--resume"):
        here("sample", checkpoint, "--resume", *words)


def test_a_long_list_of_videos_is_made_one_by_one_and_shown_in_two_lines(checkpoint: Path, tmp_path: Path) -> None:
    made: list[int] = []

    def make(number: int) -> Video:
        made.append(number)
        return Video(out=f"{number}.mp4", seeds=[number], num_frames=1, fps=1, make=lambda: iter([]))

    videos = Numbered(10**12, make)
    assert len(videos) == 10**12 and videos[10**11].out == "100000000000.mp4" and made == [10**11]
    with pytest.raises(IndexError):
        videos[10**12]
    table = here("sample", checkpoint, "--out", tmp_path / "clips", "--num", 3000, "--dry-run", "--device", "cpu")
    assert "0000.mp4" in table and "2999.mp4" in table and table.count(".mp4") == 2


def test_what_a_killed_process_of_the_same_number_left_is_in_nobodys_way(tmp_path: Path) -> None:
    left = tmp_path / f".frames.{os.getpid()}.tmp"  # in containers, numbers come again
    left.mkdir()
    (left / "000007.png").write_bytes(b"half a frame")
    with open_sink(tmp_path / "frames", fps=10) as sink:
        sink.write(np.zeros((2, 3, 16, 16), np.uint8))
    assert sorted(os.listdir(tmp_path / "frames")) == ["000000.png", "000001.png"]
    assert os.listdir(tmp_path) == ["frames"]
