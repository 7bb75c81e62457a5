"""Square frames out of frames of any shape, with antialiasing (clean-fid's advice: Pillow, which filters properly)."""

from typing import Literal

import numpy as np

from smoothvid.data.resample import resample

Crop = Literal["center", "fit"]


def to_square(frame: np.ndarray, resolution: int, crop: Crop) -> np.ndarray:
    """Resize a frame to resolution x resolution.

    Args:
        frame: uint8 [H, W, 3].
        resolution: side of the result in pixels.
        crop: "center" cuts the largest central square; "fit" keeps the whole frame between black bars.

    Returns:
        uint8 [resolution, resolution, 3].
    """
    return square_pixels(frame, resolution, crop)[..., :3]


def square_pixels(frame: np.ndarray, resolution: int, crop: Crop) -> np.ndarray:
    """The same in four bytes a pixel, the last without a meaning: uint8 [resolution, resolution, 4]."""
    height, width = frame.shape[:2]
    if crop == "center":
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        return resample(frame[top : top + side, left : left + side], resolution, resolution, "bicubic")
    scale = resolution / max(width, height)
    width, height = max(1, round(width * scale)), max(1, round(height * scale))
    left, top = (resolution - width) // 2, (resolution - height) // 2
    square = np.zeros((resolution, resolution, 4), np.uint8)
    square[top : top + height, left : left + width] = resample(frame, height, width, "bicubic")
    return square
