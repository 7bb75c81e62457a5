"""What video formats want: rates as fractions, YUV planes, palettes."""

from fractions import Fraction

import av
import numpy as np
from av.filter import Graph
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray

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


def palette_graph(width: int, height: int, rate: Fraction) -> Graph:
    """Return filters that turn each RGB frame into one of 256 colours of its own, without knowing the next frames."""
    graph = Graph()
    source = graph.add_buffer(width=width, height=height, format="rgb24", time_base=1 / rate)
    split = graph.add("split")
    generate = graph.add("palettegen", "stats_mode=single:reserve_transparent=0")
    use = graph.add("paletteuse", "new=1:dither=sierra2_4a")
    source.link_to(split)
    split.link_to(generate, output_idx=0)
    split.link_to(use, output_idx=1, input_idx=0)
    generate.link_to(use, input_idx=1)
    use.link_to(graph.add("buffersink"))
    graph.configure()
    return graph
