import math

import pytest
import torch
from torch import Tensor

from smoothvid.nn.alias_free import Band, FilteredLReLU, FourierInput, layer_bands


def test_bands_at_256_are_the_published_ones() -> None:
    bands = layer_bands(256, 14, 2, 2.0, 2**2.1, 2**0.3, 10, channel_base=16384, channel_max=512)
    assert len(bands) == 15
    assert [b.size for b in bands] == [36] * 3 + [52] * 2 + [84] * 2 + [148] * 3 + [276] * 3 + [256] * 2
    assert [b.sampling_rate for b in bands] == [16] * 3 + [32] * 2 + [64] * 2 + [128] * 3 + [256] * 5
    assert [b.channels for b in bands] == [512] * 7 + [362, 256, 181, 128, 91, 64, 64, 3]  # 8192 / cutoff, at most 512
    for i, band in enumerate(bands):
        octaves = min(i / 12, 1)
        stopband = 2 ** (2.1 + 5.2 * octaves)  # 2^2.1 up to 128 · 2^0.3
        assert band.cutoff == pytest.approx(2 ** (1 + 6 * octaves))
        assert band.half_width == pytest.approx(max(stopband, band.sampling_rate / 2) - band.cutoff)


def sinusoid(size: int, rate: int, cycles: float, phase: float) -> Tensor:
    """A wave over x and y, sampled at pixel centres about the middle of the picture."""
    axis = (torch.arange(size, dtype=torch.float64) + 0.5 - size / 2) / rate
    return torch.sin(2 * math.pi * (cycles * (axis + 0.5 * axis[:, None]) + phase))


@pytest.mark.parametrize(
    "inner, outer",
    [
        (Band(4, 6, 16, 36, 1), Band(4, 6, 16, 36, 1)),
        (Band(4, 6, 16, 36, 1), Band(6, 10, 32, 52, 1)),
        (Band(6, 10, 32, 52, 1), Band(16, 4, 32, 32, 1)),  # a critically sampled layer, without margins
        (Band(16, 4, 32, 32, 1), Band(16, 4, 32, 32, 1)),
    ],
)
def test_samples_keep_their_place_and_size(inner: Band, outer: Band) -> None:
    in_size = inner.size + 2
    layer = FilteredLReLU(inner, outer, in_size)
    wave = sinusoid(in_size, inner.sampling_rate, cycles=1.5, phase=0.1)
    # Lifted above zero the activation does not bend: what is left must be the same continuous wave, times √2.
    lift = torch.tensor([3.0]).double()
    lifted, level = (layer(x.expand(1, 1, -1, -1), lift)[0, 0] for x in (wave, torch.zeros_like(wave)))
    linear = (lifted - level) / math.sqrt(2)
    assert linear.shape == (outer.size, outer.size)
    inside = linear[8:-8, 8:-8].flatten()
    basis = [sinusoid(outer.size, outer.sampling_rate, 1.5, phase)[8:-8, 8:-8].flatten() for phase in (0.1, 0.35)]
    in_phase, quadrature = torch.linalg.lstsq(torch.stack(basis, 1), inside[:, None]).solution.flatten().tolist()
    assert 0.8 < in_phase < 1.0  # low-pass filters weaken it a little, more near the cutoff, but
    assert abs(quadrature) < 1e-4  # they don't move it,
    torch.testing.assert_close(inside, basis[0] * in_phase, rtol=0, atol=1e-3)  # nor bend it


def test_activation_adds_the_bias_bends_and_clamps() -> None:
    band = Band(4, 6, 16, 36, 2)
    layer = FilteredLReLU(band, band, 38)
    x = torch.stack([torch.full((38, 38), 1.0), torch.full((38, 38), -1.0)])[None]
    inside = layer(x, torch.tensor([0.5, 0.5]))[0, :, 10:-10, 10:-10]
    expected = torch.tensor([1.5 * math.sqrt(2), -0.5 * 0.2 * math.sqrt(2)])[:, None, None].expand_as(inside)
    torch.testing.assert_close(inside, expected, rtol=2e-2, atol=1e-3)
    torch.testing.assert_close(
        layer(x * 1e6, torch.zeros(2))[0, :, 10:-10, 10:-10].abs().amax(), torch.tensor(256.0), rtol=0.02, atol=0
    )


def test_nothing_above_the_band_limit_comes_out() -> None:
    """The activation makes harmonics; those that the pixel grid cannot hold must not come back as others."""
    band = Band(cutoff=8, half_width=4, sampling_rate=32, size=52, channels=1)
    layer = FilteredLReLU(band, band, 54)
    wave = torch.sin(2 * math.pi * 5 * (torch.arange(54) + 0.5 - 27) / 32).expand(54, 54)
    filtered = layer(wave[None, None], torch.zeros(1))[0, 0, 26, 10:42]  # one whole picture: 32 samples
    plain = torch.nn.functional.leaky_relu(wave[27, 11:43], 0.2) * math.sqrt(2)
    ours, naive = (torch.fft.rfft(signal).abs() for signal in (filtered, plain))
    # Of the even harmonics of 5 cycles, 20 folds to 12 on a grid of 32 samples, and 30 to 2.
    assert naive[12] > 0.4 and naive[2] > 0.15
    assert ours[12] < 0.03 * naive[12] and ours[2] < 0.03 * naive[2]
    assert 0.6 * naive[5] < ours[5] < naive[5]


@torch.no_grad()
def test_fourier_input_is_a_sum_of_waves() -> None:
    torch.manual_seed(0)
    band = Band(cutoff=2, half_width=6, sampling_rate=16, size=36, channels=8)
    layer = FourierInput(4, band)
    assert float(layer.freqs.norm(dim=1).max()) <= 2 * 2**0.5 * math.exp(-0.25) + 1e-5  # r·exp(−r²/4) has its top at √2
    y = layer(torch.randn(1, 4))
    assert y.shape == (1, 8, 36, 36)
    axis = (torch.arange(36) + 0.5 - 18) / 16
    expected = torch.zeros(8, 36, 36)
    for o in range(8):
        for c in range(8):
            fx, fy = layer.freqs[c].tolist()
            amplitude = min(max(1 - (math.hypot(fx, fy) - 2) / (8 - 2), 0), 1)
            wave = torch.sin(2 * math.pi * (fx * axis + fy * axis[:, None] + float(layer.phases[c])))
            expected[o] += layer.weight[o, c].detach() / math.sqrt(8) * amplitude * wave
    torch.testing.assert_close(y[0], expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_w_turns_and_moves_the_waves() -> None:
    torch.manual_seed(0)
    layer = FourierInput(4, Band(cutoff=2, half_width=6, sampling_rate=16, size=36, channels=8))
    still = layer(torch.zeros(1, 4))
    assert layer.affine.bias is not None
    layer.affine.bias.copy_(torch.tensor([3.0, 0.0, 3 * 2 / 16, 0.0]))  # the first two set the scale of all four
    # Two samples along x at 16 a picture; the waves go to where x − shift was.
    torch.testing.assert_close(layer(torch.zeros(1, 4))[..., 2:], still[..., :-2], rtol=0, atol=1e-4)
    layer.affine.bias.copy_(torch.tensor([0.0, 1.0, 0.0, 0.0]))
    quarter = layer(torch.zeros(1, 4))
    torch.testing.assert_close(quarter, still.rot90(1, (-2, -1)), rtol=0, atol=1e-4)


def waving_input(waves: int = 6, phases: int = 3) -> FourierInput:
    """An input whose waves count for as much as its still sinusoids."""
    torch.manual_seed(0)
    layer = FourierInput(4, Band(cutoff=2, half_width=6, sampling_rate=16, size=36, channels=8), waves, phases)
    assert layer.waves is not None
    torch.nn.init.normal_(layer.waves.weight)
    return layer


@torch.no_grad()
def test_waves_travel_by_the_phases_of_the_motion_code() -> None:
    layer, w0 = waving_input(), torch.zeros(1, 4)
    waves = layer.waves
    assert waves is not None
    theta = torch.tensor([0.3, 1.7, -2.0])
    found = layer(w0, torch.cat([theta.sin(), theta.cos()])[None]) - layer(w0)
    axis = (torch.arange(36) + 0.5 - 18) / 16
    expected = torch.zeros(8, 36, 36)
    for j in range(6):
        fx, fy = waves.freqs[j].tolist()
        amplitude = min(max(1 - (math.hypot(fx, fy) - 2) / (8 - 2), 0), 1)
        moved = waves.signs[j] * theta[j % 3]
        angle = 2 * math.pi * (fx * axis + fy * axis[:, None] + float(waves.phases[j])) + moved
        expected += amplitude * waves.weight[:, j, None, None] * torch.sin(angle)
    torch.testing.assert_close(found[0], expected, rtol=1e-4, atol=1e-4)
    assert set(waves.signs.tolist()) == {-1.0, 1.0}


@torch.no_grad()
def test_waves_turn_and_move_with_the_plane() -> None:
    layer, v = waving_input(), torch.randn(1, 6)
    still = layer(torch.zeros(1, 4), v)
    assert layer.affine.bias is not None
    layer.affine.bias.copy_(torch.tensor([1.0, 0.0, 2 / 16, 0.0]))
    torch.testing.assert_close(layer(torch.zeros(1, 4), v)[..., 2:], still[..., :-2], rtol=0, atol=1e-4)
    layer.affine.bias.copy_(torch.tensor([0.0, 1.0, 0.0, 0.0]))
    torch.testing.assert_close(layer(torch.zeros(1, 4), v), still.rot90(1, (-2, -1)), rtol=0, atol=1e-4)
