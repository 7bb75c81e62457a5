"""One process, several, and a batch in parts give the same training; a lost process ends or restarts it cleanly."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from smoothvid.run_config import run_config_to_dict

SCRIPT = Path(__file__).with_name("steps_in_parts.py")
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node"]
# ADA moves from the first adjustment on.
TRAIN = {"batch": 8, "augment": "ada", "augment_target": 0.0, "augment_kimg": 0.2, "r1_interval": 4, "mirror": True}


def difference(ours: dict[str, Any], theirs: dict[str, Any], network: str) -> float:
    """Norm of the difference of all of a network's weights and means over their norm."""
    a, b = (torch.cat([x.double().flatten() for x in state[network].values()]) for state in (ours, theirs))
    return float((a - b).norm() / b.norm())


@pytest.mark.parametrize("precision, tolerance", [("float32", 1e-5), ("float64", 1e-12)])
def test_the_result_does_not_depend_on_how_a_batch_is_cut(
    precision: str, tolerance: float, tmp_path: Path, tiny_dataset: Path, tiny_config: Any
) -> None:
    (tmp_path / "config.json").write_text(json.dumps(run_config_to_dict(tiny_config(changes={"train": TRAIN}))))
    ways = {
        "whole": [sys.executable, SCRIPT],
        "two parts": [sys.executable, SCRIPT, "4"],
        "two processes": [*TORCHRUN, "2", SCRIPT],
    }
    results = {}
    for way, (*command, last) in ways.items():
        script, at_once = (command.pop(), [last]) if last == "4" else (last, [])
        out = tmp_path / f"{way}.pt"
        words = [*command, script, tiny_dataset, tmp_path / "config.json", out, precision, *at_once]
        subprocess.run(list(map(str, words)), check=True, timeout=120)
        results[way] = torch.load(out, weights_only=True)
    whole = results.pop("whole")
    assert 0 < whole["p"] < 1 and "r1" in whole["numbers"]
    for other in results.values():
        for network in ("generator", "discriminator", "average"):
            assert difference(other, whole, network) < tolerance
        assert other["p"] == whole["p"]
        assert other["numbers"] == pytest.approx(whole["numbers"], rel=1e-3, abs=1e-4)
