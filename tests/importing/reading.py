"""What the tests of hostile and damaged files share."""

import io
import time
from collections.abc import Callable
from typing import Any

import pytest

from smoothvid.errors import CheckpointError
from smoothvid.importing.networks import read_networks
from smoothvid.importing.records import unpickle


def read(data: bytes) -> Any:
    return read_networks(unpickle(io.BytesIO(data)), len(data))


def refused(data: bytes, words: str) -> None:
    """Reading ends soon, with these words."""
    start = time.monotonic()
    with pytest.raises((CheckpointError, MemoryError), match=words):
        read(data)
    assert time.monotonic() - start < 5


class Call:
    """Pickles as a call."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = function, args

    def __reduce__(self) -> Any:
        return self.call


def bomb(levels: int, make: Callable[[Any], Any], start: Any) -> Any:
    """Small to write, endless to walk through: each level holds the one below twice."""
    for _ in range(levels):
        start = make(start)
    return start
