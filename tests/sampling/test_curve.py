import numpy as np
import pytest

from smoothvid.errors import ConfigError
from smoothvid.sampling.curve import check_knots, curve_weights, smootherstep

EVEN, UNEVEN = np.arange(6.0), np.array([-3.0, 0.0, 0.5, 4.0, 5.0, 9.0])


@pytest.mark.parametrize("knots", [EVEN, UNEVEN, UNEVEN[:1], UNEVEN[:2], UNEVEN[:3]])
@pytest.mark.parametrize("more", [None, 1.0, 20.0])
def test_a_curve_meets_its_keys_and_closes(knots: np.ndarray, more: float | None) -> None:
    period = None if more is None else knots[-1] - knots[0] + more
    np.testing.assert_allclose(curve_weights(knots, knots, period), np.eye(len(knots)), atol=1e-12)
    positions = np.linspace(-20, 20, 201)
    weights = curve_weights(knots, positions, period)
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-12)
    if period is not None:
        np.testing.assert_allclose(curve_weights(knots, positions + 3 * period, period), weights, atol=1e-9)
        turned = curve_weights(np.append(knots[1:], knots[0] + period), positions, period)
        np.testing.assert_allclose(np.roll(turned, 1, axis=1), weights, atol=1e-9)
    else:
        before, after = positions <= knots[0], positions >= knots[-1]
        assert (weights[before, 0] == 1).all() and np.allclose(weights[after, -1], 1)


@pytest.mark.parametrize("knots", [EVEN, UNEVEN])
@pytest.mark.parametrize("period", [None, 14.0])
def test_it_is_twice_continuously_differentiable(knots: np.ndarray, period: float | None) -> None:
    def jump(order: int, h: float) -> float:
        """The largest difference between derivatives taken on either side of a key, ends included."""
        sides = [
            np.diff([curve_weights(knots, knots + sign * i * h, period) for i in range(order + 1)], order, axis=0)
            for sign in (-1, 1)
        ]
        return float(np.abs(sides[1] - (-1) ** order * sides[0]).max()) / h**order

    for order in (1, 2):  # a kink, of either order, would jump as far however near one looks
        assert jump(order, 1e-3) < 0.2 * jump(order, 1e-2)
    assert jump(3, 1e-3) > 0.5  # so this test does see kinks


@pytest.mark.parametrize("degree", [1, 2])
def test_parabolas_are_met_exactly_between_inner_keys(degree: int) -> None:
    positions = np.linspace(UNEVEN[1], UNEVEN[-2], 101)
    np.testing.assert_allclose(curve_weights(UNEVEN, positions) @ UNEVEN**degree, positions**degree, atol=1e-12)


def test_only_the_four_keys_around_count() -> None:
    knots = np.arange(40.0)
    for position in (17.0, 17.25, 17.999):
        weights = curve_weights(knots, np.array([position]))[0]
        assert set(np.flatnonzero(weights)) <= {16, 17, 18, 19}
        some = curve_weights(np.arange(16.0, 20.0), np.array([position]))[0]
        np.testing.assert_allclose(some, weights[16:20], atol=1e-12)


def test_smootherstep() -> None:
    s = np.linspace(0, 1, 1001)
    h = smootherstep(s)
    np.testing.assert_allclose(h + smootherstep(1 - s), 1, atol=1e-12)
    assert h[0] == 0 and h[-1] == pytest.approx(1) and (np.diff(h) >= 0).all()


def test_keys_that_do_not_increase_or_fit_are_refused() -> None:
    check_knots(UNEVEN, 12.1)
    with pytest.raises(ConfigError, match="0, 5, 5: times must increase"):
        check_knots(np.array([0.0, 5.0, 5.0]))
    with pytest.raises(ConfigError, match="loop of 12 frames"):
        check_knots(UNEVEN, 12.0)
