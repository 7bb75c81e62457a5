"""Features for comparing sets of videos, from small networks with fixed random weights.

Nothing here was trained, so nothing has to be downloaded, and every machine has the same networks. Frames and their
differences: each level of a picture pyramid goes through two random convolutions, of whose outputs the mean (how much)
and the spread over the picture (how varied) are kept. Clips: how fast what random filters see changes, over one frame
and over more. Why these: docs/evaluation/random-features.md. Distances over these features are NOT FID or FVD, nor
comparable with them.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

NETWORK_VERSION = "random-2"  # to be raised with any change that moves the features
SMALLEST_LEVEL = 4  # pixels
MIN_CLIP_FRAMES = 8
_GOLDEN = 1.618033988749895
_FILTERS = 4  # of each level, for clips
_ROUNDING = 1e-5  # about what rounding to bytes adds to the square of a filter's output


class RandomPyramid:
    """Statistics of random convolutions over a pyramid of pictures.

    Args:
        key: which random weights.
        in_channels: channels of the pictures.
        channels: convolution channels of each level.
        zero_mean: let the first convolutions see structure only, not brightness.
        grid: also give the colours of the picture reduced to grid x grid cells; 0 leaves them out.
    """

    def __init__(self, key: int, in_channels: int, channels: int, zero_mean: bool = False, grid: int = 0) -> None:
        self.key, self.zero_mean, self.grid = key, zero_mean, grid
        self._shapes = [(channels, in_channels, 3, 3), (channels, channels, 3, 3)]

    def __call__(self, images: Tensor) -> Tensor:
        """Features float32 [B, dim] of images float32 [B, in_channels, R, R]; dim grows with log2(R)."""
        features = [F.interpolate(images, size=(self.grid, self.grid), mode="area").flatten(1)] if self.grid else []
        for hidden in _levels(images):
            for weight in _random_filters(self.key, hidden.shape[-1], self._shapes, self.zero_mean):
                hidden = F.relu(_filtered(hidden, weight))
            variance, mean = torch.var_mean(hidden, dim=(2, 3), correction=0)
            features += [mean, variance.sqrt()]
        return torch.cat(features, dim=1)


_frames = RandomPyramid(key=0, in_channels=3, channels=8, zero_mean=True, grid=4)
_differences = RandomPyramid(key=1, in_channels=3, channels=12)


def frame_features(clips: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Features [N * n, d] of about two in five frames of clips uint8 [N, T, 3, R, R]."""
    return _run(_frames, _to_float(clips[:, _places(clips.shape[1])]).flatten(0, 1))


def difference_features(clips: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Features [N * n, d] of about two in five differences of neighbouring frames, for clips uint8 [N, T, 3, R, R].

    A difference of zero has features of zero. The direction of motion counts: edges that come in differ from ones that
    go out.
    """
    at = _places(clips.shape[1] - 1)
    return _run(_differences, (_to_float(clips[:, at + 1]) - _to_float(clips[:, at])).flatten(0, 1))


def clip_features(clips: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Features [N, d] of clips uint8 [N, T, 3, R, R], T at least 8: how a clip changes in time, at each size of detail.

    Each level of a picture pyramid goes through random filters that see structure only. With E the mean square of what
    they give, over the clip, and D(n) that of its change over n frames, the features of a level are: sqrt(E), how much
    there is to see; sqrt(D(1) / E), how fast it changes; sqrt(D(2n) / D(n)) for n = 1, 2, 4.. up to a quarter of the
    clip, how far it gets in twice the time: 2 for steady motion, 1.4 for a random walk, 1 for shaking, 0 for motion
    that comes back; and how steady the change is, the mean of its root over the root of its mean. Ratios differ little
    between clips of one kind, so that little damage shows. All would be the same backwards.
    """
    if clips.shape[1] < MIN_CLIP_FRAMES:
        raise ValueError(f"clips of {clips.shape[1]} frames; at least {MIN_CLIP_FRAMES} are needed")
    return _run(_temporal_statistics, _to_float(clips))


def _temporal_statistics(clips: Tensor) -> Tensor:
    """Features float32 [N, d] of clips float32 [N, T, 3, R, R]."""
    num_clips, num_frames = clips.shape[:2]
    features = []
    for images in _levels(clips.flatten(0, 1)):
        (weight,) = _random_filters(2, images.shape[-1], [(_FILTERS, 3, 3, 3)], zero_mean=True)
        seen = _filtered(images, weight).reshape(num_clips, num_frames, -1)
        energy = seen.square().mean(dim=(1, 2))
        first = (seen[:, 1:] - seen[:, :-1]).square().mean(dim=2)  # of each step
        before = first.mean(dim=1)
        steadiness = first.sqrt().mean(dim=1) / (before + _ROUNDING).sqrt()
        features += [energy.sqrt(), (before / (energy + _ROUNDING)).sqrt(), steadiness]
        lag = 2
        while lag <= num_frames // 2:
            change = (seen[:, lag:] - seen[:, :-lag]).square().mean(dim=(1, 2))
            features.append((change / (before + _ROUNDING)).sqrt())
            before, lag = change, 2 * lag
    return torch.stack(features, dim=1)


def _levels(images: Tensor) -> Iterator[Tensor]:
    """Pictures [B, C, R, R] reduced to the largest power of two of pixels that fits, then to halves, down to 4."""
    size = 2 ** (images.shape[-1].bit_length() - 1)
    if size < SMALLEST_LEVEL:
        raise ValueError(f"images of {images.shape[-1]} pixels; at least {SMALLEST_LEVEL} are needed")
    while size >= SMALLEST_LEVEL:
        if images.shape[-1] != size:
            images = F.interpolate(images, size=(size, size), mode="area")
        yield images
        size //= 2


def _filtered(images: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), weight)


def _random_filters(key: int, size: int, shapes: list[tuple[int, int, int, int]], zero_mean: bool) -> list[Tensor]:
    """Weights of successive convolutions, each output channel of norm sqrt(2); zero_mean is for the first."""
    counts = [int(np.prod(shape)) for shape in shapes]
    # Raw Philox words are the same in every NumPy; its normal() is not promised to be.
    words = np.random.Philox(key=[key, size]).random_raw(sum(counts))
    uniform = np.split((words >> np.uint64(11)) * 2.0**-52 - 1.0, np.cumsum(counts)[:-1])
    weights = [part.reshape(shape) for part, shape in zip(uniform, shapes, strict=True)]
    if zero_mean:
        weights[0] = weights[0] - weights[0].mean(axis=(2, 3), keepdims=True)
    normed = [w * np.sqrt(2 / (w**2).sum(axis=(1, 2, 3), keepdims=True)) for w in weights]
    return [torch.from_numpy(w).float() for w in normed]


def _places(count: int) -> NDArray[np.int64]:
    """About two in five of the numbers below count, in steps of 2 and 3 that fall in step with no repetition."""
    places = (np.arange(count) * _GOLDEN**2).astype(np.int64)
    return places[places < count]


def _to_float(clips: NDArray[np.uint8]) -> Tensor:
    """uint8 to float32 in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(clips)).float().div(127.5).sub(1.0)


@torch.no_grad()
def _run(network: Callable[[Tensor], Tensor], images: Tensor) -> NDArray[np.float64]:
    """float64 [B, d], a few images or clips at a time so that memory stays small."""
    at_a_time = max(1, 3 * 2**18 // images[0].numel())
    return torch.cat([network(part) for part in images.split(at_a_time)]).double().numpy()
