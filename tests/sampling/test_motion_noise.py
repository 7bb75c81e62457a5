import numpy as np
import pytest
from scipy import stats

from smoothvid.errors import ConfigError
from smoothvid.sampling.motion_noise import content_code, drawn_label, motion_codes


@pytest.mark.parametrize("first", [-7, 0, 10**9, 2**62])
@pytest.mark.parametrize("dim", [1, 5, 16])
def test_any_window_is_a_slice_of_a_larger_one(first: int, dim: int) -> None:
    whole = motion_codes(3, first, 12, dim)
    assert whole.shape == (12, dim) and whole.dtype == np.float32
    for offset in range(12):
        for count in (1, 12 - offset):
            np.testing.assert_array_equal(motion_codes(3, first + offset, count, dim), whole[offset : offset + count])


def test_codes_are_independent_standard_normal() -> None:
    codes = motion_codes(0, -200, 400, 128).ravel()
    assert stats.kstest(codes, "norm").pvalue > 0.01
    assert abs(codes.mean()) < 0.02 and abs(codes.std() - 1) < 0.02
    neighbours = np.corrcoef(motion_codes(0, 0, 60, 512))
    assert np.abs(neighbours - np.eye(60)).max() < 0.25  # 5.6 standard deviations
    half = motion_codes(0, 0, 200, 64)  # the two numbers of a Box-Muller pair
    assert abs(np.corrcoef(half[:, :32].ravel(), half[:, 32:].ravel())[0, 1]) < 0.05


def test_seeds_and_uses_differ() -> None:
    rows = [motion_codes(seed, 0, 1, 64)[0] for seed in (0, 1, 2**64 - 1)] + [content_code(s, 64) for s in (0, 1)]
    assert np.abs(np.corrcoef(rows) - np.eye(5)).max() < 0.5
    with pytest.raises(ConfigError, match="-1"):
        motion_codes(-1, 0, 1, 4)


def test_the_numbers_never_change() -> None:
    """A seed must show the same video in every later version: these are the values of the first one."""
    np.testing.assert_allclose(motion_codes(7, 5, 1, 4)[0], GOLDEN_MOTION, rtol=1e-6)
    np.testing.assert_allclose(content_code(7, 4), GOLDEN_CONTENT, rtol=1e-6)


def test_labels_are_drawn_evenly() -> None:
    counts = np.bincount([drawn_label(seed, 3) for seed in range(3000)], minlength=3)
    assert counts.shape == (3,) and stats.chisquare(counts).pvalue > 0.01


GOLDEN_MOTION = [0.482234418, 0.178760201, 1.22391236, -0.579631746]
GOLDEN_CONTENT = [-0.340111345, -0.56459862, 0.366595745, 1.00019181]
