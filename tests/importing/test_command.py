"""The command, from a snapshot to a video."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from smoothvid.sampling.model import load_model
from smoothvid_cli import main

from .published import built, settings, snapshot, stylesv_cfg, video_cfg
from .standins import MARKER, dumps

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def smoothvid(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`smoothvid("import", file)` runs the command in this process; returns its exit code, stdout and stderr."""

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["smoothvid", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main.run()
        return int(ended.value.code or 0), *capsys.readouterr()

    return run


def test_from_a_snapshot_to_a_video(smoothvid: Run, tmp_path: Path) -> None:
    config = settings("stylesv")
    generator, discriminator = built("stylesv", config)
    nets = snapshot(tmp_path / MARKER, config, (generator,) * 2, discriminator, stylesv_cfg(config))
    file, out = tmp_path / "network-snapshot.pkl", tmp_path / "imported"
    file.write_bytes(dumps(nets, cuda=True))

    code, printed, said = smoothvid("import", file, "--out", out, "--json", "--quiet")
    assert code == 0 and said == ""
    report = json.loads(printed)
    assert report["family"] == "stylesv" and report["fps"] == 30 and set(report["taken"]) == {"G", "D", "G_ema"}
    assert sorted(os.listdir(out)) == ["checksums.json", "model.safetensors", "preview.png", "state.pt"]
    assert sorted(os.listdir(tmp_path)) == ["imported", "network-snapshot.pkl"]

    code, printed, said = smoothvid("info", out, "--json")
    assert code == 0 and json.loads(printed)["family"] == "stylesv"
    code, _, said = smoothvid("sample", out, "--length", "4", "--out", tmp_path / "frames", "--device", "cpu")
    assert code == 0 and len(os.listdir(tmp_path / "frames")) == 4, said


@pytest.mark.usefixtures("read_here")
def test_a_dry_run_and_what_is_there_already(smoothvid: Run, tmp_path: Path) -> None:
    config = settings("styleganv")
    generator, discriminator = built("styleganv", config, c_dim=2)
    nets = snapshot(tmp_path / MARKER, config, (generator,) * 2, discriminator, video_cfg(config), c_dim=2)
    file, out = tmp_path / "a.pkl", tmp_path / "out"
    file.write_bytes(dumps(nets))
    command = "import", file, "--out", out

    code, printed, _ = smoothvid(*command, "--dry-run")
    assert code == 0 and "would be imported" in printed and "augment_pipe" in printed and not out.exists()
    code, printed, said = smoothvid(*command, "--labels", "cat,dog")
    assert code == 0 and "cat, dog" in printed and f"next: smoothvid sample {out}" in said
    before = (out / "model.safetensors").read_bytes()
    code, _, said = smoothvid(*command)
    assert code == 2 and "already exists" in said
    code, _, said = smoothvid(*command, "--force", "--labels", "cat")
    assert code == 2 and "2 labels" in said and (out / "model.safetensors").read_bytes() == before
    code, _, said = smoothvid(*command, "--force", "--quiet")
    assert code == 0 and said == "" and load_model(out).label_names == ["0", "1"]
    (out / "mine.txt").touch()
    code, _, said = smoothvid(*command, "--force")
    assert code == 2 and "holds other things" in said
    assert sorted(os.listdir(tmp_path)) == ["a.pkl", "out"]


def test_a_hostile_file_leaves_nothing(smoothvid: Run, tmp_path: Path) -> None:
    file = tmp_path / "evil.pkl"
    file.write_bytes(b"cos\nsystem\n(S'touch " + bytes(tmp_path / MARKER) + b"'\ntR.")
    code, printed, said = smoothvid("import", file, "--out", tmp_path / "out")
    assert code == 1 and printed == ""
    assert f"error: {file}: os.system is not something a snapshot contains; refused" in said
    assert os.listdir(tmp_path) == ["evil.pkl"]


@pytest.mark.usefixtures("read_here")
def test_what_cannot_be_sampled_leaves_nothing(smoothvid: Run, tmp_path: Path) -> None:
    config = settings("styleganv")
    generator, discriminator = built("styleganv", config)
    generator.state_dict()["synthesis.blocks.8.conv1.bias"][0] = float("nan")
    nets = snapshot(tmp_path / MARKER, config, (generator,) * 2, discriminator, video_cfg(config))
    (tmp_path / "a.pkl").write_bytes(dumps(nets))
    code, _, said = smoothvid("import", tmp_path / "a.pkl", "--out", tmp_path / "out")
    assert code == 1 and "not finite" in said and os.listdir(tmp_path) == ["a.pkl"]
