"""Shapes: time folded into the batch and out again, and a check that says what it expected."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def fold_time(x: "Tensor") -> "Tensor":
    """[B, T, ...] -> [B*T, ...]: the frames of each video follow one another."""
    return x.flatten(0, 1)


def unfold_time(x: "Tensor", num_frames: int) -> "Tensor":
    """[B*T, ...] -> [B, T, ...] with T = num_frames; undoes fold_time."""
    return x.unflatten(0, (-1, num_frames))


def check_shape(x: "Tensor", *sides: int | None, name: str = "tensor") -> None:
    """Raise ValueError unless x has exactly these sides; None stands for any length."""
    if x.ndim != len(sides) or any(want not in (None, have) for want, have in zip(sides, x.shape, strict=True)):
        wanted = ", ".join("any" if side is None else str(side) for side in sides)
        raise ValueError(f"{name} must have shape [{wanted}], got {list(x.shape)}")
