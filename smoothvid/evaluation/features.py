"""Features for comparing sets of videos, from small networks with fixed random weights.

Nothing here was trained, so nothing has to be downloaded, and every machine has the same networks. What they see: each
level of a picture pyramid goes through two random convolutions, of whose outputs the mean (how much) and the spread
over the picture (how varied) are kept. Distances over these features are NOT FID or FVD, nor comparable with them.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

NETWORK_VERSION = "random-1"  # to be raised with any change that moves the features
SMALLEST_LEVEL = 4  # pixels
STEP = 3  # every 3rd place of a clip is used: neighbours are alike; odd, so as not to fall in step with doubled frames
LONG_LAG = 4  # clips are seen through their differences over 1 and over 4 frames
MIN_CLIP_FRAMES = 8


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
        self.key, self.in_channels, self.channels = key, in_channels, channels
        self.zero_mean, self.grid = zero_mean, grid

    def __call__(self, images: Tensor) -> Tensor:
        """Features float32 [B, dim] of images float32 [B, in_channels, R, R]; dim grows with log2(R)."""
        features = [F.interpolate(images, size=(self.grid, self.grid), mode="area").flatten(1)] if self.grid else []
        size = 2 ** (images.shape[-1].bit_length() - 1)  # the largest power of two that fits
        if size < SMALLEST_LEVEL:
            raise ValueError(f"images of {images.shape[-1]} pixels; at least {SMALLEST_LEVEL} are needed")
        while size >= SMALLEST_LEVEL:
            if images.shape[-1] != size:
                images = F.interpolate(images, size=(size, size), mode="area")
            hidden = images
            for weight in self._weights(size):
                hidden = F.relu(F.conv2d(F.pad(hidden, (1, 1, 1, 1), mode="replicate"), weight))
            variance, mean = torch.var_mean(hidden, dim=(2, 3), correction=0)
            features += [mean, variance.sqrt()]
            size //= 2
        return torch.cat(features, dim=1)

    def _weights(self, size: int) -> list[Tensor]:
        """The two convolutions of a level, [channels, ..., 3, 3], each output channel of norm sqrt(2)."""
        shapes = [(self.channels, self.in_channels, 3, 3), (self.channels, self.channels, 3, 3)]
        # Raw Philox words are the same in every NumPy; its normal() is not promised to be.
        words = np.random.Philox(key=[self.key, size]).random_raw(sum(int(np.prod(shape)) for shape in shapes))
        uniform = (words >> np.uint64(11)) * 2.0**-52 - 1.0
        first, second = (
            part.reshape(shape) for part, shape in zip(np.split(uniform, [np.prod(shapes[0])]), shapes, strict=True)
        )
        if self.zero_mean:
            first = first - first.mean(axis=(2, 3), keepdims=True)
        normed = [w * np.sqrt(2 / (w**2).sum(axis=(1, 2, 3), keepdims=True)) for w in (first, second)]
        return [torch.from_numpy(w).float() for w in normed]


_frames = RandomPyramid(key=0, in_channels=3, channels=8, zero_mean=True, grid=4)
_differences = RandomPyramid(key=1, in_channels=3, channels=12)
_clips = RandomPyramid(key=2, in_channels=9, channels=8)


def frame_features(clips: np.ndarray) -> np.ndarray:
    """Features [N * ceil(T/3), d] of every 3rd frame of clips uint8 [N, T, 3, R, R]."""
    return _run(_frames, _to_float(clips[:, ::STEP]).flatten(0, 1))


def difference_features(clips: np.ndarray) -> np.ndarray:
    """Features [N * ceil((T-1)/3), d] of every 3rd difference of neighbouring frames, for clips uint8 [N, T, 3, R, R].

    A difference of zero has features of zero.
    """
    earlier, later = _to_float(clips[:, :-1:STEP]), _to_float(clips[:, 1::STEP])
    return _run(_differences, (later - earlier).flatten(0, 1))


def clip_features(clips: np.ndarray) -> np.ndarray:
    """Features [N, d] of clips uint8 [N, T, 3, R, R], T at least 8: mean and spread over time of what a network sees
    in every 3rd frame together with the changes to 1 and to 4 frames later.

    Because frame and change are seen together, the direction of motion counts; a clip that stands still or whose frames
    are shuffled is far from real ones, which plain random 3-D convolutions are blind to.
    """
    if clips.shape[1] < MIN_CLIP_FRAMES:
        raise ValueError(f"clips of {clips.shape[1]} frames; at least {MIN_CLIP_FRAMES} are needed")
    frames = _to_float(clips)
    at = torch.arange(0, clips.shape[1] - LONG_LAG, STEP)
    now = frames[:, at]
    # Changes are small beside the frames; these gains bring them to a similar size.
    seen = torch.cat([now, 4 * (frames[:, at + 1] - now), 2 * (frames[:, at + LONG_LAG] - now)], dim=2)
    features = _run(_clips, seen.flatten(0, 1)).reshape(len(clips), len(at), -1)
    return np.concatenate([features.mean(axis=1), features.std(axis=1)], axis=1)


def _to_float(clips: np.ndarray) -> Tensor:
    """uint8 to float32 in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(clips)).float().div(127.5).sub(1.0)


@torch.no_grad()
def _run(network: RandomPyramid, images: Tensor) -> np.ndarray:
    """float64 [B, d], a few images at a time so that memory stays small."""
    at_a_time = max(1, 2**18 // images.shape[-1] ** 2)
    return torch.cat([network(part) for part in images.split(at_a_time)]).double().numpy()
