"""Stages of the networks: a layer's parts, the generator, the discriminator."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from smoothvid.bench.case import BenchSettings, Call, Case, made_when_called, ours_and_plain
from smoothvid.bench.floor import convolutions_alone, convolutions_of, copied
from smoothvid.models import get_family
from smoothvid.models.stylesv.config import StyleSVConfig
from smoothvid.nn import kernels
from smoothvid.nn.alias_free import Band, FilteredLReLU
from smoothvid.nn.modulation import ModulatedConv, demodulation, low_rank_kernel
from smoothvid.run_config import RunConfig
from smoothvid.sampling.model import CardOptions, ModelFacts, Precision, VideoModel

NUM_FRAMES = 3  # of a video in training
_LOW_RANK = 4


def filters(settings: BenchSettings) -> Iterator[Case]:
    """The filtered activation of one frame, at layers of each size. Floor: a copy of as many bytes as go in and out."""
    device = settings.torch_device
    layers = filter_layers(layers_of(settings.config("stylesv-256").model))
    for inner, outer in layers if settings.full else layers[::3]:
        activate = FilteredLReLU(inner, outer, inner.size + 2).to(device)
        x = torch.randn(1, outer.channels, inner.size + 2, inner.size + 2, device=device)
        bias = torch.zeros(outer.channels, device=device)
        grad = torch.randn(1, outer.channels, outer.size, outer.size, device=device)
        rate = 2 * max(inner.sampling_rate, outer.sampling_rate)
        up, down = rate // inner.sampling_rate, rate // outer.sampling_rate
        name = f"{outer.size}x{outer.size}, {outer.channels} channels, up {up} down {down}"

        @torch.no_grad()
        def forward(activate=activate, x=x, bias=bias) -> object:  # type: ignore[no-untyped-def]
            return activate(x, bias)

        def both_ways(activate=activate, x=x, bias=bias, grad=grad) -> object:  # type: ignore[no-untyped-def]
            inputs = x.detach().requires_grad_(), bias.detach().requires_grad_()
            return torch.autograd.grad(activate(*inputs), inputs, grad)

        passed = x.numel() + grad.numel()
        yield Case(name, {**ours_and_plain(forward, settings), "floor": copied(passed, device)})
        if settings.full:
            # Backwards the gradient comes in beside the input, and another one goes out.
            floor = copied(2 * passed + x.numel(), device)
            yield Case(f"{name}, and back", {**ours_and_plain(both_ways, settings), "floor": floor})


def modconv(settings: BenchSettings) -> Iterator[Case]:
    """The modulated convolution of a video's frames at a layer in the middle. Plain: a kernel for each.

    Floor: its convolutions alone.
    """
    config = settings.config(settings.usual_preset).model
    device, layers = settings.torch_device, layers_of(config)
    inner, outer = layers[len(layers) // 2]
    w_dim, v_dim = config.generator.w_dim, config.motion.v_dim
    x = torch.randn(NUM_FRAMES, inner.channels, inner.size, inner.size, device=device)
    w, v = torch.randn(NUM_FRAMES, w_dim, device=device), torch.randn(NUM_FRAMES, v_dim, device=device)
    for rank in (0, _LOW_RANK):
        conv = ModulatedConv(inner.channels, outer.channels, 3, w_dim, low_rank=rank, v_dim=v_dim).to(device)

        @torch.no_grad()
        def call(conv=conv) -> object:  # type: ignore[no-untyped-def]
            return conv(x, w, v)

        @torch.no_grad()
        def grouped(conv=conv) -> object:  # type: ignore[no-untyped-def]
            return grouped_modconv(conv, x, w, v)

        calls = {**with_convolutions_alone(call, settings), "plain": ours_and_plain(grouped, settings)["plain"]}
        extra = f", low rank {rank}" if rank else ""
        name = f"{inner.size}x{inner.size}, {inner.channels} to {outer.channels}{extra}"
        yield Case(name, calls, "frame", NUM_FRAMES)


def generator(settings: BenchSettings) -> Iterator[Case]:
    """The generator's synthesis, without gradients. Floor: its convolutions alone."""
    model = video_model(settings.config(settings.usual_preset), settings.torch_device)
    count = 2 if settings.full else 1
    ws, v = model.contents([0]), model.motions([0], np.arange(count, dtype=np.float64))

    @torch.no_grad()
    def call() -> object:
        return model.generator.synthesis(ws, v)

    name = f"{settings.usual_name}, {count} at once"
    yield Case(name, with_convolutions_alone(call, settings), "frame", count)


def discriminator(settings: BenchSettings) -> Iterator[Case]:
    """The discriminator on one video, without gradients. Floor: its convolutions alone."""
    config, device = settings.config(settings.usual_preset), settings.torch_device
    torch.manual_seed(0)
    network = get_family(config.family).build_discriminator(config.model, NUM_FRAMES, 0).eval().to(device)
    side = config.model.resolution
    images = torch.randn(NUM_FRAMES, 3, side, side, device=device)
    times = 4.0 * torch.arange(NUM_FRAMES, device=device)[None]

    @torch.no_grad()
    def call() -> object:
        return network(images, times)

    name = f"{settings.usual_name}, {NUM_FRAMES} frames"
    yield Case(name, with_convolutions_alone(call, settings), "video")


def with_convolutions_alone(call: Call, settings: BenchSettings) -> dict[str, Call]:
    """The variants of a call of networks whose floor is what convolutions it makes, be it forwards or backwards.

    They are PyTorch's own, however the fastest path makes them.
    """
    calls = ours_and_plain(call, settings)

    def floor() -> Call:
        with kernels.chosen("matrices"):
            return convolutions_alone(convolutions_of(calls["ours"]), settings.torch_device)

    return {**calls, "floor": made_when_called(floor)}


def grouped_modconv(conv: ModulatedConv, x: Tensor, w: Tensor, v: Tensor) -> Tensor:
    """What a demodulating layer computes, as StyleGAN2 writes it: a scaled kernel for each sample, one group each."""

    def convolved(weight: Tensor, style: Tensor) -> Tensor:
        each = weight * style[:, None, :, None, None]  # [N, out, in, k, k]
        each = each * demodulation(weight, style)[:, :, None, None, None]
        y = F.conv2d(x.flatten(0, 1)[None], each.flatten(0, 1), padding=conv.padding, groups=len(x))
        return y[0].unflatten(0, (len(x), -1))

    y = convolved(conv.weight, conv.affine(w) * conv.style_gain)
    if conv.low_rank:
        kernel = low_rank_kernel(conv.low_rank_out, conv.low_rank_in)
        y = y + convolved(kernel, conv.motion_affine(v)) * conv.low_rank_gain[:, None, None]
    return y * conv.magnitude_ema.rsqrt()


def video_model(
    config: RunConfig, device: torch.device, precision: Precision = "float32", options: CardOptions | None = None
) -> VideoModel:
    """A model with random weights."""
    torch.manual_seed(0)
    network = get_family(config.family).build_generator(config.model, 0, False)
    facts = ModelFacts(family=config.family, config={}, resolution=config.model.resolution, fps=25.0)
    return VideoModel(network, config.model, facts, device, precision, options)


def layers_of(config: StyleSVConfig) -> list[tuple[Band, Band]]:
    """The bands that each layer of the generator goes from and to."""
    bands = config.generator.bands(config.resolution)
    return list(zip([bands[0], *bands], bands[: config.generator.num_layers], strict=False))


def filter_layers(layers: Sequence[tuple[Band, Band]]) -> list[tuple[Band, Band]]:
    """The first layer of each size among those that keep it, from small to large, and the last that doubles it."""
    keeping = {outer.size: (inner, outer) for inner, outer in reversed(layers) if inner.size == outer.size}
    doubling = [layer for layer in layers if layer[0].sampling_rate < layer[1].sampling_rate]
    return [*reversed(keeping.values()), *doubling[-1:]]


def filter_case(
    inner: Band, outer: Band, dtype: torch.dtype, last: bool, device: torch.device, count: int
) -> tuple[FilteredLReLU, Tensor, Tensor, Tensor]:
    """An activation, planes that go in, a gradient that comes back, and a bias."""
    layout = torch.channels_last if last else torch.contiguous_format
    activate = FilteredLReLU(inner, outer, inner.size + 2).to(device)
    x = torch.randn(count, outer.channels, inner.size + 2, inner.size + 2, device=device)
    grad = torch.randn(count, outer.channels, outer.size, outer.size, device=device)
    bias = torch.zeros(outer.channels, device=device)
    return activate, x.to(dtype, memory_format=layout), grad.to(dtype, memory_format=layout), bias
