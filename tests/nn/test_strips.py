"""The Triton kernels against the plain path: on CUDA where there is one, else and always in Triton's interpreter.

The interpreter must be asked for before Triton is imported, so one test here runs this file once more by itself.
"""

import math
import os
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from smoothvid.nn.filters import lowpass_taps
from smoothvid.nn.kernels import chosen, filtered_lrelu
from smoothvid.nn.kernels.plan import TAPS, FilterPlan
from smoothvid.nn.kernels.tuning import Sizes, StripSizes, sizes, tuned
from smoothvid.nn.kernels.walks import REACH, backward_walk, forward_walk

triton = pytest.importorskip("triton", reason="Triton is not installed")

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cuda" if torch.cuda.is_available() and not INTERPRETED else "cpu"
on_device = pytest.mark.skipif(
    DEVICE == "cpu" and not INTERPRETED, reason="no CUDA; test_in_the_interpreter runs this on the CPU"
)

NUMBERS = "agrees or types or edges or parts"  # the tests that run kernels

SMALL = [  # up, down, in_size, out_size, clamp
    (2, 2, 38, 37, 0.4),  # several strips and chunks
    (4, 2, 13, 24, 0.3),
    (1, 1, 27, 30, math.inf),
    (2, 1, 19, 29, 0.4),
    (1, 2, 29, 21, 0.4),
    (3, 2, 17, 25, 0.4),
    (4, 3, 9, 17, math.inf),
    (3, 4, 13, 6, 0.2),
    (2, 2, 3, 1, 0.2),
]
LARGE = [(2, 2, 150, 148, 0.4), (4, 2, 86, 149, 0.4), (2, 2, 278, 256, math.inf), (1, 4, 100, 24, 0.4)]


def make_plan(up: int, down: int, in_size: int, out_size: int, clamp: float) -> FilterPlan:
    up_taps, down_taps = (lowpass_taps(TAPS * factor, 0.4, 0.2, float(factor)) for factor in (up, down))
    return FilterPlan(in_size, out_size, up, down, tuple(up_taps), tuple(down_taps * 1.2), clamp)


@pytest.fixture
def strips() -> Any:
    """The kernels. In the interpreter walks are not cut: it would make twice the chunks."""
    from smoothvid.nn.kernels import strips

    with tuned(**whole_walks()) if DEVICE == "cpu" else nullcontext():
        yield strips


def whole_walks() -> dict[str, StripSizes]:
    of_strips = {name: size for name, size in vars(Sizes()).items() if isinstance(size, StripSizes)}
    return {name: replace(size, programs=1) for name, size in of_strips.items()}


def make_inputs(plan: FilterPlan, dtype: torch.dtype = torch.float32, channels: int = 2) -> tuple[Tensor, ...]:
    """x and the gradient from above, channels last; bias, scale and out_scale."""
    rng = torch.Generator().manual_seed(0)
    n, c = (2, channels) if DEVICE == "cpu" else (3, 40)
    x, grad = (
        torch.randn(n, size, size, c, generator=rng).to(DEVICE, dtype).permute(0, 3, 1, 2)
        for size in (plan.in_size, plan.out_size)
    )
    bias = torch.randn(c, generator=rng) * 0.3
    scale, out_scale = torch.rand(2, n, c, generator=rng) + 0.5
    return x, grad, bias.to(DEVICE), scale.to(DEVICE), out_scale.to(DEVICE)


def expected(plan: FilterPlan, x: Tensor, grad: Tensor, bias: Tensor, scale: Tensor | None) -> tuple[Tensor, ...]:
    """The plain path in float64: result, gradients of x, bias and scale (of x again where there is no scale)."""
    x, bias = x.double().requires_grad_(), bias.double().requires_grad_()
    scale = None if scale is None else scale.double().requires_grad_()
    with chosen("plain"):
        y = filtered_lrelu(x, bias, plan, scale)
    return y, *torch.autograd.grad(y, (x, bias, x if scale is None else scale), grad.double())


def assert_close(ours: Tensor, theirs: Tensor, tolerance: float) -> None:
    assert ours.shape == theirs.shape
    assert (ours.double() - theirs).norm() <= tolerance * theirs.norm()


@on_device
@pytest.mark.parametrize("case", SMALL if DEVICE == "cpu" else SMALL + LARGE)
def test_agrees_with_plain(strips: Any, case: tuple[int, int, int, int, float]) -> None:
    plan = make_plan(*case)
    x, grad, bias, scale, out_scale = make_inputs(plan)
    y, grad_x, grad_bias, grad_scale = expected(plan, x, grad, bias, scale)
    our_y = strips.forward(x, bias, scale, out_scale, plan)
    our_grad_x, our_grad_bias, our_grad_scale = strips.backward(grad, x, bias, scale, plan)
    last = torch.channels_last
    assert our_y.is_contiguous(memory_format=last) and our_grad_x.is_contiguous(memory_format=last)
    assert our_y.dtype == our_grad_x.dtype == torch.float32
    assert_close(our_y, y * out_scale[:, :, None, None], 1e-5)
    assert_close(our_grad_x, grad_x, 1e-4)
    assert_close(our_grad_bias.sum(0), grad_bias, 1e-4)
    assert_close(our_grad_scale, grad_scale, 1e-4)

    if case[-1] < math.inf:  # the clamp must have had its part in this
        unbounded = expected(make_plan(*case[:-1], math.inf), x, grad, bias, scale)
        assert (unbounded[0] - y).norm() > 0.1 * y.norm()


@on_device
@pytest.mark.parametrize("dtype, tolerance", [(torch.float32, 1e-5), (torch.float16, 3e-3), (torch.bfloat16, 2e-2)])
def test_types_and_no_scales(strips: Any, dtype: torch.dtype, tolerance: float) -> None:
    plan = make_plan(2, 2, 25, 24, math.inf)
    x, grad, bias, *_ = make_inputs(plan, dtype, channels=17)  # more than go into a strip at once
    y, grad_x, grad_bias, _ = expected(plan, x, grad, bias, None)
    our_y = strips.forward(x.contiguous(), bias, None, None, plan)  # any layout will do
    our_grad_x, our_grad_bias, _ = strips.backward(grad, x, bias, None, plan)
    assert our_y.dtype == our_grad_x.dtype == dtype and our_grad_bias.dtype == torch.float32
    assert_close(our_y, y, tolerance)
    assert_close(our_grad_x, grad_x, 5 * tolerance)  # the slope is another where rounding turns a sign
    assert_close(our_grad_bias.sum(0), grad_bias, 5 * tolerance)


@on_device
def test_edges_of_the_activation(strips: Any) -> None:
    """At zero the gradient's slope is 0.2, at the clamp 0; what is not a number stays so."""
    plan = make_plan(2, 2, 16, 15, math.inf)
    x, grad, bias, scale, _ = make_inputs(plan)
    nothing = torch.zeros_like(x)
    ours = strips.backward(grad, nothing, 0 * bias, scale, plan)[0]
    assert_close(ours, expected(plan, nothing, grad, 0 * bias, scale)[1], 1e-4)

    ours = strips.backward(grad, nothing, 0 * bias, scale, make_plan(2, 2, 16, 15, 0.0))[0]
    assert torch.equal(ours, nothing)

    x[0, 1, 8, 8] = math.nan
    y = strips.forward(x, bias, None, None, make_plan(2, 2, 16, 15, 0.5))
    assert y[0, 1].isnan().any() and not y[0, 0].isnan().any()


@on_device
@pytest.mark.parametrize("up", [2, 4])
def test_parts_of_a_walk_make_no_difference(up: int) -> None:
    from smoothvid.nn.kernels import strips

    plan = make_plan(up, 2, 24 // up + 9, 22, 0.3)
    x, grad, bias, scale, _ = make_inputs(plan)
    with tuned(**whole_walks()):
        y, whole = strips.forward(x, bias, None, None, plan), strips.backward(grad, x, bias, scale, plan)
    parts = strips.backward(grad, x, bias, scale, plan)
    assert torch.equal(strips.forward(x, bias, None, None, plan), y) and torch.equal(parts[0], whole[0])
    assert_close(parts[1].double(), whole[1].double(), 1e-6)
    assert_close(parts[2].double(), whole[2].double(), 1e-6)


@pytest.mark.skipif(INTERPRETED, reason="this is that run")
def test_in_the_interpreter() -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-x", "-k", NUMBERS, __file__],
        env={**os.environ, "TRITON_INTERPRET": "1"},
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
    )
    count = len(SMALL) + 6
    assert run.returncode == 0 and f"\n{count} passed" in run.stdout, run.stdout[-8000:] + run.stderr[-2000:]


@pytest.mark.skipif(INTERPRETED, reason="the interpreter compiles nothing")
@pytest.mark.skipif(sys.platform != "linux", reason="Triton brings its compiler for Linux")
def test_compiles_without_a_gpu(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the interpreter cannot tell: that the compiler takes the kernels, and that they fit on a chip."""
    from smoothvid.nn.kernels import strips

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    plan, steep = make_plan(2, 2, 150, 148, 256.0), make_plan(4, 2, 86, 148, math.inf)
    bfloat16, cpu = torch.bfloat16, torch.device("cpu")  # float32 takes the compiler some ten times as long
    forward = forward_walk(plan, bfloat16, cpu, sizes().forward(bfloat16)).arguments | strips._constants(128, plan)
    backward = backward_walk(steep, bfloat16, cpu, sizes().backward(bfloat16)).arguments | strips._constants(91, steep)
    no_scales = {"scale": None, "out_scale": None, "carried_far": None}
    for kernel, arguments in (
        (strips._forward, forward | {"carried_far": None}),
        (strips._forward, forward | no_scales),
        (strips._backward, backward),
    ):
        assert compiled(kernel, arguments).metadata.shared < 100 * 1024


def compiled(kernel: Any, arguments: dict[str, Any]) -> Any:
    """The kernel in bfloat16 for a device of compute capability 9.0; arguments may be None, others are there."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    options = {name: arguments[name] for name in ("num_warps", "enable_fp_fusion")}
    constants = {name: value for name, value in arguments.items() if name.isupper() or value is None}
    signature = dict.fromkeys(kernel.arg_names, "*bf16")
    float32 = {"bias", "scale", "out_scale", "ones", "sums", "bias_sums", "scale_sums"}
    signature |= dict.fromkeys(float32 & signature.keys(), "*fp32")
    numbers = ["channels", "in_size", "out_size", "part", *arguments]
    signature |= {name: "i32" for name in numbers if name in signature}
    signature |= dict.fromkeys(constants, "constexpr")
    return triton.compile(ASTSource(kernel, signature, constants), target=GPUTarget("cuda", 90, 32), options=options)


@pytest.mark.skipif(INTERPRETED, reason="runs no kernel")
def test_offsets_have_32_bits() -> None:
    from smoothvid.nn.kernels import strips

    assert strips.suits(make_plan(1, 1, 9, 12, 1.0), 512) and not strips.suits(make_plan(1, 1, 9, 2**15, 1.0), 2)


@pytest.mark.parametrize("up", [1, 2, 3, 4])
@pytest.mark.parametrize("down", [1, 2, 3, 4])
@pytest.mark.parametrize("side", [32, 64])
def test_strips_cover_the_picture(up: int, down: int, side: int) -> None:
    plan, cpu = make_plan(up, down, 61, 61 * up // down, 1.0), torch.device("cpu")
    for size, make in ((plan.out_size, forward_walk), (plan.in_size, backward_walk)):
        walk = make(plan, torch.float32, cpu, StripSizes(channels=16, rows=16, side=side))
        tile, rows = walk.arguments["tile"], walk.arguments["result_rows"]
        assert (walk.strips - 1) * tile < size <= walk.strips * tile and walk.arguments["MID"] <= side
        assert walk.chunks * rows - REACH >= size and walk.arguments["EARLY"] * rows >= REACH
        assert walk.arguments["CHANNELS"] == walk.arguments["ROWS"] == 16


def test_tuned_for_a_while() -> None:
    before = sizes()
    with pytest.raises(KeyError), tuned(narrow_forward=StripSizes(channels=16), float32_products="tf32x3"):
        assert sizes().forward(torch.float16).channels == 16 and sizes().float32_products == "tf32x3"
        assert sizes().backward(torch.float16) is before.narrow_backward
        raise KeyError
    assert sizes() is before


if INTERPRETED:
    import triton.language as tl
    from triton.runtime import interpreter

    _dot, _patch_tensors = interpreter.InterpreterBuilder.create_dot, interpreter._patch_lang_tensor

    def _dot_of_bfloat16(self: Any, a: Any, b: Any, *rest: Any) -> Any:
        """In Triton 3.9 it multiplies the bits of bfloat16 numbers as if they were integers."""

        def widened(handle: Any) -> Any:
            if handle.data.dtype != np.uint16:
                return handle
            return interpreter.TensorHandle((handle.data.astype(np.uint32) << 16).view(np.float32), tl.float32)

        return _dot(self, widened(a), widened(b), *rest)

    def _patch_tensors_and_bounds(tensor: Any, scope: Any) -> None:
        """In Triton 3.6 the bounds of a loop are arrays of one number, which a new NumPy does not take for numbers."""
        _patch_tensors(tensor, scope)
        scope.set_attr(tensor, "__index__", lambda self: self.handle.data.item())

    interpreter.InterpreterBuilder.create_dot = _dot_of_bfloat16
    interpreter._patch_lang_tensor = _patch_tensors_and_bounds
