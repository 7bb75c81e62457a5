"""The figures at a checkpoint tell data from what is not."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from smoothvid.data.dataset import open_dataset
from smoothvid.evaluation.clips import Clips, DatasetClips
from smoothvid.training import measure
from smoothvid.training.measure import Yardstick


@pytest.fixture
def measured(tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """`measured(read)`: the figures of a model whose clip number n is read(real clip n)."""
    dataset = open_dataset(tiny_dataset)
    yardstick = Yardstick(dataset, 8, moving=True)
    assert yardstick.num_frames == 8  # of 16 frames there are too few
    source = DatasetClips(dataset).spanning(8)

    def figures(change: Any) -> dict[str, float]:
        clips = Clips(None, lambda numbers, frames: change(source.read(numbers, np.arange(8)))[:, frames], 16)
        monkeypatch.setattr(measure, "ModelClips", lambda *a, **k: SimpleNamespace(spanning=lambda count: clips))
        return yardstick.measure(SimpleNamespace())  # type: ignore[arg-type]

    return figures


def test_the_data_score_best(measured: Any) -> None:
    real = measured(lambda clips: clips)
    frozen = measured(lambda clips: np.repeat(clips[:, :1], 8, axis=1))
    dark = measured(lambda clips: clips // 4)
    assert real["score"] < 0.5 * min(frozen["score"], dark["score"])
    assert real["score"] == pytest.approx((real["rfid"] + real["rfid_diff"] + real["rfvd_8f"]) / 3, abs=1e-4)
    assert real["motion"] == pytest.approx(1, abs=0.1) and frozen["motion"] == 0


def test_diversity_falls_when_all_samples_are_alike(measured: Any) -> None:
    real = measured(lambda clips: clips)["diversity"]
    assert real == pytest.approx(1, abs=0.2)
    # Halfway to the mean of all, clips differ half as much (but for whole grey levels).
    assert measured(lambda clips: clips // 2)["diversity"] == pytest.approx(real / 2, abs=0.01)
    assert measured(lambda clips: np.full_like(clips, 90))["diversity"] == 0


def test_single_frames_for_images_and_nothing_for_few(tiny_dataset: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = open_dataset(tiny_dataset)
    assert Yardstick(dataset, 8, moving=False).num_frames == 1
    assert Yardstick(dataset, 3, moving=False).measure(SimpleNamespace()) == {}  # type: ignore[arg-type]
