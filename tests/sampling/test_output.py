"""How signals and readers end the writing of videos. The videos here come from no model."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import av
import pytest
import torch
import typer

from smoothvid_cli.output import Video, write_videos


def video(out: Path, num_frames: int | None, signals: dict[int, signal.Signals]) -> Video:
    """A video of grey frames that sends this process signals when frames of these numbers are made."""

    def make() -> Iterator[torch.Tensor]:
        for number in range(num_frames or 1000):
            if number in signals:
                signal.raise_signal(signals[number])
            yield torch.full((1, 3, 16, 16), 128, dtype=torch.uint8)

    return Video(out=str(out), seeds=[0], num_frames=num_frames, fps=10, make=make)


def write(*videos: Video) -> int | str | None:
    """Write videos and return the exit code."""
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        write_videos(videos, pipe="y4m", force=False, dry_run=False, as_json=False)
        return 0
    except typer.Exit as end:
        return end.exit_code
    except SystemExit as end:
        return end.code
    finally:
        assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers


def count(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.parametrize("name", ["a.mp4", "a.m3u8"])
@pytest.mark.parametrize("first,code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_an_endless_video(tmp_path: Path, name: str, first: signal.Signals, code: int) -> None:
    assert write(video(tmp_path / name, None, {7: first})) == code
    assert count(tmp_path / name) == 8
    if name == "a.m3u8":
        assert (tmp_path / name).read_text().endswith("#EXT-X-ENDLIST\n")


def test_a_finite_video_is_finished_after_ctrl_c_and_abandoned_by_sigterm(tmp_path: Path) -> None:
    assert write(video(tmp_path / "a.mp4", 20, {7: signal.SIGINT}), video(tmp_path / "b.mp4", 20, {})) == 130
    assert os.listdir(tmp_path) == ["a.mp4"] and count(tmp_path / "a.mp4") == 20
    for name in ("c.mp4", "c.m3u8"):
        assert write(video(tmp_path / name, 20, {7: signal.SIGTERM})) == 143
        assert os.listdir(tmp_path) == ["a.mp4"]


STUCK = """
import sys
import numpy as np
from smoothvid_cli.output import Video, write_videos

def make():
    for number in range(1000):
        print(number, file=sys.stderr, flush=True)
        yield np.zeros((1, 3, 256, 256), np.uint8)

video = Video(out="-", seeds=[0], num_frames=None, fps=10, make=make)
write_videos([video], pipe=sys.argv[1], force=False, dry_run=False, as_json=False)
"""


@pytest.mark.parametrize("pipe", ["y4m", "rgb24"])
def test_a_reader_that_sleeps_stops_generation_and_a_second_signal_ends_it(pipe: str) -> None:
    command, root = [sys.executable, "-c", STUCK, pipe], Path(__file__).parents[2]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        while child.stderr.readline() != "1\n":
            pass
        time.sleep(0.5)  # time to run away in
        for _ in range(2):
            child.send_signal(signal.SIGTERM)
            time.sleep(0.5)
        errors = child.stderr.read()
        assert child.wait(60) == 143
    assert "\n2\n" not in errors and "Traceback" not in errors and "Fatal" not in errors
