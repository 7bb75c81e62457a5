"""Several videos in one picture, with captions beside it if wished."""

import math
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from smoothvid.errors import ConfigError

_MAX_TILES = 1024
_GAP = 3  # pixels beside a caption

Gray = NDArray[np.uint8]


def parse_grid(text: str) -> tuple[int, int]:
    """Read "2x3" as (rows, columns). Raises ConfigError for anything else."""
    match = re.fullmatch(r"([1-9][0-9]{0,3})[x×]([1-9][0-9]{0,3})", text.strip().lower())
    if not match or int(match[1]) * int(match[2]) > _MAX_TILES:
        raise ConfigError(f"grid {text!r}: write ROWSxCOLUMNS, for example 2x3, with at most {_MAX_TILES} tiles")
    return int(match[1]), int(match[2])


def tile(videos: Sequence[Tensor] | Tensor, columns: int) -> Tensor:
    """Lay R·C videos [T, 3, H, W] out row by row as one [T, 3, R·H, C·W]."""
    rows = [torch.cat(list(videos[first : first + columns]), dim=3) for first in range(0, len(videos), columns)]
    return torch.cat(rows, dim=2)


def captioned(stream: Iterator[Tensor], rows: Sequence[str], columns: Sequence[str]) -> Iterator[Tensor]:
    """Write a caption left of each row and above each column of a stream of grids, uint8 [T, 3, R·H, C·W].

    The margins are as wide as the captions ask for; above tiles that are narrower than a caption it stands upright.
    """
    for picture in stream:
        num_frames, _, height, width = picture.shape
        left, top = _margins(rows, columns, height // len(rows), width // len(columns))
        body = torch.cat([left.expand(num_frames, 3, -1, -1), picture], dim=3)
        yield torch.cat([top.expand(num_frames, 3, -1, -1), body], dim=2)


@lru_cache
def _caption(text: str, size: int) -> Gray:
    """White on black, [h, w]."""
    font = ImageFont.load_default(size)
    height, width = math.ceil(font.getbbox("Ag")[3]) + 1, math.ceil(font.getlength(text))
    image = Image.new("L", (width + 2 * _GAP, height))
    ImageDraw.Draw(image).text((_GAP, 0), text, fill=255, font=font)
    return np.asarray(image)


def _margins(rows: Sequence[str], columns: Sequence[str], height: int, width: int) -> tuple[Tensor, Tensor]:
    """The margins left [R·H, w] and above [h, w + C·W] of tiles H × W."""
    size = min(max(10, width // 10), 20)
    beside = [_caption(text, size) for text in rows]
    above = [_caption(text, size) for text in columns]
    if max(caption.shape[1] for caption in above) > width:
        above = [np.rot90(caption) for caption in above]
    left = np.concatenate([_centred(caption, height) for caption in _as_wide(beside)])
    top = np.concatenate([_centred(caption, width) for caption in _as_wide([c.T for c in above])]).T
    return torch.from_numpy(left), torch.from_numpy(np.pad(top, ((0, 0), (left.shape[1], 0))))


def _as_wide(captions: Sequence[Gray]) -> list[Gray]:
    """All as wide as the widest, filled on the left."""
    widest = max(caption.shape[1] for caption in captions)
    return [np.pad(caption, ((0, 0), (widest - caption.shape[1], 0))) for caption in captions]


def _centred(caption: Gray, height: int) -> Gray:
    room = max(0, height - caption.shape[0])
    return np.pad(caption, ((room // 2, room - room // 2), (0, 0)))[:height]
