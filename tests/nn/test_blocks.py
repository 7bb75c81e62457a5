"""The Triton kernels of the discriminator, its filter and its activation, on CUDA where there is one, else interpreted.

The interpreter must be asked for before Triton is imported, so one test here runs this file once more by itself.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from smoothvid.nn import kernels
from smoothvid.nn.lrelu import lrelu

triton = pytest.importorskip("triton", reason="Triton is not installed")

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cuda" if torch.cuda.is_available() and not INTERPRETED else "cpu"
on_device = pytest.mark.skipif(
    DEVICE == "cpu" and not INTERPRETED, reason="no CUDA; test_in_the_interpreter runs this on the CPU"
)


@on_device
@pytest.mark.parametrize(
    ("layout", "dtype"), [(torch.contiguous_format, torch.float32), (torch.channels_last, torch.bfloat16)]
)
@pytest.mark.parametrize(("pad", "down", "size"), [(2, 1, 8), (1, 2, 8), (1, 1, 5), (2, 2, 7)])
def test_it_agrees_with_matrices(
    pad: int, down: int, size: int, layout: torch.memory_format, dtype: torch.dtype
) -> None:
    from smoothvid.nn.kernels import blocks

    channels = 70 if layout == torch.channels_last and size == 7 else 2
    x = torch.randn(2, channels, size, size, generator=torch.Generator().manual_seed(0)).to(DEVICE, dtype)
    x = x.contiguous(memory_format=layout)
    true = x.float().requires_grad_(True)
    with kernels.chosen("matrices"):
        expected = kernels.blur(true, pad, down)
    grad = torch.randn_like(expected)
    (expected_grad,) = torch.autograd.grad(expected, true, grad)
    ours = blocks.blur(x, pad, down)
    ours_grad = blocks.transposed(grad.to(dtype).contiguous(memory_format=layout), pad, down, size)
    tolerance = 1e-6 if dtype == torch.float32 else 2e-2
    for mine, theirs in ((ours, expected), (ours_grad, expected_grad)):
        assert mine.dtype == dtype and mine.is_contiguous(memory_format=layout)
        torch.testing.assert_close(mine.float(), theirs, atol=tolerance, rtol=tolerance)


@on_device
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("clamp", [None, 1.5])
def test_both_are_differentiable_twice(
    clamp: float | None, layout: torch.memory_format, monkeypatch: pytest.MonkeyPatch
) -> None:
    from smoothvid.nn.kernels import blocks

    rng = torch.Generator().manual_seed(0)
    x, bias = torch.randn(2, 3, 6, 6, generator=rng).to(DEVICE), torch.randn(3, generator=rng).to(DEVICE)
    x = x.contiguous(memory_format=layout).requires_grad_(True)
    bias.requires_grad_(True)
    monkeypatch.setattr(kernels, "_blurring", lambda x: blocks)

    def found() -> list[torch.Tensor]:
        y = kernels.blur(kernels.bias_lrelu(x, bias, 1.3, clamp), 1, 2)
        first = torch.autograd.grad(y.square().sum(), (x, bias), create_graph=True)
        second = torch.autograd.grad(sum(part.square().sum() for part in first), (x, bias))
        return [y, *first, *second]

    with kernels.chosen("matrices"):
        expected = found()
    monkeypatch.setattr(kernels, "_for_triton", lambda x: True)
    for ours, theirs in zip(found(), expected, strict=True):
        torch.testing.assert_close(ours, theirs)


@on_device
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_activation_in_bfloat16(layout: torch.memory_format) -> None:
    from smoothvid.nn.kernels import pointwise

    x = torch.randn(2, 40, 5, 5, generator=torch.Generator().manual_seed(0)).to(DEVICE, torch.bfloat16)
    x = x.contiguous(memory_format=layout)
    x[0, 0, 0, 0] = torch.nan
    bias = torch.linspace(-1, 1, 40, device=DEVICE)
    expected = lrelu(x.float() + bias[:, None, None], 2.0, 1.5)
    ours = pointwise.bias_lrelu(x, bias, 2.0, 1.5)
    assert ours.dtype == torch.bfloat16 and ours.stride() == x.stride()
    torch.testing.assert_close(ours.float(), expected, atol=0, rtol=2**-7, equal_nan=True)  # interpreted, it cuts off


@pytest.mark.skipif(INTERPRETED, reason="this is the interpreter")
def test_in_the_interpreter() -> None:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", str(Path(__file__))]
    done = subprocess.run(
        command, env={**os.environ, "TRITON_INTERPRET": "1"}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0 and "." * 14 in done.stdout, done.stdout + done.stderr


@pytest.mark.skipif(INTERPRETED, reason="needs the compiler")
@pytest.mark.parametrize("back", [False, True])
def test_compiles_without_a_gpu(back: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from smoothvid.nn.kernels import blocks

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    constants = {"PAD": 1, "DOWN": 2, "BACK": back, "PIXELS": 16, "CHANNELS": 64}
    signature = dict.fromkeys(blocks._filter.arg_names, "i32")
    signature |= {"x": "*bf16", "y": "*bf16"} | dict.fromkeys(constants, "constexpr")
    source = ASTSource(blocks._filter, signature, constants)
    assert triton.compile(source, target=GPUTarget("cuda", 90, 32)).asm["ptx"]
