"""Measures of smoothness on motion whose answer is known."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, shift

from smoothvid.data.synthetic import make_world
from smoothvid.evaluation.smoothness import code_smoothness, reversals, tile_flow
from smoothvid.models.stylesv.config import MotionConfig, MotionKind
from smoothvid.models.stylesv.motion import Motion


def moved(path: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A texture that follows `path` [T, 2] (dx, dy) in pixels, as frames uint8 [T, 3, 32, 32]."""
    texture = gaussian_filter(np.random.default_rng(0).normal(size=(96, 96)), 1.5)
    texture = 128 + 40 * texture / texture.std()
    frames = [shift(texture, (dy, dx), order=3, mode="wrap")[32:64, 32:64] for dx, dy in path]
    return np.stack(frames).clip(0, 255).astype(np.uint8)[:, None].repeat(3, axis=1)


def test_flow_of_a_moving_texture() -> None:
    path = np.cumsum(np.random.default_rng(1).uniform(-0.8, 0.8, (12, 2)), axis=0)
    flow = tile_flow(moved(path))
    assert flow.shape == (11, 4, 4, 2)
    np.testing.assert_allclose(flow.mean(axis=(1, 2)), np.diff(path, axis=0), atol=0.12)


def test_flow_of_the_road_points_where_the_true_flow_does() -> None:
    world = make_world("drive", 3)
    frames = np.stack([world.frame(float(t), 32) for t in range(24)]).transpose(0, 3, 1, 2)
    found = tile_flow(frames)
    true = -np.stack([world.flow(float(t), 1.0, 32)[0] for t in range(1, 24)])  # backward flow to forward motion
    true = true.reshape(23, 4, 8, 4, 8, 2).mean(axis=(2, 4))
    agreement = (found * true).sum() / np.sqrt((found**2).sum() * (true**2).sum())
    assert agreement > 0.5
    assert reversals(frames) == 0


STEADY = np.outer(np.arange(120), [0.7, 0.2])
SHAKEN = np.random.default_rng(2).normal(scale=1.0, size=(120, 2))
SWING = 5 * np.outer(np.sin(2 * np.pi * np.arange(120) / 24), [1.0, 0.3])
STEPS_BACK = np.outer(np.cumsum(np.where(np.arange(120) % 10 == 0, -0.7, 0.7)), [1.0, 0.0])


@pytest.mark.parametrize("path,least,most", [(STEADY, 0, 0), (SHAKEN, 30, 60), (SWING, 7.5, 9), (STEPS_BACK, 18, 21)])
def test_reversals(path: NDArray[np.float64], least: float, most: float) -> None:
    assert least <= reversals(moved(path)) <= most


def test_a_still_video_does_not_run_backwards() -> None:
    still = moved(np.zeros((40, 2)))
    assert reversals(still) == 0
    noise = np.random.default_rng(3).integers(-2, 3, still.shape)
    steady = np.clip(moved(STEADY[:40]).astype(int) + noise, 0, 255).astype(np.uint8)
    assert reversals(steady) == 0


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
