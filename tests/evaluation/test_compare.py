"""Cheap frauds come last, and the features are the same everywhere."""

from typing import Any

import numpy as np
import pytest

from smoothvid.errors import DataError
from smoothvid.evaluation.compare import compare_clips
from smoothvid.evaluation.features import clip_features, difference_features, frame_features


@pytest.fixture(scope="module")
def floor(drive: np.ndarray) -> dict[str, Any]:
    """The second half of the real clips in the place of generated ones."""
    return compare_clips(drive, drive[32:])


def test_frauds_come_last(floor: dict[str, Any]) -> None:
    references = floor["references"]
    assert floor["metrics"] == references["real"]
    assert references["real"]["rfid"] < 0.15 < 1 == references["mean_image"]["rfid"]
    assert references["mean_image_noise"]["rfid"] > 1.2 and references["grey"]["rfid"] > 1.2
    assert references["real"]["rfid_diff"] < 0.15 < 1 == references["frozen"]["rfid_diff"]
    assert references["shuffled"]["rfid_diff"] > 1.2
    assert references["real"]["rfvd_16f"] < 0.02
    for fraud in ("frozen", "shuffled", "mean_image", "mean_image_noise", "grey"):
        assert references[fraud]["rfvd_16f"] > 0.25
    assert references["frozen"]["motion"] == 0 and references["real"]["motion"] == pytest.approx(1, abs=0.3)


def test_direction_and_speed_of_motion_count(drive: np.ndarray, floor: dict[str, Any]) -> None:
    fakes = drive[32:, ::-1], np.repeat(drive[32:, :8], 2, axis=1)
    reversed_, slow = (compare_clips(drive, fake)["metrics"] for fake in fakes)
    assert reversed_["rfid_diff"] > 1.5 * floor["metrics"]["rfid_diff"]
    assert slow["rfvd_16f"] > 5 * floor["metrics"]["rfvd_16f"]
    assert floor["metrics"]["rfid_diff"] < slow["rfid_diff"] < 0.7  # every other difference is zero, not all
    assert reversed_["motion"] == pytest.approx(floor["metrics"]["motion"])
    assert slow["motion"] == pytest.approx(floor["metrics"]["motion"] / 2, rel=0.15)


def test_data_that_stand_still_have_no_motion_to_compare_with(drive: np.ndarray) -> None:
    still = np.repeat(drive[:, :1], 16, axis=1)
    metrics = compare_clips(still, drive[32:])["metrics"]
    assert metrics["motion"] is None and metrics["rfid_diff"] is None and metrics["rfid"] is not None


def test_too_few_or_unlike_clips_are_refused(drive: np.ndarray) -> None:
    with pytest.raises(DataError, match="only 3 clips"):
        compare_clips(drive, drive[:3])
    with pytest.raises(ValueError, match="generated ones"):
        compare_clips(drive, drive[..., :16])


def test_features_are_the_same_everywhere(drive: np.ndarray) -> None:
    """Figures from one machine hold on another: a change of the networks must raise NETWORK_VERSION."""
    clip = (np.arange(16 * 3 * 32 * 32) * 7919 % 251).astype(np.uint8).reshape(1, 16, 3, 32, 32)
    sums = [float(features(clip).sum()) for features in (frame_features, difference_features, clip_features)]
    assert sums == pytest.approx(EXPECTED_SUMS, rel=1e-4)


def test_other_sizes(drive: np.ndarray) -> None:
    """Frames of any size from 4 pixels are taken; larger ones give more levels."""
    for side, levels in ((4, 1), (30, 3), (64, 5)):
        frames = np.zeros((1, 8, 3, side, side), np.uint8)
        assert frame_features(frames).shape == (4, 48 + 16 * levels)
        assert clip_features(frames).shape == (1, 5 * levels)


def test_long_clips_are_seen_over_longer_times(drive: np.ndarray) -> None:
    moving = np.resize(drive[:8, :, :, ::4, ::4], (8, 128, 3, 8, 8))
    assert clip_features(moving).shape == (8, 9 * 2)
    metrics = compare_clips(moving, moving[:4])["metrics"]
    assert metrics["rfvd_128f"] == pytest.approx(0, abs=1e-6) and "rfvd_16f" not in metrics


def test_what_clip_features_say_of_known_motion() -> None:
    """Drift, a random walk, shaking, and a swing of 4 frames: D(2) / D(1), D(4) / D(2), D(8) / D(4) as in theory."""
    rng = np.random.default_rng(0)
    x = np.arange(32) / 32

    def clips(places: np.ndarray) -> np.ndarray:
        wave = 128 + 100 * np.sin(2 * np.pi * (x - places[..., None]))
        return np.broadcast_to(wave[:, :, None, None], (*places.shape, 3, 32, 32)).astype(np.uint8)

    time = np.arange(256)
    steps = rng.normal(size=(8, 256))
    for places, expected in (
        (0.004 * np.resize(time, (1, 256)), (2, 2, 2)),
        (0.004 * steps.cumsum(axis=1), (2**0.5, 2**0.5, 2**0.5)),
        (0.01 * steps, (1, 1, 1)),
        (0.01 * np.resize([0, 1, 0, -1], (1, 256)), (2**0.5, 0)),
    ):
        growth = clip_features(clips(places)).mean(axis=0)[10 * 2 + 3 :][: len(expected)]  # of the third level
        assert growth == pytest.approx(expected, abs=0.1)


EXPECTED_SUMS = [56.6047, 36.9260, 23.1437]
