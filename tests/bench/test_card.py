"""The card's kit: stages in processes of their own, results as they come, one failure costs only itself."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from smoothvid.bench.card import compiling, run
from smoothvid.bench.card.equal import usable
from smoothvid.bench.card.jobs import Job, read_rows, rows_file, run_jobs
from smoothvid.bench.card.page import write_pages
from smoothvid.bench.card.settings import CardSettings
from smoothvid.bench.card.speed import _said
from smoothvid.bench.card.stages import STAGES, Stage
from smoothvid.errors import DataError

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _stages_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]))


def states(out: Path, stage: str) -> dict[str, str]:
    return {row["name"]: row["state"] for row in read_rows(rows_file(out, stage))}


def test_a_broken_stage_costs_only_itself(tmp_path: Path) -> None:
    settings, told = CardSettings(out=tmp_path / "card", device="cpu"), list[str]()
    stages = [Stage(name, f"broken:{name}", 0.5) for name in ("broken", "fine")]
    assert run.run_card(settings, 2.0, stages, told.append)
    assert states(settings.out, "broken") == {
        "raises": "failed",
        "spoils the device": "failed",
        "ends its process": "failed",
        "comes last": "done",
    }
    assert set(states(settings.out, "fine").values()) == {"done"}
    assert [text.split(" (")[0] for text in told] == ["broken: done", "fine: done"]
    page = (settings.out / "card.md").read_text()
    assert "| job 2 | 4 | yes |" in page and "| comes last | **no** |" in page
    assert "| raises: **failed**, ValueError: no such / thing |" in page
    rows = json.loads((settings.out / "card.json").read_text())["rows"]
    assert [row["figures"]["square"] for row in rows if row["table"] == "Fine"] == [0, 1, 4]

    began = time.time()
    assert not run.run_card(settings, 2.0, [Stage("unmakeable", "broken:unmakeable", None)], told.append)
    assert "ended with code 1" in told[-1] and time.time() - began < 40  # not until its time was up

    before = (settings.out / "card.json").read_text()
    assert run.run_card(settings, 2.0, stages)  # all done: nothing is repeated
    assert (settings.out / "card.json").read_text() == before
    with pytest.raises(DataError, match="other settings"):
        run.run_card(CardSettings(out=settings.out, device="cpu", dry_run=True), 1.0, stages)


def test_it_stops_in_time_and_leaves_foreign_folders_alone(tmp_path: Path) -> None:
    settings = CardSettings(out=tmp_path / "card", device="cpu")
    began = time.time()
    assert not run.run_card(settings, 0.3, [Stage("endless", "broken:endless", None)])
    assert time.time() - began < 25
    assert states(settings.out, "endless") == {"first": "done", "waits": "begun"}
    with pytest.raises(ProcessLookupError):
        os.kill(int((settings.out / "pid").read_text()), 0)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "diary.txt").write_text("dear diary")
    with pytest.raises(DataError, match="holds no results"):
        run.run_card(CardSettings(out=tmp_path / "mine"), 0.1, [])


def test_goes_on_after_a_kill(tmp_path: Path) -> None:
    out = tmp_path / "card"
    program = (
        "from pathlib import Path; from smoothvid.bench.card.run import run_card;"
        "from smoothvid.bench.card.settings import CardSettings; from smoothvid.bench.card.stages import Stage;"
        f"run_card(CardSettings(out=Path({str(out)!r}), device='cpu'), 5.0, [Stage('endless', 'broken:endless', None)])"
    )
    process = subprocess.Popen([sys.executable, "-c", program])
    deadline = time.time() + 60
    while not (out / "pid").exists() and time.time() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGKILL)
    process.wait()
    os.kill(int((out / "pid").read_text()), signal.SIGKILL)
    with rows_file(out, "endless").open("a") as file:
        file.write('{"key": "cut off in wri')

    done = list[str]()
    jobs = [Job("Endless", name, lambda name=name: done.append(name) or {}) for name in ("first", "waits", "new")]  # type: ignore[misc]
    assert run_jobs("endless", iter(jobs), rows_file(out, "endless"), time.time() + 60)
    assert done == ["waits", "new"]
    assert states(out, "endless") == {"first": "done", "waits": "done", "new": "done"}
    write_pages(out)
    assert "## Endless" in (out / "card.md").read_text()


def test_later_stages_filter_as_was_found_right(tmp_path: Path) -> None:
    def way(precision: str, last: bool) -> str:
        with usable(tmp_path, precision, last) as name:
            return name

    assert way("bf16", True) == way("bf16", False) == way("float32", True) == "kernels"
    found = {"bf16, channels last": False, "bf16, channels first": True, "float32, channels last": True}
    jobs = [
        Job("Operations against float64", f"activation, {name}", lambda ok=ok: {"ok": ok})  # type: ignore[misc]
        for name, ok in found.items()
    ]
    run_jobs("operations", iter(jobs), rows_file(tmp_path, "operations"), time.time() + 60)
    assert way("bf16", True) == "matrices"
    assert way("bf16", False) == way("float32", True) == way("tf32", True) == "kernels"


def test_kernels_that_are_alike_are_compiled_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    layers = compiling.distinct_layers(["tiny", "tiny", "stylesv-64"])
    dtypes = [dtype for _, _, dtype in layers.values()]
    assert dtypes.count(torch.bfloat16) == dtypes.count(torch.float32) < 6 + 14
    assert compiling.distinct_layers(["tiny"]).keys() < layers.keys()
    settings = CardSettings(out=tmp_path, device="cpu")
    monkeypatch.setattr(sys, "argv", ["", settings.to_json(), "0", "1", "tiny"])
    compiling.main()  # on a CPU it computes, and compiles nothing


def test_presets_say_their_memory_in_words_that_can_be_checked() -> None:
    assert _said("smooth-64", "train") == (9.4, 2.1) and _said("stylesv-256", "pretrain") == (12.0, 2.7)


def test_rehearsal(tmp_path: Path) -> None:
    """Every stage at toy size."""
    settings = CardSettings(out=tmp_path / "card", device="cpu", dry_run=True)
    assert run.run_card(settings, 12.0)
    rows = json.loads((settings.out / "card.json").read_text())["rows"]
    assert {row["stage"] for row in rows} == {stage.name for stage in STAGES} - {"faults"}  # there were none
    assert all(row["state"] == "done" for row in rows), [row for row in rows if row["state"] != "done"]
    assert all(row["figures"].get("ok", True) for row in rows), [row for row in rows if not row["figures"].get("ok", 1)]
    assert (settings.out / "learn" / "model.safetensors").is_file()
    assert (settings.out / "learn" / "new-100000.mp4").is_file()
