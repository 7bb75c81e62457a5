"""Videos into a dataset: find the sources, convert each in a child process, put the parts together.

    report = prepare(["clips", "more/clip.mp4"], Path("sky"), PrepareSettings(resolution=64))

While work is under way it lies in a hidden folder beside the result (`.sky.partial`); the result appears when whole.
After an interruption, even `kill -9`, the same call goes on where it stopped: parts are kept by a key over the source
file (place, size, change time) and every setting that matters, so nothing stale or differently made is ever mixed in.

Several processes, as `torchrun` starts them, share the sources and then the shards. Process 0 decides what is done,
holds the lock and puts the result in place; the dataset is the same, byte for byte.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from smoothvid import processes
from smoothvid.data.convert import Outcome, convert, frame_suffix, inspect, load_outcome
from smoothvid.data.dataset import INDEX_NAME
from smoothvid.data.prepare_report import NothingUsable, PrepareReport, PrepareRow, report_of
from smoothvid.data.prepare_settings import PrepareSettings
from smoothvid.data.shards import Piece, plan_shards, videos_of, write_index, write_shard
from smoothvid.data.sources import Found, Source, find_sources
from smoothvid.data.supervisor import JobFailed, JobNote, run_jobs
from smoothvid.errors import DataError
from smoothvid.files import flush

__all__ = ["NothingUsable", "PrepareReport", "PrepareRow", "PrepareSettings", "prepare"]

Progress = Callable[[int, int, str], None]
_OURS = re.compile(r"dataset\.json|frames-\d+\.zip|\.DS_Store|Thumbs\.db")  # may go when a dataset is replaced
_NOT_IN_KEY = ("workers", "timeout", "num_videos", "seed")  # settings that do not change how one source is converted


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

    Several processes share the work, and all return the whole report; an error of process 0 is raised there only, and
    the others leave by SystemExit.

    Without `settings.fps`, sources of constant rate keep every frame, sources of variable rate are resampled by their
    time stamps to one over their median step, and the dataset's rate is the one most frames have. With it, every source
    is resampled by time stamps.

    Args:
        sources: paths, or "synthetic:drive", "synthetic:sky", "synthetic:shapes".
        out: the dataset folder to make.
        settings: how.
        on_progress: told (done, total, message), sources counted: those of this process.
        force: replace a dataset that is there already.
        dry_run: only look at the sources and report; nothing is written.

    Raises:
        NothingUsable: no source can be used; the exception holds the report.
        DataError: a path does not exist, or `out` is taken or holds more than a dataset.
    """
    out = Path(out).absolute()
    partial = out.with_name(f".{out.name}.partial")
    tell = on_progress or (lambda done, total, message: None)
    with processes.joined(), contextlib.ExitStack() as held:

        def begin() -> tuple[Found, list[Path]]:
            looked_up = find_sources(sources, settings)
            if not dry_run:
                _check_out(out, force)
                held.enter_context(_workplace(partial))
            names = [f"{part_key(source, settings)}.zip" for source in looked_up.sources]
            return looked_up, [partial / "parts" / name for name in names]

        looked_up, parts = processes.by_first(begin)
        found = looked_up.sources
        mine = processes.share(list(zip(found, parts, strict=True)))
        with contextlib.nullcontext() if dry_run else _write_errors_told(partial):
            outcomes = processes.unshare(_look(mine, settings, tell) if dry_run else _convert(mine, settings, tell))
            report = report_of(out, looked_up, outcomes, settings)
            if not report.used:
                processes.by_first(lambda: _give_up(report, None if dry_run else partial))
            if dry_run:
                return report
            shards = plan_shards(videos_of(found, outcomes, parts))

            def tell_shards(message: str) -> None:
                tell(len(mine), len(mine), message)

            entries = processes.unshare(_write_shards(partial, processes.share(shards), settings, tell_shards))
            processes.by_first(lambda: _finish(partial, out, shards, entries, report.fps, settings))
    return report


def _look(mine: Sequence[tuple[Source, Path]], settings: PrepareSettings, tell: Progress) -> list[Outcome | JobFailed]:
    """The outcome of every source as far as it shows from outside."""
    sources = [source for source, _ in mine]
    return _run(sources, [(source, settings) for source in sources], inspect, settings, tell)


def _convert(
    mine: Sequence[tuple[Source, Path]], settings: PrepareSettings, tell: Progress
) -> list[Outcome | JobFailed]:
    """The outcome of every source; parts left by an earlier, interrupted run are taken as they are."""
    if mine and not mine[0][1].parent.is_dir():
        raise DataError(f"process {processes.rank()} finds no {mine[0][1].parent}; --out must be on a shared disk.")
    known: dict[int, Outcome | JobFailed] = {
        number: outcome for number, (_, part) in enumerate(mine) if (outcome := load_outcome(part))
    }
    todo = [number for number in range(len(mine)) if number not in known]
    if known:
        tell(len(known), len(mine), f"going on after {len(known)} of {len(mine)}")
    jobs = [(mine[number][0], settings, mine[number][1]) for number in todo]

    def tell_after(done: int, total: int, message: str) -> None:
        tell(len(known) + done, len(mine), message)

    made: list[Outcome | JobFailed] = _run([mine[number][0] for number in todo], jobs, convert, settings, tell_after)
    known |= dict(zip(todo, made, strict=True))
    return [known[number] for number in range(len(mine))]


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


def _give_up(report: PrepareReport, partial: Path | None) -> None:
    if partial is not None:
        shutil.rmtree(partial)
    raise NothingUsable(report)


def _write_shards(
    partial: Path, mine: Sequence[list[Piece]], settings: PrepareSettings, tell: Callable[[str], None]
) -> list[dict[str, Any]]:
    """The entry of every shard."""
    done, total = 0, sum(map(len, mine))

    def on_video() -> None:
        nonlocal done
        done += 1
        tell(f"writing shards, video {done} of {total}")

    return [write_shard(partial, pieces, frame_suffix(settings), on_video) for pieces in mine]


def _finish(
    partial: Path,
    out: Path,
    shards: list[list[Piece]],
    entries: list[dict[str, Any]],
    fps: float,
    settings: PrepareSettings,
) -> None:
    """Write the index and rename the finished folder; a dataset it replaces goes away only after that."""
    write_index(partial, entries, [record for shard in shards for record, _, _ in shard], fps, settings)
    shutil.rmtree(partial / "parts")
    (partial / "lock").unlink()
    old = out.with_name(f".{out.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if out.exists():
        out.rename(old)
    partial.rename(out)
    flush(out.parent)
    shutil.rmtree(old, ignore_errors=True)


def part_key(source: Source, settings: PrepareSettings) -> str:
    """The name of the part of a source; another one when the source or a setting that matters has changed."""
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
    others = sorted(name for name in os.listdir(out) if not _OURS.fullmatch(name))
    if others:
        raise DataError(
            f"{out} holds more than a dataset (for example {others[0]}), so --force does not replace it. "
            "Give another --out."
        )


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
def _workplace(partial: Path) -> Iterator[None]:
    """The folder to work in, for one run only; the lock vanishes with its process, however that ends."""
    with _write_errors_told(partial):
        (partial / "parts").mkdir(parents=True, exist_ok=True)
        lock = open(partial / "lock", "w")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DataError(f"Another run is at work in {partial}. Wait for it, or give another --out.") from error
        except OSError:  # a file system without locks
            pass
        with _write_errors_told(partial):
            for left in [*partial.glob("parts/*.tmp"), *partial.glob("frames-*.zip"), partial / INDEX_NAME]:
                left.unlink(missing_ok=True)
        yield
