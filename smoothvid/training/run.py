"""Start or continue a run in its folder."""

import fcntl
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from smoothvid import processes
from smoothvid.data.dataset import open_dataset
from smoothvid.errors import CheckpointError, ConfigError
from smoothvid.files import write_whole
from smoothvid.plain_text import read_json, write_json
from smoothvid.run_config import PhaseName, RunConfig, run_config_from_dict, run_config_to_dict
from smoothvid.training.batch_parts import BatchGpu
from smoothvid.training.checkpoint import (
    STATE_FILE,
    check_init,
    checkpoint_folders,
    find_init,
    load_state,
    newest_state,
)
from smoothvid.training.journal import LOG, SPEED
from smoothvid.training.loop import Progress, Training
from smoothvid.training.pace import settled
from smoothvid.training.transfer import TransferReport, transfer

CONFIG_FILE = "config.json"
NOT_SETTINGS = ("phase", "seed", "dataset", "changes")  # what config.json holds beside them
DATASET = "dataset"  # as a name that `accept` takes
FREE = ("kimg", "keep_checkpoints", "on_nan")  # may change in a run at any time
FIXED = ("family", "model.", "num_frames")  # belong to other networks
_locks: dict[Path, int] = {}  # open as long as the process lives


@dataclass(frozen=True, kw_only=True)
class RunRequest:
    """What the `pretrain` and `train` commands ask for."""

    dataset: Path
    out: Path
    phase: PhaseName
    config: RunConfig
    seed: int = 0
    device: torch.device | None = None
    workers: int = 0
    init: str | Path | None = None
    """A run or checkpoint folder, or the name of a shipped model, whose weights the run starts from."""
    resume: bool = False
    """Go on with the run that is there; start where there is none."""
    accept: tuple[str, ...] = ()
    """Settings that a resumed run may change, by name; "dataset" for its data."""
    force: bool = False
    batch_gpu: BatchGpu = None
    tensorboard: bool = False


def prepare_run(request: RunRequest) -> tuple[Training, dict[str, TransferReport]]:
    """Make the run's folder and networks ready to `run()`; returns also what became of the initial weights, by network.

    Processes that torchrun has restarted resume the run. Under several processes, call it within processes.joined().

    Raises:
        ConfigError: the folder holds a run already and neither `resume` nor `force` is asked for, or a resumed run's
            settings differ from the ones asked for.
        CheckpointError: `init` or the run to continue holds no usable checkpoint, or another training is at work on it.
    """
    run, dataset = request.out, open_dataset(request.dataset)
    holds_run = processes.by_first(lambda: _holds_run(run))
    restarted = processes.restarts() > 0
    goes_on = holds_run and (restarted or not request.force)
    if request.phase == "train":  # pictures have no pace
        request = replace(request, config=settled(request.config, dataset, read_run_config(run) if goes_on else None))
    training = Training(
        run,
        dataset,
        request.config,
        request.phase,
        request.seed,
        request.device,
        request.workers,
        request.batch_gpu,
        request.tensorboard,
    )
    if not goes_on:
        return training, _start(training, request)
    if not (request.resume or restarted):
        raise ConfigError(f"{run} holds a run already; --resume goes on with it, --force starts over")
    changes = _changed_settings(run, request)
    if not processes.by_first(lambda: checkpoint_folders(run)):
        return training, _start(training, request)  # it was ended before its first checkpoint
    processes.by_first(lambda: _lock(run))
    state = load_state(processes.by_first(lambda: newest_state(run)[0]))
    if state.get("data") != training.fingerprint and DATASET not in request.accept:
        raise ConfigError(
            f"{request.dataset} is not the dataset that {run} was trained on; --accept {DATASET} goes on with it all "
            "the same, --init starts a new run from these weights"
        )
    training.restore(state)
    if changes and processes.rank() == 0:
        _write_config(request, [{"step": training.step_number, **change} for change in changes])
    return training, {}


def train(request: RunRequest, on_progress: Callable[[Progress], None] | None = None) -> Training:
    """Run the training that `request` describes, to its end."""
    with processes.joined(processes.STEP_WAIT):
        training, _ = prepare_run(request)
        training.run(on_progress)
    return training


def read_run_config(run: Path) -> RunConfig:
    """The settings that a run was made with."""
    content = _read_config(run)
    for name in NOT_SETTINGS:
        content.pop(name, None)
    return run_config_from_dict(content)


def _start(training: Training, request: RunRequest) -> dict[str, TransferReport]:
    # Initial weights are read before anything is removed: a run may start over from weights of its own.
    reports = {} if request.init is None else _start_from(training, request.init)
    training.calibrate()
    processes.gather(None)
    processes.by_first(lambda: _clear(request))
    return reports


def _holds_run(run: Path) -> bool:
    """Whether a run is there. Raises ConfigError for what looks like one and is none of ours: it is left alone."""
    if (run / CONFIG_FILE).exists():
        if _is_of_a_run(run / CONFIG_FILE):
            return True
        raise ConfigError(f"{run} holds a {CONFIG_FILE} that is not of a run; it is left alone. Give another --out.")
    foreign = [name for name in ("checkpoints", LOG) if (run / name).exists()]
    if foreign:
        raise ConfigError(f"{run} holds {foreign[0]} but no {CONFIG_FILE}; it is left alone. Give another --out.")
    return False


def _is_of_a_run(path: Path) -> bool:
    """Whether a config.json is one of ours, whole or damaged, and not of an exported model, say."""
    try:
        return "phase" in read_json(path.read_text())
    except (OSError, ValueError, TypeError):
        return True


def _clear(request: RunRequest) -> None:
    """Make the folder that of a run which has not begun; only what an earlier run of ours left there is removed."""
    run = request.out
    run.mkdir(parents=True, exist_ok=True)
    _lock(run)
    if (run / CONFIG_FILE).exists():
        for name in ("checkpoints", "previews", "events"):
            shutil.rmtree(run / name, ignore_errors=True)
        for name in (LOG, SPEED):
            (run / name).unlink(missing_ok=True)
    _write_config(request, [])


def _lock(run: Path) -> None:
    """Keep two trainings from working in one folder; the lock vanishes with its process, however that ends."""
    if run in _locks:
        return
    lock = os.open(run / ".lock", os.O_RDWR | os.O_CREAT)
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        os.close(lock)
        raise CheckpointError(f"{run}: another training is at work here; wait for it, or give another --out") from None
    except OSError:  # a file system without locks
        pass
    _locks[run] = lock


def _write_config(request: RunRequest, changes: list[dict[str, Any]]) -> None:
    """Write config.json, with what was changed on the way."""
    path, earlier = request.out / CONFIG_FILE, []
    if changes:
        earlier = _read_config(request.out).get("changes", [])
    content: dict[str, Any] = {
        "phase": request.phase,
        "seed": request.seed,
        "dataset": os.path.abspath(request.dataset),
    }
    content |= run_config_to_dict(request.config)
    content |= {"changes": [*earlier, *changes]} if changes else {}
    write_whole(path, write_json(content, indent=2) + "\n")


def _read_config(run: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = read_json((run / CONFIG_FILE).read_text())
    except OSError:
        raise CheckpointError(f"{run}: no run here ({CONFIG_FILE} is missing)") from None
    except ValueError as error:
        raise CheckpointError(f"{run / CONFIG_FILE}: damaged ({error})") from None
    if not isinstance(content, dict):
        raise CheckpointError(f"{run / CONFIG_FILE}: damaged (it is no table of settings)")
    return content


def _changed_settings(run: Path, request: RunRequest) -> list[dict[str, Any]]:
    """The settings in which a resumed run is asked to differ from how it was made, all of which may change.

    Raises:
        ConfigError: one may not.
    """
    known = _read_config(run)
    for name, asked in (("phase", request.phase), ("seed", request.seed)):
        if known.get(name) != asked:
            raise ConfigError(f"--resume: {run} was made with {name} {known.get(name)}, not {asked}; give the same")
    theirs = _flatten(run_config_to_dict(read_run_config(run)))
    ours = _flatten(run_config_to_dict(request.config))
    changed = [key for key in ours if ours[key] != theirs.get(key)]
    refused = [key for key in changed if key.split(".")[-1] not in FREE and key not in request.accept]
    fixed = [key for key in changed if key.startswith(FIXED[:2]) or key.endswith(FIXED[2])]
    if refused or fixed:
        named = fixed or refused
        listed = ", ".join(f"{key} ({theirs.get(key)} → {ours[key]})" for key in named[:5])
        how = "" if fixed else ", or accept the change: " + " ".join(f"--accept {key}" for key in refused[:5])
        raise ConfigError(
            f"--resume: {run} was made with other settings: {listed}. Give the same{how}; --init starts a new run from "
            "its weights"
        )
    return [{"key": key, "from": theirs.get(key), "to": ours[key]} for key in changed]


def _flatten(data: dict, where: str = "") -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in data.items():
        name = f"{where}{key}"
        flat |= _flatten(value, f"{name}.") if isinstance(value, dict) else {name: value}
    return flat


def _start_from(training: Training, init: str | Path) -> dict[str, TransferReport]:
    """Take the weights of another run; from an image to a video model the motion mask starts as the settings say."""
    folder = find_init(init)
    state = load_state(folder) if (folder / STATE_FILE).is_file() else newest_state(folder)[1]
    check_init(state, folder)
    begins_motion = state["phase"] == "pretrain" and training.phase_name == "train"
    fresh = ("synthesis.motion_mask",) if begins_motion else ()
    reports = {
        "generator": transfer(state["average"], training.generator, fresh),
        "discriminator": transfer(state["discriminator"], training.discriminator),
    }
    if begins_motion:
        training.family.begin_video(training.generator)
    training.average.load_state_dict(training.generator.state_dict())
    return reports
