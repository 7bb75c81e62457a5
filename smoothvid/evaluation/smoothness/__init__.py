"""How smooth and how various a video moves, in five figures; and how smooth the motion codes of a model are.

real = [measure_video(frames, period=16) for frames in real_videos]     # uint8 [T, 3, R, R]
made = [measure_video(frames, period=16) for frames in made_videos]
summarize(real, made)["sticking"]       # {"value": 0.31, "spread": 0.04, "data": 0.02, "against": 0.29, ...}
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from smoothvid.errors import ConfigError
from smoothvid.evaluation.smoothness.colour_drift import area_above, colour_curve
from smoothvid.evaluation.smoothness.flow import Flow, FlowMethod, block_flow
from smoothvid.evaluation.smoothness.jitter import jitter_share
from smoothvid.evaluation.smoothness.kink import code_smoothness
from smoothvid.evaluation.smoothness.repetition import recurrence
from smoothvid.evaluation.smoothness.reversal import reversals, turns
from smoothvid.evaluation.smoothness.sticking import sticking_share

__all__ = [
    "DEFAULT_PERIOD",
    "MEASURES",
    "Flow",
    "FlowMethod",
    "Measure",
    "VideoSmoothness",
    "block_flow",
    "code_smoothness",
    "measure_video",
    "reversals",
    "summarize",
]

DEFAULT_PERIOD = 16.0
"""In frames: the shortest time between motion codes in use, about 2/3 s at 25 frames a second; what turns faster than
that is felt as shaking."""


@dataclass(frozen=True)
class Measure:
    """What a figure says, and how it is set against the data's.

    reads: its unit and meaning.
    against: "difference" (made - data, 0 is as the data) or "ratio" (made / data, 1 is as the data).
    """

    reads: str
    against: Literal["difference", "ratio"]


MEASURES = {
    "reversal": Measure("turns of the motion per 100 frames", "difference"),
    "jitter": Measure("share of the motion's energy at 1 / period and above", "ratio"),
    "repetition": Measure("share of the moments that recur", "difference"),
    "sticking": Measure("share of the fine detail that stands still where content moves", "difference"),
    "colour_drift": Measure("mean loss of colour similarity over the lags", "difference"),
}


@dataclass(frozen=True)
class VideoSmoothness:
    """The figures of one video, small enough to be sent between processes. None: could not be told.

    reversal, jitter, repetition, sticking, colour_drift: see MEASURES.
    matched: share of the frames that continue the one before; if low, motion is not known and the rest says little.
    similarity: float32 [N, N], N <= 128: difference between moments, in grey levels, for a picture.
    lags, colours: float32 [L], L <= 64: similarity of colours, 0 to 1, against the lag in frames.
    """

    reversal: float | None
    jitter: float | None
    repetition: float | None
    sticking: float | None
    colour_drift: float
    matched: float
    similarity: NDArray[np.float32]
    lags: NDArray[np.float32]
    colours: NDArray[np.float32]


def measure_video(
    frames: NDArray[np.uint8], *, period: float = DEFAULT_PERIOD, flow: FlowMethod = "block"
) -> VideoSmoothness:
    """Measure one video; compare only figures of videos with the same number of frames, rate and size.

    Args:
        frames: uint8 [T, 3, R, R], R at least 32; T should be at least 64 to tell something.
        period: in frames, between the motion codes of a model. Motion as fast as that is jitter, and what recurs
            sooner is no repetition.
        flow: "block", built in, or "dis", OpenCV's.

    Raises:
        ConfigError: frames too few or too small, period below 2, or "dis" without OpenCV.
    """
    if period < 2:
        raise ConfigError(f"a period of {period:g} frames is too short; it must be 2 at least")
    side = frames.shape[2]
    motion = block_flow(frames, flow)
    repeats = recurrence(frames, lag=period)
    lags, colours = colour_curve(frames)
    return VideoSmoothness(
        reversal=turns(motion, side),
        jitter=jitter_share(motion, side, period),
        repetition=repeats.share,
        sticking=sticking_share(frames, motion),
        colour_drift=area_above(colours),
        matched=float(motion.matched.mean()),
        similarity=repeats.matrix,
        lags=lags,
        colours=colours,
    )


def summarize(real: Sequence[VideoSmoothness], made: Sequence[VideoSmoothness]) -> dict[str, dict[str, Any]]:
    """Set generated videos beside real ones.

    Returns:
        For each of MEASURES: "value", the mean over the generated videos; "spread", their standard deviation; "count",
        of how many it could be told; "data", "data_spread" and "data_count", the same of the real ones; "against", the
        value against the data's in the way "compared" says; "reads", what the figure is. None: it could not be told.
    """
    rows: dict[str, dict[str, Any]] = {}
    for name, measure in MEASURES.items():
        value, spread, count = _mean(made, name)
        data, data_spread, data_count = _mean(real, name)
        rows[name] = {
            "value": value,
            "spread": spread,
            "count": count,
            "data": data,
            "data_spread": data_spread,
            "data_count": data_count,
            "against": _against(measure, value, data),
            "compared": measure.against,
            "reads": measure.reads,
        }
    return rows


def _mean(videos: Sequence[VideoSmoothness], name: str) -> tuple[float | None, float | None, int]:
    known = [value for value in (getattr(video, name) for video in videos) if value is not None]
    return (float(np.mean(known)), float(np.std(known)), len(known)) if known else (None, None, 0)


def _against(measure: Measure, value: float | None, data: float | None) -> float | None:
    if value is None or data is None:
        return None
    if measure.against == "difference":
        return value - data
    return value / data if data > 0 else None
