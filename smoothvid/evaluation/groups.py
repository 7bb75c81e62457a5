"""The groups of metrics: random features, published ones, smoothness. Each adds to the findings."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from smoothvid import processes
from smoothvid.errors import DataError
from smoothvid.evaluation.clips import Clips, DatasetClips
from smoothvid.evaluation.columns import Column, Figures, Findings
from smoothvid.evaluation.compare import FEWEST_CLIPS, MIN_CLIPS, Comparison, gather
from smoothvid.evaluation.features import MIN_CLIP_FRAMES, NETWORK_VERSION
from smoothvid.evaluation.pretrained import load_networks
from smoothvid.evaluation.published import measure_published
from smoothvid.evaluation.report import Shown
from smoothvid.evaluation.report.pictures import clips_wanted
from smoothvid.evaluation.settings import EvalSettings
from smoothvid.evaluation.smoothness import MEASURES, VideoSmoothness, code_smoothness, measure_video, summarize

if TYPE_CHECKING:
    from smoothvid.data.dataset import VideoDataset

Progress = Callable[[int, int, str], None]  # done, in all, of what
SHOWN = 9  # videos of each column on a page
SMALLEST_SIDE = 32  # of frames in which motion can be told
KINK = {"codes": 12, "seeds": 32, "reads": "largest jump of dv/dt at a code boundary over the mean |dv/dt|"}
LONG_ENOUGH = 64  # frames below which long videos are not shortened to have more of them


def published(found: Findings, dataset: "VideoDataset", settings: EvalSettings, device: str, tell: Progress) -> None:
    """FID, KID, FVD and KVD by their published protocols."""
    names = settings.chosen("published")
    networks = load_networks(names, settings.weights, device, settings.resize)
    for column in found.columns:

        def on_progress(done: int, total: int, what: str, column: Column = column) -> None:
            tell(done, total, f"{column.title}: {what}")

        for row, seed in enumerate(settings.seeds):
            source, few = column.source(seed), settings.allow_few
            results = measure_published(
                names, dataset, source, networks, seed=seed, allow_few=few, on_progress=on_progress
            )
            column.rows[row] |= {name: result.value for name, result in results.items()}
            found.metrics |= {name: result.protocol for name, result in results.items()}


def random(found: Findings, dataset: "VideoDataset", settings: EvalSettings, tell: Progress) -> None:
    """Distances over the built-in random features, and how much moves."""
    size, names = settings.clip_frames, settings.chosen("random")
    references: dict[str, list[Figures]] = {}
    for row, seed in enumerate(settings.seeds):
        data = DatasetClips(dataset, seed)
        real = data.spanning(size)
        made = [column.source(seed).spanning(size) for column in found.columns]
        count = _count_for_distances(found, real, made, dataset, settings)
        bar = _Bar(tell, (2 + len(made)) * count)
        comparison = Comparison(real, *data.two_sides(size, count), size, seed, bar.on("real clips"))
        for column, clips in zip(found.columns, made, strict=True):
            figures = comparison.measure(gather(clips, range(count), size, on_progress=bar.on(column.title))[""])
            column.rows[row] |= {name: figures[name] for name in names}
        for name, figures in comparison.references.items():
            references.setdefault(name, []).append({name: figures[name] for name in names})
    for reference, rows in references.items():
        found.references.setdefault(reference, {}).update(means(rows))
    for name in names:
        samples = comparison.num_samples.get(name)
        found.metrics[name] = {
            "clips": count,
            "clips_held_out": count,
            "frames": size,
            **({"network": NETWORK_VERSION, "samples": samples} if samples else {}),
            "unit": "the data's motion" if name.startswith("motion") else "the distance of the data's mean image",
            "real": "windows that do not overlap, every video one before any gives a second, drawn from the seed",
        }


def smoothness(
    found: Findings, dataset: "VideoDataset", settings: EvalSettings, tell: Progress, show: bool
) -> list[Shown]:
    """How smooth long videos are. Returns, if it is to be shown, what a page shows of them, the data first."""
    names, large = settings.chosen("smoothness"), dataset.resolution >= SMALLEST_SIDE
    if names and not large:
        found.notes.append(f"Smoothness was left out: it needs frames of at least {SMALLEST_SIDE} pixels a side.")
    if not show and not (names and large):
        return []
    size, count = long_clips([v.num_frames for v in dataset.videos], settings.long_videos, settings.long_frames)
    data = DatasetClips(dataset, settings.seed)
    real, sides = data.spanning(size), data.two_sides(size, count)
    made = [column.source(settings.seed).spanning(size) for column in found.columns]
    for column, clips in zip(found.columns, made, strict=True):
        if clips.count == 0:
            raise DataError(f"{column.name} has no video of {size} frames; give --long-frames a smaller number")
    titles = ["real", *(column.title for column in found.columns)]
    shown = [_show(title, clips, size, dataset.fps) for title, clips in zip(titles, [real, *made], strict=True) if show]
    if not (names and large):
        return shown
    videos = _measure_smoothness(found, real, sides, made, size, settings, tell)
    farthest = float(videos[0][0].similarity.max()) or 1.0
    return [_with_pictures(page, its, farthest) for page, its in zip(shown, videos, strict=False)]


def _measure_smoothness(
    found: Findings,
    real: Clips,
    sides: tuple[list[int], list[int]],
    made: Sequence[Clips],
    size: int,
    settings: EvalSettings,
    tell: Progress,
) -> list[list[VideoSmoothness]]:
    """Add the figures to the findings; return those of every video, of the data and of each column."""
    names = settings.chosen("smoothness")
    measured = [name for name in names if name != "kink"]
    first, second = sides[0], sides[1] or sides[0]  # a single video is compared with itself
    count = len(first)
    counts = [count if clips.count is None else min(count, clips.count) for clips in made]
    if (fewest := min(count, *counts)) < settings.long_videos:
        found.notes.append(f"Smoothness is that of {fewest} videos or more a side instead of {settings.long_videos}.")
    bar = _Bar(tell, 2 * count + sum(counts))
    data, others = (
        _measure(real, side, size, settings, bar.on("smoothness of real videos")) for side in (first, second)
    )
    summary = summarize(data, others)
    found.references.setdefault("real", {}).update({name: summary[name]["value"] for name in measured})
    videos = [data]
    for column, clips, available in zip(found.columns, made, counts, strict=True):
        its = _measure(clips, range(available), size, settings, bar.on(f"smoothness of {column.title}"))
        summary = summarize(data, its)
        column.rows[0] |= {name: summary[name]["value"] for name in measured}
        column.spread |= {name: summary[name]["spread"] for name in measured}
        if "kink" in names:
            motion = getattr(getattr(column.model, "generator", None), "motion", None)
            jump = None if motion is None else code_smoothness(motion, [column.start])[0]["jump"]
            column.rows[0]["kink"] = jump
        videos.append(its)
    facts = {"videos": count, "frames": size, "period": settings.period, "flow": settings.flow, "spread": "over videos"}
    for name in names:
        found.metrics[name] = KINK if name == "kink" else facts | {"reads": MEASURES[name].reads}
    return videos


def long_clips(lengths: Sequence[int], wanted: int, longest: int) -> tuple[int, int]:
    """How long and how many windows of a dataset are looked at: as long as allowed, and enough for two sets of them.

    Returns:
        (frames, windows in a set): frames at most `longest`, and at least MIN_CLIP_FRAMES.
    """
    for frames in range(min(longest, max(lengths)), MIN_CLIP_FRAMES - 1, -1):
        windows = sum(length // frames for length in lengths)
        if windows >= 2 * wanted or (windows and frames <= LONG_ENOUGH):
            return frames, max(1, min(wanted, windows // 2))
    raise DataError(f"no video of the dataset has {MIN_CLIP_FRAMES} frames, which smoothness needs at least")


def means(rows: Sequence[Figures]) -> Figures:
    """The mean of each figure over the rows that have it; None where one of them is."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _mean([row[name] for row in rows if name in row]) for name in names}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if len(known) == len(values) else None


def _count_for_distances(
    found: Findings, real: Clips, made: Sequence[Clips], dataset: "VideoDataset", settings: EvalSettings
) -> int:
    """How many clips of each there are to compare. Raises DataError when they are too few."""
    count, size = settings.num_videos, settings.clip_frames
    all_real = real.count or 0
    available = {f"{dataset.path} has {all_real} clips of {size} frames, half of them for the floor": all_real // 2}
    available |= {
        f"{column.name} gives {clips.count} clips of {size} frames": clips.count
        for column, clips in zip(found.columns, made, strict=True)
        if clips.count is not None
    }
    reason, few = min(available.items(), key=lambda item: item[1])
    if few < MIN_CLIPS:
        raise DataError(f"{reason}. Fewer than {MIN_CLIPS} cannot be compared; give more or longer videos.")
    notes = []
    if few < count:
        notes.append(f"{reason}: {few} clips were compared instead of {count}. Distances over fewer clips are larger.")
        if not settings.allow_few and few >= FEWEST_CLIPS:
            raise DataError(
                f"{reason}. Give --num-videos {few}, or --allow-few; distances over fewer clips are larger."
            )
    if min(few, count) < FEWEST_CLIPS:
        notes.append(f"Distances over fewer than {FEWEST_CLIPS} clips are mostly chance.")
        if not settings.allow_few:
            which = reason if few < count else f"--num-videos {count} is too few"
            raise DataError(f"{which}. {notes[-1]} Give more, or --allow-few to measure all the same.")
    found.notes += [note for note in notes if note not in found.notes]
    return min(few, count)


def _measure(
    clips: Clips, numbers: Sequence[int], size: int, settings: EvalSettings, on_progress: Callable[[int], None]
) -> list[VideoSmoothness]:
    """Every video by itself, each process its share."""
    mine: list[tuple[int, VideoSmoothness]] = []
    for part, batch in clips.batches(numbers, np.arange(size)):
        for number, video in zip(part, batch, strict=True):
            mine.append((number, measure_video(video, period=settings.period, flow=settings.flow)))
        on_progress(len(part))
    everyone = [pair for theirs in processes.gather(mine) for pair in theirs]
    return [video for _, video in sorted(everyone, key=lambda pair: pair[0])]


def _show(name: str, clips: Clips, size: int, fps: float) -> Shown:
    count = min(SHOWN, clips_wanted(clips.resolution))
    if clips.count is not None:
        count = min(count, clips.count)
    return Shown(name, clips.read(range(count), np.arange(size)), fps)


def _with_pictures(shown: Shown, videos: Sequence[VideoSmoothness], farthest: float) -> Shown:
    """With the first video's self-similarity (0: as unlike as the data ever is), and the colours of all videos."""
    similarity = (1 - videos[0].similarity / farthest).clip(min=0)
    colours = np.mean([video.colours for video in videos], axis=0)
    return replace(shown, similarity=similarity, colour=colours, lags=videos[0].lags)


class _Bar:
    """Counts clips of several steps as one stage."""

    def __init__(self, tell: Progress, total: int) -> None:
        self._tell, self._total, self._done = tell, total, 0

    def on(self, what: str) -> Callable[[int], None]:
        def advance(clips: int) -> None:
            self._done = min(self._total, self._done + clips * processes.count())
            self._tell(self._done, self._total, what)

        return advance
