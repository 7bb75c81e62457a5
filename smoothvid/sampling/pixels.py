"""What video formats want: rates as fractions, YUV planes, palettes."""

from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray
from PIL import Image

from smoothvid.errors import ConfigError


def frame_rate(fps: float) -> Fraction:
    """Return fps as the fraction that video formats want: 29.97003 becomes 30000/1001."""
    if not 0.01 <= fps <= 1000:
        raise ConfigError(f"fps {fps:g} is out of range: use 0.01 to 1000")
    return Fraction(fps).limit_denominator(1001)


def yuv420_frame(picture: NDArray[np.uint8], matrix: Colorspace) -> av.VideoFrame:
    """Return uint8 [H, W, 3] as a YUV 4:2:0 frame in limited range; an odd side is padded by repeating its edge."""
    height, width = picture.shape[:2]
    if height % 2 or width % 2:
        picture = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
    return frame.reformat(format="yuv420p", dst_colorspace=matrix, dst_color_range=ColorRange.MPEG)


def palette_frame(picture: NDArray[np.uint8]) -> av.VideoFrame:
    """Return uint8 [H, W, 3] dithered to 256 colours of its own, as a GIF wants it."""
    image = Image.fromarray(picture)
    colours = image.quantize(256, method=Image.Quantize.FASTOCTREE)  # the others take 100 times longer for 1 dB
    indexes = image.quantize(palette=colours, dither=Image.Dither.FLOYDSTEINBERG)
    palette = np.full((256, 4), 255, np.uint8)  # alpha, red, green, blue
    table = np.array(indexes.getpalette("RGB"), np.uint8).reshape(-1, 3)
    palette[: len(table), 1:] = table
    pair: Any = (np.asarray(indexes), palette)  # PyAV takes it for pal8, its type hints do not say so
    return av.VideoFrame.from_ndarray(pair, format="pal8")
