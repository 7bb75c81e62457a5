"""The measures grow with every kind of damage, and cheap frauds come last."""

from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from smoothvid.errors import DataError
from smoothvid.evaluation.compare import compare_clips
from smoothvid.evaluation.features import clip_features, difference_features, frame_features


def clipped(values: np.ndarray) -> np.ndarray:
    return values.clip(0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def floor(drive: np.ndarray) -> dict[str, Any]:
    """The second half of the real clips in the place of generated ones."""
    return compare_clips(drive, drive[32:])


def measured(drive: np.ndarray, damage: list[np.ndarray]) -> list[dict[str, float]]:
    return [compare_clips(drive, fake)["metrics"] for fake in damage]


def rises(values: list[float]) -> bool:
    return all(a < b for a, b in zip(values, values[1:], strict=False))


def test_frauds_come_last(floor: dict[str, Any]) -> None:
    references = floor["references"]
    assert floor["metrics"] == references["real"]
    assert references["real"]["rfid"] < 0.15 < 1 == references["mean_image"]["rfid"]
    assert references["mean_image_noise"]["rfid"] > 1.2 and references["grey"]["rfid"] > 1.2
    assert references["real"]["rfid_diff"] < 0.15 < 1 == references["frozen"]["rfid_diff"]
    assert references["shuffled"]["rfid_diff"] > 1.2
    assert references["real"]["rfvd_16f"] < 0.25
    for fraud in ("frozen", "shuffled", "mean_image", "mean_image_noise", "grey"):
        assert references[fraud]["rfvd_16f"] > 0.5
    assert references["frozen"]["motion"] == 0 and references["real"]["motion"] == pytest.approx(1, abs=0.3)


def test_distances_grow_with_noise_blur_and_brightness(drive: np.ndarray, floor: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    real = drive[32:].astype(np.float32)
    noise = rng.normal(size=real.shape)
    noisy = measured(drive, [clipped(real + strength * noise) for strength in (8, 16, 32)])
    blurred = measured(drive, [clipped(gaussian_filter(real, (0, 0, 0, s, s))) for s in (0.7, 1, 2)])
    brighter = measured(drive, [clipped(real + offset) for offset in (16, 32)])
    for name in ("rfid", "rfid_diff", "rfvd_16f"):
        start = [floor["metrics"][name]]
        assert rises(start + [m[name] for m in noisy])
        assert rises(start + [m[name] for m in blurred]) and blurred[0][name] < 0.3
        if name != "rfid_diff":
            assert rises(start + [m[name] for m in brighter])


def test_missing_kinds_of_clips_are_seen(drive: np.ndarray, floor: dict[str, Any]) -> None:
    order = np.argsort(drive[32:].mean(axis=(1, 2, 3, 4)))
    brightest = drive[32:][np.resize(order[16:], 32)]
    few = drive[32:][np.resize(order[28:], 32)]
    half, eighth = measured(drive, [brightest, few])
    for name in ("rfid", "rfvd_16f"):
        assert rises([floor["metrics"][name], half[name], eighth[name]])


def test_direction_and_speed_of_motion_count(drive: np.ndarray, floor: dict[str, Any]) -> None:
    reversed_, slow = measured(drive, [drive[32:, ::-1], np.repeat(drive[32:, :8], 2, axis=1)])
    assert reversed_["rfvd_16f"] > 1.2 * floor["metrics"]["rfvd_16f"]
    assert slow["rfvd_16f"] > 1.2 * floor["metrics"]["rfvd_16f"]
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
        assert frame_features(frames).shape == (3, 48 + 16 * levels)


EXPECTED_SUMS = [48.4452, 31.3794, 12.0635]
