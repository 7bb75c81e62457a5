"""`smoothvid info`: say what a path is."""

import json
import math
from collections import Counter
from pathlib import Path
from typing import Annotated, Any

import typer

from smoothvid_cli import console
from smoothvid_cli.options import Debug, Json, Quiet


def info(
    path: Annotated[Path, typer.Argument(metavar="PATH", help="A dataset, a run, a checkpoint or a model file.")],
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say what a dataset, run, checkpoint or model file is.

    Example: `smoothvid info runs/sky`
    """
    facts = describe(path)
    if as_json:
        console.print_json(facts)
    else:
        console.print_table(["", facts["kind"]], _flatten(facts))


def describe(path: Path) -> dict[str, Any]:
    """Return the facts about a path, `kind` first: "dataset", "run", "checkpoint" or "model file"."""
    from smoothvid.errors import DataError

    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if path.suffix == ".safetensors":
        return {"kind": "model file", "path": str(path), **_describe_model(path)}
    if (path / "model.safetensors").is_file():
        return {"kind": "checkpoint", "path": str(path), **_describe_model(path / "model.safetensors")}
    if (path / "checkpoints").is_dir() or (path / "log.jsonl").is_file():
        return {"kind": "run", "path": str(path), **_describe_run(path)}
    return {"kind": "dataset", "path": str(path), **_describe_dataset(path)}


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
    }


def _describe_run(path: Path) -> dict[str, Any]:
    from smoothvid.errors import CheckpointError

    saved = sorted(
        (int(folder.name), folder) for folder in path.glob("checkpoints/*") if folder.is_dir() and folder.name.isdigit()
    )
    try:
        lines = (path / "log.jsonl").read_text(encoding="utf-8").splitlines() if (path / "log.jsonl").exists() else []
        return {
            "checkpoints": [clips for clips, _ in saved],
            "newest_checkpoint": str(saved[-1][1]) if saved else None,
            "ticks": len(lines),
            "last_tick": json.loads(lines[-1]) if lines else None,
            "config": json.loads((path / "config.json").read_text(encoding="utf-8")),
        }
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path}: not a whole run ({error})") from None


def _describe_model(path: Path) -> dict[str, Any]:
    """Read the header alone: neither torch nor the weights are loaded."""
    from safetensors import SafetensorError, safe_open

    from smoothvid.errors import CheckpointError

    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            shapes = [file.get_slice(name).get_shape() for name in file.keys()]  # noqa: SIM118 (not a dict)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"{path}: not a readable model file ({error})") from None
    size = {"bytes": path.stat().st_size, "tensors": len(shapes), "parameters": sum(map(math.prod, shapes))}
    try:
        return {**size, **json.loads(metadata.pop("smoothvid", "{}")), **metadata}
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
