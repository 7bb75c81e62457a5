"""Which frames of a video a training step sees, and the times they stand for."""

from collections.abc import Sequence

import numpy as np


def draw_offsets(
    rng: np.random.Generator, num_frames: int, spans: Sequence[int], longest: int, even: bool = False
) -> np.ndarray:
    """Offsets int64 [num_frames], rising from 0 to a span drawn from `spans`, those between first and last at random.

    Args:
        even: at equal distances instead; spans that num_frames − 1 does not divide are passed over.
        longest: frames that the video has; spans that don't fit are passed over, and when none fits the frames are
            drawn from as far apart as the video allows.
    Source: StyleSV, section 4.1 ("three frames with total span from {1, 2, 4, ...}").
    """
    if num_frames == 1:
        return np.zeros(1, np.int64)
    fitting = [span for span in spans if num_frames - 1 <= span < longest and not (even and span % (num_frames - 1))]
    span = fitting[int(rng.integers(len(fitting)))] if fitting else max(longest - 1, num_frames - 1)
    if even:
        return np.arange(num_frames, dtype=np.int64) * (span // (num_frames - 1))
    between = 1 + rng.choice(span - 1, num_frames - 2, replace=False)
    return np.array([0, *sorted(between.tolist()), span], np.int64)


def draw_clip(
    rng: np.random.Generator, video_frames: int, num_frames: int, spans: Sequence[int], chunk: int, even: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Frame numbers int64 [num_frames] within a video, and their times float64 [num_frames].

    Videos longer than `chunk` frames are seen as separate pieces, and times count from the start of a piece.
    """
    num_chunks = max(1, video_frames // chunk)
    length = video_frames / num_chunks
    piece = int(rng.integers(num_chunks))
    first, last = round(piece * length), round((piece + 1) * length)
    offsets = draw_offsets(rng, num_frames, spans, last - first, even)
    times = int(rng.integers(last - first - int(offsets[-1]))) + offsets
    return first + times, times.astype(np.float64)
