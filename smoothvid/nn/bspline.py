"""Uniform quadratic B-splines."""

from torch import Tensor


def quadratic_weights(s: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The weights of the three control points around position `s` in [0, 1) of a segment; they are ≥ 0 and sum to 1.

    Source: de Boor, A Practical Guide to Splines; StyleSV, equation 4.
    """
    return (1 - s).square() / 2, 0.5 + s - s.square(), s.square() / 2
