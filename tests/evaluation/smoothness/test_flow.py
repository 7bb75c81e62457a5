"""Displacements against textures moved by known amounts, and against the exact motion of drawn worlds."""

import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from smoothvid.data.synthetic import make_world
from smoothvid.errors import ConfigError
from smoothvid.evaluation.smoothness import FlowMethod, block_flow
from smoothvid.evaluation.smoothness.known import seen, texture, to_bytes

METHODS: list[FlowMethod] = ["block", "dis"]


def need(method: FlowMethod) -> None:
    if method == "dis":
        pytest.importorskip("cv2", reason='needs OpenCV: pip install "smoothvid[flow]"')


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("resolution", [32, 64, 256])
def test_a_moving_texture(method: FlowMethod, resolution: int) -> None:
    need(method)
    steps = np.random.default_rng(1).uniform(-2, 2, (7, 2)) * resolution / 64
    path = np.concatenate([[[0, 0]], np.cumsum(steps, axis=0)])
    flow = block_flow(to_bytes(seen(texture(resolution), path, resolution)), method)
    grid = 4 if resolution == 32 else 8
    assert flow.displacement.shape == (7, grid, grid, 2) and flow.displacement.dtype == np.float32
    assert flow.matched.all()
    error = np.abs(flow.displacement - steps[:, None, None])
    assert np.median(error) < 0.06 * resolution / 64
    assert np.sqrt((error**2).mean()) < 0.25 * resolution / 64


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("world", "agreement"), [("drive", 0.6), ("sky", 0.8)])
def test_a_drawn_world(method: FlowMethod, world: str, agreement: float) -> None:
    need(method)
    drawn = make_world(world, 3)
    frames = np.stack([drawn.frame(float(t), 64) for t in range(17)]).transpose(0, 3, 1, 2)
    found = block_flow(frames, method).displacement
    # The world tells where things came from; the flow here where they go.
    dense = -np.stack([drawn.flow(float(t), 1.0, 64)[0] for t in range(1, 17)])
    true = dense.reshape(16, 8, 8, 8, 8, 2).mean(axis=(2, 4))
    assert (found * true).sum() / np.sqrt((found**2).sum() * (true**2).sum()) > agreement


def test_noise_moves_nothing_far_and_a_cut_is_no_motion() -> None:
    rng = np.random.default_rng(2)
    still = np.full((6, 3, 64, 64), 100) + rng.integers(-3, 4, (6, 3, 64, 64))
    assert np.sqrt((block_flow(still.astype(np.uint8)).displacement ** 2).mean()) < 0.1
    parts = [seen(texture(64, seed), np.zeros((4, 2)), 64) for seed in (0, 1)]
    flow = block_flow(to_bytes(np.concatenate(parts)))
    assert flow.matched.tolist() == [True] * 3 + [False] + [True] * 3
    np.testing.assert_allclose(flow.displacement[flow.matched], 0, atol=1e-4)


def test_long_videos_are_measured_in_parts() -> None:
    frames = to_bytes(seen(texture(32), np.outer(np.arange(150), [0.3, 0.1]), 32))
    whole = block_flow(frames)
    part = block_flow(frames[60:70])
    np.testing.assert_allclose(whole.displacement[60:69], part.displacement, atol=1e-4)


def test_without_opencv_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    frames: NDArray[np.uint8] = np.zeros((3, 3, 32, 32), np.uint8)
    with pytest.raises(ConfigError, match=r'pip install "smoothvid\[flow\]"'):
        block_flow(frames, "dis")
    block_flow(frames)


@pytest.mark.parametrize("shape", [(1, 3, 64, 64), (8, 3, 31, 31)])
def test_too_little_to_see_motion(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="2 of 32 x 32"):
        block_flow(np.zeros(shape, np.uint8))
