"""What a drawn world offers."""

from typing import Protocol

import numpy as np

FPS = 25.0


class World(Protocol):
    """An endless video drawn by a formula, whose every moment, motion and occlusion is known exactly.

    Attributes:
        label: name of the class for training with labels; None where what the world shows changes with time.
        kind: what this world is like: a light of day, a cover of cloud, a way of moving.
        fps: frames a second; the times below are frames at this rate and may be fractions, negative or very large.
    """

    label: str | None
    kind: str
    fps: float

    def frame(self, t: float, resolution: int) -> np.ndarray:
        """Draw the frame at time t: uint8 [resolution, resolution, 3]; depends on seed, t and resolution alone."""
        ...

    def flow(self, t: float, dt: float, resolution: int) -> tuple[np.ndarray, np.ndarray]:
        """Motion from t - dt to t, seen from the frame at t.

        Returns:
            flow: float32 [H, W, 2], (dx, dy) in pixels: what is at the pixel centre p was at p + flow[p] before.
            visible: bool [H, W], False where that point was hidden or outside the frame at t - dt.
        """
        ...


def pixel_centres(resolution: int) -> tuple[np.ndarray, np.ndarray]:
    """Column and row of every pixel centre, float64 [H, W] each, in pixels (the first centre is 0.5)."""
    centres = np.arange(resolution) + 0.5
    columns, rows = np.meshgrid(centres, centres)
    return columns, rows


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Picture in [0, 1] to bytes, rounded."""
    return (np.clip(image, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
