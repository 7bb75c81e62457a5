"""Uniform B-splines: the weights of control points k, k + 1, ... at position `s` in [0, 1) of segment k.

They are ≥ 0 and sum to 1. The slope of a cubic spline is the quadratic spline of its control points' differences.
Source: de Boor, A Practical Guide to Splines; StyleSV, equation 4.
"""

from torch import Tensor


def quadratic_weights(s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Once continuously differentiable."""
    return (1 - s).square() / 2, 0.5 + s - s.square(), s.square() / 2


def cubic_weights(s: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Twice continuously differentiable."""
    r = 1 - s
    return r**3 / 6, (3 * s**3 - 6 * s.square() + 4) / 6, (3 * r**3 - 6 * r.square() + 4) / 6, s**3 / 6
