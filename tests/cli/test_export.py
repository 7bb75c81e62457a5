"""`smoothvid export` as a person gives it: what it prints, and that its folder is taken back."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from smoothvid.models import get_family
from smoothvid.sampling.model import ModelFacts, save_model
from smoothvid.settings import to_dict

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def checkpoint(tiny_config: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    config = tiny_config().model
    generator = get_family("stylesv").build_generator(config, 0, False)
    generator.synthesis.motion_mask.data.fill_(0.7)  # type: ignore[union-attr, operator]
    folder = tmp_path_factory.mktemp("model")
    facts = ModelFacts(family="stylesv", config=to_dict(config), resolution=16, fps=10, seen_clips=9)
    save_model(folder / "model.safetensors", generator, facts)
    return folder


def test_there_and_back(smoothvid: Run, checkpoint: Path, tmp_path: Path) -> None:
    out, options = tmp_path / "sky", ("--num", 2, "--length", "0.5s", "--license", "mit", "--device", "cpu")
    planned = smoothvid("export", checkpoint, "--out", out, *options, "--dry-run", "--json")
    assert (planned.returncode, planned.stderr) == (0, "") and not out.exists()
    done = smoothvid("export", checkpoint, "--out", out, *options, "--json", "--quiet")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert told["family"] == "stylesv" and told["seen_clips"] == 9
    assert set(told["files"]) == set(json.loads(planned.stdout)["files"]) == {item.name for item in out.iterdir()}
    assert told["files"]["model.safetensors"] == (checkpoint / "model.safetensors").stat().st_size
    info = json.loads(smoothvid("info", out, "--json").stdout)
    assert (info["kind"], info["family"], info["seen_clips"]) == ("checkpoint", "stylesv", 9)
    for model, name in ((checkpoint, "before"), (out, "after")):
        made = smoothvid("sample", model, "--length", 4, "--seed", 7, "--device", "cpu", "--out", tmp_path / name)
        assert made.returncode == 0, made.stderr
    for number in range(4):
        before, after = (tmp_path / name / f"{number:06d}.png" for name in ("before", "after"))
        assert before.read_bytes() == after.read_bytes()


def test_a_table_and_a_word_on_the_licence(smoothvid: Run, checkpoint: Path, tmp_path: Path) -> None:
    out = tmp_path / "sky"
    done = smoothvid("export", checkpoint, "--out", out, "--num", 1, "--length", 1, "--device", "cpu")
    rows = [line.split() for line in done.stdout.splitlines()]
    assert done.returncode == 0 and ["README.md", str((out / "README.md").stat().st_size)] in rows
    assert "--license" in done.stderr and "preview.mp4" not in done.stdout and not (out / "preview.mp4").exists()


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (("--length", "inf"), 2, "a preview has an end"),
        (("--with-training",), 1, "no state.pt here"),
        (("--results", "no.json"), 1, "no.json: cannot be read"),
        (("--out", "."), 2, "give the folder a name"),
    ],
)
def test_wrong_requests(
    options: tuple[str, ...], code: int, words: str, smoothvid: Run, checkpoint: Path, tmp_path: Path
) -> None:
    done = smoothvid("export", checkpoint, "--out", tmp_path / "sky", *options)
    assert done.returncode == code and words in done.stderr and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
