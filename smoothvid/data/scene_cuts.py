"""Finding hard cuts, and videos in which nothing moves, from 16x16 thumbnails."""

import numpy as np

from smoothvid.data.resample import resample

_SIDE = 16
_MIN_CHANGE = 10.0  # mean change at a cut, in grey levels: less is no other scene, however abrupt
_MIN_PROMINENCE = 5.0  # the change, over the usual change around it: fast motion is fast for many frames
_MIN_JUMP = 3.0  # the change, over that of the two frames before and after: what drives past takes several frames
_MAX_LIKENESS = 0.55  # correlation across a cut: a jolted camera still sees the same things
_WINDOW = 12  # frames before and after that tell what is usual
_STILL = 2.0  # grey levels: no thumbnail pixel moves further in a static video


class MotionTrace:
    """What the frames of a video look like beside each other; add frames in order, then ask.

    A hard cut is a change that is large, that stands out from the changes around it, and after which the picture has
    another structure, lastingly: a flash or a lost frame between two like frames is no cut. Fades are not found. All of
    this is about neighbours in time: give it every frame of the source, whatever is stored of them.
    """

    def __init__(self) -> None:
        self._first: np.ndarray | None = None
        self._last: np.ndarray | None = None
        self._patterns: list[np.ndarray] = []  # of the last two frames
        self._changes: list[float] = []  # mean absolute difference of each frame from the one before
        self._likeness: list[float] = []  # correlation with the frame before
        self._likeness_two: list[float] = []  # correlation with the frame before that
        self._farthest = 0.0

    def add(self, frame: np.ndarray) -> None:
        """Take in the next frame: uint8 [H, W, 3], or [H, W, 4], of which three count."""
        thumbnail = resample(frame, _SIDE, _SIDE, "box")[..., :3].astype(np.float32)
        pattern = _pattern(thumbnail)
        if self._first is None or self._last is None:
            self._first = self._last = thumbnail
            self._patterns = [pattern, pattern]
        self._changes.append(float(np.abs(thumbnail - self._last).mean()))
        self._likeness.append(float(pattern @ self._patterns[1]))
        self._likeness_two.append(float(pattern @ self._patterns[0]))
        self._farthest = max(self._farthest, float(np.abs(thumbnail - self._first).max()))
        self._last = thumbnail
        self._patterns = [self._patterns[1], pattern]

    def cuts(self) -> list[int]:
        """Numbers of the frames that begin a new scene (never 0)."""
        found = []
        for frame in range(1, len(self._changes)):
            change = self._changes[frame]
            if change < _MIN_CHANGE or self._likeness[frame] > _MAX_LIKENESS:
                continue
            # Repeated frames say nothing about the usual change.
            usual = _median([other for other in self._around(frame, _WINDOW) if other > 0.05])
            stands_out = change >= max(_MIN_PROMINENCE * (usual + 1.0), _MIN_JUMP * _median(self._around(frame, 2)))
            lasting = self._likeness_two[frame : frame + 2] if frame > 1 else self._likeness_two[frame + 1 : frame + 2]
            if stands_out and all(like <= _MAX_LIKENESS for like in lasting):
                found.append(frame)
        return found

    def _around(self, frame: int, reach: int) -> list[float]:
        """The changes of so many frames before and after."""
        return self._changes[max(1, frame - reach) : frame] + self._changes[frame + 1 : frame + 1 + reach]

    def is_static(self) -> bool:
        """Whether there are several frames and nothing moves in any of them."""
        return len(self._changes) > 1 and self._farthest < _STILL


def _median(values: list[float]) -> float:
    return float(np.median(values)) if values else 0.0


def _pattern(thumbnail: np.ndarray) -> np.ndarray:
    """Brightness with mean 0 and norm 1, so that products are correlations; all 0 for a flat colour."""
    grey = thumbnail.sum(axis=2).ravel()
    grey -= grey.sum() / grey.size
    norm = float(np.sqrt(grey @ grey))
    return grey / norm if norm > 1.0 else np.zeros_like(grey)
