"""Which frames of a video a training step sees, and the times they stand for."""

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np


@dataclass(frozen=True)
class FrameDraw:
    """How the frames of a draw lie in time.

    "random"  the first and the last are one of `spans` apart, the others anywhere between
    "even"    the same at equal distances; spans that num_frames − 1 does not divide are passed over
    "near"    all but `far_frames` follow each other at equal distances, one of `steps`; then come the far ones, the
              last of them one of `spans` after the first frame of the draw

    Spans and steps that a video is too short for are passed over; where none fits, the frames are drawn from as far
    apart as the video allows, near ones side by side.
    Source of "random": StyleSV, section 4.1 ("three frames with total span from {1, 2, 4, ...}").
    """

    num_frames: int
    spans: tuple[int, ...]
    spacing: Literal["random", "even", "near"] = "random"
    steps: tuple[int, ...] = (1,)
    far_frames: int = 1

    def slower(self, pace: float) -> "FrameDraw":
        """The same draws of a world that takes `pace` times as many frames for everything."""
        unit = self.num_frames - 1 if self.spacing == "even" else 1  # what spans are multiples of
        spans = tuple(max(1, round(span / unit * pace)) * unit for span in self.spans)
        return replace(self, spans=spans, steps=tuple(max(1, round(step * pace)) for step in self.steps))

    def offsets(self, rng: np.random.Generator, longest: int) -> np.ndarray:
        """Offsets int64 [num_frames], rising from 0, within a video of `longest` frames."""
        if self.num_frames == 1:
            return np.zeros(1, np.int64)
        if self.spacing == "near":
            return self._near_and_far(rng, longest)
        steps = self.num_frames - 1
        even = self.spacing == "even"
        fitting = [span for span in self.spans if steps <= span < longest and not (even and span % steps)]
        span = _one_of(rng, fitting, max(longest - 1, steps))
        if even:
            return np.arange(self.num_frames, dtype=np.int64) * (span // steps)
        return _between(rng, np.zeros(1, np.int64), self.num_frames - 1, span)

    def disorder(self, rng: np.random.Generator, times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """How to show a draw so that its motion is never right: backwards, to and fro, as one frame standing still, or
        with the times of another pace, one as likely as the other. Far frames stay where they are.

        Args:
            times: of the draw's frames, float64 [num_frames].

        Returns:
            Which frame to show in each place, int64 [num_frames], and the times to show them with.
        """
        near = self.num_frames - (self.far_frames if self.spacing == "near" else 0)
        order, shown, kind = np.arange(self.num_frames), times.copy(), int(rng.integers(4))
        if kind == 0:
            order[:near] = rng.integers(near)
        elif kind == 1 and near > 2:
            order[:near] = _to_and_fro(rng, near)
        elif kind == 2 and (factors := self._other_paces(times)):
            shown[:near] = times[0] + (times[:near] - times[0]) * factors[int(rng.integers(len(factors)))]
        else:
            order[:near] = order[:near][::-1].copy()
        return order, shown

    def _other_paces(self, times: np.ndarray) -> list[float]:
        """Factors that turn the gaps of the near frames into those that other draws have."""
        gaps = {"near": self.steps, "even": [span // (self.num_frames - 1) for span in self.spans]}.get(self.spacing)
        factors = [0.5, 2.0] if gaps is None else [gap / (times[1] - times[0]) for gap in gaps]
        return [factor for factor in factors if factor not in (0, 1)]

    def _near_and_far(self, rng: np.random.Generator, longest: int) -> np.ndarray:
        near = self.num_frames - self.far_frames
        step = _one_of(rng, [step for step in self.steps if (near - 1) * step + self.far_frames < longest], 1)
        first = np.arange(near, dtype=np.int64) * step
        if not self.far_frames:
            return first
        least = int(first[-1]) + self.far_frames
        span = _one_of(rng, [span for span in self.spans if least <= span < longest], max(longest - 1, least))
        return _between(rng, first, self.far_frames, span)


def draw_clip(
    rng: np.random.Generator, video_frames: int, draw: FrameDraw, chunk: int
) -> tuple[np.ndarray, np.ndarray]:
    """Frame numbers int64 [num_frames] within a video, and their times float64 [num_frames].

    Videos longer than `chunk` frames are seen as separate pieces, and times count from the start of a piece.
    """
    num_chunks = max(1, video_frames // chunk)
    length = video_frames / num_chunks
    piece = int(rng.integers(num_chunks))
    first, last = round(piece * length), round((piece + 1) * length)
    offsets = draw.offsets(rng, last - first)
    times = int(rng.integers(last - first - int(offsets[-1]))) + offsets
    return first + times, times.astype(np.float64)


def _one_of(rng: np.random.Generator, fitting: list[int], otherwise: int) -> int:
    return fitting[int(rng.integers(len(fitting)))] if fitting else otherwise


def _between(rng: np.random.Generator, first: np.ndarray, count: int, last: int) -> np.ndarray:
    """The offsets `first`, then `count` more: the last at `last`, the others at random between."""
    after = int(first[-1]) + 1
    between = after + rng.choice(last - after, count - 1, replace=False)
    return np.array([*first.tolist(), *sorted(between.tolist()), last], np.int64)


def _to_and_fro(rng: np.random.Generator, count: int) -> np.ndarray:
    """A random order of `count` frames, three or more, that neither rises nor falls throughout."""
    while True:
        order = rng.permutation(count)
        if len(set(np.sign(np.diff(order)).tolist())) > 1:
            return order
