"""`smoothvid bench` on the command line: table, JSON, chart, and what is refused."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from smoothvid.errors import ConfigError, DataError
from smoothvid_cli.main import app

Run = Callable[..., subprocess.CompletedProcess[str]]
KEEP = {"SMOOTHVID_KEEP_MEMORY": "1"}


@pytest.fixture(autouse=True)
def memory_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the command asks of the C library would stay for the tests that follow."""
    monkeypatch.setenv("SMOOTHVID_KEEP_MEMORY", "0")


def test_a_stage_of_networks_on_the_command_line(smoothvid: Run, tmp_path: Path) -> None:
    """One quick run for all that a run gives: JSON on stdout, a line for each case on stderr, a chart."""
    chart = tmp_path / "bench.png"
    done = smoothvid(
        "bench", "--stages", "discriminator", "--preset", "tiny", "--device", "cpu", "--json", "-o", chart, **KEEP
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["format"] == 1 and found["machine"]["threads"] >= 1
    [result] = found["results"]
    assert (result["stage"], result["unit"]) == ("discriminator", "video") and result["turns"] >= 3
    variants: dict[str, Any] = {variant["variant"]: variant for variant in result["variants"]}
    assert set(variants) >= {"floor", "ours", "plain"}
    if found["machine"]["keeps_memory"]:
        assert "plain, default memory" in variants
    for variant in variants.values():
        assert 0 < variant["low_s"] <= variant["median_s"] <= variant["high_s"]
    over = variants["ours"]["ratios"]["over_floor"]
    assert over["low"] <= over["median"] <= over["high"]
    assert "discriminator tiny, 3 frames: floor " in done.stderr
    with Image.open(chart) as picture:
        assert np.asarray(picture.convert("RGB")).std() > 5


def test_a_table_for_people() -> None:
    done = CliRunner().invoke(app, ["bench", "--stages", "motion", "--preset", "tiny", "--quiet"])
    assert (done.exit_code, done.stderr) == (0, "")
    assert "motion 64 frames from t = 10,000,000" in done.stdout and "ours" in done.stdout
    assert "processor" in done.stdout


def test_a_wrong_stage_is_refused_with_the_names_of_all(smoothvid: Run) -> None:
    done = smoothvid("bench", "--stages", "nothing")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no stage 'nothing'; there are filters, modconv, generator" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (["--preset", "nothing"], ConfigError, "no such preset"),
        (["missing.mp4"], DataError, "missing.mp4 does not exist"),
        (["--out", "chart.jpg"], ConfigError, "ends in .png"),
    ],
)
def test_what_is_wrong_is_told_before_anything_is_measured(
    arguments: list[str], kind: type[Exception], words: str
) -> None:
    done = CliRunner().invoke(app, ["bench", *arguments])
    assert isinstance(done.exception, kind) and words in str(done.exception)


def test_a_dry_run_shows_the_plan() -> None:
    found = json.loads(CliRunner().invoke(app, ["bench", "--dry-run", "--json", "--full"]).stdout)
    assert found["full"] and found["stages"][:3] == ["filters", "modconv", "generator"]
    assert "r1" in found["stages"]
