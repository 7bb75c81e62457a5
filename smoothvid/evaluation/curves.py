"""How the distances over random features grow with damage to real clips: a table and a picture.

    python -m smoothvid.evaluation.curves                                       # the synthetic worlds
    python -m smoothvid.evaluation.curves --source my_dataset --source synthetic:drive --out curves.png

What is not as it should be is listed below each table.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smoothvid.data.dataset import open_dataset
from smoothvid.data.synthetic import make_world
from smoothvid.errors import DataError, SmoothvidError
from smoothvid.evaluation.clips import Clips, DatasetClips, FileClips
from smoothvid.evaluation.compare import MIN_CLIPS, Comparison, gather
from smoothvid.evaluation.corruptions import CORRUPTIONS, corrupt, harms
from smoothvid.evaluation.curves_picture import draw

FRAUDS = {  # and the distances in which each must come last
    "frozen": ("rfid_diff", "rfvd"),
    "shuffled": ("rfid_diff", "rfvd"),
    "mean_image": ("rfid", "rfvd"),
    "mean_image_noise": ("rfid", "rfvd"),
    "grey": ("rfid", "rfvd"),
}
_MODERATE = 2  # strengths of each damage before those that frauds need not beat
_HALVES = 4  # ways to split the clips, whose spread tells how far the floor is certain
_FPS = 25.0  # at which video files are read

Distances = dict[str, float]  # rfid, rfid_diff, rfvd


@dataclass(frozen=True)
class Curves:
    """What one source gives.

    Attributes:
        floor: distances of undamaged clips.
        spread: standard deviation of the floor over different halves of the clips.
        damaged: distances by corruption, for each of its strengths.
        frauds: distances of the cheap frauds.
    """

    source: str
    num_clips: int
    num_frames: int
    resolution: int
    floor: Distances
    spread: Distances
    damaged: dict[str, list[Distances]]
    frauds: dict[str, Distances]

    def line(self, corruption: str, distance: str) -> list[float]:
        """The floor, then the distance at each strength."""
        return [self.floor[distance], *(row[distance] for row in self.damaged[corruption])]

    def grows(self, corruption: str, distance: str) -> bool:
        """Whether every step of strength makes the distance larger, the step from none too."""
        line = self.line(corruption, distance)
        return all(before < after for before, after in zip(line, line[1:], strict=False))

    def faults(self) -> list[str]:
        """What is not as it should be, in words."""
        found = []
        for name, corruption in CORRUPTIONS.items():
            if harms(name, self.source) and not self.grows(name, corruption.seen_by):
                found.append(f"{name}: {corruption.seen_by} does not grow at every step")
            for distance, floor in self.floor.items():
                if min(self.line(name, distance)) < floor - 3 * self.spread[distance]:
                    found.append(f"{name}: {distance} falls below its floor")
        for fraud, distances in FRAUDS.items():
            for distance in distances:
                for name in CORRUPTIONS:
                    if self.frauds[fraud][distance] <= self.line(name, distance)[_MODERATE]:
                        found.append(f"{fraud}: {distance} is no larger than of moderate {name}")
        return found


def measure_curves(
    source: str, clips: NDArray[np.uint8], seed: int = 0, on_progress: Callable[[str], None] | None = None
) -> Curves:
    """Measure every damage of CORRUPTIONS.

    Each half of the clips is damaged and compared with the other, and the mean taken: where one half moves less than
    the other, slowing the other down would bring it nearer.

    Args:
        clips: uint8 [2N, 2T, 3, R, R] in random order.
        on_progress: told what is measured next.
    """
    half, num_frames = len(clips) // 2, clips.shape[1] // 2
    tell = on_progress or (lambda what: None)
    tell("floor")
    rng = np.random.Generator(np.random.Philox(seed))
    whole = np.arange(2 * half)
    orders = [whole, np.roll(whole, half), *(rng.permutation(2 * half) for _ in range(_HALVES - 1))]
    comparisons = [
        Comparison(_at_hand(clips[:, :num_frames]), order[:half].tolist(), order[half:].tolist(), num_frames, seed)
        for order in orders
    ]
    floors = [_distances(comparison.references["real"]) for comparison in comparisons]

    def both_ways(name: str, strength: float) -> Distances:
        found = []
        for comparison, order in zip(comparisons[:2], orders, strict=False):
            made = _at_hand(corrupt(name, clips[order[half:]], strength, seed))
            found.append(_distances(comparison.measure(gather(made, range(half), num_frames)[""])))
        return _mean(found)

    damaged: dict[str, list[Distances]] = {}
    for name, corruption in CORRUPTIONS.items():
        tell(name)
        damaged[name] = [both_ways(name, strength) for strength in corruption.strengths]
    return Curves(
        source=source,
        num_clips=half,
        num_frames=num_frames,
        resolution=clips.shape[-1],
        floor=_mean(floors[:2]),
        spread={name: float(np.std([floor[name] for floor in floors[1:]], ddof=1)) for name in floors[0]},
        damaged=damaged,
        frauds={name: _distances(comparisons[0].references[name]) for name in FRAUDS},
    )


def read_clips(source: str, count: int, num_frames: int, resolution: int, seed: int = 0) -> NDArray[np.uint8]:
    """Clips in random order, uint8 [N, num_frames, 3, R, R], N at most count.

    Args:
        source: synthetic:NAME (each clip from another world), a dataset (at its own resolution) or a folder of video
            files.

    Raises:
        DataError: the source cannot be read, or has too few clips of that length.
    """
    kind, _, name = source.partition(":")
    if kind == "synthetic":
        worlds = [make_world(name, number) for number in range(count)]
        frames = [np.stack([world.frame(float(t), resolution) for t in range(num_frames)]) for world in worlds]
        return np.stack(frames).transpose(0, 1, 4, 2, 3)
    path = Path(source)
    if (path / "dataset.json").exists():
        found = DatasetClips(open_dataset(path), seed).spanning(num_frames)
    elif path.is_dir():
        found = FileClips(path, resolution, _FPS).spanning(num_frames)
    else:
        raise DataError(f"{source} is neither synthetic:NAME, nor a dataset, nor a folder of video files")
    available = found.count or 0
    if available < 2 * MIN_CLIPS:
        raise DataError(f"{source} has {available} clips of {num_frames} frames; at least {2 * MIN_CLIPS} are needed")
    order = np.random.Generator(np.random.Philox(seed)).permutation(available)[:count]
    return found.read(order.tolist(), np.arange(num_frames))


def table(curves: Curves) -> str:
    """The figures as a table in Markdown; the distance that is meant for a damage is in bold."""
    lines = [
        f"{curves.source}: {curves.num_clips} clips of {curves.num_frames} frames, {curves.resolution} pixels",
        "",
        "| damage | strength | `rfid` | `rfid_diff` | `rfvd` | margin |",
        "|---|---|---|---|---|---|",
        _row("none (the floor)", "", curves.floor),
        _row("spread of the floor", "", curves.spread),
    ]
    for name, corruption in CORRUPTIONS.items():
        seen_by, values = corruption.seen_by, curves.line(name, corruption.seen_by)
        remark = f"{(values[1] - values[0]) / curves.spread[seen_by]:.1f}"
        if not curves.grows(name, seen_by):
            remark += " NOT MONOTONE" if harms(name, curves.source) else " may look alike"
        for strength, distances in zip(corruption.strengths, curves.damaged[name], strict=True):
            lines.append(_row(name.replace("_", " "), f"{strength:g} {corruption.unit}", distances, seen_by, remark))
            remark = ""
    lines += [_row(name.replace("_", " "), "fraud", distances) for name, distances in curves.frauds.items()]
    return "\n".join(lines)


def _row(name: str, strength: str, distances: Distances, bold: str = "", remark: str = "") -> str:
    cells = [f"**{value:.4f}**" if key == bold else f"{value:.4f}" for key, value in distances.items()]
    return f"| {name} | {strength} | {' | '.join(cells)} | {remark} |"


def _mean(rows: Sequence[Distances]) -> Distances:
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def _distances(figures: dict[str, float | None]) -> Distances:
    """Without the motion, and named without the number of frames."""
    named = {name.split("_")[0] if name.startswith("rfvd") else name: value for name, value in figures.items()}
    return {name: value or 0.0 for name, value in named.items() if name.startswith("r")}


def _at_hand(clips: NDArray[np.uint8]) -> Clips:
    return Clips(len(clips), lambda numbers, frames: clips[list(numbers)][:, frames], clips.shape[-1])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m smoothvid.evaluation.curves", description=__doc__.split("\n")[0])
    parser.add_argument("--source", action="append", help="synthetic:NAME, dataset or folder of videos; repeatable")
    parser.add_argument("--resolution", type=int, default=64, help="of all but datasets, which have their own")
    parser.add_argument("--clips", type=int, default=128, help="of each source; each half is compared with the other")
    parser.add_argument("--frames", type=int, default=16, help="of a clip; stretches twice as long are read")
    parser.add_argument("--out", type=Path, default=Path("corruption-curves.png"))
    options = parser.parse_args(arguments)
    every = []
    for source in options.source or ["synthetic:drive", "synthetic:sky", "synthetic:shapes"]:
        print(f"{source} ...", file=sys.stderr)
        clips = read_clips(source, options.clips, 2 * options.frames, options.resolution)
        curves = measure_curves(Path(source).name, clips, on_progress=lambda what: print(f"  {what}", file=sys.stderr))
        print(table(curves), "\n", *(f"- {fault}\n" for fault in curves.faults() or ["all as it should be"]))
        every.append(curves)
    draw(every).save(options.out)
    print(f"wrote {options.out}", file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except SmoothvidError as error:
        sys.exit(f"error: {error}")
