"""Several videos in one picture."""

import re
from collections.abc import Iterable, Iterator, Sequence

import torch
from torch import Tensor

from smoothvid.errors import ConfigError

_MAX_TILES = 1024


def parse_grid(text: str) -> tuple[int, int]:
    """Read "2x3" as (rows, columns). Raises ConfigError for anything else."""
    match = re.fullmatch(r"([1-9][0-9]{0,3})[x×]([1-9][0-9]{0,3})", text.strip().lower())
    if not match or int(match[1]) * int(match[2]) > _MAX_TILES:
        raise ConfigError(f"grid {text!r}: write ROWSxCOLUMNS, for example 2x3, with at most {_MAX_TILES} tiles")
    return int(match[1]), int(match[2])


def tile(videos: Sequence[Tensor], columns: int) -> Tensor:
    """Lay R·C videos [T, 3, H, W] out row by row as one [T, 3, R·H, C·W]."""
    rows = [torch.cat(list(videos[first : first + columns]), dim=3) for first in range(0, len(videos), columns)]
    return torch.cat(rows, dim=2)


def tile_streams(streams: Iterable[Iterator[Tensor]], columns: int) -> Iterator[Tensor]:
    """Lay streams that come in equal chunks out as one stream."""
    for videos in zip(*streams, strict=True):
        yield tile(videos, columns)
