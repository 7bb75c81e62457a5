"""`python -m smoothvid.evaluation.smoothness.validate`: what each measure gives on videos whose faults are known."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from smoothvid.data.resize import to_square
from smoothvid.data.video_io import VIDEO_SUFFIXES, read_video
from smoothvid.evaluation.smoothness import DEFAULT_PERIOD, MEASURES, VideoSmoothness, measure_video, summarize
from smoothvid.evaluation.smoothness.flow import FlowMethod
from smoothvid.evaluation.smoothness.known import CODE_PERIOD, KnownVideo, known_videos

_MOST_FRAMES = 256  # of a video file


def validation_table(videos: Sequence[tuple[KnownVideo, VideoSmoothness]]) -> str:
    """A Markdown table, known videos x measures; what should show is bold. Below it the separations."""
    lines = ["| video | " + " | ".join(MEASURES) + " |", "|---" * (len(MEASURES) + 1) + "|"]
    for known, found in videos:
        cells = [_cell(getattr(found, name), name in known.faults) for name in MEASURES]
        lines.append(f"| {known.name} | " + " | ".join(cells) + " |")
    rows = [f"{name} {least:.2f} against {most:.2f}" for name, (least, most) in separations(videos).items()]
    return "\n".join(
        [*lines, "", "Least over the clean video with the fault, against most without: " + "; ".join(rows)]
    )


def separations(videos: Sequence[tuple[KnownVideo, VideoSmoothness]]) -> Mapping[str, tuple[float, float]]:
    """For each measure (least, most): how far videos with its fault lie above the clean video they were made from at
    least, and how far those without that fault do at most."""
    clean = {known.name: found for known, found in videos}
    result = {}
    for name in MEASURES:
        excess: dict[bool, list[float]] = {True: [], False: [0.0]}
        for known, found in videos:
            value, before = getattr(found, name), getattr(clean[known.made_from], name)
            excess[name in known.faults].append(0.0 if value is None else value - before)
        result[name] = min(excess[True]), max(excess[False])
    return result


def halves_table(folder: Path, resolution: int, period: float, flow: FlowMethod) -> str:
    """The second halves of the video files in a folder set against the first ones."""
    first, second, short = [], [], []
    for path in sorted(path for path in folder.iterdir() if path.suffix.lower() in VIDEO_SUFFIXES):
        frames = _decoded(path, resolution)
        half = len(frames) // 2
        if half < 3 * period:
            short.append(path.name)
            continue
        first.append(measure_video(frames[:half], period=period, flow=flow))
        second.append(measure_video(frames[half : 2 * half], period=period, flow=flow))
    lines = [f"second halves against first halves of {len(first)} video files ({len(short)} too short)", ""]
    lines += ["| measure | second halves | first halves | against |", "|---|---|---|---|"]
    for name, row in summarize(first, second).items():
        values = " | ".join(_cell(row[key]) for key in ("value", "data", "against"))
        lines.append(f"| {name} | {values} ({row['compared']}) |")
    return "\n".join(lines)


def _decoded(path: Path, resolution: int) -> NDArray[np.uint8]:
    frames: list[NDArray[np.uint8]] = []
    for _, frame in read_video(path):
        frames.append(to_square(frame, resolution, "center"))
        if len(frames) == _MOST_FRAMES:
            break
    return np.stack(frames).transpose(0, 3, 1, 2)


def _cell(value: float | None, bold: bool = False) -> str:
    text = "-" if value is None else f"{value + 0.0:.2f}".replace("-0.00", "0.00")
    return f"**{text}**" if bold else text


def main() -> None:
    """Print what each measure gives on videos whose faults are known, or on halves of real videos."""
    parser = argparse.ArgumentParser(
        prog="python -m smoothvid.evaluation.smoothness.validate", description=main.__doc__
    )
    parser.add_argument("--flow", choices=["block", "dis"], default="block")
    parser.add_argument("--frames", type=int, default=128)
    parser.add_argument("--resolution", type=int, default=64)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--clips", type=Path, metavar="FOLDER", help="video files, of which halves are compared instead"
    )
    options = parser.parse_args()
    if options.clips:
        print(halves_table(options.clips, options.resolution, DEFAULT_PERIOD, options.flow))
        return
    known = known_videos(options.frames, options.resolution, options.seed)
    print(
        validation_table(
            [(video, measure_video(video.frames, period=CODE_PERIOD, flow=options.flow)) for video in known]
        )
    )


if __name__ == "__main__":
    main()
