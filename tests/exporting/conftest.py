"""Tiny real checkpoints, one of each family, with labels and a training state; nothing here is trained."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from smoothvid.data.dataset import open_dataset
from smoothvid.exporting.card import Preview
from smoothvid.exporting.folder import ExportRequest
from smoothvid.sampling.model import ModelFacts
from smoothvid.settings import to_dict
from smoothvid.training.checkpoint import save_checkpoint
from smoothvid.training.loop import Training

Checkpoint = Callable[[str], Path]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def checkpoint(tiny_config: Any, tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Checkpoint:
    """`checkpoint("stylesv")`: its folder, in a run."""
    made: dict[str, Path] = {}

    def make(family: str = "stylesv") -> Path:
        if family not in made:
            run = tmp_path_factory.mktemp("run") / "secret-project"
            dataset, config = open_dataset(tiny_dataset), tiny_config(family)
            training = Training(run, dataset, config, "train")
            _move_all(training.average)
            facts = ModelFacts(
                family=family,
                config=to_dict(config.model),
                resolution=dataset.resolution,
                fps=dataset.fps,
                seen_clips=7,
                label_names=tuple(dataset.label_names),
            )
            made[family] = save_checkpoint(run, training.average, facts, training.state(), keep=1)
        return made[family]

    return make


@torch.no_grad()
def _move_all(generator: Any) -> None:
    """Weights as after a training: what is zero at first, such as a motion mask, would hide what it multiplies."""
    noise = torch.Generator().manual_seed(1)
    for parameter in generator.parameters():
        parameter += 0.1 * torch.randn(parameter.shape, generator=noise)


RequestFor = Callable[..., ExportRequest]


def _small_request(**settings: Any) -> ExportRequest:
    preview = Preview(seeds=range(2), num_frames=9, truncation_psi=1.0)
    return ExportRequest(**{"preview": preview, "device": "cpu", **settings})


@pytest.fixture
def request_for(checkpoint: Checkpoint, tmp_path: Path) -> RequestFor:
    """`request_for("stylesv", license="mit")`: a small export of a family's checkpoint to `tmp_path / "model"`."""

    def make(family: str = "stylesv", **changes: Any) -> ExportRequest:
        return _small_request(**{"checkpoint": checkpoint(family), "out": tmp_path / "model", **changes})

    return make


@pytest.fixture(scope="session")
def request_once(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> RequestFor:
    """As `request_for`, for what is exported once and looked at by several tests."""

    def make(family: str = "stylesv", **changes: Any) -> ExportRequest:
        return _small_request(checkpoint=checkpoint(family), out=tmp_path_factory.mktemp("once") / "model", **changes)

    return make
