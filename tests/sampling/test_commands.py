"""`smoothvid sample` and `smoothvid interpolate` as a user meets them."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from smoothvid.errors import ConfigError
from smoothvid.sampling.interpolate import walk
from smoothvid.sampling.model import VideoModel
from smoothvid_cli.interpolate import parse_keys, parse_mix, parse_seeds
from smoothvid_cli.main import app

SMOOTHVID = [sys.executable, "-c", "from smoothvid_cli.main import run; run()"]
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def smoothvid(*words: object) -> Result:
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def start(*words: object, **options: Any) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([*SMOOTHVID, *map(str, words)], env=ENVIRONMENT, stderr=subprocess.PIPE, **options)


def pictures(folder: Path) -> np.ndarray:
    return np.stack([np.asarray(Image.open(path)).transpose(2, 0, 1) for path in sorted(folder.iterdir())])


def count_frames(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def wait_until_it_has_frames(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not (path.exists() and path.stat().st_size > 5_000):
        assert time.monotonic() < deadline, f"{path} does not grow"
        time.sleep(0.05)


def test_frames_are_those_of_the_model(checkpoint: Path, model: VideoModel, tmp_path: Path) -> None:
    words = "--seed 4 --label sea --truncation 0.7 --start 20 --fps 20 --slowmo 2 --length 0.5s --device cpu".split()
    assert smoothvid("sample", checkpoint, "--out", tmp_path / "shot", *words).exit_code == 0
    expected = model.sample([4], 10, start=20, fps=20, slowmo=2, truncation_psi=0.7, label="sea")[0]
    assert np.abs(pictures(tmp_path / "shot").astype(int) - expected.numpy().astype(int)).max() <= 1


def test_several_videos_grid_and_json(checkpoint: Path, model: VideoModel, tmp_path: Path) -> None:
    words = ["--num", 2, "--grid", "1x2", "--length", 3, "--seed", 5, "--json", "--device", "cpu"]
    result = smoothvid("sample", checkpoint, "--out", tmp_path / "clips.gif", *words)
    videos = json.loads(result.stdout)["videos"]
    assert [video["out"] for video in videos] == [str(tmp_path / f"clips-000{seed}.gif") for seed in (5, 7)]
    assert [video["seeds"] for video in videos] == [[5, 6], [7, 8]]
    for video in videos:
        assert (video["frames"], video["fps"]) == (3, 10.0)
        with Image.open(video["out"]) as gif:
            assert gif.size == (32, 16)
    assert smoothvid("sample", checkpoint, "--out", tmp_path / "clips", "--num", 2, "--length", 2).exit_code == 0
    assert sorted(os.listdir(tmp_path / "clips")) == ["0000.mp4", "0001.mp4"]


def test_dry_run_writes_nothing(checkpoint: Path, tmp_path: Path) -> None:
    result = smoothvid("sample", checkpoint, "--out", tmp_path / "a.mp4", "--dry-run")
    assert "a.mp4" in result.stdout and "128" in result.stdout
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(
    "words,message",
    [
        (["--out", "a.avi"], "a.avi"),
        (["--out", "a.mp4", "--label", "moon"], "moon"),
        (["--out", "a.mp4", "--num", "2", "--length", "inf"], "--num 2"),
        (["--out", "-", "--json"], "stdout"),
        (["--out", "here.mp4"], "--force"),
    ],
)
def test_wrong_use_is_refused_before_any_work(
    words: list[str], message: str, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.mp4").write_bytes(b"mine")
    with pytest.raises(ConfigError, match=message):
        smoothvid("sample", checkpoint, *words)
    assert os.listdir(tmp_path) == ["here.mp4"] and (tmp_path / "here.mp4").read_bytes() == b"mine"


def test_interpolate(checkpoint: Path, model: VideoModel, tmp_path: Path) -> None:
    words = ["--seeds", "1,2", "--frames-per-step", 3, "--device", "cpu", "--label", "sky"]
    assert smoothvid("interpolate", checkpoint, "--out", tmp_path / "walk", *words).exit_code == 0
    frames = pictures(tmp_path / "walk")
    assert len(frames) == 6
    expected = model.frames(1, np.array([0.0]), label="sky")[0]
    assert np.abs(frames[0] - (expected.numpy().clip(-1, 1) + 1) * 127.5).max() <= 1
    words += ["--hold", "motion", "--length", "0.2s"]
    assert smoothvid("interpolate", checkpoint, "--out", tmp_path / "still.mp4", *words).exit_code == 0
    assert count_frames(tmp_path / "still.mp4") == 2
    words = ["--seeds", "1,2,3", "--grid", "--length", 2]
    assert smoothvid("interpolate", checkpoint, "--out", tmp_path / "grid", *words).exit_code == 0
    assert pictures(tmp_path / "grid").shape == (2, 3, 48, 48)


def test_interpolate_loops_keys_and_layers(checkpoint: Path, model: VideoModel, tmp_path: Path) -> None:
    words = ["--device", "cpu", "--label", "sky", "--force", "--out", tmp_path / "walk"]
    assert smoothvid("interpolate", checkpoint, "--seeds", 3, "--loop", "0.6s", "--fps", 20, *words).exit_code == 0
    expected = torch.cat(list(walk(model, [3], loop=12, num_frames=12, fps=20, label="sky")))
    assert np.abs(pictures(tmp_path / "walk").astype(int) - expected.numpy()).max() <= 1
    keyed = ["--keys", "1@0s,2@0.4s,3@7", "--mix", "9:2-5", "--mix", "8:0", "--hold", "motion"]
    assert smoothvid("interpolate", checkpoint, *keyed, *words).exit_code == 0
    mix = [(9, 2, 5), (8, 0, 0)]
    expected = torch.cat(list(walk(model, [1, 2, 3], at=[0, 4, 7], num_frames=7, mix=mix, hold="motion", label="sky")))
    assert np.abs(pictures(tmp_path / "walk").astype(int) - expected.numpy()).max() <= 1


def test_drift_and_captions(checkpoint: Path, model: VideoModel, tmp_path: Path) -> None:
    words = ["--length", 3, "--device", "cpu", "--drift", 0.2, "--start", 7, "--grid", "1x2", "--out", tmp_path / "a"]
    assert smoothvid("sample", checkpoint, *words).exit_code == 0
    expected = torch.cat(list(model.sample([0, 1], 3, 7.0, drift=0.2)), dim=3)
    plain = pictures(tmp_path / "a").astype(int)
    assert np.abs(plain - expected.numpy()).max() <= 1
    assert smoothvid("sample", checkpoint, *words, "--captions", "--force").exit_code == 0
    named = pictures(tmp_path / "a").astype(int)
    assert named.shape > plain.shape and (named[:, :, -16:, -32:] == plain).all()


@pytest.mark.parametrize(
    "words,message",
    [
        (["--seeds", "1,2", "--keys", "1@0s,2@5s"], "one of the two"),
        ([], "--seeds 1,2,3, or --keys"),
        (["--seeds", "1"], "at least two"),
        (["--seeds", "1,2", "--loop", "inf"], "--loop inf"),
        (["--seeds", "1,2", "--loop", "5s", "--frames-per-step", "9"], "--frames-per-step"),
        (["--seeds", "1,2", "--grid", "--hold", "motion"], "--grid"),
        (["--seeds", "1,2", "--captions"], "--grid"),
        (["--seeds", "1,2", "--mix", "7:4-9"], "layers 0 to 5"),
        (["--keys", "1@0s,2@5s", "--loop", "2s"], "loop of 20 frames"),
    ],
)
def test_walks_that_make_no_sense_are_refused(words: list[str], message: str, checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        smoothvid("interpolate", checkpoint, "--out", tmp_path / "a.mp4", "--device", "cpu", *words)
    assert os.listdir(tmp_path) == []


def test_words_for_walks() -> None:
    assert parse_seeds("1, 2,5-8") == [1, 2, 5, 6, 7, 8] and parse_seeds("4", least=1) == [4]
    for text in ("1", "1,", "a,b", "1,-2", "", "3-1", "0-99999999"):
        with pytest.raises(ConfigError, match="1,2,3"):
            parse_seeds(text)
    assert parse_keys("1@0s, 2@5s,7@300", fps=10) == ([1, 2, 7], [0.0, 50.0, 300.0])
    for text in ("1@0s", "1@0s,2", "1@0s,2@-1s", "1@0s,2@5m", "1@5s,2@50", "1@0s,@5s"):
        with pytest.raises(ConfigError, match="--keys"):
            parse_keys(text, fps=10)
    assert [parse_mix("7:4-9"), parse_mix("7:4")] == [(7, 4, 9), (7, 4, 4)]
    for text in ("7", "7:", ":1", "7:a-b", "7:-1-2"):
        with pytest.raises(ConfigError, match="SEED:FIRST-LAST"):
            parse_mix(text)


def test_ctrl_c_leaves_an_endless_video_that_plays(checkpoint: Path, tmp_path: Path) -> None:
    child = start("sample", checkpoint, "--length", "inf", "--out", tmp_path / "a.mp4", "--device", "cpu")
    wait_until_it_has_frames(tmp_path / "a.mp4")
    child.send_signal(signal.SIGINT)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == 130, errors
    assert b"Traceback" not in errors and b"frames" in errors
    assert os.listdir(tmp_path) == ["a.mp4"]
    assert count_frames(tmp_path / "a.mp4") >= 8


def interrupting(monkeypatch: pytest.MonkeyPatch, after_chunks: list[int]) -> None:
    """Press Ctrl-C after these chunks of a stream."""
    stream = VideoModel.stream

    def pressed(self: VideoModel, *args: Any, **how: Any) -> Iterator[torch.Tensor]:
        for number, chunk in enumerate(stream(self, *args, **how), 1):
            if number in after_chunks:
                signal.raise_signal(signal.SIGINT)
            yield chunk

    monkeypatch.setattr(VideoModel, "stream", pressed)


def test_ctrl_c_finishes_the_finite_video_at_hand(
    checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    interrupting(monkeypatch, [2])
    result = smoothvid("sample", checkpoint, "--length", 50, "--num", 3, "--out", tmp_path / "a.mp4")
    assert result.exit_code == 130 and "a-0000.mp4" in result.stdout
    assert os.listdir(tmp_path) == ["a-0000.mp4"] and count_frames(tmp_path / "a-0000.mp4") == 50


def test_a_second_ctrl_c_abandons_it(checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    interrupting(monkeypatch, [2, 4])
    before = signal.getsignal(signal.SIGINT)
    result = smoothvid("sample", checkpoint, "--length", 50, "--out", tmp_path / "a.mp4")
    assert result.exit_code == 130 and result.stdout == ""
    assert os.listdir(tmp_path) == [] and signal.getsignal(signal.SIGINT) is before


def test_a_pipe_carries_frames_alone_and_ends_quietly_when_its_reader_leaves(
    checkpoint: Path, model: VideoModel
) -> None:
    words = ["--out", "-", "--pipe", "rgb24", "--length", "inf", "--device", "cpu", "--seed", 3, "--quiet"]
    child = start("sample", checkpoint, *words, stdout=subprocess.PIPE)
    assert child.stdout is not None and child.stderr is not None
    data = child.stdout.read(20 * 16 * 16 * 3)
    child.stdout.close()
    with child.stderr:
        assert child.stderr.read() == b""
    assert child.wait(timeout=60) == 0
    frames = np.frombuffer(data, np.uint8).reshape(20, 16, 16, 3).transpose(0, 3, 1, 2)
    assert np.abs(frames.astype(int) - model.sample([3], 20)[0].numpy().astype(int)).max() <= 1
