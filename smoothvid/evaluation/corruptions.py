"""Damages of clips that are known exactly, with which distances are put to the test.

    corrupt("blur", clips, 1.0, seed=0)         # uint8 [N, 2T, 3, R, R] -> [N, T, 3, R, R]

A distance is worth something if it grows with the strength of the damages that it is meant for.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

Clips = NDArray[np.uint8]  # [N, T, 3, R, R]
_DETAIL = 1.5  # pixels; what a blur of this size takes away is detail


@dataclass(frozen=True)
class Corruption:
    """One kind of damage.

    Args:
        strengths: rising, of which none leaves the clips as they are.
        unit: of the strengths.
        seen_by: the distance that is meant for it, without the number of frames: "rfid", "rfid_diff" or "rfvd".
        apply: (clips uint8 [N, 2T, 3, R, R], strength, rng) -> uint8 [N, T, 3, R, R]. Only "faster" looks at the
            second half of the clips.
        sure_in: the sources that it is sure to harm, () for all; others may look alike with it.
    """

    strengths: tuple[float, ...]
    unit: str
    seen_by: str
    apply: Callable[[Clips, float, np.random.Generator], Clips]
    sure_in: tuple[str, ...] = ()


def harms(name: str, source: str) -> bool:
    """Whether a damage is sure to make a difference to a source."""
    return not CORRUPTIONS[name].sure_in or source in CORRUPTIONS[name].sure_in


def corrupt(name: str, clips: Clips, strength: float, seed: int = 0) -> Clips:
    """Damage clips uint8 [N, 2T, 3, R, R]; what comes back is [N, T, 3, R, R] and depends on the arguments alone."""
    return CORRUPTIONS[name].apply(clips, strength, np.random.Generator(np.random.Philox(seed)))


def noise(clips: Clips, strength: float, rng: np.random.Generator) -> Clips:
    """Add normal noise, other in every frame."""
    kept = _first_half(clips)
    return _to_uint8(kept + strength * rng.standard_normal(kept.shape, dtype=np.float32))


def blur(clips: Clips, strength: float, rng: np.random.Generator) -> Clips:
    """Blur frames by a Gaussian."""
    return _to_uint8(_blurred(_first_half(clips), strength))


def brighter(clips: Clips, strength: float, rng: np.random.Generator) -> Clips:
    """Add the same to all values."""
    return _to_uint8(_first_half(clips) + np.float32(strength))


def missing_kinds(clips: Clips, strength: float, rng: np.random.Generator) -> Clips:
    """Leave out a share of the clips, all on one side of the line along which mean colours vary most; repeat others."""
    kept = _first_half(clips)
    colours = kept.mean(axis=(1, 3, 4), dtype=np.float64)
    main = np.linalg.svd(colours - colours.mean(axis=0), full_matrices=False)[2][0]
    order = np.argsort(colours @ (main * np.sign(main.sum())), kind="stable")
    return kept[np.resize(order[round(strength * len(order)) :], len(order))]


def shuffle(clips: Clips, strength: float, rng: np.random.Generator) -> Clips:
    """Shuffle frames within windows of that many frames."""
    kept, window = _first_half(clips), int(strength)
    count = kept.shape[1]
    orders = [
        np.concatenate([first + rng.permutation(min(window, count - first)) for first in range(0, count, window)])
        for _ in kept
    ]
    return np.stack([clip[order] for clip, order in zip(kept, orders, strict=True)])


def freeze(clips: Clips, strength: float, rng: np.random.Generator) -> Clips:
    """Let a share of a clip's steps stand still, all in a row, from a random frame on; then go on."""
    kept = _first_half(clips)
    steps = kept.shape[1] - 1
    still = round(strength * steps)
    starts = rng.integers(steps - still + 1, size=len(kept))
    at = np.arange(steps + 1)
    orders = [np.where(at <= start, at, np.maximum(start, at - still)) for start in starts]
    return np.stack([clip[order] for clip, order in zip(kept, orders, strict=True)])


def stutter(clips: Clips, strength: float, rng: np.random.Generator) -> Clips:
    """Hold every frame for that many frames, leaving out the ones between."""
    kept, held = _first_half(clips), int(strength)
    at = np.arange(kept.shape[1])
    return kept[:, at // held * held]


def backwards(clips: Clips, strength: float, rng: np.random.Generator) -> Clips:
    """Play a share of the clips backwards; winds blow and shapes swing either way, roads only come nearer."""
    kept = _first_half(clips).copy()
    turned = rng.permutation(len(kept))[: round(strength * len(kept))]
    kept[turned] = kept[turned, ::-1]
    return kept


def back_and_forth(clips: Clips, strength: float, rng: np.random.Generator) -> Clips:
    """Turn round that many times in a clip, after equal times."""
    kept = _first_half(clips)
    count = kept.shape[1]
    leg = round((count - 1) / (strength + 1))
    at = np.arange(count) % (2 * leg)
    return kept[:, np.minimum(at, 2 * leg - at)]


def faster(clips: Clips, strength: float, rng: np.random.Generator) -> Clips:
    """Play so many times as fast, up to 2, leaving out frames."""
    at = (np.arange(clips.shape[1] // 2) * strength).astype(np.int64)
    return clips[:, at]


def slower(clips: Clips, strength: float, rng: np.random.Generator) -> Clips:
    """Play so many times as slowly, blending neighbouring frames."""
    kept = _first_half(clips)
    place = np.arange(kept.shape[1]) / strength
    at = place.astype(np.int64)
    share = (place - at).astype(np.float32)[:, None, None, None]
    return _to_uint8(kept[:, at] * (1 - share) + kept[:, np.minimum(at + 1, kept.shape[1] - 1)] * share)


def sticking(clips: Clips, strength: float, rng: np.random.Generator) -> Clips:
    """Put a share of the first frame's detail in the place of each frame's own: it stays where the content moves."""
    kept = _first_half(clips)
    detail = kept - _blurred(kept, _DETAIL)
    return _to_uint8(kept + strength * (detail[:, :1] - detail))


def jitter(clips: Clips, strength: float, rng: np.random.Generator) -> Clips:
    """Shift every frame by a random vector, normal with this spread on each axis, by bicubic interpolation."""
    kept = _first_half(clips)
    size = kept.shape[-1]
    shifts = torch.from_numpy(rng.standard_normal((kept.shape[0] * kept.shape[1], 2))) * strength * 2 / size
    steps = (torch.arange(size, dtype=torch.float64) + 0.5) * 2 / size - 1
    x = (steps + shifts[:, :1])[:, None, :].expand(-1, size, -1)
    y = (steps + shifts[:, 1:])[:, :, None].expand(-1, -1, size)
    images = torch.from_numpy(kept).flatten(0, 1).float()
    grid = torch.stack([x, y], dim=3).float()
    shaken = F.grid_sample(images, grid, mode="bicubic", padding_mode="border", align_corners=False)
    return _to_uint8(shaken.reshape(kept.shape).numpy())


def _first_half(clips: Clips) -> Clips:
    return clips[:, : clips.shape[1] // 2]


def _to_uint8(values: NDArray[np.floating[Any]]) -> Clips:
    return (values + 0.5).clip(0, 255).astype(np.uint8)


def _blurred(clips: Clips, sigma: float) -> NDArray[np.float32]:
    """Gaussian blur, edges repeated: float32 of the same shape."""
    reach = int(np.ceil(3 * sigma))
    kernel = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / sigma) ** 2)
    kernel = (kernel / kernel.sum())[None, None]
    images: Tensor = torch.from_numpy(clips).reshape(-1, 1, *clips.shape[-2:]).float()
    for weight, pad in ((kernel[..., None], (0, 0, reach, reach)), (kernel[:, :, None], (reach, reach, 0, 0))):
        images = F.conv2d(F.pad(images, pad, mode="replicate"), weight)
    return images.reshape(clips.shape).numpy()


CORRUPTIONS = {
    "noise": Corruption((2, 4, 8, 16, 32), "grey levels", "rfid_diff", noise),
    "blur": Corruption((0.5, 1, 2, 4), "pixels", "rfid", blur),
    "brighter": Corruption((16, 32, 64), "grey levels", "rfid", brighter),
    "missing_kinds": Corruption((0.25, 0.5, 0.75), "share", "rfid", missing_kinds),
    "shuffle": Corruption((2, 4, 8, 16), "frames", "rfvd", shuffle),
    "freeze": Corruption((0.25, 0.5, 0.75, 1), "share", "rfvd", freeze),
    "stutter": Corruption((2, 4, 8), "frames", "rfvd", stutter),
    "backwards": Corruption((0.25, 0.5, 1), "share", "rfid_diff", backwards, ("synthetic:drive",)),
    "back_and_forth": Corruption((1, 3, 7), "turns", "rfvd", back_and_forth),
    "faster": Corruption((1.25, 1.5, 2), "times", "rfvd", faster),
    "slower": Corruption((1.25, 1.5, 2), "times", "rfvd", slower),
    "sticking": Corruption((0.5, 0.75, 1), "share", "rfvd", sticking),
    "jitter": Corruption((0.125, 0.25, 0.5, 1, 2), "pixels", "rfid_diff", jitter),
}
