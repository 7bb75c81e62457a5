"""Picture files as a viewer shows them."""

import struct
import zlib

import numpy as np
from PIL import Image, ImageOps

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff")
IMAGE_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF")
IMAGE_ERRORS = (  # what Pillow raises on files that are damaged or made to harm
    OSError,
    EOFError,
    ValueError,
    SyntaxError,
    LookupError,
    TypeError,
    ArithmeticError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


def as_shown(image: Image.Image) -> Image.Image:
    """An opened picture in 8-bit RGB: turned as its EXIF data say, laid over black, of 16 bits the upper 8.

    Raises:
        one of IMAGE_ERRORS: damaged, or with numbers as pixels that have no agreed white.
    """
    ImageOps.exif_transpose(image, in_place=True)
    if image.mode.startswith("I"):  # Pillow itself would clip 16 bits at 255
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 0xFFFF:
            raise ValueError("its pixels have more than 16 bits")
        return Image.fromarray((values >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers; 8 or 16 bits are needed")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, (0, 0, 0, 255)), rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")
