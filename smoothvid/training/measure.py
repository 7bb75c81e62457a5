"""A few figures at every checkpoint: how far samples are from the data, and whether they differ from each other.

They rest on random features and few clips: good for curves and for finding a run's best checkpoint. `smoothvid eval`
measures properly.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from smoothvid import processes
from smoothvid.data.dataset import VideoDataset
from smoothvid.evaluation.clips import Clips, DatasetClips, ModelClips
from smoothvid.evaluation.compare import MIN_CLIPS, Comparison, gather
from smoothvid.sampling.model import VideoModel

CLIP_FRAMES = 16, 8, 1  # the first length of which there are clips enough
FIRST_SEED = 1_000_000  # of the samples; previews show the first seeds


class Yardstick:
    """Measures samples beside a dataset. Every process takes part, and gets all figures.

    Args:
        count: clips on each side; fewer where the dataset has fewer.
        moving: measure clips of 16 frames, or of 8 where too few are so long; else single frames.
    """

    def __init__(self, dataset: VideoDataset, count: int, moving: bool) -> None:
        source, self._comparison = DatasetClips(dataset, seed=0), None
        for self.num_frames in CLIP_FRAMES if moving else CLIP_FRAMES[-1:]:
            real, held_out = source.two_sides(self.num_frames, count)
            size = min(len(real), len(held_out))
            if size >= MIN_CLIPS:
                clips = source.spanning(self.num_frames)
                self._comparison = Comparison(clips, real[:size], held_out[:size], self.num_frames)
                self._numbers = range(size)
                self._spread = _spread(clips, real[:size])
                break

    def measure(self, model: VideoModel) -> dict[str, float]:
        """Distances and motion as `Comparison.measure` tells them, and two more; nothing where clips are too few.

        score: the mean of the distances, 0 for the data and 1 for its mean image: what the best checkpoint has least
        of. diversity: how much the first frames of samples differ, over how much the data's do.
        """
        if self._comparison is None:
            return {}
        clips = ModelClips(model, first_seed=FIRST_SEED).spanning(self.num_frames)
        figures = self._comparison.measure(gather(clips, self._numbers, self.num_frames)[""])
        found = {name: round(value, 5) for name, value in figures.items() if value is not None}
        distances = [value for name, value in found.items() if name.startswith("r")]
        if distances:
            found["score"] = round(sum(distances) / len(distances), 5)
        if self._spread > 0:
            found["diversity"] = round(_spread(clips, self._numbers) / self._spread, 5)
        return found


def _spread(clips: Clips, numbers: Sequence[int]) -> float:
    """Root mean variance of the pixels of first frames: the mean distance of two of them, but for a factor."""
    total: NDArray[np.float64] | float = 0.0
    squares: NDArray[np.float64] | float = 0.0
    for _, batch in clips.batches(numbers, np.arange(1)):
        pixels = batch[:, 0].astype(np.float64)
        total, squares = total + pixels.sum(0), squares + (pixels**2).sum(0)
    totals, all_squares = zip(*processes.gather((total, squares)), strict=True)
    mean = sum(totals) / len(numbers)
    return float(np.sqrt((sum(all_squares) / len(numbers) - mean**2).clip(min=0).mean()))
