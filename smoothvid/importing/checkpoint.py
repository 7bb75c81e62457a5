"""Import: a snapshot → a checkpoint folder to sample and to train from, looked at before it stands under its name."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from smoothvid.batch import to_uint8
from smoothvid.checksums import CHECKSUMS, write_checksums
from smoothvid.errors import CheckpointError, ConfigError
from smoothvid.files import flush
from smoothvid.importing.convert import Converted, convert
from smoothvid.importing.read import read_snapshot
from smoothvid.sampling.grid import tile
from smoothvid.sampling.model import MODEL_FILE, ModelFacts, load_model, save_model
from smoothvid.settings import to_dict
from smoothvid.training.checkpoint import STATE_FILE

PREVIEW = "preview.png"
DEFAULT_FPS = 25.0
_SEEDS = 2  # rows of the preview
_MOMENTS = 4  # its columns, for a video


@dataclass(frozen=True, kw_only=True)
class ImportRequest:
    """What `smoothvid import` asks for."""

    path: Path
    out: Path
    fps: float | None = None
    """Of the dataset it was trained on; by default what it says itself, else 25."""
    label_names: tuple[str, ...] = ()
    """By default "0", "1", ..."""
    force: bool = False
    dry_run: bool = False


def import_snapshot(request: ImportRequest) -> dict[str, Any]:
    """Read a snapshot, and unless it is a dry run write OUT/model.safetensors, state.pt, checksums.json, preview.png.

    Returns:
        what it is, what was taken and what left out, and "frames": minimum, maximum, mean and standard deviation of
        the frames that its model makes.

    Raises:
        ConfigError: OUT is there already and `force` is not given, or it holds other things than a checkpoint.
        CheckpointError: no snapshot, or one that no family here can take over, or whose frames are not finite.
    """
    _check_out(request)
    converted = _converted(request.path)
    facts = _facts(converted, request)
    report: dict[str, Any] = {
        "checkpoint": str(request.out),
        "family": facts.family,
        "kind": "images" if converted.image_only else "videos",
        "resolution": facts.resolution,
        "fps": facts.fps,
        "labels": list(facts.label_names),
        "taken": converted.taken,
        "fresh": converted.fresh,
        "left_out": converted.left_out,
        "notes": converted.notes,
        "config": facts.config,
    }
    if not request.dry_run:
        report["frames"] = _write(converted, facts, request.out)
    return report


def _check_out(request: ImportRequest) -> None:
    out = request.out
    if not out.exists() or request.dry_run:
        return
    if not request.force:
        raise ConfigError(f"{out}: already exists; choose another --out, or pass --force to replace it")
    known = {MODEL_FILE, STATE_FILE, CHECKSUMS, PREVIEW}
    if not out.is_dir() or {item.name for item in out.iterdir()} - known:
        raise ConfigError(f"{out}: holds other things than a checkpoint, so it is not replaced; choose another --out")


def _converted(path: Path) -> Converted:
    contents = read_snapshot(path)
    try:
        return convert(contents)
    except CheckpointError as error:
        raise CheckpointError(f"{path}: {error}") from None


def _facts(converted: Converted, request: ImportRequest) -> ModelFacts:
    names = request.label_names or tuple(map(str, range(converted.c_dim)))
    if len(names) != converted.c_dim or len(set(names)) != len(names):
        raise ConfigError(f"--labels: the model has {converted.c_dim} labels; give as many names, all different")
    fps = request.fps or converted.fps or DEFAULT_FPS
    return ModelFacts(
        family=converted.family.name,
        config=to_dict(converted.config),
        resolution=converted.config.resolution,
        fps=float(fps),
        label_names=names,
    )


def _write(converted: Converted, facts: ModelFacts, out: Path) -> dict[str, float]:
    """Write the checkpoint beside its place, look at what its model makes, and put it there if that is sound."""
    partial = out.with_name(f".{out.name}.{os.getpid()}.partial")
    try:
        partial.mkdir(parents=True)
        save_model(partial / MODEL_FILE, converted.networks["average"], facts)
        # Weights that the snapshot lacks start fresh, as `train --init` starts what it does not find.
        state = {name: network.state_dict() for name, network in converted.networks.items() if name != "average"}
        phase = "pretrain" if converted.image_only else "train"
        torch.save({"discriminator": {}, **state, "phase": phase}, partial / STATE_FILE)
        write_checksums(partial, MODEL_FILE, STATE_FILE)
        frames = _look(partial, converted.image_only)
        for item in (*partial.iterdir(), partial):
            flush(item)
        if out.exists():
            shutil.rmtree(out)
        os.rename(partial, out)
    except OSError as error:
        raise CheckpointError(f"{out}: cannot be written ({error.strerror})") from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
    return frames


def _look(folder: Path, image_only: bool) -> dict[str, float]:
    """Load the model as `smoothvid sample` does, make a few frames and write them as one picture."""
    model = load_model(folder, "cpu")
    seeds = range(_SEEDS * _MOMENTS if image_only else _SEEDS)
    times = np.arange(1 if image_only else _MOMENTS) * model.fps / 2  # half seconds
    videos = [model.frames(seed, times) for seed in seeds]
    frames: Tensor = torch.cat(videos)
    if not frames.isfinite().all():
        raise CheckpointError("its frames hold values that are not finite; nothing was written")
    pictures = [frame[None] for frame in to_uint8(frames)]
    picture = tile(pictures, _MOMENTS)[0].permute(1, 2, 0).contiguous().numpy()
    Image.fromarray(picture).save(folder / PREVIEW)
    figures = {"min": frames.min(), "max": frames.max(), "mean": frames.mean(), "std": frames.std()}
    return {name: round(float(value), 4) for name, value in figures.items()}
