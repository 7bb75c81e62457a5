"""Start or continue a run in its folder."""

import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from smoothvid.data.dataset import open_dataset
from smoothvid.errors import CheckpointError, ConfigError
from smoothvid.run_config import PhaseName, RunConfig, run_config_from_dict, run_config_to_dict
from smoothvid.training.checkpoint import STATE_FILE, load_state, newest_state
from smoothvid.training.loop import Progress, Training
from smoothvid.training.shipped import find_init
from smoothvid.training.transfer import TransferReport, transfer

CONFIG_FILE = "config.json"
_logger = logging.getLogger(__name__)


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
    force: bool = False


def prepare_run(request: RunRequest) -> tuple[Training, dict[str, TransferReport]]:
    """Make the run's folder and networks ready to `run()`; returns also what became of the initial weights, by network.

    Raises:
        ConfigError: the folder holds a run already and neither `resume` nor `force` is asked for, or a resumed run's
            settings differ from the ones asked for.
        CheckpointError: `init` or the run to continue holds no usable checkpoint.
    """
    run, dataset = request.out, open_dataset(request.dataset)
    training = Training(run, dataset, request.config, request.phase, request.seed, request.device, request.workers)
    if request.resume:
        _check_same_settings(run, request)
        _, state = newest_state(run)
        training.restore(state)
        return training, {}
    holds_run = (run / CONFIG_FILE).exists()
    if holds_run and not request.force:
        raise ConfigError(f"{run} holds a run already; --resume goes on with it, --force starts over")
    # Read before anything is removed: a run may start over from weights of its own.
    reports = {} if request.init is None else _start_from(training, request.init)
    if holds_run:
        for name in ("checkpoints", "previews"):
            shutil.rmtree(run / name, ignore_errors=True)
        (run / "log.jsonl").unlink(missing_ok=True)
    run.mkdir(parents=True, exist_ok=True)
    content = {"phase": request.phase, "seed": request.seed, "dataset": str(request.dataset)}
    content |= run_config_to_dict(request.config)
    (run / CONFIG_FILE).write_text(json.dumps(content, indent=2) + "\n")
    return training, reports


def train(request: RunRequest, on_progress: Callable[[Progress], None] | None = None) -> Training:
    """Run the training that `request` describes, to its end."""
    training, _ = prepare_run(request)
    training.run(on_progress)
    return training


def read_run_config(run: Path) -> RunConfig:
    """The settings that a run was made with."""
    try:
        content = json.loads((run / CONFIG_FILE).read_text())
    except OSError:
        raise CheckpointError(f"{run}: no run here ({CONFIG_FILE} is missing)") from None
    except ValueError as error:
        raise CheckpointError(f"{run / CONFIG_FILE}: damaged ({error})") from None
    for name in ("phase", "seed", "dataset"):
        content.pop(name, None)
    return run_config_from_dict(content)


def _check_same_settings(run: Path, request: RunRequest) -> None:
    """A resumed run keeps its settings; only its length may change."""
    theirs = _flatten(run_config_to_dict(read_run_config(run)))
    ours = _flatten(run_config_to_dict(request.config))
    free = {f"{phase}.{name}" for phase in ("pretrain", "train") for name in ("kimg", "keep_checkpoints")}
    changed = sorted(key for key in ours if ours[key] != theirs.get(key) and key not in free)
    if changed:
        listed = ", ".join(f"{key} ({theirs.get(key)} → {ours[key]})" for key in changed[:5])
        raise ConfigError(
            f"--resume: {run} was made with other settings: {listed}; give the same, or --init to start anew"
        )


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
