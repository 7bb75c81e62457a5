"""An exported folder is the model: the same frames, nothing private, there whole or not at all."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
import torch
from PIL import Image

import smoothvid
from smoothvid.data.dataset import open_dataset
from smoothvid.errors import CheckpointError, ConfigError, DataError
from smoothvid.exporting.folder import ExportRequest, export_model
from smoothvid.models import family_names
from smoothvid.sampling.model import load_model
from smoothvid.sampling.model_file import read_facts
from smoothvid.training.run import RunRequest, train

RequestFor = Callable[..., ExportRequest]


@pytest.mark.parametrize("family", family_names())
def test_the_frames_are_those_of_the_checkpoint(family: str, request_for: RequestFor) -> None:
    request = request_for(family, license="mit")
    told = export_model(request)
    assert set(told["files"]) == {"README.md", "config.json", "model.safetensors", "preview.mp4", "preview.png"}
    times = np.array([0.0, 2.5, 100.0])
    model, again = load_model(request.checkpoint, "cpu"), smoothvid.load(request.out, "cpu")
    assert torch.equal(again.frames(5, times), model.frames(5, times))
    assert (again.label_names, again.fps, again.seen_clips) == (model.label_names, model.fps, model.seen_clips)
    file = "model.safetensors"
    assert (request.out / file).read_bytes() == (request.checkpoint / file).read_bytes()


def test_config_says_what_the_model_file_says(request_for: RequestFor) -> None:
    request = request_for()
    export_model(request)
    config = json.loads((request.out / "config.json").read_text())
    assert config.pop("library_name") == "smoothvid" and config.pop("smoothvid_version") == smoothvid.__version__
    facts = read_facts(request.out / "model.safetensors")
    assert config.pop("label_names") == list(facts.label_names) == ["left", "right"]
    assert config == {name: getattr(facts, name) for name in ("family", "config", "resolution", "fps", "seen_clips")}


def test_the_preview_shows_the_seeds_that_the_card_names(request_for: RequestFor) -> None:
    request = request_for()
    export_model(request)
    with av.open(str(request.out / "preview.mp4")) as video:
        frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
    assert len(frames) == 9 and frames[0].shape == (16, 32, 3)
    still = np.asarray(Image.open(request.out / "preview.png"))
    expected = load_model(request.checkpoint, "cpu").sample([0, 1], 9)[:, 0].permute(0, 2, 3, 1).numpy()
    assert np.array_equal(still[:16, :16], expected[0]) and np.array_equal(still[16:, :16], expected[1])
    assert "Seeds 0 to 1, 9 frames" in (request.out / "README.md").read_text()


def test_training_starts_from_a_folder_only_with_the_discriminator(
    request_for: RequestFor, tiny_dataset: Path, tiny_config: Any, tmp_path: Path
) -> None:
    bare, whole = request_for(), request_for(out=tmp_path / "whole", with_training=True)
    export_model(bare)
    export_model(whole)
    start = RunRequest(dataset=tiny_dataset, out=tmp_path / "run", phase="train", config=tiny_config(), init=bare.out)
    with pytest.raises(CheckpointError, match="training state"):
        train(start)
    config = tiny_config("stylesv", {"train": {"kimg": 0.002}})
    training = train(replace(start, init=whole.out, config=config))
    assert training.seen_clips > 0 and len(open_dataset(tiny_dataset).videos) == 6
    assert sorted(torch.load(whole.out / "state.pt", weights_only=True)) == ["discriminator", "phase"]
    assert (whole.out / "state.pt").stat().st_size < (whole.checkpoint / "state.pt").stat().st_size
    assert "--init whole" in (whole.out / "README.md").read_text()
    assert "no training can start" in (bare.out / "README.md").read_text()


def test_nothing_private_is_in_it(request_for: RequestFor, tmp_path: Path) -> None:
    request = request_for(with_training=True)
    export_model(request)
    for file in request.out.rglob("*"):
        content = file.read_bytes() if file.is_file() else b""
        for private in (str(tmp_path), str(Path(__file__).parents[2]), str(Path.home()), "secret-project"):
            assert private.encode() not in content, (file, private)


def test_what_is_there_is_kept_but_for_an_export_under_force(request_for: RequestFor, tmp_path: Path) -> None:
    request = request_for()
    request.out.mkdir()
    (request.out / "diary.txt").write_text("mine")
    for force in (False, True):
        with pytest.raises(ConfigError, match="exists|not replaced"):
            export_model(replace(request, force=force))
    assert [item.name for item in tmp_path.iterdir()] == ["model"]
    (request.out / "diary.txt").unlink()
    export_model(replace(request, force=True))
    with pytest.raises(ConfigError, match="--force"):
        export_model(request)
    export_model(replace(request, force=True, license="mit"))
    assert "license: mit" in (request.out / "README.md").read_text()
    with pytest.raises(ConfigError, match="not replaced"):
        export_model(replace(request, out=request.checkpoint, force=True))
    assert sorted(item.name for item in tmp_path.iterdir()) == ["model"]


@pytest.mark.parametrize("moment", ["write_previews", "model_card"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_an_interrupted_export_leaves_what_was_there(
    moment: str, error: BaseException, request_for: RequestFor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(*_: object) -> None:
        raise error

    request = request_for(force=True)
    with monkeypatch.context() as patch:
        patch.setattr(f"smoothvid.exporting.folder.{moment}", end)
        with pytest.raises((KeyboardInterrupt, DataError)):
            export_model(request)
        assert list(tmp_path.iterdir()) == []
    export_model(request)
    before = (request.out / "README.md").read_bytes()
    monkeypatch.setattr(f"smoothvid.exporting.folder.{moment}", end)
    with pytest.raises((KeyboardInterrupt, DataError)):
        export_model(replace(request, license="mit"))
    assert [item.name for item in tmp_path.iterdir()] == ["model"]
    assert (request.out / "README.md").read_bytes() == before


KILLED = """
import os, sys
from pathlib import Path
from smoothvid.exporting import folder, card
folder.model_card = lambda *_: os.kill(os.getpid(), 9)
preview = card.Preview(seeds=range(1), num_frames=1, truncation_psi=1.0)
folder.export_model(folder.ExportRequest(checkpoint=Path(sys.argv[1]), out=Path(sys.argv[2]), preview=preview))
"""


def test_a_killed_export_is_not_there_and_does_not_hinder_the_next(request_for: RequestFor, tmp_path: Path) -> None:
    request = request_for()
    killed = subprocess.run([sys.executable, "-c", KILLED, str(request.checkpoint), str(request.out)])
    assert killed.returncode == -9 and not request.out.exists()
    export_model(request)
    assert [item.name for item in tmp_path.iterdir()] == ["model"]


def test_wrong_requests_write_nothing(request_for: RequestFor, tmp_path: Path) -> None:
    request = request_for()
    lone = tmp_path / "lone" / "model.safetensors"
    lone.parent.mkdir()
    lone.write_bytes((request.checkpoint / lone.name).read_bytes())
    wrong: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"license": "free: as in beer"}, ConfigError, "--license"),
        ({"checkpoint": lone, "with_training": True}, CheckpointError, "state.pt"),
        ({"checkpoint": tmp_path / "nothing"}, CheckpointError, "no model here"),
        ({"results": tmp_path / "no.json"}, DataError, "cannot be read"),
    ]
    for changes, kind, words in wrong:
        with pytest.raises(kind, match=words):
            export_model(replace(request, **changes))
    assert [item.name for item in tmp_path.iterdir()] == ["lone"]
    lone.write_bytes(lone.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match="damaged"):
        export_model(replace(request, checkpoint=lone))
    assert [item.name for item in tmp_path.iterdir()] == ["lone"]
