"""Kill a training at random moments until it is done, and compare what it left with a run that nobody stopped.

    python tests/training/kill_training.py --kills 50 --workers 2

Every life is the same command, `smoothvid train ... --resume`. Of four kills (SIGKILL) one comes while the program
starts, one at any moment of training, and two as soon as a checkpoint is being written. In the end weights, averages,
optimizers, ADA, log and previews must be byte-equal to the uninterrupted run's. Run by hand, in short by
test_kill_training.py.
"""

import argparse
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

COMMAND = [sys.executable, "-m", "smoothvid_cli.main", "train"]
TINY = {
    "model.motion.z_dim": 8,
    "model.motion.fourier_dim": 4,
    "model.generator.z_dim": 8,
    "model.generator.w_dim": 16,
    "model.generator.num_layers": 4,
    "model.generator.channel_max": 8,
    "model.discriminator.channel_max": 8,
    "train.augment": "ada",
    "train.augment_kimg": 2,
    "train.r1_interval": 4,
    "train.tick_kimg": 0.08,
    "train.snapshot_ticks": 5,
    "train.measure_clips": 8,
    "train.keep_checkpoints": 2,
}
TICK_STEPS, FRAMES_A_STEP = 4, 20
LONGEST_WAIT = 300.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    random.seed(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        return compare(Path(folder), options.kills, options.steps, options.workers)


def compare(folder: Path, kills: int, steps: int, workers: int) -> int:
    """Train once straight and once through the kills; returns the number of files that differ."""
    data, straight, killed = folder / "data", folder / "straight", folder / "killed"
    world = ["synthetic:drive", "--videos", "12", "--frames", "64", "--resolution", "32", "--format", "png"]
    run([sys.executable, "-m", "smoothvid_cli.main", "prepare", *world, "--out", str(data)])
    words = ["--preset", "tiny", "--kimg", str(steps * FRAMES_A_STEP / 1000), "--workers", str(workers), "--resume"]
    words += [word for key, value in TINY.items() for word in ("--set", f"{key}={value}")]
    began = time.monotonic()
    run([*COMMAND, str(data), "--out", str(straight), *words])
    whole_seconds = time.monotonic() - began
    while_saving, reached = 0, []
    for life in range(kills):
        before = unfinished(killed)
        child = subprocess.Popen([*COMMAND, str(data), "--out", str(killed), *words], stderr=subprocess.DEVNULL)
        wait_for_moment(child, killed, ("saving", "training", "saving", "start")[life % 4], whole_seconds / kills)
        if child.poll() is not None:
            print(f"it was done before kill {life + 1}; take more --steps")
            return 1
        child.send_signal(signal.SIGKILL)
        child.wait()
        while_saving += bool(unfinished(killed) - before)
        reached.append(newest_step(killed))
    run([*COMMAND, str(data), "--out", str(killed), *words])
    different = compare_folders(straight, killed)
    print(
        f"{kills} kills, {while_saving} while a checkpoint was being written; {steps} steps in {whole_seconds:.0f} s "
        f"without a stop, {workers} workers; checkpoints found after the kills: {summary(reached)}"
    )
    print(f"{len(different)} files differ" + "".join(f"\n  {line}" for line in different))
    return len(different)


def wait_for_moment(child: subprocess.Popen[bytes], run_folder: Path, moment: str, share: float) -> None:
    """Wait until it is time to kill; `share` is how many seconds of training a life may last on average."""
    log = run_folder / "log.jsonl"
    old_log = log.stat().st_ino if log.exists() else None  # a training that goes on writes its log anew
    deadline = time.monotonic() + (random.uniform(0, 5) if moment == "start" else LONGEST_WAIT)
    seen, wanted = set[Path](), random.choice((1, 1, 2, 3))  # the how-manieth checkpoint of this life
    while time.monotonic() < deadline and child.poll() is None:
        seen.update(run_folder.glob("checkpoints/.*.partial"))
        if moment == "saving" and len(seen) == wanted:
            return time.sleep(random.uniform(0, 0.01))
        if moment == "training" and log.exists() and log.stat().st_ino != old_log:
            return time.sleep(random.uniform(0, share))
        time.sleep(0.0005)


def compare_folders(straight: Path, killed: Path) -> list[str]:
    """What differs between two runs, but for speeds, the page that shows them, and the folders' own names."""
    problems = []
    skip = {"speed.jsonl", "report.html", ".lock"}
    names = [
        {str(path.relative_to(run)) for path in run.rglob("*") if path.is_file() and path.name not in skip}
        for run in (straight, killed)
    ]
    problems += [f"{name} is in one run only" for name in sorted(names[0] ^ names[1])]
    for name in sorted(names[0] & names[1]):
        if (straight / name).read_bytes() != (killed / name).read_bytes():
            problems.append(f"{name} differs")
    if not any(name.endswith("state.pt") for name in names[0]):
        problems.append("no checkpoint was written")
    return problems


def unfinished(run_folder: Path) -> set[int]:
    """The checkpoints of which a part was written, told apart by what only one of them has."""
    return {path.stat().st_ino for path in run_folder.glob("checkpoints/.*.partial")}


def newest_step(run_folder: Path) -> int:
    found = [int(path.name) for path in run_folder.glob("checkpoints/*") if path.name.isdecimal()]
    return max(found, default=0) // 4


def summary(reached: list[int]) -> str:
    return f"steps {reached[0]} to {reached[-1]}" if reached else "-"


def run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=3600)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
