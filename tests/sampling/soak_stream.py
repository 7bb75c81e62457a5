"""By hand: does an endless stream stay as fast and as small as it began?

    python tests/sampling/soak_stream.py CHECKPOINT --frames 100000

Reads frames from `smoothvid sample CHECKPOINT --length inf --out - --pipe rgb24` and compares the first thousand with
the last: time per frame (by the clock, and of the processor) and resident memory (the median of many looks: within a
frame it goes up and down by a tenth). Exits with 1 when memory grew by 2 % or more after the first thousand frames, or
processor time per frame by 5 % or more.
"""

import argparse
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PAGE = os.sysconf("SC_PAGE_SIZE")
TICKS = os.sysconf("SC_CLK_TCK")
COMMAND = [sys.executable, "-c", "from smoothvid_cli.main import run; run()", "sample"]


def resident(pid: int) -> float:
    """Resident memory of a process in MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1e6


def processor_time(pid: int) -> float:
    """Seconds of processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def soak(words: list[str], frame_bytes: int, num_frames: int, block: int = 1000) -> list[dict[str, Any]]:
    """Read blocks of frames; for each, seconds and processor seconds a frame, and memory after it. Prints some."""
    child = subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE)
    assert child.stdout is not None
    rows = []
    with child.stdout:
        child.stdout.read(16 * frame_bytes)  # start-up and the first chunks
        wall, used = time.perf_counter(), processor_time(child.pid)
        for _ in range(num_frames // block):
            looks = []
            for _ in range(block):
                if len(child.stdout.read(frame_bytes)) < frame_bytes:
                    raise SystemExit("the stream ended by itself")
                looks.append(resident(child.pid))
            wall_now, used_now = time.perf_counter(), processor_time(child.pid)
            row = {
                "wall": (wall_now - wall) / block,
                "used": (used_now - used) / block,
                "memory": statistics.median(looks),
            }
            rows.append(row)
            if len(rows) % 10 == 1 or len(rows) == num_frames // block:
                print(
                    f"{block * len(rows):>8} frames: {1e3 * row['wall']:.3f} ms a frame, {1e3 * row['used']:.3f} ms of "
                    f"processor time, {row['memory']:.1f} MB",
                    flush=True,
                )
            wall, used = wall_now, used_now
    if child.wait(timeout=60) != 0:
        raise SystemExit(f"the command ended with {child.returncode}")
    return rows


def main() -> int:
    """Run from the command line."""
    from smoothvid.sampling.model_file import read_facts

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--frames", type=int, default=100_000)
    parser.add_argument("--start", default="0")
    parser.add_argument("--fps", default="25", help="from 40 on, eight frames are made at a time")
    options = parser.parse_args()
    side = read_facts(options.checkpoint).resolution
    words = [str(options.checkpoint), "--length", "inf", "--out", "-", "--pipe", "rgb24", "--quiet"]
    rows = soak([*words, "--start", options.start, "--fps", options.fps], 3 * side * side, options.frames)
    first, last = rows[0], rows[-1]
    longer = last["wall"] / first["wall"] - 1
    grown, slower = last["memory"] / first["memory"] - 1, last["used"] / first["used"] - 1
    print(f"memory {100 * grown:+.2f} %, processor time {100 * slower:+.2f} %, by the clock {100 * longer:+.2f} %")
    return int(grown >= 0.02 or slower >= 0.05)


if __name__ == "__main__":
    sys.exit(main())
