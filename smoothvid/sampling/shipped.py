"""Trained models that come with the package: checkpoints without optimizer state, to sample from and to start from.

Wherever a run or a checkpoint is asked for, their names serve too; a path of that name that holds a model goes first.
"""

from importlib import resources
from pathlib import Path

MODEL_FILE = "model.safetensors"
KINDS = ("video", "image")
SHIPPED_IMAGES = "drive-32"  # an image model of the synthetic world `drive`; the demo starts from it


def shipped() -> dict[str, list[str]]:
    """The names of what ships: {"video": [...], "image": [...]}. Image models are there to start trainings from."""
    return {kind: sorted(folder.name for folder in _folders(kind)) for kind in KINDS}


def shipped_folder(name: str | Path) -> Path | None:
    """The checkpoint folder of a shipped model, None for any other name."""
    return next((folder for kind in KINDS for folder in _folders(kind) if folder.name == str(name)), None)


def _folders(kind: str) -> list[Path]:
    with resources.as_file(resources.files("smoothvid.assets") / kind) as folder:
        return [item for item in folder.iterdir() if (item / MODEL_FILE).is_file()] if folder.is_dir() else []
