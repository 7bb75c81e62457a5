"""Trained models that come with the package: checkpoints without optimizer state, to start trainings from."""

import shutil
from importlib import resources
from pathlib import Path

import torch

from smoothvid.errors import CheckpointError
from smoothvid.sampling.model import MODEL_FILE
from smoothvid.training.checkpoint import STATE_FILE, checkpoint_folders, load_state, write_checksums

SHIPPED = "drive-32"  # an image model of the synthetic world `drive`; the demo starts from it


def shipped_names() -> list[str]:
    """Names that `--init` takes beside paths."""
    folder = resources.files("smoothvid.assets")
    return sorted(item.name for item in folder.iterdir() if (item / MODEL_FILE).is_file())


def find_init(init: str | Path) -> Path:
    """The run or checkpoint folder that `--init` means: a path, or else the name of a shipped model.

    Raises:
        CheckpointError: neither.
    """
    path = Path(init)
    if (path / STATE_FILE).is_file() or checkpoint_folders(path):
        return path
    if str(init) in shipped_names():
        with resources.as_file(resources.files("smoothvid.assets") / str(init)) as folder:
            return folder
    raise CheckpointError(
        f"--init {init}: no run or checkpoint folder with a training state, and no model that ships with smoothvid "
        f"({', '.join(shipped_names())})"
    )


def strip_checkpoint(checkpoint: Path, out: Path) -> None:
    """Copy a checkpoint folder with only what another training starts from: averaged generator and discriminator."""
    state = load_state(checkpoint)
    out.mkdir(parents=True)
    shutil.copy(checkpoint / MODEL_FILE, out / MODEL_FILE)
    torch.save({"phase": state["phase"], "discriminator": state["discriminator"]}, out / STATE_FILE)
    write_checksums(out)
