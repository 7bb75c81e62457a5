"""Each measure on motion whose answer is known."""

import numpy as np
import pytest
from numpy.typing import NDArray

from smoothvid.evaluation.smoothness import block_flow, measure_video, reversals
from smoothvid.evaluation.smoothness.colour_drift import area_above, colour_curve
from smoothvid.evaluation.smoothness.flow import Flow
from smoothvid.evaluation.smoothness.jitter import jitter_share
from smoothvid.evaluation.smoothness.known import grain, seen, texture, to_bytes
from smoothvid.evaluation.smoothness.repetition import recurrence
from smoothvid.evaluation.smoothness.reversal import turns
from smoothvid.evaluation.smoothness.sticking import sticking_share

TIME = np.arange(120)


def moved(path: NDArray[np.float64]) -> NDArray[np.uint8]:
    return to_bytes(seen(texture(32), path, 32))


def flow_of(velocity: NDArray[np.float64], matched: NDArray[np.bool_] | None = None) -> Flow:
    """A picture that moves as one, velocity [T] along x."""
    displacement = np.zeros((len(velocity), 4, 4, 2), np.float32)
    displacement[..., 0] = velocity[:, None, None]
    return Flow(displacement, np.ones(len(velocity), bool) if matched is None else matched)


STEADY = np.outer(TIME, [0.7, 0.2])
SWING = 5 * np.outer(np.sin(2 * np.pi * TIME / 24), [1.0, 0.3])
SHAKEN = STEADY + np.random.default_rng(2).normal(scale=1.0, size=(120, 2))
STEPS_BACK = np.outer(np.cumsum(np.where(TIME % 10 == 0, -0.7, 0.7)), [1.0, 0.0])
STILL = np.zeros((120, 2))


@pytest.mark.parametrize(
    ("path", "least", "most"),
    [(STEADY, 0, 0), (SWING, 7, 9), (SHAKEN, 0, 0), (STEPS_BACK, 0, 0), (STILL, 0, 0)],
    ids=["steady", "swing", "shaken", "steps back", "still"],
)
def test_reversals(path: NDArray[np.float64], least: float, most: float) -> None:
    found = reversals(moved(path))
    assert found is not None and least <= found <= most


def test_noise_does_not_turn_round() -> None:
    noise = np.random.default_rng(3).normal(scale=8, size=(120, 3, 32, 32))
    for path in (STILL, STEADY):
        assert reversals(to_bytes(moved(path) + noise)) == 0


def test_a_short_way_back_is_no_turn_and_a_longer_one_is() -> None:
    for back, expected in ((2, 0), (3, 0), (8, 2)):
        velocity = np.ones(100)
        velocity[50 : 50 + back] = -1
        assert turns(flow_of(velocity), 32) == expected


@pytest.mark.parametrize(
    ("every", "least", "most"), [(16, 0.99, 1), (8, 0.99, 1), (5, 0.95, 1), (64, 0, 0.02), (128, 0, 0.01)]
)
def test_jitter_of_a_swing(every: int, least: float, most: float) -> None:
    share = jitter_share(flow_of(2 * np.sin(2 * np.pi * np.arange(257) / every)), 64, 16)
    assert share is not None and least <= share <= most


def test_jitter_is_a_share_of_the_motion() -> None:
    time = np.arange(257)
    share = jitter_share(flow_of(1 + np.sqrt(2) * np.sin(2 * np.pi * time / 16)), 64, 16)
    assert share == pytest.approx(0.5, abs=0.02)  # of two equal energies
    assert jitter_share(flow_of(np.ones(257)), 64, 16) == pytest.approx(0, abs=1e-9)
    assert jitter_share(flow_of(np.zeros(257)), 64, 16) == 0


def test_jitter_leaves_out_what_did_not_match() -> None:
    velocity, matched = np.ones(200), np.ones(200, bool)
    velocity[[50, 120]], matched[[50, 120]] = 30, False
    assert jitter_share(flow_of(velocity, matched), 64, 16) == pytest.approx(0, abs=1e-9)
    assert jitter_share(flow_of(velocity, np.zeros(200, bool)), 64, 16) is None
    assert jitter_share(flow_of(np.ones(20)), 64, 16) is None


def test_a_loop_recurs_and_a_new_way_does_not() -> None:
    steady = moved(STEADY)
    noise = np.random.default_rng(4).normal(scale=4, size=steady.shape)
    assert recurrence(steady, 16).share == 0
    assert recurrence(steady[TIME % 24], 16).share == 1
    assert recurrence(to_bytes(steady[TIME % 24] + noise), 16).share == 1
    assert recurrence(steady[TIME % 24], 16).matrix.shape == (113, 113)


def test_a_moment_that_comes_back_is_counted_once() -> None:
    path = np.concatenate([STEADY[:80], STEADY[:40]])  # of 113 streaks the first 33 and the last 33 are the same
    assert recurrence(moved(path), 16).share == pytest.approx(66 / 113, abs=0.07)


def test_standing_still_is_no_repetition() -> None:
    still = moved(STILL)
    noise = np.random.default_rng(5).normal(scale=4, size=still.shape)
    assert recurrence(still, 16).share == 0
    assert recurrence(to_bytes(still + noise), 16).share == 0
    assert recurrence(still[:30], 16).share is None


def test_grain_that_stays_and_grain_that_goes_along() -> None:
    path = np.outer(np.arange(40), [0.8, 0.3])
    clean, with_own = (seen(picture, path, 64) for picture in (texture(64), texture(64) + grain(256, 1)))
    for video, least, most in ((clean, -0.05, 0.05), (with_own, -0.05, 0.05), (clean + grain(64, 1), 0.4, 1)):
        frames = to_bytes(video)
        share = sticking_share(frames, block_flow(frames))
        assert share is not None and least < share < most


def test_where_nothing_moves_nothing_sticks() -> None:
    still = seen(texture(64), np.zeros((40, 2)), 64) + grain(64, 1)
    assert sticking_share(to_bytes(still), block_flow(to_bytes(still))) is None


def test_colours() -> None:
    rng = np.random.default_rng(6)
    still = np.repeat(rng.integers(0, 256, (1, 3, 32, 32)), 60, axis=0).astype(np.uint8)
    lags, curve = colour_curve(still)
    assert lags.tolist() == list(range(30))
    np.testing.assert_allclose(curve, 1)
    assert area_above(curve) == 0
    # One pixel in 64 becomes another, black, in every frame: after n frames n / 64 of the colours are lost.
    dark = np.full((60, 3, 32, 32), 200, np.uint8).reshape(60, 3, -1)
    for t in range(60):
        dark[t, :, : 16 * t] = 0
    lags, curve = colour_curve(dark.reshape(60, 3, 32, 32))
    np.testing.assert_allclose(curve, 1 - lags / 64, atol=1e-6)
    assert area_above(curve) == pytest.approx(1 - np.mean(curve[1:]) / (63 / 64), abs=1e-6)


def test_colours_that_only_flicker_do_not_drift() -> None:
    noise = np.random.default_rng(7).integers(0, 256, (60, 3, 32, 32)).astype(np.uint8)
    assert area_above(colour_curve(noise)[1]) == pytest.approx(0, abs=0.01)


def test_large_pictures() -> None:
    large = seen(texture(128), np.outer(np.arange(64), [2.0, 0.5]), 128)
    found = measure_video(to_bytes(large), period=16)
    assert found.reversal == 0 and found.repetition == 0 and found.matched == 1
    assert found.jitter is not None and found.jitter < 0.02
    assert found.sticking is not None and abs(found.sticking) < 0.05
