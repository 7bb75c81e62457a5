"""What became of the sources of a dataset, for people and programs."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from smoothvid.data.convert import Outcome
from smoothvid.data.prepare_settings import PrepareSettings
from smoothvid.data.sources import Found, Source
from smoothvid.data.supervisor import JobFailed
from smoothvid.errors import DataError


@dataclass(frozen=True)
class PrepareRow:
    """What became of one source: the videos and frames it gave; `reason` of skipping it, or remarks on it."""

    source: str
    status: Literal["used", "skipped"]
    videos: int
    frames: int
    fps: float
    reason: str


@dataclass(frozen=True)
class PrepareReport:
    """What became of everything. fps is 0.0 when nothing was used."""

    out: Path
    rows: list[PrepareRow]
    ignored: int
    resolution: int
    fps: float
    warnings: list[str]

    @property
    def used(self) -> int:
        return sum(row.status == "used" for row in self.rows)

    @property
    def skipped(self) -> int:
        return len(self.rows) - self.used

    @property
    def num_videos(self) -> int:
        return sum(row.videos for row in self.rows)

    @property
    def num_frames(self) -> int:
        return sum(row.frames for row in self.rows)


class NothingUsable(DataError):
    """None of the sources can be used; `report` says why, source by source."""

    def __init__(self, report: PrepareReport) -> None:
        first, count = report.rows[0], len(report.rows)
        others = f"; nor can the {count - 1} other sources" if count > 1 else ""
        super().__init__(f"No dataset was made. {first.source} cannot be used ({first.reason}){others}.")
        self.report = report


def report_of(
    out: Path, found: Found, outcomes: Sequence[Outcome | JobFailed], settings: PrepareSettings
) -> PrepareReport:
    """The report of a dataset at `out`, made of these sources, which came to these outcomes."""
    rows = [_row(source, outcome) for source, outcome in zip(found.sources, outcomes, strict=True)]
    frames_at: Counter[float] = Counter()
    for row in rows:
        if row.frames:
            frames_at[round(row.fps, 2)] += row.frames
    fps = settings.fps or (frames_at.most_common(1)[0][0] if frames_at else 0.0)
    warnings = list(found.warnings)
    if frames_at and max(frames_at) > 1.05 * min(frames_at):
        warnings.append(
            f"The sources have rates from {min(frames_at):g} to {max(frames_at):g} frames per second; the dataset "
            f"takes {fps:g}, at which others play too fast or too slow. Use --fps to resample them all."
        )
    static = sum("static" in row.reason for row in rows if row.frames)
    if static:
        warnings.append(f"{static} of the used sources do not move at all.")
    return PrepareReport(out, rows, found.ignored, settings.resolution, float(fps), warnings)


def _row(source: Source, outcome: Outcome | JobFailed) -> PrepareRow:
    if isinstance(outcome, JobFailed):
        return PrepareRow(source.shown, "skipped", 0, 0, 0.0, outcome.reason)
    frames = sum(segment.last - segment.first for segment in outcome.segments)
    status: Literal["used", "skipped"] = "used" if outcome.segments else "skipped"
    return PrepareRow(source.shown, status, len(outcome.segments), frames, outcome.fps, "; ".join(outcome.notes))
