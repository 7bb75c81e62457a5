"""Alias-free parts: Fourier-feature input, filtered activation and the layer schedule (Karras et al., NeurIPS 2021).

The network is thought of as acting on continuous signals. Each layer has a band limit; the activation, which creates
new frequencies, is applied at a doubled rate and the excess is filtered away, so that no layer can fold detail onto the
pixel grid. Detail then moves with the surface it belongs to, not with the screen.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from smoothvid.nn import kernels
from smoothvid.nn.filters import lowpass_taps
from smoothvid.nn.kernels.plan import TAPS, FilterPlan
from smoothvid.nn.linear_conv import Linear
from smoothvid.nn.lrelu import CLAMP, SQRT2
from smoothvid.nn.precision import full_precision


@dataclass(frozen=True)
class Band:
    """The band limit and the sampling of one layer's output, in cycles and samples per image."""

    cutoff: float
    half_width: float
    sampling_rate: int
    size: int
    channels: int


def layer_bands(
    resolution: int,
    num_layers: int,
    num_critical: int,
    first_cutoff: float,
    first_stopband: float,
    last_stopband_rel: float,
    margin: int,
    channel_base: int,
    channel_max: int,
) -> list[Band]:
    """The schedule of `num_layers` + 1 bands, geometric from first cutoff to pixel grid (StyleGAN3, section 3.2).

    The last band is the picture's (3 channels); the last `num_critical` layers are sampled critically for sharpness.
    """
    last_cutoff = resolution / 2
    last_stopband = last_cutoff * last_stopband_rel
    bands = []
    for i in range(num_layers + 1):
        exponent = min(i / (num_layers - num_critical), 1.0)
        cutoff = first_cutoff * (last_cutoff / first_cutoff) ** exponent
        stopband = first_stopband * (last_stopband / first_stopband) ** exponent
        rate = 2 ** math.ceil(math.log2(min(stopband * 2, resolution)))
        size = resolution if i >= num_layers - 1 else rate + 2 * margin
        channels = 3 if i == num_layers else round(min(channel_base / 2 / cutoff, channel_max))
        bands.append(Band(cutoff, max(stopband, rate / 2) - cutoff, rate, size, channels))
    return bands


class FourierInput(nn.Module):
    """A grid of sinusoids that a layer of w can turn and shift: w0 [B, w_dim] → [B·T, channels, size, size].

    `transform` [3, 3] is the user's own transform of the picture plane, applied last. The T frames of a video share the
    grid. With `waves` there are travelling ones beside the still ones, moved by the motion codes v [B·T, v_dim].
    Source: StyleGAN3, section 3.1 and appendix F.
    """

    freqs: Tensor
    phases: Tensor
    transform: Tensor

    def __init__(self, w_dim: int, band: Band, waves: int = 0, num_phases: int = 0) -> None:
        super().__init__()
        self.band = band
        self.register_buffer("freqs", random_frequencies(band.channels, band.cutoff))
        self.register_buffer("phases", torch.rand(band.channels) - 0.5)
        self.register_buffer("transform", torch.eye(3))
        self.weight = nn.Parameter(torch.randn(band.channels, band.channels))
        self.affine = Linear(w_dim, 4)
        with torch.no_grad():
            self.affine.weight.zero_()
            assert self.affine.bias is not None
            self.affine.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]))
        self.waves = TravellingWaves(band, waves, num_phases) if waves else None

    @full_precision
    def forward(self, w0: Tensor, v: Tensor | None = None, num_frames: int = 1) -> Tensor:
        n = w0.shape[0]
        placement = self.affine(w0).float()
        # The length of the first two numbers divides all four, the shift too.
        cos, sin, *shift = (placement / placement[:, :2].norm(dim=1, keepdim=True)).unbind(1)
        turn = torch.eye(3, device=w0.device).repeat(n, 1, 1)
        turn[:, 0, 0], turn[:, 0, 1], turn[:, 1, 0], turn[:, 1, 1] = cos, -sin, sin, cos
        move = torch.eye(3, device=w0.device).repeat(n, 1, 1)
        move[:, 0, 2], move[:, 1, 2] = -shift[0], -shift[1]
        transform = turn @ move @ self.transform  # [N, 3, 3]

        angles, amplitudes = plane_waves(self.freqs, self.phases, transform, self.band)
        x = angles.sin() * amplitudes[:, :, None, None]
        mix = self.weight / math.sqrt(self.band.channels)
        still = torch.einsum("oc,nchw->nohw", mix, x)
        still = still.repeat_interleave(num_frames, 0)
        return still if self.waves is None or v is None else still + self.waves(v, transform, num_frames)


class TravellingWaves(nn.Module):
    """Plane waves that the motion code moves: v [B·T, 2·phases], transform [B, 3, 3] → [B·T, channels, size, size].

    A generator whose motion enters through styles alone finds standing waves first: one number times a fixed pattern,
    a picture that sways. Here wave j is sin(2π·f_j·x + φ_j ± θ), θ one of the phases in v = [sin θ, cos θ], the sign
    fixed at random: it can only travel, one way. (Beside the sines v follows the random codes, which lets its strength
    vary.) The weights that read the waves start at zero.
    """

    freqs: Tensor
    phases: Tensor
    signs: Tensor

    def __init__(self, band: Band, waves: int, num_phases: int) -> None:
        super().__init__()
        self.band, self.num_phases = band, num_phases
        self.register_buffer("freqs", random_frequencies(waves, band.cutoff))
        self.register_buffer("phases", torch.rand(waves) - 0.5)
        self.register_buffer("signs", torch.randint(2, (waves,)) * 2.0 - 1)
        # Not equalized: at the pace of the other weights the waves lag behind, and scenery repeats itself more.
        self.weight = nn.Parameter(torch.zeros(band.channels, waves))

    def forward(self, v: Tensor, transform: Tensor, num_frames: int = 1) -> Tensor:
        angles, amplitudes = plane_waves(self.freqs, self.phases, transform, self.band)
        which = torch.arange(len(self.freqs), device=v.device) % self.num_phases
        sin, cos = v[:, : self.num_phases][:, which], v[:, self.num_phases :][:, which]  # [B·T, waves]
        sin, cos = (part.unflatten(0, (-1, num_frames)) for part in (sin, cos))  # [B, T, waves]
        sin, cos = sin * self.signs * amplitudes[:, None], cos * amplitudes[:, None]
        x = angles.sin()[:, None] * cos[..., None, None] + angles.cos()[:, None] * sin[..., None, None]
        return torch.einsum("oc,nchw->nohw", self.weight, x.flatten(0, 1))


def random_frequencies(count: int, cutoff: float) -> Tensor:
    """Frequencies [count, 2] in cycles per image, spread over the disc of radius `cutoff` (StyleGAN3, appendix F)."""
    freqs = torch.randn(count, 2)
    radii = freqs.square().sum(1, keepdim=True).sqrt()
    return freqs / (radii * radii.square().exp().pow(0.25)) * cutoff


def plane_waves(freqs: Tensor, phases: Tensor, transform: Tensor, band: Band) -> tuple[Tensor, Tensor]:
    """Plane waves on a layer's grid, moved by `transform` [N, 3, 3]: angles [N, C, size, size] and amplitudes [N, C].

    A wave that the transform brings beyond the band fades, and is gone at half the sampling rate.
    """
    rate = band.sampling_rate
    phases = phases + (freqs @ transform[:, :2, 2:]).squeeze(2)  # [N, C]
    freqs = freqs @ transform[:, :2, :2]  # [N, C, 2]
    fade = (freqs.norm(dim=2) - band.cutoff) / (rate / 2 - band.cutoff)
    # The grid holds pixel centres; beyond [−½, ½] lie the margins.
    axis = (torch.arange(band.size, device=freqs.device) + 0.5 - band.size / 2) / rate
    cycles = freqs[:, :, 0, None, None] * axis + freqs[:, :, 1, None, None] * axis[:, None]
    return (cycles + phases[:, :, None, None]) * (2 * math.pi), (1 - fade).clamp(0, 1)


class FilteredLReLU(nn.Module):
    """Bias, upsample, leaky ReLU, clamp, downsample: [N, C, s, s] of band `inner` → [N, C, band.size, same] of `outer`.

    `in_size` counts the samples that come in, with the border that the convolution before it adds. Samples keep their
    place.
    Source: StyleGAN3, section 3.2; the padding follows from exact sizes and centred filters.
    """

    def __init__(self, inner: Band, outer: Band, in_size: int, clamp: float | None = CLAMP) -> None:
        super().__init__()
        rate = 2 * max(inner.sampling_rate, outer.sampling_rate)
        up, down = rate // inner.sampling_rate, rate // outer.sampling_rate
        up_taps = lowpass_taps(TAPS * up, inner.cutoff, inner.half_width, rate)
        down_taps = lowpass_taps(TAPS * down, outer.cutoff, outer.half_width, rate)
        # The activation's gain √2 rides on the filter after it, a fourth root of two for each of two axes.
        down_taps = down_taps * math.sqrt(SQRT2)
        bound = math.inf if clamp is None else clamp / SQRT2
        self.plan = FilterPlan(in_size, outer.size, up, down, tuple(up_taps), tuple(down_taps), bound)

    def forward(self, x: Tensor, bias: Tensor, scale: Tensor | None = None, out_scale: Tensor | None = None) -> Tensor:
        """`scale` [N, C] multiplies x first, `out_scale` [N, C] the result."""
        return kernels.filtered_lrelu(x, bias, self.plan, scale, out_scale)
