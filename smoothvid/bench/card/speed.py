"""Stages that measure: what the device can do at all, and how near to that filters, generators and training come."""

import gc
import math
import re
import statistics
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smoothvid.bench import loading
from smoothvid.bench.card.compiling import compile_layers
from smoothvid.bench.card.equal import usable
from smoothvid.bench.card.jobs import Job
from smoothvid.bench.card.settings import CardSettings
from smoothvid.bench.floor import convolutions_alone, convolutions_of
from smoothvid.bench.machine import machine_facts
from smoothvid.bench.networks import filter_case, filter_layers, layers_of, video_model
from smoothvid.bench.timing import clock_of, seconds_of
from smoothvid.bench.training import made_up_batch, made_up_training
from smoothvid.nn import kernels
from smoothvid.nn.alias_free import Band
from smoothvid.nn.precision import tf32
from smoothvid.run_config import PhaseName, RunConfig, preset_names, resolve
from smoothvid.sampling.model import CardOptions

_TURNS = 5


def seconds(call: Callable[[], object], device: torch.device, turns: int = _TURNS) -> float:
    """The median of some turns, each as many calls as take a twentieth of a second; after two calls to warm up."""
    for _ in range(2):
        call()
    return statistics.median(seconds_of(call, clock_of(device)) for _ in range(turns))


def limits(settings: CardSettings, until: float) -> Iterator[Job]:
    """What this machine is, and what it can do at all."""
    device = settings.torch_device
    yield Job("Machine", "this machine", partial(_machine, device))
    table = "What it can do"
    yield Job(table, "copy, GB/s read and written", lambda: {"rate": copy_rate(settings) / 1e9})
    for dtype in (torch.float32, torch.bfloat16):
        yield Job(table, f"matrix product, {dtype}, TFLOP/s".replace("torch.", ""), partial(_products, settings, dtype))
    yield Job(table, "an operation on one number, µs", lambda: {"rate": 1e6 * _launch(device)})


def _machine(device: torch.device) -> dict[str, Any]:
    facts = machine_facts(device, False)
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        facts |= {"memory, GB": properties.total_memory / 1e9, "multiprocessors": properties.multi_processor_count}
        query = ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"]
        facts["driver"] = subprocess.run(query, capture_output=True, text=True, check=False).stdout.strip()
        facts["cuDNN"] = torch.backends.cudnn.version()
    return facts


@cache
def copy_rate(settings: CardSettings) -> float:
    """Bytes a second, read and written, of a large copy on the device."""
    count = 2**20 if settings.dry_run else 2**30
    source = torch.randint(256, (count,), dtype=torch.uint8, device=settings.torch_device)
    target = torch.empty_like(source)
    return 2 * count / seconds(lambda: target.copy_(source), settings.torch_device)


def _products(settings: CardSettings, dtype: torch.dtype) -> dict[str, Any]:
    size = 256 if settings.dry_run else 8192
    a, b = (torch.randn(size, size, device=settings.torch_device).to(dtype) for _ in range(2))
    return {"rate": 2 * size**3 / seconds(lambda: a @ b, settings.torch_device) / 1e12}


def _launch(device: torch.device) -> float:
    one = torch.zeros(1, device=device)
    return seconds(lambda: one.add_(1), device)


def filters(settings: CardSettings, until: float) -> Iterator[Job]:
    """The filtered activation at layers of the generator at 256²."""
    config = resolve("tiny" if settings.dry_run else "stylesv-256").model
    bands = filter_layers(layers_of(config))
    chosen = sorted(bands, key=lambda layer: layer[1].size not in (148, 276))
    for inner, outer in chosen[:1] if settings.dry_run else chosen:
        rate = 2 * max(inner.sampling_rate, outer.sampling_rate)
        factors = f"up {rate // inner.sampling_rate} down {rate // outer.sampling_rate}"
        for dtype in (torch.bfloat16, torch.float32):
            for last in (True, False):
                kind = f"{dtype}, channels {'last' if last else 'first'}".replace("torch.", "")
                name = f"{outer.size}², {outer.channels} channels, {factors}, {kind}"
                yield Job("Filtered activation", name, partial(_filter, settings, inner, outer, dtype, last))


def _filter(settings: CardSettings, inner: Band, outer: Band, dtype: torch.dtype, last: bool) -> dict[str, Any]:
    """Eight frames at once: times, and the share of the rate of a copy that the bytes in and out come to."""
    device, count = settings.torch_device, 1 if settings.dry_run else 8
    activate, x, grad, bias = filter_case(inner, outer, dtype, last, device, count)
    passed = (x.numel() + grad.numel()) * x.element_size()
    back = (2 * (x.numel() + grad.numel()) + x.numel()) * x.element_size()

    @torch.no_grad()
    def forward() -> Tensor:
        return activate(x, bias)

    def both_ways() -> object:
        inputs = x.detach().requires_grad_(), bias.detach().requires_grad_()
        return torch.autograd.grad(activate(*inputs), inputs, grad)

    there, there_and_back = seconds(forward, device), seconds(both_ways, device)
    with kernels.chosen("plain"):
        plain = seconds(forward, device, turns=1)
    with kernels.chosen("matrices"):
        matrices = seconds(forward, device, turns=1)
    rate = copy_rate(settings)
    return {
        "ms": 1e3 * there,
        "share of copy rate": passed / there / rate,
        "and back, ms": 1e3 * there_and_back,
        "share, and back": back / there_and_back / rate,
        "matrices / ours": matrices / there,
        "plain / ours": plain / there,
    }


@dataclass(frozen=True)
class Way:
    """How a generator is run."""

    precision: str  # float32, tf32 or bf16
    last: bool  # channels last
    graph: bool

    def __str__(self) -> str:
        return f"{self.precision}, channels {'last' if self.last else 'first'}{', graph' if self.graph else ''}"


def generators(settings: CardSettings, until: float) -> Iterator[Job]:
    """Frames a second of whole generators beside their convolutions alone and the plain composition."""
    presets = ["tiny"] if settings.dry_run else ["stylesv-256", "styleganv-256", "stylesv-64"]
    batches = (2,) if settings.dry_run else (8, 1, 32)
    graphs = (True, False) if settings.on_card else (False,)
    for preset in presets:
        for precision in ("float32",) if settings.dry_run else ("bf16", "tf32", "float32"):
            for count in batches:
                for last in (True, False) if precision != "float32" or settings.dry_run else (False,):
                    for graph in graphs if precision == "bf16" or count == 1 else (False,):
                        way = Way(precision, last, graph)
                        work = partial(_generator, settings, preset, count, way)
                        yield Job(f"Generator of {preset}", f"{count} at once, {way}", work)

        if settings.on_card:
            yield Job(
                "Where the time goes", f"{preset}, 8 at once, bf16", partial(_profile_generator, settings, preset)
            )


def _generator(settings: CardSettings, preset: str, count: int, way: Way) -> dict[str, Any]:
    device = settings.torch_device
    call = generator_call(resolve(preset), device, count, way)
    with usable(settings.out, way.precision, way.last) as filters:
        memory, ours = _peak(call, device), seconds(call, device)
    with kernels.chosen("matrices"):  # so that convolutions are PyTorch's own
        found = convolutions_of(generator_call(resolve(preset), device, count, replace(way, graph=False)))
    floors = {}
    with tf32(way.precision == "tf32"):
        for last in (True, False):
            alone: Callable[[], object] = convolutions_alone(found, device, last)
            floors[last] = seconds(graphed(alone) if way.graph else alone, device, turns=3)
    figures: dict[str, Any] = {"ms a frame": 1e3 * ours / count, "frames a second": count / ours}
    figures |= {"over convolutions": ours / floors[way.last]}
    figures |= {"over those, first": ours / floors[False], "over those, last": ours / floors[True]}
    figures |= {"beside weights, MB": memory}
    if settings.dry_run or (count == 8 and not way.graph):
        with kernels.chosen("plain"):
            figures["plain / ours"] = seconds(call, device, turns=1) / ours
    return {**figures, "filters by": filters}


def generator_call(config: RunConfig, device: torch.device, count: int, way: Way) -> Callable[[], object]:
    """A call that makes `count` frames of one video."""
    options = CardOptions(graphs=way.graph, channels_last=way.last)
    precision: Any = way.precision if device.type == "cuda" else "float32"
    model = video_model(config, device, precision, options)
    ws, v = model.contents([0]), model.motions([0], np.arange(count, dtype=np.float64))
    return lambda: model.synthesize(ws, v)


def _profile_generator(settings: CardSettings, preset: str) -> dict[str, Any]:
    device = settings.torch_device
    found = {}
    for last in (True, False):
        layout = "last" if last else "first"
        call = generator_call(resolve(preset), device, 8, Way("bf16", last, False))
        with usable(settings.out, "bf16", last):
            found[f"channels {layout}"] = profile(settings.out, f"{preset}-{layout}", call)
    return found


def profile(out: Path, name: str, call: Callable[[], object]) -> str:
    """Write which kernels take how long in three calls to OUT/profiles/NAME.txt; returns that name."""
    from torch.profiler import ProfilerActivity
    from torch.profiler import profile as torch_profile

    call()
    torch.cuda.synchronize()
    with torch_profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU]) as found:
        for _ in range(3):
            call()
        torch.cuda.synchronize()
    path = out / "profiles" / f"{name}.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    averages = found.key_averages()
    options = {"row_limit": 60, "max_name_column_width": 110}
    path.write_text(averages.table(sort_by="self_device_time_total", **options) + "\n")
    return f"{path.parent.name}/{path.name}"


def graphed(call: Callable[[], object]) -> Callable[[], object]:
    """The same work as one CUDA graph, with nothing around it."""
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(2):
            call()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        call()
    return graph.replay


def _peak(call: Callable[[], object], device: torch.device) -> float | None:
    """MB beside what is held before."""
    if device.type != "cuda":
        return None
    call()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    held = torch.cuda.memory_allocated()
    call()
    torch.cuda.synchronize()
    return (torch.cuda.max_memory_allocated() - held) / 1e6


def training(settings: CardSettings, until: float) -> Iterator[Job]:
    """Seconds a thousand frames, and the share that reading the data could have in it."""
    presets = [("tiny", 1)] if settings.dry_run else [("stylesv-256", 16), ("stylesv-64", 32), ("smooth-64", 32)]
    if settings.on_card:
        yield Job("Compiling", "training", lambda: compile_layers(settings, [preset for preset, _ in presets]))
    for preset, batch in presets:
        for precision in ("float32",) if settings.dry_run else ("bf16", "tf32", "float32"):
            name = f"{preset}, {batch} videos, {precision}"
            yield Job("Training", name, partial(_training, settings, preset, batch, precision))
    yield Job("Reading data", "256², JPEG", partial(_reading, settings))


def _training(settings: CardSettings, preset: str, batch: int, precision: str) -> dict[str, Any]:
    device, config = settings.torch_device, resolve(preset)
    train = replace(config.train, batch=batch, precision="bf16" if precision == "bf16" else "float32")
    size = batch if config.model.resolution < 256 else batch // 2
    with usable(settings.out, precision, settings.on_card) as filters:
        run = made_up_training(replace(config, train=train), device, size, tf32=precision == "tf32")
        parts = made_up_batch(run)
        run.step(parts)  # with everything that only some steps have
        clock, times = clock_of(device), []
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats()
        interval = run.settings.r1_interval
        for number in (1, interval) if settings.dry_run else (1, 2, 3, 4, interval):
            run.step_number = number
            began = clock()
            run.step(parts)
            times.append(clock() - began)
        usual, with_penalty = statistics.median(times[:-1]), times[-1]
        mean = usual + (with_penalty - usual) / interval
        frames = run.frames_a_step
        figures: dict[str, Any] = {"frames a step": frames, "videos at once": size}
        figures |= {"ms a step": 1e3 * usual, "with R1, ms": 1e3 * with_penalty}
        figures |= {"s a thousand frames": mean / frames * 1000, "frames a second": frames / mean}
        if device.type == "cuda":
            figures |= {"peak, GB": torch.cuda.max_memory_allocated() / 1e9, "waits": _waits(lambda: run.step(parts))}
            if precision == "bf16":
                figures["profile"] = profile(settings.out, f"training-{preset}", lambda: run.step(parts))
    return {**figures, "filters by": filters}


def _waits(call: Callable[[], object]) -> int:
    """How often a call waits for the card, by PyTorch's own count."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            call()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return sum("synchroniz" in str(warning.message) for warning in caught)


def _reading(settings: CardSettings) -> dict[str, Any]:
    side, workers = (32, 1) if settings.dry_run else (256, 8)
    with tempfile.TemporaryDirectory() as folder:
        made = loading.write_archive(Path(folder) / "pictures.zip", side, videos=4 if settings.dry_run else 16)
        rate = loading.load(made, workers, 16, 0.5 if settings.dry_run else 4.0)
    return {"processes": workers, "frames a second": rate.frames_per_second}


def memory(settings: CardSettings, until: float) -> Iterator[Job]:
    """The peak of a training step of each preset, beside what the preset says."""
    names = ["tiny"] if settings.dry_run else [name for name in preset_names() if "tiny" not in name]
    names = sorted(names, key=lambda name: "256" in name)
    if settings.on_card:
        alias_free = [name for name in names if resolve(name).family == "stylesv"]
        yield Job("Compiling", "memory", lambda: compile_layers(settings, alias_free))
    for preset in names:
        phases: tuple[PhaseName, ...] = ("train", "pretrain")
        for phase in phases:
            yield Job("Memory of presets, GB", f"{preset}, {phase}", partial(_memory, settings, preset, phase))


def _memory(settings: CardSettings, preset: str, phase: PhaseName) -> dict[str, Any]:
    said = _said(preset, phase)
    few, more = 4, 8
    found = {videos: _step_memory(settings, preset, phase, videos) for videos in (few, more)}
    each = (found[more] - found[few]) / (more - few)
    figures: dict[str, Any] = {f"with --batch-gpu {few}": found[few], "each further video": each}
    if said is not None:
        figures |= {"said": said[0], "said, each": said[1]}
        figures["ok"] = not settings.on_card or abs(found[few] / said[0] - 1) < 0.25
    return figures


def _said(preset: str, phase: PhaseName) -> tuple[float, float] | None:
    """What the preset's file says of its memory."""
    text = re.sub(r"\n# ?", " ", (resources.files("smoothvid.presets") / f"{preset}.toml").read_text())
    number = r"([\d.]+) GB"
    pattern = (
        rf"train about {number} with --batch-gpu 4, {number} for each further video; pretrain {number} and {number}"
    )
    match = re.search(pattern, text)
    if match is None:
        return None
    values = list(map(float, match.groups()))
    return (values[0], values[1]) if phase == "train" else (values[2], values[3])


def _step_memory(settings: CardSettings, preset: str, phase: PhaseName, videos: int) -> float:
    device, config = settings.torch_device, resolve(preset)
    gc.collect()
    if device.type == "cuda":
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    held = torch.cuda.memory_allocated() if device.type == "cuda" else 0
    ours = replace(config.phase(phase), batch=2 * videos)
    config = replace(config, pretrain=ours) if phase == "pretrain" else replace(config, train=ours)
    run = made_up_training(config, device, videos, phase)
    run.ada.p = 0.5
    parts = made_up_batch(run)
    for _ in range(1 if settings.dry_run else 2):
        run.step_number = 0  # with the penalty
        run.step(parts)
    return (torch.cuda.max_memory_allocated() - held) / 1e9 if device.type == "cuda" else math.nan
