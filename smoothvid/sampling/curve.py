"""Smooth curves through keys, local and in closed form.

Around each key lies the parabola through it and its two neighbours. Between two keys the curve goes over from one's
parabola to the other's with a weight whose first two derivatives vanish at both ends. So the curve is twice
continuously differentiable, and a point of it depends on the four keys around it alone: an endless one needs no others.
"""

import numpy as np
from numpy.typing import NDArray

from smoothvid.errors import ConfigError

Floats = NDArray[np.float64]


def smootherstep(s: Floats) -> Floats:
    """From 0 to 1 over s in [0, 1], with first and second derivatives of zero at both ends."""
    return s**3 * (10 + s * (6 * s - 15))


def check_knots(knots: Floats, period: float | None = None) -> None:
    """Raise ConfigError for knots that do not increase, or that do not fit into the period."""
    times = ", ".join(f"{knot:g}" for knot in knots)
    if not (np.diff(knots) > 0).all():
        raise ConfigError(f"keys at frames {times}: times must increase")
    if period is not None and not knots[-1] < knots[0] + period:
        raise ConfigError(f"keys at frames {times}: do not fit into a loop of {period:g} frames")


def curve_weights(knots: Floats, positions: Floats, period: float | None = None) -> Floats:
    """Return the weights [T, n] of n keys at positions [T] of the curve that meets key i at knots[i].

    Weights sum to 1. An open curve starts from rest at its first key, comes to rest at its last one, and stays there.

    Args:
        knots: strictly increasing, [n].
        period: of a closed curve, which meets its first key again at knots[0] + period; None for an open one.
    """
    points = np.eye(len(knots))
    if len(knots) == 1:
        return np.ones((len(positions), 1))
    if period is not None:
        turns, keys = np.divmod(np.arange(-1, len(knots) + 2), len(knots))
        positions = knots[0] + (positions - knots[0]) % period
        knots, points = knots[keys] + period * turns, points[keys]
    widths = np.diff(knots)[:, None]
    chords = np.diff(points, axis=0) / widths
    slopes, bends = np.zeros_like(points), np.zeros_like(points)  # zero at both ends: rest
    slopes[1:-1] = (widths[1:] * chords[:-1] + widths[:-1] * chords[1:]) / (widths[:-1] + widths[1:])
    bends[1:-1] = np.diff(chords, axis=0) / (widths[:-1] + widths[1:])

    positions = positions.clip(knots[0], knots[-1])
    left = np.searchsorted(knots, positions, side="right").clip(1, len(knots) - 1) - 1

    def parabola(key: NDArray[np.intp]) -> Floats:
        u = (positions - knots[key])[:, None]
        return points[key] + u * (slopes[key] + u * bends[key])

    weight = smootherstep((positions - knots[left])[:, None] / widths[left])
    return (1 - weight) * parabola(left) + weight * parabola(left + 1)
