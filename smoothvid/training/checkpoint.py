"""Checkpoints: folders that appear only when whole, with a checksum of every file.

RUN/checkpoints/<seen_clips>/model.safetensors   averaged generator, enough to sample from
                             state.pt            everything else that training needs to go on
                             checksums.json      sha256 of both
"""

import hashlib
import json
import logging
import os
import pickle
import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from smoothvid.errors import CheckpointError
from smoothvid.sampling.model import MODEL_FILE, ModelFacts, save_model

STATE_FILE = "state.pt"
CHECKSUMS = "checksums.json"
_logger = logging.getLogger(__name__)


def save_checkpoint(run: Path, average: torch.nn.Module, facts: ModelFacts, state: dict[str, Any], keep: int) -> Path:
    """Write checkpoint `facts.seen_clips` of a run and remove all but the newest `keep`; returns its folder."""
    folder = run / "checkpoints" / f"{facts.seen_clips:09d}"
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        save_model(partial / MODEL_FILE, average, facts)
        torch.save(state, partial / STATE_FILE)
        write_checksums(partial)
        for item in (*partial.iterdir(), partial):
            _sync(item)
        shutil.rmtree(folder, ignore_errors=True)
        os.rename(partial, folder)
        _sync(folder.parent)
    except (OSError, RuntimeError, SafetensorError) as error:  # a full disk may be any of the three
        shutil.rmtree(partial, ignore_errors=True)
        reason = " ".join(str(error).split())[:120]
        raise CheckpointError(f"{folder}: cannot be written ({reason}); earlier checkpoints are intact") from None
    for old in checkpoint_folders(run)[keep:]:
        shutil.rmtree(old, ignore_errors=True)
    return folder


def checkpoint_folders(run: Path) -> list[Path]:
    """A run's checkpoint folders, newest first."""
    folders = [item for item in (run / "checkpoints").glob("*") if item.name.isdecimal()]
    return sorted(folders, key=lambda item: int(item.name), reverse=True)


def newest_state(run: Path) -> tuple[Path, dict[str, Any]]:
    """The newest checkpoint of a run that is whole, and its training state; damaged ones are passed over with a word.

    Raises:
        CheckpointError: the run has no checkpoint that can be used.
    """
    for folder in checkpoint_folders(run):
        try:
            return folder, load_state(folder)
        except CheckpointError as error:
            _logger.warning("%s; taking the checkpoint before it", error)
    raise CheckpointError(f"{run}: no usable checkpoint to go on from; start again without --resume")


def load_state(folder: Path) -> dict[str, Any]:
    """The training state in a checkpoint folder, read without running any code, checksums first.

    The averaged generator is in it as `average`.
    """
    path = folder / STATE_FILE
    try:
        sums = json.loads((folder / CHECKSUMS).read_text())
        if any(_sha256(folder / name) != sums.get(name) for name in (MODEL_FILE, STATE_FILE)):
            raise CheckpointError(f"{folder}: damaged (its checksum does not fit)")
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        state["average"] = load_file(folder / MODEL_FILE)
    except OSError as error:
        raise CheckpointError(f"{error.filename}: cannot be read ({error.strerror})") from None
    except (ValueError, AttributeError, RuntimeError, EOFError, pickle.UnpicklingError, SafetensorError) as error:
        raise CheckpointError(f"{path}: damaged ({' '.join(str(error).split())[:120]})") from None
    return state


def write_checksums(folder: Path) -> None:
    """Note the sha256 of a checkpoint's files beside them."""
    sums = {name: _sha256(folder / name) for name in (MODEL_FILE, STATE_FILE)}
    (folder / CHECKSUMS).write_text(json.dumps(sums, indent=1) + "\n")


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
