"""`smoothvid info`: say what a path is."""

import math
import os
from collections import Counter
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from smoothvid.plain_text import read_json
from smoothvid_cli import console
from smoothvid_cli.options import Debug, Json, Quiet


def info(
    path: Annotated[
        Path,
        typer.Argument(
            metavar="PATH|shipped",
            help="A dataset, a run, a checkpoint or a model file; or `shipped`, to list the models that ship.",
        ),
    ],
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say what a dataset, run, checkpoint or model file is.

    Example: `smoothvid info runs/sky`
    """
    if str(path) == "shipped" and not path.exists():
        return _print_shipped(as_json)
    facts = describe(path)
    if as_json:
        console.print_json(facts)
    else:
        settings = facts.pop("config") if facts["kind"] == "run" else {}
        console.print_table(["", facts["kind"]], _flatten(facts))
        if settings:
            console.say(f"its settings are in {path / 'config.json'}")


def describe(path: Path) -> dict[str, Any]:
    """Return the facts about a path, `kind` first: "dataset", "run", "checkpoint" or "model file"."""
    from smoothvid.errors import DataError
    from smoothvid.sampling.shipped import shipped_folder

    if not path.exists():
        path = shipped_folder(path) or path
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.suffix == ".safetensors":
        facts = _describe_model(path)
        kind = "model file" if "family" in facts else "safetensors file, but none of smoothvid's models"
        return {"kind": kind, "path": str(path), **facts}
    if (path / "model.safetensors").is_file():
        return {"kind": "checkpoint", "path": str(path), **_describe_model(path / "model.safetensors")}
    if (path / "checkpoints").is_dir() or any((path / name).is_file() for name in ("log.jsonl", "config.json")):
        return {"kind": "run", "path": str(path), **_describe_run(path)}
    return {"kind": "dataset", "path": str(path), **_describe_dataset(path)}


def _print_shipped(as_json: bool) -> None:
    from smoothvid.sampling.shipped import shipped

    names = shipped()
    if as_json:
        return console.print_json(names)
    uses = {"video": "smoothvid sample {} --length inf --out new.mp4", "image": "smoothvid train DATASET --init {}"}
    rows = [(name, kind, uses[kind].format(name)) for kind, there in names.items() for name in there]
    console.print_table(["model", "of", "for example"], rows)


def _describe_dataset(path: Path) -> dict[str, Any]:
    from smoothvid.data.dataset import open_dataset

    dataset = open_dataset(path)
    lengths = [video.num_frames for video in dataset.videos]
    return {
        "resolution": dataset.resolution,
        "fps": dataset.fps,
        "videos": len(lengths),
        "frames": dataset.num_frames,
        "seconds": round(dataset.num_frames / dataset.fps, 3),
        "shortest_video": min(lengths, default=0),
        "longest_video": max(lengths, default=0),
        "videos_by_label": dict(sorted(Counter(video.label for video in dataset.videos if video.label).items())),
        "fingerprint": dataset.fingerprint(),
        **({"notes": list(dataset.notes)} if dataset.notes else {}),
    }


def _describe_run(path: Path) -> dict[str, Any]:
    """How far a run is and what came of it. Sizes are in bytes, times in seconds, scores lower for better."""
    from smoothvid.errors import CheckpointError
    from smoothvid.training.report.state import read_state

    state = read_state(path)
    if not state.config:
        raise CheckpointError(f"{path}: not a whole run (its config.json {_trouble(path / 'config.json')})")
    total = state.total_clips
    newest, best = (state.checkpoint(clips) for clips in (max(state.checkpoints, default=None), state.best))
    return {
        "state": "finished" if state.is_finished else "unfinished",
        "phase": state.phase,
        "seen_clips": state.seen_clips,
        "total_clips": total,
        "kimg": state.kimg(state.seen_clips),
        "total_kimg": None if total is None else state.kimg(total),
        "clips_per_second": _rounded(state.clips_per_second),
        "seconds_left": _rounded(state.seconds_left),
        "last_written": None if state.written is None else _date(state.written),
        "warnings": {name: f"after {clips} clips: {text}" for name, (clips, text) in state.warnings.items()},
        "skipped_steps": state.skipped,
        "checkpoints": state.checkpoints,
        "newest_checkpoint": None if newest is None else str(newest),
        "best_checkpoint": None if best is None else str(best),
        "best_score": None if state.best is None else state.scores[state.best],
        "previews": len(state.previews),
        "bytes": _size(path),
        "dataset": None if state.dataset is None else str(state.dataset),
        "dataset_found": state.dataset is not None and os.path.exists(state.dataset),  # a path as found, of any length
        "ticks": len(state.log),
        "last_tick": _without_nan(state.log[-1]) if state.log else None,
        "config": state.config,
    }


def _trouble(config: Path) -> str:
    """What is wrong with a config.json that `read_state` could not read."""
    try:
        read_json(config.read_bytes())
    except OSError:
        return "is missing"
    except ValueError as error:
        return f"is damaged: {error}"
    return "is damaged"


def _size(folder: Path) -> int:
    """Bytes of all files below, of which some may vanish meanwhile."""
    total = 0
    for file in folder.rglob("*"):
        with suppress(OSError):
            total += file.stat().st_size if file.is_file() else 0
    return total


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds).astimezone().isoformat(timespec="seconds")


def _without_nan(line: dict[str, Any]) -> dict[str, Any]:
    """JSON has no words for numbers that are not finite; here they are text."""
    return {key: str(v) if isinstance(v, float) and not math.isfinite(v) else v for key, v in line.items()}


def _describe_model(path: Path) -> dict[str, Any]:
    """Read the header, and compare the file with its checksum: torch is not loaded."""
    from safetensors import SafetensorError, safe_open

    from smoothvid.checksums import check_file
    from smoothvid.errors import CheckpointError

    check_file(path)
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: not a readable model file ({error})") from None
    size = {"bytes": path.stat().st_size, "tensors": len(shapes), "parameters": sum(map(math.prod, shapes))}
    try:
        described = read_json(metadata.pop("smoothvid", "{}"))
        if not isinstance(described, dict):
            raise ValueError("it is no table")
        said = {**described, **metadata}
        return {**size, **{key: value for key, value in said.items() if key not in (*size, "kind", "path")}}
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{path}: its description is broken ({error}); make or fetch the file again") from None


def _flatten(facts: dict[str, Any], above: str = "") -> list[tuple[str, Any]]:
    """Nested facts as rows with dotted names; an empty group is left out."""
    rows: list[tuple[str, Any]] = []
    for key, value in facts.items():
        if isinstance(value, dict):
            rows += _flatten(value, f"{above}{key}.")
        elif (above or key != "kind") and value is not None:
            rows.append((above + key, ", ".join(map(str, value)) if isinstance(value, list) else value))
    return rows
