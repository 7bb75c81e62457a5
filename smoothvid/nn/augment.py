"""Adaptive augmentation: the discriminator sees videos moved and recoloured at random; so little data lasts longer.

Real and generated videos pass through the same random transforms before they are judged. A controller raises their
probability p while the discriminator is too sure of the real ones, and lowers it again; below about 0.8 the generator
does not learn the transforms.
Source: Karras et al., Training GANs with Limited Data, NeurIPS 2020, section 3 and appendix B.

Every step is linear in the picture and made of sums, products and gathers, so that R1 can be differentiated through it.
"""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from smoothvid.devices import to_device
from smoothvid.nn.filters import downsampling_matrix, lowpass_taps, resample, upsampling_matrix
from smoothvid.nn.precision import full_precision

HALFBAND_TAPS = 32
MARGIN = HALFBAND_TAPS // 2 - 1  # samples of the doubled grid that the filter reaches beyond each border


@full_precision
def augment(
    videos: Tensor,
    p: float | Tensor,
    generator: torch.Generator,
    share_video: bool = True,
    part: int = 0,
    of: int = 1,
) -> Tensor:
    """Move and recolour videos at random: [B, T, 3, H, H] in [-1, 1] → same shape; values may leave [-1, 1].

    Args:
        p: the probability of each transform, in [0, 1].
        generator: a CPU generator, so that the same transforms are drawn on every device. How many numbers are drawn
            depends on the shape alone, not on p.
        share_video: one transform for all frames of a video; else one for each frame.
        part, of: these videos are number `part`, `part + of`, `part + 2·of`, ... of a larger batch; each gets the
            transform that it gets in the whole.
    """
    num_videos, num_frames, _, height, width = videos.shape
    assert height == width, "augmentation needs square pictures"
    count = num_videos if share_video else num_videos * num_frames
    dice = Dice(count, float(p), generator, part, of, count // num_videos)
    moves, colours = draw_moves(dice, height), draw_colours(dice)
    images = videos.reshape(count, -1, 3, height, width)
    return recolour(move(images, moves), colours).reshape(videos.shape)


class Dice:
    """Random numbers, one for each of `count` pictures, float64; with probability 1 − p the neutral value instead.

    Drawn for a batch `of` times as large, of which every `of`-th video's are kept, from number `part` on; a video has
    `each` pictures.
    """

    def __init__(
        self, count: int, p: float, generator: torch.Generator, part: int = 0, of: int = 1, each: int = 1
    ) -> None:
        self.count, self.p, self.generator = count, p, generator
        self.part, self.of, self.each = part, of, each

    def uniform(self, low: float, high: float, neutral: float = 0.0, p: float | None = None) -> Tensor:
        return self._gate(low + (high - low) * self._rand(), neutral, p)

    def choice(self, options: int) -> Tensor:
        """One of 0 … options − 1; 0 is neutral."""
        return self._gate((self._rand() * options).floor(), 0.0)

    def normal(self, std: float) -> Tensor:
        return self._gate(self._mine(torch.randn) * std, 0.0)

    def _rand(self) -> Tensor:
        return self._mine(torch.rand)

    def _mine(self, draw: Callable[..., Tensor]) -> Tensor:
        whole = draw(self.count * self.of, generator=self.generator, dtype=torch.float64)
        return whole.unflatten(0, (-1, self.each))[self.part :: self.of].flatten()

    def _gate(self, values: Tensor, neutral: float, p: float | None = None) -> Tensor:
        return torch.where(self._rand() < (self.p if p is None else p), values, neutral)


def _matrices(rows: list[list[Tensor | float]]) -> Tensor:
    """Square matrices [count, k, k] float64 from k × k entries, each a number or one per picture [count]."""
    entries = [torch.as_tensor(x, dtype=torch.float64) for row in rows for x in row]
    return torch.stack(torch.broadcast_tensors(*entries), dim=-1).unflatten(-1, (len(rows), len(rows)))


def _scale(x: Tensor | float, y: Tensor | float) -> Tensor:
    return _matrices([[x, 0, 0], [0, y, 0], [0, 0, 1]])


def _rotate(angle: Tensor) -> Tensor:
    return _matrices([[angle.cos(), -angle.sin(), 0], [angle.sin(), angle.cos(), 0], [0, 0, 1]])


def _translate(x: Tensor, y: Tensor) -> Tensor:
    return _matrices([[1, 0, x], [0, 1, y], [0, 0, 1]])


def draw_moves(dice: Dice, resolution: int) -> Tensor:
    """Draw where picture content goes: [count, 3, 3] on homogeneous (x, y), in picture widths from the centre.

    Whole-pixel moves first (mirror, quarter turns, translation), then scale, rotation, stretch, rotation, translation.
    """
    mirror = _scale(1 - 2 * dice.choice(2), 1)
    quarter_turn = _rotate(dice.choice(4) * (math.pi / 2))
    shift = [(dice.uniform(-0.125, 0.125) * resolution).round() / resolution for _ in "xy"]
    zoom = 2 ** dice.normal(0.2)
    p_turn = 1 - math.sqrt(1 - dice.p)  # two turns, so that either happens with probability p
    before = _rotate(dice.uniform(-math.pi, math.pi, p=p_turn))
    stretch = 2 ** dice.normal(0.2)
    after = _rotate(dice.uniform(-math.pi, math.pi, p=p_turn))
    drift = _translate(dice.normal(0.125), dice.normal(0.125))
    whole_pixel = _translate(*shift) @ quarter_turn @ mirror
    return drift @ after @ _scale(stretch, 1 / stretch) @ before @ _scale(zoom, zoom) @ whole_pixel


def draw_colours(dice: Dice) -> Tensor:
    """Draw colour changes: [count, 4, 4] on homogeneous (r, g, b): brightness, contrast, luma flip, hue, saturation."""
    shift = dice.normal(0.2)
    contrast = 2 ** dice.normal(0.5)
    flip = dice.choice(2)
    hue = dice.uniform(-math.pi, math.pi)
    saturation = 2 ** dice.normal(1.0)

    # `luma` projects on the direction (1, 1, 1)/√3; `cross` is the cross product with it, for Rodrigues' formula.
    eye, third, root = torch.eye(4, dtype=torch.float64), 1 / 3, 1 / math.sqrt(3)
    luma = _matrices([[third, third, third, 0], [third, third, third, 0], [third, third, third, 0], [0, 0, 0, 0]])
    cross = _matrices([[0, -root, root, 0], [root, 0, -root, 0], [-root, root, 0, 0], [0, 0, 0, 0]])
    alpha = torch.diag(torch.tensor([0.0, 0, 0, 1], dtype=torch.float64))
    chroma = eye - luma - alpha
    brighten = _matrices([[1, 0, 0, shift], [0, 1, 0, shift], [0, 0, 1, shift], [0, 0, 0, 1]])
    flip, hue, saturation, contrast = (x[:, None, None] for x in (flip, hue, saturation, contrast))
    mirror = eye - 2 * luma * flip
    turn = luma + alpha + chroma * hue.cos() + cross * hue.sin()
    saturate = luma + alpha + chroma * saturation
    return saturate @ turn @ mirror @ ((eye - alpha) * contrast + alpha) @ brighten


def recolour(images: Tensor, colours: Tensor) -> Tensor:
    """Apply `colours` [count, 4, 4] to images [count, F, 3, H, H]."""
    colours = to_device(colours, images.device, images.dtype)
    turned = torch.einsum("noi,nfihw->nfohw", colours[:, :3, :3], images)
    return turned + colours[:, None, :3, 3, None, None]


def move(images: Tensor, moves: Tensor) -> Tensor:
    """Move the content of images [count, F, 3, H, H] by `moves` [count, 3, 3]; pictures are reflected at their borders.

    Bilinear sampling on a doubled grid, low-passed before and after. Moves by whole pixels change nothing else.
    """
    if torch.equal(moves, torch.eye(3, dtype=moves.dtype).expand_as(moves)):
        return images
    count, _, _, size, _ = images.shape
    up, down = _doubling_matrices(size, images.dtype, images.device)
    planes = resample(images.flatten(1, 2), up)  # [count, F·3, 2H, 2H]
    axis = (torch.arange(-MARGIN, 2 * size + MARGIN, dtype=images.dtype, device=images.device) + 0.5) / (2 * size) - 0.5
    back = to_device(torch.linalg.inv(moves), images.device, images.dtype)  # from where content goes to where it was
    back = back[:, :, :, None, None]
    x, y = (back[:, i, 0] * axis + back[:, i, 1] * axis[:, None] + back[:, i, 2] for i in (0, 1))
    planes = sample(planes, (x + 0.5) * (2 * size) - 0.5, (y + 0.5) * (2 * size) - 0.5)
    return resample(planes, down).reshape(count, *images.shape[1:])


def sample(planes: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Read planes [N, C, S, S] at sample positions x, y [N, P, P], between samples linearly → [N, C, P, P]."""
    size = planes.shape[-1]
    left, top = x.floor(), y.floor()
    right_weight, bottom_weight = x - left, y - top

    def fold(index: Tensor) -> Tensor:  # the endless reflected plane repeats every two pictures
        index = index.long().remainder(2 * size)
        return torch.minimum(index, 2 * size - 1 - index)

    def corner(column: Tensor, row: Tensor, weight: Tensor) -> Tensor:
        index = (fold(row) * size + fold(column)).flatten(1)[:, None].expand(-1, planes.shape[1], -1)
        return planes.flatten(2).gather(2, index).unflatten(2, x.shape[1:]) * weight[:, None]

    above = corner(left, top, (1 - right_weight) * (1 - bottom_weight))
    above = above + corner(left + 1, top, right_weight * (1 - bottom_weight))
    below = corner(left, top + 1, (1 - right_weight) * bottom_weight)
    return above + below + corner(left + 1, top + 1, right_weight * bottom_weight)


@lru_cache(maxsize=8)
def _doubling_matrices(size: int, dtype: torch.dtype, device: torch.device) -> tuple[Tensor, Tensor]:
    """Up [2·size, size], with reflected borders, and down [size, 2·size + 2·MARGIN]; down(up(x)) = x to 2e-5."""
    taps = _halfband_taps()
    reflected = np.pad(np.eye(size), ((MARGIN, MARGIN), (0, 0)), mode="symmetric")
    crop = HALFBAND_TAPS // 2 - 2 * MARGIN
    up = upsampling_matrix(taps, size + 2 * MARGIN, 2, crop, crop - 1) @ reflected
    down = downsampling_matrix(taps, 2 * (size + MARGIN), 2)
    with torch.inference_mode(False):  # what is kept must serve a later training step too
        return torch.as_tensor(up, dtype=dtype, device=device), torch.as_tensor(down, dtype=dtype, device=device)


def _halfband_taps() -> np.ndarray:
    """A symmetric low-pass filter that undoes itself: its even shifts are orthogonal, as a wavelet's (float64, sum 1).

    The squared spectra of the filter and of its mirror image must add to a constant: a short filter's are divided by
    that sum.
    """
    short = lowpass_taps(8, cutoff=0.5, half_width=0.45, sampling_rate=2)
    spectrum = np.fft.fft(short, 1024)
    power = np.abs(spectrum) ** 2
    taps = np.fft.ifft(spectrum / np.sqrt(power + np.roll(power, 512))).real
    taps = np.roll(taps, (HALFBAND_TAPS - len(short)) // 2)[:HALFBAND_TAPS]
    return taps / taps.sum()


class AdaController:
    """Steers the augmentation probability p so that the mean sign of the real logits stays at `target`.

    Args:
        target: above it the discriminator is overfitting and p goes up, below it down.
        speed_kimg: thousands of real clips in which p goes from 0 to 1 at most.
        interval: steps between adjustments; the sign is averaged over them.
    """

    def __init__(self, target: float = 0.6, speed_kimg: float = 500, interval: int = 4, p: float = 0.0) -> None:
        self.target, self.speed_kimg, self.interval, self.p = target, speed_kimg, interval, p
        self._sign_sum = self._num_clips = self._num_steps = 0.0

    def update(self, mean_sign: float | Tensor, num_clips: int) -> None:
        """Take in one step: the mean of sign(D(real)) over its `num_clips` real clips."""
        self._sign_sum += float(mean_sign) * num_clips
        self._num_clips += num_clips
        self._num_steps += 1
        if self._num_steps < self.interval:
            return
        excess = self._sign_sum / self._num_clips - self.target
        self.p += math.copysign(self._num_clips / (self.speed_kimg * 1000), excess) if excess else 0.0
        self.p = min(max(self.p, 0.0), 1.0)
        self._sign_sum = self._num_clips = self._num_steps = 0.0

    def state_dict(self) -> dict[str, float]:
        return {
            "p": self.p,
            "sign_sum": self._sign_sum,
            "num_clips": self._num_clips,
            "num_steps": self._num_steps,
        }

    def load_state_dict(self, state: dict[str, float]) -> None:
        self.p, self._sign_sum = state["p"], state["sign_sum"]
        self._num_clips, self._num_steps = state["num_clips"], state["num_steps"]
