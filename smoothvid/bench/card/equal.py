"""Stages that compare: every fast path with the plain one in float64, this device with the CPU, a run with itself."""

import math
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from smoothvid.bench.card.jobs import Job, read_rows, rows_file
from smoothvid.bench.card.settings import CardSettings
from smoothvid.bench.networks import video_model
from smoothvid.bench.training import made_up_batch, made_up_training
from smoothvid.data.prepare import PrepareSettings, prepare
from smoothvid.models import family_names
from smoothvid.nn import kernels
from smoothvid.nn.filters import lowpass_taps
from smoothvid.nn.kernels.plan import TAPS, FilterPlan
from smoothvid.nn.kernels.tuning import StripSizes, tuned
from smoothvid.nn.precision import tf32
from smoothvid.run_config import RunConfig, resolve
from smoothvid.sampling.model import Precision
from smoothvid.training.loop import Training
from smoothvid.training.run import RunRequest, train
from smoothvid.training.step import find_gradients

OPERATIONS = "Operations against float64"
BEST = "Sizes of kernels, the best"
TITLES = {"float32": "float32", "tf32": "float32 with TF32", "bf16": "bf16"}
TINY = {"stylesv": "tiny", "styleganv": "styleganv-tiny", "mocogan": "mocogan-tiny", "mocogan-sg2": "mocogan-sg2-tiny"}
QUIET = {"mocogan": ("model.noise=0",), "mocogan-sg2": ("model.discriminator.noise=0",)}
"""Settings without which networks draw numbers on the device: others on each kind of it."""


@dataclass(frozen=True)
class Arithmetic:
    """A way to compute.

    bound: on the relative error of results of one operation; gradients may have 10 times that.
    """

    name: str
    dtype: torch.dtype
    tf32: bool
    bound: float


WAYS = (
    Arithmetic("float32", torch.float32, False, 1e-5),
    Arithmetic("float32 with TF32", torch.float32, True, 2e-3),
    Arithmetic("bf16", torch.bfloat16, False, 2e-2),
)


def error(ours: Tensor, theirs: Tensor) -> float:
    """Relative, of the norm; infinite for what is not a number."""
    found = float((ours.double() - theirs.double()).norm() / theirs.double().norm().clamp(min=1e-30))
    return found if math.isfinite(found) else math.inf


def operations(settings: CardSettings, until: float) -> Iterator[Job]:
    """Operations in random shapes, forwards, backwards and backwards twice."""
    shapes = 2 if settings.dry_run else 3
    if settings.on_card:
        yield Job("Compiling", "operations", partial(_compile, settings, shapes))
    for name in _names():
        yield Job(OPERATIONS, name, partial(operation, name, settings.torch_device, shapes))


def _names() -> list[str]:
    return [f"{kind}, {way.name}, {_layout(last)}" for kind, way, last in product(KINDS, WAYS, (True, False))]


def _compile(settings: CardSettings, shapes: int) -> dict[str, Any]:
    """Each operation in a process of its own, all beside each other: what Triton compiles is then in its cache."""
    names = [name for name in _names() if WAYS[1].name not in name]  # TF32 is for convolutions
    command = [sys.executable, "-m", "smoothvid.bench.card.equal", str(settings.torch_device), str(shapes)]
    running = [subprocess.Popen([*command, name]) for name in names]
    return {"processes": len(running), "failed": sum(process.wait() != 0 for process in running)}


def operation(name: str, device: torch.device, shapes: int, **sizes: Any) -> dict[str, Any]:
    """The largest errors of one kind of operation, computed in one way, over so many random shapes.

    `sizes` are those of kernels; see nn.kernels.tuning.
    """
    kind, arithmetic, layout = name.split(", ")
    way = next(way for way in WAYS if way.name == arithmetic)
    with tf32(way.tf32), tuned(**sizes):
        found = [KINDS[kind](number, device, way.dtype, layout == _layout(True)) for number in range(shapes)]
    forward, backward, twice = (max(errors) for errors in zip(*found, strict=True))
    ok = forward <= way.bound and max(backward, twice) <= 10 * way.bound
    return {"shapes": shapes, "result": forward, "gradients": backward, "penalty": twice, "bound": way.bound, "ok": ok}


def _layout(last: bool) -> str:
    return "channels last" if last else "channels first"


def _errors(
    call: Callable[..., Tensor], reference: Callable[..., Tensor], inputs: Sequence[Tensor], out: Tensor
) -> list[float]:
    """Errors of a result, of its gradients, and of the gradients of a penalty on those, as R1 takes it."""

    def passes(call: Callable[..., Tensor], inputs: Sequence[Tensor], out: Tensor) -> tuple[list[Tensor], ...]:
        inputs = [x.detach().clone(memory_format=torch.preserve_format).requires_grad_() for x in inputs]
        with torch.no_grad():
            y = call(*inputs)
        first = list(torch.autograd.grad(call(*inputs), inputs, out))
        weights = torch.ones_like(out).requires_grad_()
        slopes = torch.autograd.grad(call(*inputs), inputs[0], out * weights, create_graph=True)[0]
        penalty = slopes.float().square().sum()
        twice = torch.autograd.grad(penalty, [weights, *inputs[1:]], allow_unused=True)
        return [y], first, [grad for grad in twice if grad is not None]

    ours = passes(call, inputs, out)
    theirs = passes(reference, [x.double() for x in inputs], out.double())
    return [max(map(error, mine, right)) for mine, right in zip(ours, theirs, strict=True)]


def _activation(number: int, device: torch.device, dtype: torch.dtype, last: bool) -> list[float]:
    rng = np.random.default_rng(number)
    # At first as generators have them; others take their time to compile.
    up, down = [(2, 2), (4, 2)][number] if number < 2 else (int(rng.integers(1, 5)), int(rng.integers(1, 5)))
    size = int(rng.integers(40, 90))
    out_size = int(rng.integers(max(1, size * up // down - 12), size * up // down + 2))
    taps = [lowpass_taps(TAPS * factor, 0.4, 0.2, float(factor)) for factor in (up, down)]
    clamp = float(rng.choice([0.5, math.inf]))
    plan = FilterPlan(size, out_size, up, down, tuple(taps[0]), tuple(taps[1] * 1.2), clamp)
    n, c = int(rng.integers(1, 4)), int(rng.integers(1, 40))
    x, out = _planes(rng, device, dtype, last, n, c, size), _planes(rng, device, dtype, last, n, c, out_size)
    bias, scale = _normal(rng, device, c) * 0.3, _normal(rng, device, n, c).abs() + 0.5

    def call(x: Tensor, bias: Tensor, scale: Tensor) -> Tensor:
        return kernels.filtered_lrelu(x, bias, plan, scale)

    def plain(*inputs: Tensor) -> Tensor:
        with kernels.chosen("plain"):
            return call(*inputs)

    return _errors(call, plain, [x, bias, scale], out)


def _convolution(number: int, device: torch.device, dtype: torch.dtype, last: bool) -> list[float]:
    rng = np.random.default_rng(number)
    n, c, channels, size = (int(rng.integers(*span)) for span in ((1, 4), (1, 80), (1, 80), (4, 60)))
    x, out = _planes(rng, device, dtype, last, n, c, size), _planes(rng, device, dtype, last, n, channels, size)
    weight = (_normal(rng, device, channels, c, 3, 3) / math.sqrt(9 * c)).to(dtype)
    return _errors(partial(kernels.conv, padding=1), partial(F.conv2d, padding=1), [x, weight], out)


def _blur(number: int, device: torch.device, dtype: torch.dtype, last: bool) -> list[float]:
    rng = np.random.default_rng(number)
    n, c, size, down = (int(rng.integers(*span)) for span in ((1, 4), (1, 40), (4, 90), (1, 3)))
    x = _planes(rng, device, dtype, last, n, c, size)
    out = _planes(rng, device, dtype, last, n, c, (size + 4 - 4) // down + 1)

    def plain(x: Tensor) -> Tensor:
        with kernels.chosen("plain"):
            return kernels.blur(x, 2, down)

    return _errors(lambda x: kernels.blur(x, 2, down), plain, [x], out)


def _planes(
    rng: np.random.Generator, device: torch.device, dtype: torch.dtype, last: bool, n: int, c: int, size: int
) -> Tensor:
    layout = torch.channels_last if last else torch.contiguous_format
    return _normal(rng, device, n, c, size, size).to(dtype, memory_format=layout)


def _normal(rng: np.random.Generator, device: torch.device, *shape: int) -> Tensor:
    return torch.from_numpy(rng.standard_normal(shape, np.float32)).to(device)


KINDS = {"activation": _activation, "convolution": _convolution, "blur": _blur}


@contextmanager
def usable(out: Path, precision: str, last: bool) -> Iterator[str]:
    """Within it activations are filtered as the stages before found best; yields a word for it.

    By matrices if `operations` found the kernels wrong, else by kernels of the sizes that won in `sweep`.
    """
    name = f"activation, {TITLES[precision]}, {_layout(last)}"
    rows = [row for row in read_rows(rows_file(out, "operations")) if row["name"] == name and row["state"] != "begun"]
    right = all(row["figures"].get("ok", False) for row in rows)
    with kernels.chosen("auto" if right else "matrices"), tuned(**winners(out)):
        yield "kernels" if right else "matrices"


def winners(out: Path) -> dict[str, StripSizes]:
    """The sizes of kernels that the stage `sweep` found fastest, by the field of nn.kernels.tuning.Sizes."""
    found = {}
    for row in read_rows(rows_file(out, "sweep")):
        if row["table"] == BEST and row["state"] == "done" and "sizes" in row["figures"]:
            numbers = dict(text.split() for text in row["figures"]["sizes"].split(", "))
            found[row["name"]] = StripSizes(**{name: int(value) for name, value in numbers.items()})
    return found


def networks(settings: CardSettings, until: float) -> Iterator[Job]:
    """Whole networks of every family: this device against the CPU."""
    families = ["mocogan-sg2", "stylesv"] if settings.dry_run else family_names()
    presets = [TINY[name] for name in families]
    if not settings.dry_run:
        presets += ["stylesv-64", "styleganv-64", "smooth-64"]
    ways = WAYS[:1] if settings.dry_run else WAYS
    for preset in presets:
        for way in ways:
            yield Job("Frames against the CPU", f"{preset}, {way.name}", partial(_frames, settings, preset, way))
    for family in families:
        for way in ways:
            name = f"{TINY[family]}, {way.name}"
            yield Job("Gradients of a training step against the CPU", name, partial(_step, settings, family, way))


def _frames(settings: CardSettings, preset: str, way: Arithmetic) -> dict[str, Any]:
    """Frames of a model with random weights: the mean and the largest difference, in levels of 255."""
    times = np.array([0.0, 1.0, 7.25, 100.0])
    device, config = settings.torch_device, resolve(preset)
    right = video_model(config, torch.device("cpu")).frames(0, times)
    precision = _precision(way, device)
    with usable(settings.out, precision, settings.on_card):
        made = video_model(config, device, precision).frames(0, times).cpu()
    differences = (made.clamp(-1, 1) - right.clamp(-1, 1)).abs() * 127.5
    mean, most = float(differences.mean()), float(differences.max())
    spread = float(right.clamp(-1, 1).std()) * 127.5
    allowed = {"float32": 0.05, "float32 with TF32": 1.0, "bf16": 3.0}[way.name]
    return {"mean, levels": mean, "largest, levels": most, "spread of the picture": spread, "ok": mean <= allowed}


def _precision(way: Arithmetic, device: torch.device) -> Precision:
    if device.type != "cuda":  # the rehearsal of a card
        return "float32"
    return "bf16" if way.dtype == torch.bfloat16 else "tf32" if way.tf32 else "float32"


def _step(settings: CardSettings, family: str, way: Arithmetic) -> dict[str, Any]:
    """The relative difference of each phase's gradients, the networks' weights being the same."""
    config = resolve(TINY[family], sets=QUIET.get(family, ()))
    right = _gradients(config, torch.device("cpu"), bf16=False)
    precision = _precision(way, settings.torch_device)
    with tf32(way.tf32), usable(settings.out, precision, settings.on_card):
        ours = _gradients(config, settings.torch_device, way.dtype == torch.bfloat16 and settings.on_card)
    errors = {name: error(gradient, right[name]) for name, gradient in ours.items()}
    allowed = {"float32": 1e-3, "float32 with TF32": 0.1, "bf16": 0.5}[way.name]
    return {**errors, "ok": max(errors.values()) <= allowed}


def _gradients(config: RunConfig, device: torch.device, bf16: bool) -> dict[str, Tensor]:
    config = replace(config, train=replace(config.train, batch=4, precision="bf16" if bf16 else "float32"))
    training, found = made_up_training(config, device), {}
    for phase in training.phases:
        training.optimizers[phase.network].zero_grad(set_to_none=True)
        torch.manual_seed(0)
        find_gradients(phase, training.parts(made_up_batch(training)), bf16)
        network = getattr(training, phase.network)
        found[phase.name] = torch.cat([p.grad.flatten().cpu() for p in network.parameters() if p.grad is not None])
    return found


def runs(settings: CardSettings, until: float) -> Iterator[Job]:
    """Whole trainings: whether two are equal to the byte, and whether one that was resumed equals one that was not."""
    families = family_names() if not settings.dry_run else ["mocogan"]
    for family in families:
        for precision in ("float32", "bf16") if settings.on_card else ("float32",):
            name = f"{TINY[family]}, {precision}"
            yield Job("Trainings with themselves", name, partial(_again, settings, TINY[family], precision))


def _again(settings: CardSettings, preset: str, precision: str) -> dict[str, Any]:
    folder = settings.out / "runs"
    shutil.rmtree(folder, ignore_errors=True)
    data, steps = folder / "data", 2 if settings.dry_run else 6
    side = resolve(preset).model.resolution
    small = PrepareSettings(resolution=side, num_videos=8, num_frames=96, workers=4, min_frames=2)
    prepare(["synthetic:shapes"], data, small)

    def run(name: str, steps: int, resume: bool = False) -> dict[str, Tensor]:
        size = resolve(preset).train.num_frames * 4 / 1000
        sets = [f"train.kimg={steps * size}", f"train.tick_kimg={size}", "train.snapshot_ticks=1"]
        sets += ["train.batch=4", "train.measure_clips=0", f"train.precision={precision}"]
        config = resolve(preset, sets=[*sets, *(() if "mocogan" in preset else ("model.motion.pace=1",))])
        request = RunRequest(
            dataset=data, out=folder / name, phase="train", config=config, device=settings.torch_device, resume=resume
        )
        return _weights(train(request))

    one, two = run("one", steps), run("two", steps)
    run("three", steps // 2)
    three = run("three", steps, resume=True)
    again, resumed = (max(error(other[name], one[name]) for name in one) for other in (two, three))
    shutil.rmtree(folder, ignore_errors=True)
    equal = again == 0 and resumed == 0
    return {"steps": steps, "run again": again, "resumed": resumed, "ok": equal or resumed <= 10 * max(again, 1e-7)}


def _weights(training: Training) -> dict[str, Tensor]:
    return {name: value.detach().double().cpu() for name, value in training.generator.state_dict().items()}


if __name__ == "__main__":
    operation(sys.argv[3], torch.device(sys.argv[1]), int(sys.argv[2]))
