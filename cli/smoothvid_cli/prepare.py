"""`smoothvid prepare`: videos into a dataset."""

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from smoothvid_cli import console
from smoothvid_cli.options import Debug, DryRun, Force, Json, Quiet, Seed

if TYPE_CHECKING:
    from smoothvid.data.prepare import PrepareReport, PrepareRow, Progress

LONGEST_TABLE = 1000  # sources


def prepare(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Video files (mp4, m4v, mov, 3gp, mkv, webm, avi, gif, ts, mts, m2ts, wmv, flv, mpg, mpeg, vob, ogv, "
            "mxf), folders of them, folders or .zip archives of frames, or synthetic:drive, synthetic:sky, "
            "synthetic:shapes.",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DATASET", help="The dataset folder to make.")],
    resolution: Annotated[int, typer.Option(metavar="N", help="Side of the square frames in pixels.")] = 256,
    fps: Annotated[
        float | None,
        typer.Option(metavar="N", help="Resample to this rate by time stamps; by default sources keep their own."),
    ] = None,
    crop: Annotated[
        Literal["center", "fit"], typer.Option(help="The central square, or all of it between black bars.")
    ] = "center",
    min_frames: Annotated[int, typer.Option(metavar="N", help="Skip videos and scenes with fewer frames.")] = 16,
    scene_cuts: Annotated[bool, typer.Option(help="Split at hard cuts, so that no video spans two scenes.")] = True,
    format: Annotated[Literal["jpeg", "png"], typer.Option(help="How frames are stored.")] = "jpeg",
    quality: Annotated[int, typer.Option(metavar="N", help="JPEG quality, 1 to 100.")] = 95,
    upscale: Annotated[bool, typer.Option("--upscale", help="Also take videos less than half the size.")] = False,
    max_frames: Annotated[int, typer.Option(metavar="N", help="Frames taken of one file at most.")] = 1_000_000,
    timeout: Annotated[float, typer.Option(metavar="SECONDS", help="Give a file up after this long.")] = 1800.0,
    workers: Annotated[
        int | None, typer.Option(metavar="N", help="Decoders; by default as many as there are cores.")
    ] = None,
    videos: Annotated[int, typer.Option(metavar="N", help="Synthetic sources: how many videos.")] = 64,
    frames: Annotated[int, typer.Option(metavar="N", help="Synthetic sources: frames of each video.")] = 128,
    seed: Seed = 0,
    force: Force = False,
    dry_run: DryRun = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Make a dataset out of videos, and say what was used and what was skipped, and why.

    Sub-folders of a SOURCE folder become labels when two or more hold videos; labels in a StyleGAN dataset.json go
    first. An interrupted run goes on when the same command is given again. Under `torchrun` several processes share
    the work.

    Example: `smoothvid prepare clips/ --out sky --resolution 64`
    """
    from smoothvid import processes
    from smoothvid.data.prepare import NothingUsable, PrepareSettings
    from smoothvid.data.prepare import prepare as prepare_dataset
    from smoothvid.data.prepare_settings import available_cores

    settings = PrepareSettings(
        resolution=resolution,
        fps=fps,
        crop=crop,
        min_frames=min_frames,
        scene_cuts=scene_cuts,
        format=format,
        quality=quality,
        upscale=upscale,
        max_frames=max_frames,
        timeout=timeout,
        workers=workers or max(1, available_cores() // processes.count_here()),
        num_videos=videos,
        num_frames=frames,
        seed=seed,
    )
    if processes.rank() > 0:
        console.set_quiet(True)  # errors are still shown
    try:
        with ExitStack() as stack:
            tell = _progress_bar(stack, processes.count())
            report = prepare_dataset(sources, out, settings, on_progress=tell, force=force, dry_run=dry_run)
    except NothingUsable as error:
        print_report(error.report, as_json, dry_run)
        raise
    if processes.rank() == 0:
        print_report(report, as_json, dry_run)


def _progress_bar(stack: ExitStack, shares: int) -> "Progress":
    """A callback that opens a bar when it first hears how much there is to do, here, in one of so many shares."""
    label = "prepare" if shares == 1 else f"prepare, share 1 of {shares}"
    advance: console.Advance | None = None
    last = 0

    def on_progress(done: int, total: int, message: str) -> None:
        nonlocal advance, last
        if advance is None:
            advance = stack.enter_context(console.progress(label, total=total, unit="files", done=0))
        advance(done - last, note=message)
        last = done

    return on_progress


def _summed_up(rows: "list[PrepareRow]") -> "Iterator[PrepareRow]":
    """The rows, those of one synthetic world that came out alike in one: synthetic:drive seeds 0 to 63."""
    from dataclasses import replace

    def alike(row: "PrepareRow") -> tuple[object, ...]:
        world, word, _ = row.source.partition(" seed ")
        is_world = world.startswith("synthetic:") and word
        return (world, row.status, row.fps, row.reason) if is_world else (id(row),)

    for (world, *_), group in groupby(rows, key=alike):
        first, *others = group
        if not others:
            yield first
            continue
        seeds = [row.source.rpartition(" ")[2] for row in (first, others[-1])]
        videos, frames = (sum(getattr(row, what) for row in (first, *others)) for what in ("videos", "frames"))
        yield replace(first, source=f"{world} seeds {seeds[0]} to {seeds[1]}", videos=videos, frames=frames)


def print_report(report: "PrepareReport", as_json: bool, dry_run: bool) -> None:
    """Print what became of the sources."""
    from dataclasses import asdict

    summary = {
        "out": str(report.out),
        "resolution": report.resolution,
        "fps": report.fps,
        "used": report.used,
        "skipped": report.skipped,
        "ignored": report.ignored,
        "videos": report.num_videos,
        "frames": report.num_frames,
        "warnings": report.warnings,
    }
    if as_json:
        console.print_json({**summary, "sources": [asdict(row) for row in report.rows]})
        return
    listed = [row for row in report.rows if len(report.rows) <= LONGEST_TABLE or row.status == "skipped"]
    if len(listed) < len(report.rows):
        console.say(f"of {len(report.rows)} sources only those that are skipped are listed; --json lists all")
    rows = [
        (row.source, row.status, row.videos or None, row.frames or None, round(row.fps, 3) or None, row.reason)
        for row in _summed_up(listed)
    ]
    console.print_table(["source", "status", "videos", "frames", "fps", "remarks"], rows)
    for warning in report.warnings:
        console.say(f"warning: {warning}")
    ignored = f", {report.ignored} other files ignored" if report.ignored else ""
    would = "would be " if dry_run else ""
    made = (
        f": {report.num_videos} videos, {report.num_frames} frames of {report.resolution}x{report.resolution} "
        f"at {report.fps:g} fps"
    )
    where = "" if dry_run else f" in {report.out}"
    console.say(f"{report.used} {would}used, {report.skipped} skipped{ignored}" + (made + where if report.used else ""))
