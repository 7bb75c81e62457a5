"""Videos into a dataset: find the sources, convert each in a child process, put the parts together.

    report = prepare(["clips", "more/clip.mp4"], Path("sky"), PrepareSettings(resolution=64))

While work is under way it lies in a hidden folder beside the result (`.sky.partial`); the result appears when whole.
After an interruption, even `kill -9`, the same call goes on where it stopped: parts are kept by a key over the source
file (place, size, change time) and every setting that matters, so nothing stale or differently made is ever mixed in.
"""

import contextlib
import fcntl
import hashlib
import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from smoothvid.data.convert import Outcome, convert, frame_suffix, inspect, load_outcome
from smoothvid.data.dataset import INDEX_NAME, VideoRecord
from smoothvid.data.prepare_settings import PrepareSettings
from smoothvid.data.shards import flush_to_disk, write_index, write_shards
from smoothvid.data.sources import Source, find_sources
from smoothvid.data.supervisor import JobFailed, JobNote, run_jobs
from smoothvid.errors import DataError

__all__ = ["NothingUsable", "PrepareReport", "PrepareRow", "PrepareSettings", "prepare"]

Progress = Callable[[int, int, str], None]
_NOT_IN_KEY = ("workers", "timeout", "num_videos", "seed")  # settings that do not change how one source is converted


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
        first = report.rows[0]
        super().__init__(
            f"None of the {len(report.rows)} sources can be used; no dataset was made. "
            f"The first: {first.source}: {first.reason}."
        )
        self.report = report


def prepare(
    sources: Sequence[str | Path],
    out: str | Path,
    settings: PrepareSettings,
    on_progress: Progress | None = None,
    *,
    force: bool = False,
    dry_run: bool = False,
) -> PrepareReport:
    """Make a dataset of video files, folders of them, frame folders and synthetic worlds.

    Without `settings.fps`, sources of constant rate keep every frame, sources of variable rate are resampled by their
    time stamps to one over their median step, and the dataset's rate is the one most frames have. With it, every source
    is resampled by time stamps.

    Args:
        sources: paths, or "synthetic:drive", "synthetic:sky", "synthetic:shapes".
        out: the dataset folder to make.
        settings: how.
        on_progress: told (done, total, message), sources counted.
        force: replace a dataset that is there already.
        dry_run: only look at the sources and report; nothing is written.

    Raises:
        NothingUsable: no source can be used; the exception holds the report.
        DataError: a path does not exist, or `out` is taken.
    """
    out = Path(out).absolute()
    tell = on_progress or (lambda done, total, message: None)
    found, ignored = find_sources(sources, settings)
    if not found:
        raise DataError(f"There are no videos in {', '.join(map(str, sources))}.")
    if dry_run:
        outcomes = _run(found, [(source, settings) for source in found], inspect, settings, tell)
        report = _report(out, found, outcomes, ignored, settings)
        if not report.used:
            raise NothingUsable(report)
        return report
    _check_out(out, force)
    partial = out.with_name(f".{out.name}.partial")
    with _write_errors_told(partial), _only_one(partial):
        parts = [partial / "parts" / f"{_part_key(source, settings)}.zip" for source in found]
        outcomes = _convert_all(found, parts, settings, tell)
        report = _report(out, found, outcomes, ignored, settings)
        if not report.used:
            shutil.rmtree(partial)
            raise NothingUsable(report)
        videos = list(_records(found, outcomes, parts))
        for stale in [*partial.glob("frames-*.zip"), partial / INDEX_NAME]:
            stale.unlink(missing_ok=True)

        def tell_shards(done: int) -> None:
            tell(len(found), len(found), f"writing shards, video {done} of {len(videos)}")

        records = write_shards(partial, videos, frame_suffix(settings), tell_shards)
        write_index(partial, records, report.fps, settings)
        shutil.rmtree(partial / "parts")
        _put_in_place(partial, out)
    return report


def _convert_all(
    found: list[Source], parts: list[Path], settings: PrepareSettings, tell: Progress
) -> list[Outcome | JobFailed]:
    """The outcome of every source; parts left by an earlier, interrupted run are taken as they are."""
    parts[0].parent.mkdir(exist_ok=True)
    for unfinished in parts[0].parent.glob("*.tmp"):
        unfinished.unlink()
    known: dict[int, Outcome | JobFailed] = {
        number: outcome for number, part in enumerate(parts) if (outcome := load_outcome(part))
    }
    todo = [number for number in range(len(found)) if number not in known]
    if known:
        tell(len(known), len(found), f"going on after {len(known)} of {len(found)}")
    jobs = [(found[number], settings, parts[number]) for number in todo]

    def tell_after(done: int, total: int, message: str) -> None:
        tell(len(known) + done, len(found), message)

    made: list[Outcome | JobFailed] = _run([found[number] for number in todo], jobs, convert, settings, tell_after)
    known |= dict(zip(todo, made, strict=True))
    return [known[number] for number in range(len(found))]


def _run(
    sources: list[Source],
    jobs: Sequence[tuple[object, ...]],
    function: Callable[..., Outcome],
    settings: PrepareSettings,
    tell: Progress,
) -> list[Outcome | JobFailed]:
    outcomes: dict[int, Outcome | JobFailed] = {}
    for number, outcome in run_jobs(function, jobs, min(settings.workers, max(1, len(jobs))), settings.timeout):
        if isinstance(outcome, JobNote):
            tell(len(outcomes), len(jobs), f"{sources[number].shown}, {outcome.text}")
            continue
        if isinstance(outcome, JobFailed) and outcome.system:
            raise OSError(0, outcome.reason)
        outcomes[number] = outcome
        tell(len(outcomes), len(jobs), sources[number].shown)
    return [outcomes[number] for number in range(len(jobs))]


def _report(
    out: Path, found: list[Source], outcomes: Sequence[Outcome | JobFailed], ignored: int, settings: PrepareSettings
) -> PrepareReport:
    rows = [_row(source, outcome) for source, outcome in zip(found, outcomes, strict=True)]
    frames_at: Counter[float] = Counter()
    for row in rows:
        if row.frames:
            frames_at[round(row.fps, 2)] += row.frames
    fps = settings.fps or (frames_at.most_common(1)[0][0] if frames_at else 0.0)
    warnings = []
    if frames_at and max(frames_at) > 1.05 * min(frames_at):
        warnings.append(
            f"The sources have rates from {min(frames_at):g} to {max(frames_at):g} frames per second; the dataset "
            f"takes {fps:g}, at which others play too fast or too slow. Use --fps to resample them all."
        )
    static = sum("static" in row.reason for row in rows if row.frames)
    if static:
        warnings.append(f"{static} of the used sources do not move at all.")
    return PrepareReport(out, rows, ignored, settings.resolution, float(fps), warnings)


def _row(source: Source, outcome: Outcome | JobFailed) -> PrepareRow:
    if isinstance(outcome, JobFailed):
        return PrepareRow(source.shown, "skipped", 0, 0, 0.0, outcome.reason)
    frames = sum(segment.last - segment.first for segment in outcome.segments)
    status: Literal["used", "skipped"] = "used" if outcome.segments else "skipped"
    return PrepareRow(source.shown, status, len(outcome.segments), frames, outcome.fps, "; ".join(outcome.notes))


def _records(
    found: list[Source], outcomes: Sequence[Outcome | JobFailed], parts: list[Path]
) -> Iterator[tuple[VideoRecord, Path, int]]:
    """A record for every video, with its part and its first frame there. A lone label says nothing and is dropped."""
    used = [
        (source, outcome, part)
        for source, outcome, part in zip(found, outcomes, parts, strict=True)
        if isinstance(outcome, Outcome) and outcome.segments
    ]
    labelled = len({outcome.label for _, outcome, _ in used} - {None}) > 1
    taken: set[str] = set()
    for source, outcome, part in used:
        for number, segment in enumerate(outcome.segments):
            stem = source.name if len(outcome.segments) == 1 else f"{source.name}-{number:03d}"
            name = _free_name(stem, taken)
            label = outcome.label if labelled else None
            count = segment.last - segment.first
            yield VideoRecord(name, "", count, label, source.shown, segment.start, segment.end), part, segment.first


def _free_name(stem: str, taken: set[str]) -> str:
    """The stem, or the stem with a number; names that differ in case only would clash on some disks."""
    name, number = stem, 1
    while name.casefold() in taken:
        number += 1
        name = f"{stem}_{number}"
    taken.add(name.casefold())
    return name


def _part_key(source: Source, settings: PrepareSettings) -> str:
    choices = {name: value for name, value in asdict(settings).items() if name not in _NOT_IN_KEY}
    state: list[int] = []
    with contextlib.suppress(OSError):
        if source.kind != "synthetic":
            status = Path(source.path).stat()
            state = [status.st_size, status.st_mtime_ns]
    text = json.dumps([asdict(source), state, choices], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _check_out(out: Path, force: bool) -> None:
    if not out.exists():
        return
    is_dataset = (out / INDEX_NAME).is_file()
    if not is_dataset and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out} exists and is no dataset; it is left alone. Give another --out.")
    if is_dataset and not force:
        raise DataError(f"{out} exists already. Use --force to replace it, or give another --out.")


@contextlib.contextmanager
def _write_errors_told(partial: Path) -> Iterator[None]:
    """A full disk must stop everything; it is nothing that a source is to be skipped for."""
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{partial} cannot be written ({error.strerror or error}). When that is mended, the same command goes on."
        ) from error


@contextlib.contextmanager
def _only_one(partial: Path) -> Iterator[None]:
    """Keep two runs from working in one folder; the lock vanishes with its process, however that ends."""
    partial.mkdir(parents=True, exist_ok=True)
    with open(partial / "lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(f"Another run is at work in {partial}. Wait for it, or give another --out.") from error
        except OSError:  # a file system without locks
            pass
        yield


def _put_in_place(partial: Path, out: Path) -> None:
    """Rename the finished folder; a dataset it replaces goes away only after that."""
    (partial / "lock").unlink()
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    partial.rename(out)
    flush_to_disk(out.parent)
    shutil.rmtree(old, ignore_errors=True)
