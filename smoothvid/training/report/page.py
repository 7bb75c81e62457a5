"""A run's page: what is shown, and in which words."""

import shlex
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from html import escape
from pathlib import Path
from typing import Any

from smoothvid.data.dataset import VideoDataset, open_dataset
from smoothvid.errors import SmoothvidError
from smoothvid.evaluation.report import html
from smoothvid.files import write_whole
from smoothvid.sampling.sinks.base import errors_name
from smoothvid.training.report import curves
from smoothvid.training.report.previews import (
    EARLIER_ROWS,
    EARLIER_WIDTH,
    ROWS,
    WIDTH,
    Preview,
    evenly,
    form,
    read_preview,
    real_preview,
)
from smoothvid.training.report.state import RunState, read_state

REPORT_FILE = "report.html"
RELOAD = 60  # seconds after which the page of an unfinished run reloads itself
EARLIER = 8  # stills of the progress
LABELS = 20  # that are listed
SIDE_BY_SIDE = 400  # pixels that a still of videos takes at least
NEWEST = "Some of the data, and what the averaged weights make of random seeds. "
STILLS = (
    "In a still each line is a clip: eight moments, then one row of pixels over time, in which still things are level "
    "lines and moving ones slant. "
)
PHASES = {"train": "Video training", "pretrain": "Image training"}


def write_run_report(run: Path, dataset: VideoDataset | None = None) -> Path:
    """Write RUN/report.html, one file that needs nothing beside itself, and return its path.

    It is made from the files in the run's folder, of which any may be missing, and the dataset: without `dataset` the
    one that config.json names, if it is still there. The file is there whole or not at all.

    Raises:
        SmoothvidError: the file cannot be written.
    """
    state = read_state(run)
    if dataset is None and state.dataset is not None:
        try:
            dataset = open_dataset(state.dataset)
        except (SmoothvidError, OSError):
            pass  # the page says so
    newest = read_preview(state, state.previews[-1]) if state.previews else None
    parts = [
        _head(state),
        _newest(state, dataset, newest),
        _progress(state),
        curves.sections(state),
        _commands(state),
        _settings(state),
        _data(state, dataset),
        "<footer>Made by smoothvid from the files beside this page, at each checkpoint.</footer>",
    ]
    title = f"{state.run.resolve().name}, {PHASES.get(str(state.phase), 'training').lower()}"
    refresh = None if state.is_finished else RELOAD
    path = run / REPORT_FILE
    with errors_name(str(path)):
        write_whole(path, html.page(title, "\n".join(part for part in parts if part), refresh))
    return path


def _head(state: RunState) -> str:
    """What trains on what, how far it is, how long it takes, and what to beware of."""
    seen, total = state.seen_clips, state.total_clips
    side = (state.config.get("model") or {}).get("resolution")
    what = [PHASES.get(str(state.phase), "Training")]
    what += [f"of {state.config['family']}"] if "family" in state.config else []
    what += [f"at {side} × {side} pixels"] if side else []
    what += [f"on {state.config['dataset']}"] if "dataset" in state.config else []
    how = "Finished." if state.is_finished else "Not finished; the page is renewed at each checkpoint."
    share = html.progress(seen / total) if total else ""
    entries = "".join(f"<li><b>{escape(text)}</b><br>{escape(about)}</li>" for text, about in _figures(state))
    return (
        f"<header><h1>{escape(state.run.resolve().name)}</h1><p>{escape(' '.join(what))}. {how}</p>{share}"
        f'<ul class="sources">{entries}</ul>{_notes(state)}</header>'
    )


def _figures(state: RunState) -> list[tuple[str, str]]:
    """Figures for the head, each with what it is."""
    seen, total, speed, left = state.seen_clips, state.total_clips, state.clips_per_second, state.seconds_left
    kimg = state.kimg(seen)
    entries = [(f"{seen:,} clips seen" + (f" of {total:,}" if total else ""), "")]
    if kimg is not None:
        whole = state.kimg(total) if total else None
        entries = [(entries[0][0], f"{kimg:,.5g}" + (f" of {whole:,.5g}" if whole else "") + " kimg (thousand frames)")]
    if speed is not None:
        entries.append((f"{speed:.3g} clips a second", "over the last ticks"))
    if left:
        entries.append((f"{html.duration(left)} left", "at this speed"))
    if state.best is not None:
        score, when = state.scores[state.best], f"after {state.best:,} clips"
        entries.append(("Best checkpoint " + when, f"score {score:.4g}: {_name(state, state.best)}"))
    if state.checkpoints:
        clips = state.checkpoints[-1]
        entries.append((f"Newest checkpoint after {clips:,} clips", _name(state, clips)))
    else:
        entries.append(("No checkpoint yet", ""))
    if state.written is not None:
        entries.append((f"{datetime.fromtimestamp(state.written):%Y-%m-%d %H:%M:%S}", "last tick"))
    return entries


def _notes(state: RunState) -> str:
    notes = [f"After {clips:,} clips: {text}" for clips, text in state.warnings.values()]
    if state.skipped:
        notes.append(f"{state.skipped:,} updates were left out in all, because their gradients were not finite.")
    return f'<div class="notes">{"".join(f"<p>{escape(note)}</p>" for note in notes)}</div>' if notes else ""


def _newest(state: RunState, dataset: VideoDataset | None, newest: Preview | None) -> str:
    """The newest preview beside real clips."""
    real, trouble = None, ""
    if dataset is not None:
        try:
            real = real_preview(dataset, *form(state, dataset, newest))
        except (SmoothvidError, OSError) as error:
            trouble = f"Real clips cannot be shown: {error}"
    shown = {"Real.": real, f"New, after {max(state.previews, default=0):,} clips.": newest}
    there = {title: preview for title, preview in shown.items() if preview is not None}
    videos = [html.video(preview.video, title) for title, preview in there.items() if preview.video is not None]
    stills = [_still(preview, title, ROWS, WIDTH) for title, preview in there.items()]
    text = "No preview yet; the first one comes with the first checkpoint. " if newest is None else NEWEST
    text += (STILLS if videos else "") + trouble
    body = [html.beside(*videos)] if videos else []
    if stills:
        body.append(html.cards(*stills, least=SIDE_BY_SIDE) if videos else html.beside(*stills))
    return html.section("Real and new", escape(text), *body)


def _progress(state: RunState) -> str:
    """Previews over time."""
    found = [(clips, read_preview(state, clips)) for clips in evenly(state.previews, EARLIER)]
    stills = [
        _still(preview, f"After {clips:,} clips.", EARLIER_ROWS, EARLIER_WIDTH)
        for clips, preview in found
        if preview is not None
    ]
    if len(stills) < 2:
        return ""
    shown = html.beside(*stills) if state.phase == "pretrain" else html.cards(*stills, least=SIDE_BY_SIDE)
    return html.section("How it learns", "The same seeds each time, from the first preview to the newest.", shown)


def _still(preview: Preview, title: str, rows: int, width: int) -> str:
    picture = preview.shown(rows, width)
    small = picture.width < width
    return html.picture(picture, title, pixels=small, lossy=not small)


def _commands(state: RunState) -> str:
    """How to go on with the run, and what to do with it; nothing before there is a checkpoint."""
    if not state.checkpoints:
        return ""
    run, dataset = shlex.quote(str(state.run)), shlex.quote(str(state.dataset or "DATASET"))
    lines = [] if state.is_finished else [f"smoothvid {state.phase or 'train'} {dataset} --out {run} --resume"]
    best = shlex.quote(_name(state, state.best)) if state.best is not None else run
    if state.phase == "pretrain":
        text = "Train on videos from these weights, or look at more of its images. "
        lines.append(f"smoothvid train {dataset} --init {best} --out RUN")
        lines.append(f"smoothvid sample {best} --length 1 --grid 5x5 --out images")
    else:
        text = "Make videos, or measure them. "
        lines.append(f"smoothvid sample {best} --length 10s --grid 3x3 --out new.mp4")
        lines.append(f"smoothvid eval {best} {dataset} --out eval.html")
    text = text if state.is_finished else f"Go on where it stopped, if it has stopped. {text}"
    return html.section("What to do with it", text, html.code(lines))


def _settings(state: RunState) -> str:
    if not state.config:
        return html.section("Settings", "config.json is missing or damaged.")
    return html.section(
        "Settings", "What the run was made with.", html.details("All of config.json", html.facts(state.config))
    )


def _data(state: RunState, dataset: VideoDataset | None) -> str:
    if dataset is None:
        known = "config.json does not name a dataset" if state.dataset is None else f"no dataset at {state.dataset}"
        return html.section("Data", escape(f"Not there: {known}."))
    lengths = sorted(video.num_frames for video in dataset.videos)
    labels = Counter(video.label for video in dataset.videos if video.label is not None).most_common()
    facts: dict[str, Any] = {
        "path": str(dataset.path),
        "videos": f"{len(lengths):,}",
        "frames": f"{dataset.num_frames:,}, which is {html.duration(dataset.num_frames / dataset.fps)}",
        "frames a video": _spread(lengths),
        "size": f"{dataset.resolution} × {dataset.resolution} pixels",
        "frames a second": f"{dataset.fps:g}",
    }
    if labels:
        named = {label: f"{count:,} videos" for label, count in labels[:LABELS]}
        facts |= {"labels": named | ({"others": f"{len(labels) - LABELS}"} if len(labels) > LABELS else {})}
    return html.section("Data", "What it learns from.", html.facts(facts))


def _spread(lengths: Sequence[int]) -> str:
    shortest, median, longest = lengths[0], lengths[len(lengths) // 2], lengths[-1]
    return f"{shortest:,}" if shortest == longest else f"{shortest:,} to {longest:,}, half of them up to {median:,}"


def _name(state: RunState, clips: int) -> str:
    return str(state.checkpoint(clips))
