"""Kinks in the motion codes, known for each kind of motion."""

from collections.abc import Callable

import pytest
import torch

from smoothvid.evaluation.smoothness import code_smoothness
from smoothvid.nn.motion import Motion, MotionConfig, MotionKind


@pytest.fixture
def smoothness() -> Callable[[MotionKind], list[dict[str, float]]]:
    def measure(kind: MotionKind) -> list[dict[str, float]]:
        torch.manual_seed(0)
        config = MotionConfig(
            kind=kind, z_dim=16, fourier_dim=16, distance=96, kernel_size=3, min_period=12, max_period=64
        )
        return code_smoothness(Motion(config), [0, 1e3, 1e5, 1e7])

    return measure


def test_phase_has_no_kinks_at_any_time(smoothness: Callable[[MotionKind], list[dict[str, float]]]) -> None:
    for row in smoothness("phase"):
        assert row["jump"] < 1e-6 and row["backwards"] == 0 and abs(row["ratio"] - 1) < 0.02, row


def test_the_published_kinds_have_them_or_run_away(
    smoothness: Callable[[MotionKind], list[dict[str, float]]],
) -> None:
    assert all(row["jump"] > 0.5 for kind in ("linear", "bspline") for row in smoothness(kind))
    embedding = smoothness("bspline-embedding")
    assert embedding[0]["jump"] < 0.01 and embedding[-1]["ratio"] > 2 and embedding[-1]["backwards"] > 0.5
