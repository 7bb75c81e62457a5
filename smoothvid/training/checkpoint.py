"""Checkpoints: folders that appear only when whole, with a checksum of every file.

RUN/checkpoints/<seen_clips>/model.safetensors   averaged generator, enough to sample from
                             state.pt            everything else that training needs to go on
                             checksums.json      sha256 of both
"""

import logging
import os
import pickle
import shutil
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from smoothvid.checksums import check_all, write_checksums
from smoothvid.errors import CheckpointError
from smoothvid.files import flush
from smoothvid.sampling.model import MODEL_FILE, ModelFacts, save_model
from smoothvid.sampling.shipped import shipped, shipped_folder

STATE_FILE = "state.pt"
_TYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64)  # of weights; the last counts
LITTLE_ROOM = 2**20  # bytes
_logger = logging.getLogger(__name__)


def save_checkpoint(
    run: Path, average: torch.nn.Module, facts: ModelFacts, state: dict[str, Any], keep: int, best: int | None = None
) -> Path:
    """Write checkpoint `facts.seen_clips` of a run; returns its folder.

    Removes all but the newest `keep` and the one that had seen `best` clips. One that is there already is the same.
    """
    folder = run / "checkpoints" / f"{facts.seen_clips:09d}"
    partial = folder.with_name(f".{folder.name}.partial")
    for rest in folder.parent.glob(".*.partial"):  # of saving that was broken off
        shutil.rmtree(rest, ignore_errors=True)
    if not is_whole(folder):
        try:
            partial.mkdir(parents=True)
            save_model(partial / MODEL_FILE, average, facts)
            torch.save(_afresh(state), partial / STATE_FILE)
            write_checksums(partial, MODEL_FILE, STATE_FILE)
            for item in (*partial.iterdir(), partial):
                flush(item)
            shutil.rmtree(folder, ignore_errors=True)  # damaged, or not there
            os.rename(partial, folder)
            flush(folder.parent)
        except (OSError, RuntimeError, SafetensorError) as error:  # a full disk may be any of the three
            full = shutil.disk_usage(run).free < LITTLE_ROOM  # which torch.save does not tell
            shutil.rmtree(partial, ignore_errors=True)
            reason = "No space left on device" if full else " ".join(str(error).split())[:120]
            raise CheckpointError(
                f"{folder}: cannot be written ({reason}); earlier checkpoints are intact. When that is mended, the "
                "same command with --resume goes on from the newest."
            ) from None
    for old in checkpoint_folders(run)[keep:]:
        if int(old.name) != best:
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


def is_whole(folder: Path) -> bool:
    """Whether the files of a checkpoint folder are those that were written."""
    try:
        check_all(folder, MODEL_FILE, STATE_FILE)
    except (CheckpointError, OSError):
        return False
    return True


def load_state(folder: Path) -> dict[str, Any]:
    """The training state in a checkpoint folder, read without running any code, checksums first.

    The averaged generator is in it as `average`.
    """
    path = folder / STATE_FILE
    try:
        check_all(folder, MODEL_FILE, STATE_FILE)
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        average = load_file(folder / MODEL_FILE)
    except OSError as error:
        raise CheckpointError(f"{error.filename}: cannot be read ({error.strerror})") from None
    except (ValueError, AttributeError, RuntimeError, EOFError, pickle.UnpicklingError, SafetensorError) as error:
        raise CheckpointError(f"{path}: damaged ({' '.join(str(error).split())[:120]})") from None
    except Exception as error:  # whatever odd contents may lead to
        raise CheckpointError(f"{path}: damaged ({type(error).__name__})") from None
    if not isinstance(state, dict):
        raise CheckpointError(f"{path}: no training state of smoothvid's; use another checkpoint")
    state["average"] = average
    for name in ("average", "generator", "discriminator"):
        tensors = state.get(name, {})
        if not isinstance(tensors, dict) or not all(_is_weight(item) for item in tensors.items()):
            raise CheckpointError(f"{path}: its {name} is no table of a network's weights; use another checkpoint")
    return state


def _is_weight(item: tuple[Any, Any]) -> bool:
    name, value = item
    return (
        isinstance(name, str)
        and isinstance(value, torch.Tensor)
        and value.layout == torch.strided
        and value.dtype in _TYPES
    )


def _afresh(value: Any) -> Any:
    """The same in new containers and one object a text, so that equal states, made or read, become equal files."""
    if isinstance(value, dict):
        return {_afresh(key): _afresh(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(map(_afresh, value))
    if isinstance(value, torch.Tensor):
        return value.contiguous()  # whatever layout is fastest on the device
    return sys.intern(value) if isinstance(value, str) else value


def find_init(init: str | Path) -> Path:
    """The run or checkpoint folder that `--init` means: a path, or else the name of a shipped model.

    Raises:
        CheckpointError: neither.
    """
    path = Path(init)
    if (path / STATE_FILE).is_file() or checkpoint_folders(path):
        return path
    if (folder := shipped_folder(init)) is not None:
        return folder
    raise CheckpointError(
        f"--init {init}: no run or checkpoint folder with a training state, and no model that ships with smoothvid "
        f"({', '.join(sum(shipped().values(), []))})"
    )


def check_init(state: dict[str, Any], folder: Path) -> dict[str, Any]:
    """The same training state. Raises CheckpointError if it is not one that another training can start from."""
    if not isinstance(state.get("phase"), str) or not isinstance(state.get("discriminator"), dict):
        raise CheckpointError(f"{folder / STATE_FILE}: no training state to start from; use another checkpoint")
    return state


def strip_checkpoint(checkpoint: Path, out: Path) -> None:
    """Copy a checkpoint folder with only what another training starts from: averaged generator and discriminator."""
    state = check_init(load_state(checkpoint), checkpoint)
    out.mkdir(parents=True)
    shutil.copy(checkpoint / MODEL_FILE, out / MODEL_FILE)
    torch.save({"phase": state["phase"], "discriminator": state["discriminator"]}, out / STATE_FILE)
    write_checksums(out, MODEL_FILE, STATE_FILE)
