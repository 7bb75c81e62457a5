"""Endless or finite chunks of frames in constant memory, and the words a user says how long with."""

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from smoothvid.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray

LATEST = 1e12  # frames; times beyond are no longer fine enough for smooth motion


def parse_length(text: str, fps: float) -> int | None:
    """Read a length, "128" frames, "5s" (2.5s, ...) or "inf", as a number of frames; None is endless.

    Raises ConfigError for anything else, and for less than one frame.
    """
    word = text.strip().lower()
    if word == "inf":
        return None
    match = re.fullmatch(r"([0-9]{1,12})|([0-9]{1,9}(?:\.[0-9]{1,9})?)s", word)
    num_frames = 0 if match is None else int(match[1]) if match[1] else round(float(match[2]) * fps)
    if num_frames < 1:
        raise ConfigError(f"length {text!r}: write a number of frames (128), seconds (5s) or inf")
    return num_frames


def time_step(model_fps: float, fps: float | None = None, slowmo: float = 1.0) -> float:
    """Return the time from one frame of the result to the next, in frames of the dataset.

    Args:
        fps: of the result; the motion keeps its speed. None takes the dataset's.
        slowmo: 2 is half as fast as the dataset, 0.5 twice.

    Raises ConfigError unless both are above 0 and finite.
    """
    rate = model_fps if fps is None else fps
    if not (0 < rate < math.inf and 0 < slowmo < math.inf):
        raise ConfigError(f"fps {rate:g} and slowmo {slowmo:g} must be above 0")
    return model_fps / rate / slowmo


def time_chunks(start: float, num_frames: int | None, step: float, chunk: int) -> Iterator["NDArray[np.float64]"]:
    """Yield the times start, start + step, ... in chunks [T], T = chunk but for the last one.

    Each time is computed from its number, so nothing adds up over a long stream. Raises ConfigError for a start beyond
    ±10^12, where times are no longer fine enough for smooth motion.
    """
    if not abs(start) <= LATEST:
        raise ConfigError(f"start {start:g} is out of range: use -1e12 to 1e12")

    def chunks() -> Iterator["NDArray[np.float64]"]:
        first = 0
        while num_frames is None or first < num_frames:
            count = chunk if num_frames is None else min(chunk, num_frames - first)
            yield start + step * np.arange(first, first + count, dtype=np.float64)
            first += count

    return chunks()
