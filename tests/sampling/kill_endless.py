"""Kill endless videos at random moments and look at what is left; run by hand, in short by test_kill_endless.py.

    python tests/sampling/kill_endless.py CHECKPOINT --times 20
    python tests/sampling/kill_endless.py CHECKPOINT --soak 600

Each trial starts `smoothvid sample CHECKPOINT --length inf`, kills it (SIGKILL) some time after the first frames are in
the file, and decodes what is there. The child tells how many frames the model has made by a counter in a file, which
it moves on when a chunk leaves the model, before anything else happens to it. What is lost is the difference.
"""

import argparse
import os
import random
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import av

START_SECONDS = 300.0  # a child may take this long until its first frames
COUNTING = """
import os, struct, sys
from dataclasses import replace
import smoothvid_cli.sample as command
from smoothvid_cli.main import run

counter, write_videos = os.open(sys.argv.pop(1), os.O_WRONLY | os.O_CREAT), command.write_videos

def counted(video):
    made = 0
    for frames in video.make():
        made += len(frames)
        os.pwrite(counter, struct.pack("qd", made, video.fps), 0)
        yield frames

def write_counted(videos, **options):
    write_videos([replace(video, make=lambda video=video: counted(video)) for video in videos], **options)

command.write_videos = write_counted
run()
"""


class Trial(NamedTuple):
    """What came of one kill. Seconds are those of the video, but for `after`, which are real."""

    name: str
    after: float
    made: int
    left: int
    lost_seconds: float
    error: str

    def ok(self) -> bool:
        return not self.error and self.lost_seconds <= 1


def start(checkpoint: Path, out: Path, counter: Path, *words: str) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-c", COUNTING, str(counter), "sample", str(checkpoint), "--out", str(out)]
    return subprocess.Popen([*command, "--length", "inf", "--quiet", *words], stdout=subprocess.DEVNULL)


def kill_once(checkpoint: Path, out: Path, seconds: float, *words: str) -> Trial:
    """Let an endless video run for so many seconds after its first frames, kill it, and decode what it left."""
    counter = out.with_name(f"{out.name}.made")
    child = start(checkpoint, out, counter, *words)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not has_frames(out):
            assert child.poll() is None, f"the child ended by itself with {child.returncode}"
            assert time.monotonic() < deadline, f"{out} has no frames after {START_SECONDS:g} s"
            time.sleep(0.01)
        time.sleep(seconds)
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    made, fps = struct.unpack("qd", counter.read_bytes())
    try:
        left, error = frames_until_the_end(out, fps), ""
    except (OSError, ValueError) as problem:
        left, error = 0, str(problem)
    return Trial(out.name, seconds, made, left, (made - left) / fps, error)


def has_frames(out: Path) -> bool:
    return out.exists() and (out.suffix == ".m3u8" or b"moof" in out.read_bytes())


def frames_until_the_end(out: Path, fps: float) -> int:
    """Decode all of a video and return the number of its last frame, counted from 1 at the start of the run.

    Raises an OSError or a ValueError where anything cannot be decoded or a frame is missing.
    """
    if out.suffix == ".m3u8":
        ended = out.with_name("ended.m3u8")  # else the reader waits for more
        ended.write_text(out.read_text() + "#EXT-X-ENDLIST\n")
        expected = round(fps * sum(float(line[8:-1]) for line in out.read_text().splitlines() if "#EXTINF" in line))
        out = ended
    else:
        expected = None
    with av.open(str(out)) as container:
        stream = container.streams.video[0]
        stream.codec_context.options = {"err_detect": "explode"}
        numbers = [round(frame.time * fps) for frame in container.decode(stream)]
    first, last = numbers[0], numbers[-1]
    if expected is None:
        first, expected = 0, last + 1
    if numbers != list(range(first, first + expected)):
        raise ValueError(
            f"{len(numbers)} frames from {numbers[0]} to {last}, but {expected} from {first} were promised"
        )
    return last + 1


def soak(checkpoint: Path, out: Path, seconds: float, *words: str) -> tuple[int, int, int]:
    """Let an endless HLS video run and return the most files and bytes its folder had, and the frames made."""
    counter = out.parent.with_name("made")
    child = start(checkpoint, out, counter, *words)
    most_files = most_bytes = 0
    began: float | None = None
    while began is None or time.monotonic() < began + seconds:
        assert child.poll() is None, f"the child ended by itself with {child.returncode}"
        if began is None and out.exists():
            began = time.monotonic()
        sizes = [size for path in out.parent.glob("*") if (size := size_of(path)) is not None]
        most_files, most_bytes = max(most_files, len(sizes)), max(most_bytes, sum(sizes))
        time.sleep(0.2)
    child.send_signal(signal.SIGINT)
    assert child.wait() == 130 and "#EXT-X-ENDLIST" in out.read_text(), "it did not end as it should"
    return most_files, most_bytes, struct.unpack("qd", counter.read_bytes())[0]


def size_of(path: Path) -> int | None:
    try:
        return os.stat(path).st_size
    except FileNotFoundError:  # deleted in between
        return None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--times", type=int, default=20, help="kills of each format")
    parser.add_argument("--longest", type=float, default=5.0, help="seconds from the first frames to the last moment")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--soak", type=float, metavar="SECONDS", help="watch the folder of one HLS video instead")
    options = parser.parse_args()
    words = ("--device", options.device)
    with tempfile.TemporaryDirectory() as folder:
        if options.soak:
            most_files, most_bytes, made = soak(
                options.checkpoint, Path(folder, "live", "a.m3u8"), options.soak, *words
            )
            print(f"{options.soak:g} s, {made} frames: at most {most_files} files, {most_bytes / 1e6:.2f} MB")
            return 0
        moments = random.Random(options.seed)
        trials = []
        print(f"{'file':>8} {'killed after':>13} {'made':>7} {'left':>7} {'lost':>8}")
        for number in range(2 * options.times):
            out = Path(folder, str(number), ("a.mp4", "a.m3u8")[number % 2])
            out.parent.mkdir()
            trial = kill_once(options.checkpoint, out, moments.uniform(0, options.longest), *words)
            trials.append(trial)
            verdict = "" if trial.ok() else f"  FAILED {trial.error}"
            lost = f"{trial.lost_seconds:.2f} s"
            print(
                f"{trial.name:>8} {trial.after:>11.2f} s {trial.made:>7} {trial.left:>7} {lost:>8}{verdict}", flush=True
            )
    failures = sum(not trial.ok() for trial in trials)
    print(
        f"{len(trials)} kills, {failures} failures, at most {max(t.lost_seconds for t in trials):.2f} s of video lost"
    )
    return int(failures > 0)


if __name__ == "__main__":
    sys.exit(main())
