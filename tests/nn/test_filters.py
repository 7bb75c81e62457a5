import numpy as np
import pytest
import scipy.signal
import torch
import torch.nn.functional as F

from smoothvid.nn import kernels
from smoothvid.nn.filters import BINOMIAL_4, downsampling_matrix, lowpass_taps, resample, upsampling_matrix


def insert_pad_convolve(x: np.ndarray, taps: np.ndarray, up: int, low: int, high: int) -> np.ndarray:
    """The definition of FIR upsampling on one axis: zeros between samples, padding or cropping, true convolution."""
    zeros = np.zeros(len(x) * up)
    zeros[::up] = x
    zeros = np.pad(zeros, (max(low, 0), max(high, 0)))
    zeros = zeros[max(-low, 0) : len(zeros) - max(-high, 0)]
    return np.convolve(zeros, taps * up, mode="valid")


@pytest.mark.parametrize(
    "num_taps, up, low, high", [(6, 1, 2, 3), (12, 2, 5, 6), (12, 2, -1, 3), (24, 4, 9, -2), (1, 1, 0, 0)]
)
def test_upsampling(num_taps: int, up: int, low: int, high: int) -> None:
    rng = np.random.default_rng(0)
    taps = rng.normal(size=num_taps)  # not symmetric: a flipped filter would show
    picture = rng.normal(size=(2, 9, 9))
    matrix = upsampling_matrix(taps, 9, up, low, high)
    rows = np.apply_along_axis(insert_pad_convolve, 1, picture, taps, up, low, high)
    expected = np.apply_along_axis(insert_pad_convolve, 2, rows, taps, up, low, high)
    ours = resample(torch.from_numpy(picture), torch.from_numpy(matrix))
    np.testing.assert_allclose(ours, expected, atol=1e-12)


@pytest.mark.parametrize("num_taps, down, size", [(6, 1, 12), (12, 2, 25), (12, 2, 24), (24, 4, 40), (1, 1, 7)])
def test_downsampling(num_taps: int, down: int, size: int) -> None:
    rng = np.random.default_rng(0)
    taps = rng.normal(size=num_taps)
    picture = rng.normal(size=(2, size, size))
    expected = scipy.signal.convolve(picture, np.outer(taps, taps)[None], mode="valid")[:, ::down, ::down]
    ours = resample(torch.from_numpy(picture), torch.from_numpy(downsampling_matrix(taps, size, down)))
    np.testing.assert_allclose(ours, expected, atol=1e-12)


@pytest.mark.parametrize("num_taps", [2, 6, 7, 12, 24])
@pytest.mark.parametrize("cutoff, half_width", [(2.0, 0.05), (2.0, 2.0), (6.5, 3.0), (12.0, 9.0), (12.0, 19.0)])
def test_lowpass_is_scipys(num_taps: int, cutoff: float, half_width: float) -> None:
    expected = scipy.signal.firwin(num_taps, cutoff, width=2 * half_width, fs=64)
    np.testing.assert_allclose(lowpass_taps(num_taps, cutoff, half_width, 64), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("cutoff, half_width", [(4.0, 3.0), (9.0, 4.0)])
def test_lowpass_passes_below_and_stops_above(cutoff: float, half_width: float) -> None:
    taps = lowpass_taps(24, cutoff, half_width, sampling_rate=64)
    assert taps.sum() == pytest.approx(1)
    np.testing.assert_allclose(taps, taps[::-1])
    freqs, response = scipy.signal.freqz(taps, worN=512, fs=64)
    assert np.abs(response[freqs < cutoff - half_width]).min() > 0.9
    assert np.abs(response[freqs > cutoff + half_width]).max() < 0.1
    assert np.abs(response[np.argmin(np.abs(freqs - cutoff))]) == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("path", ["auto", "matrices", "plain"])
@pytest.mark.parametrize("size", [4, 9, 10])
@pytest.mark.parametrize("pad, down", [(2, 1), (1, 2), (1, 1), (2, 2), (0, 1), (3, 3)])
def test_blur_is_a_depthwise_convolution(pad: int, down: int, size: int, path: kernels.Path) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 3, size, size, dtype=torch.float64, requires_grad=True)
    taps = torch.tensor(BINOMIAL_4, dtype=torch.float64)
    kernel = torch.outer(taps, taps).expand(3, 1, 4, 4)
    expected = F.conv2d(F.pad(x, [pad] * 4), kernel, groups=3, stride=down)
    with kernels.chosen(path):
        ours = kernels.blur(x, pad, down)
        torch.testing.assert_close(ours, expected)
        grad = torch.randn_like(expected)
        for_x, true = (torch.autograd.grad(y, x, grad, create_graph=True)[0] for y in (ours, expected))
        torch.testing.assert_close(for_x, true)
        assert torch.autograd.gradgradcheck(lambda x: kernels.blur(x, pad, down), (x,))


def test_blur_trains_after_a_look_without_gradients() -> None:
    size = 18  # a size that nothing else uses, so that its matrix is made here
    with kernels.chosen("matrices"):
        with torch.inference_mode():
            kernels.blur(torch.zeros(1, 1, size, size), pad=2)
        x = torch.ones(1, 1, size, size, requires_grad=True)
        kernels.blur(x, pad=2).sum().backward()
    assert x.grad is not None and float(x.grad[0, 0, 9, 9]) == pytest.approx(1)
