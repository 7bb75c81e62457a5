"""Square frames out of frames of any shape, with antialiasing (clean-fid's advice: Pillow, which filters properly)."""

from typing import Literal

import numpy as np
from PIL import Image

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
    image = Image.fromarray(np.ascontiguousarray(frame))
    width, height = image.size
    if crop == "center":
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        central = image.crop((left, top, left + side, top + side))
        return np.asarray(central.resize((resolution, resolution), Image.Resampling.BICUBIC))
    scale = resolution / max(width, height)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    square = Image.new("RGB", (resolution, resolution))
    square.paste(
        image.resize(size, Image.Resampling.BICUBIC), ((resolution - size[0]) // 2, (resolution - size[1]) // 2)
    )
    return np.asarray(square)
