"""HLS: what is in the folder at each moment, and that FFmpeg's reader finds the right frames in it."""

import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import av
import numpy as np
import pytest

from smoothvid.errors import ConfigError, SmoothvidError
from smoothvid.sampling.sinks import open_sink

FPS = 10  # 5 frames in a segment, 40 segments in the window


def counting(first: int, num_frames: int) -> np.ndarray:
    """Pictures that tell their number modulo 60 by how bright they are, uint8 [T, 3, 32, 32]."""
    numbers = np.arange(first, first + num_frames) % 60
    return np.broadcast_to((20 + 3 * numbers).astype(np.uint8)[:, None, None, None], (num_frames, 3, 32, 32))


def numbers(playlist: Path) -> list[int]:
    """Decode an ended playlist into the numbers that its pictures tell (modulo 60)."""
    with av.open(str(playlist)) as container:
        pictures = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    return [round((float(picture.mean()) - 20) / 3) for picture in pictures]


def listed(playlist: Path) -> list[str]:
    return [line for line in playlist.read_text().splitlines() if not line.startswith("#")]


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """A clock that only sleeping moves."""
    clock = SimpleNamespace(now=1000.0, monotonic=lambda: clock.now)
    clock.sleep = lambda seconds: setattr(clock, "now", clock.now + seconds)
    monkeypatch.setattr("smoothvid.sampling.sinks.hls.time", clock)
    return clock


def test_a_finite_video_is_whole_and_appears_when_it_is(tmp_path: Path, clock: SimpleNamespace) -> None:
    playlist = tmp_path / "live" / "sky.m3u8"
    with open_sink(playlist, FPS) as sink:
        sink.write(counting(0, 33))
        assert not playlist.exists()
    assert numbers(playlist) == list(range(33))
    text = playlist.read_text()
    assert text.endswith("#EXT-X-ENDLIST\n") and "#EXT-X-PLAYLIST-TYPE:VOD" in text
    durations = [float(seconds) for seconds in re.findall("#EXTINF:(.*),", text)]
    assert durations == [0.5] * 6 + [0.3] and "#EXT-X-TARGETDURATION:1\n" in text
    assert len(listed(playlist)) == 7 and len(os.listdir(playlist.parent)) == 9
    assert clock.now == 1000


def test_an_endless_video_keeps_a_window(tmp_path: Path) -> None:
    playlist = tmp_path / "sky.m3u8"
    with open_sink(playlist, FPS, endless=True) as sink:
        for first in range(0, 500, 5):
            sink.write(counting(first, 5))
            names = set(os.listdir(tmp_path))
            if first:
                assert 1 <= len(listed(playlist)) <= 40 and names.issuperset(listed(playlist))
                assert "ENDLIST" not in playlist.read_text()
            assert len(names) <= 2 * 40 + 2
        assert len(names) == 2 * 40 + 2
        assert "#EXT-X-MEDIA-SEQUENCE:59\n" in playlist.read_text()
    assert playlist.read_text().endswith("#EXT-X-ENDLIST\n")
    assert numbers(playlist) == [number % 60 for number in range(300, 500)]


def test_an_endless_video_comes_as_fast_as_it_plays(tmp_path: Path, clock: SimpleNamespace) -> None:
    with open_sink(tmp_path / "sky.m3u8", FPS, endless=True) as sink:
        sink.write(counting(0, 301))
        assert clock.now == pytest.approx(1000 + 29.5)  # the first of 60 segments at once
        clock.now += 3600  # a machine that slept: 5 seconds come faster, not an hour
        sink.write(counting(301, 100))
        assert clock.now == pytest.approx(1000 + 29.5 + 3600 + 5, abs=0.6)


def test_a_new_run_goes_on_after_an_old_one_and_touches_nothing_else(tmp_path: Path) -> None:
    playlist, other = tmp_path / "sky.m3u8", tmp_path / "sea.m3u8"
    for path in (playlist, other):
        with open_sink(path, FPS) as sink:
            sink.write(counting(0, 12))
    (tmp_path / "sky.m3u8-000003.mp4.tmp").write_bytes(b"killed while writing")
    (tmp_path / "sky-000003.mp4").write_bytes(b"mine")
    with pytest.raises(ConfigError, match="--force"):
        open_sink(playlist, FPS)
    with open_sink(playlist, FPS, force=True) as sink:
        sink.write(counting(20, 12))
        assert numbers(playlist) == list(range(12))  # until the new one is whole
    assert numbers(playlist) == list(range(20, 32))
    assert listed(playlist) == [f"sky.m3u8-00000{number}.mp4" for number in (4, 5, 6)]
    assert "#EXT-X-MEDIA-SEQUENCE:4\n" in playlist.read_text()
    assert numbers(other) == list(range(12))
    own = [*listed(playlist), *listed(other), "sky.m3u8-000004-init.mp4", "sea.m3u8-000000-init.mp4"]
    assert sorted(os.listdir(tmp_path)) == sorted([*own, "sky.m3u8", "sea.m3u8", "sky-000003.mp4"])


def test_names_that_do_not_survive_in_addresses_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot hold #"):
        open_sink(tmp_path / "sky#1.m3u8", FPS)
    with pytest.raises(ConfigError, match=r"cannot hold '\\n'"):
        open_sink(tmp_path / "sky\nhttp.m3u8", FPS)
    with open_sink(tmp_path / "Himmel über uns.m3u8", FPS) as sink:
        sink.write(counting(0, 12))
    assert numbers(tmp_path / "Himmel über uns.m3u8") == list(range(12))


def test_an_error_ends_an_endless_video_and_removes_a_finite_one(tmp_path: Path) -> None:
    for endless in (False, True):
        with pytest.raises(ZeroDivisionError), open_sink(tmp_path / "a.m3u8", FPS, endless=endless) as sink:
            sink.write(counting(0, 12))
            1 / 0  # noqa: B018
        if not endless:
            assert os.listdir(tmp_path) == []
    assert numbers(tmp_path / "a.m3u8") == list(range(10))  # whole segments


@contextmanager
def small_disk() -> Iterator[None]:
    """No file may grow beyond 10 kB in this block; not for longer, or the tests' own output would be cut."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("endless", [False, True])
def test_a_full_disk_is_one_clear_error(tmp_path: Path, endless: bool) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (8, 3, 64, 64), np.uint8)
    with pytest.raises(SmoothvidError, match=r"a\.m3u8: cannot be written"), small_disk():
        with open_sink(tmp_path / "a.m3u8", FPS, endless=endless) as sink:
            sink.write(counting(0, 10).repeat(2, axis=2).repeat(2, axis=3))
            sink.write(noise)
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".tmp")]
    if endless:
        assert numbers(tmp_path / "a.m3u8") == list(range(10))
    else:
        assert os.listdir(tmp_path) == []


CHILD = """
import sys
import numpy as np
from smoothvid.sampling.sinks import open_sink
with open_sink(sys.argv[1], fps=25, endless=True) as sink:
    for number in range(20):
        sink.write(np.full((1, 3, 32, 32), 20 + 3 * number, np.uint8))
    print("written", flush=True)
    sys.stdin.read()
"""


def test_a_killed_one_plays_to_its_last_second(tmp_path: Path) -> None:
    playlist = tmp_path / "a.m3u8"
    command = [sys.executable, "-c", CHILD, str(playlist)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=Path(__file__).parents[2], **pipes) as child:  # type: ignore[call-overload]
        assert child.stdout is not None and child.stdout.readline() == b"written\n"
        child.send_signal(signal.SIGKILL)
    assert "ENDLIST" not in playlist.read_text()
    playlist.write_text(playlist.read_text() + "#EXT-X-ENDLIST\n")  # else the reader waits for more
    assert numbers(playlist) == list(range(12))
