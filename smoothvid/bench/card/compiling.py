"""Compiling the Triton kernels of a generator's layers in processes beside each other, before something is timed.

    python -m smoothvid.bench.card.compiling SETTINGS NUMBER OF PRESET...

What they compile is then in Triton's cache. One after the other a network's layers take it minutes.
"""

import subprocess
import sys
from collections.abc import Sequence
from itertools import product
from math import gcd
from typing import Any

import torch

from smoothvid.bench.card.settings import CardSettings
from smoothvid.bench.networks import filter_case, layers_of
from smoothvid.data.prepare_settings import available_cores
from smoothvid.nn.alias_free import Band, FilteredLReLU
from smoothvid.nn.kernels.tuning import sizes
from smoothvid.nn.kernels.walks import backward_walk, forward_walk
from smoothvid.run_config import resolve

Kernels = dict[Any, tuple[Band, Band, torch.dtype]]


def compile_layers(settings: CardSettings, presets: Sequence[str]) -> dict[str, Any]:
    """Compile what these presets' generators need, forwards and back, in bfloat16 and in float32."""
    count = max(1, min(12, available_cores() - 2))
    command = [sys.executable, "-m", "smoothvid.bench.card.compiling", settings.to_json()]
    running = [subprocess.Popen([*command, str(number), str(count), *presets]) for number in range(count)]
    failed = sum(process.wait() != 0 for process in running)
    return {"kernels": len(distinct_layers(presets)), "processes": count, "failed": failed}


def distinct_layers(presets: Sequence[str]) -> Kernels:
    """One layer for each kernel; see nn.kernels.strips for what tells them apart."""
    found: Kernels = {}
    for preset, dtype in product(presets, (torch.bfloat16, torch.float32)):
        for inner, outer in layers_of(resolve(preset).model):
            plan, cpu = FilteredLReLU(inner, outer, inner.size + 2).plan, torch.device("cpu")
            walks = (
                forward_walk(plan, dtype, cpu, sizes().forward(dtype)),
                backward_walk(plan, dtype, cpu, sizes().backward(dtype)),
            )
            constants = [tuple(v for k, v in walk.arguments.items() if k.isupper()) for walk in walks]
            found.setdefault((dtype, *constants, gcd(outer.channels, 8)), (inner, outer, dtype))
    return found


def main() -> None:
    settings, number, of = CardSettings.from_json(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    for inner, outer, dtype in list(distinct_layers(sys.argv[4:]).values())[number::of]:
        activate, x, grad, bias = filter_case(inner, outer, dtype, True, settings.torch_device, 1)
        scale = torch.ones(1, outer.channels, device=settings.torch_device)
        inputs = x.requires_grad_(), bias.requires_grad_(), scale.requires_grad_()
        torch.autograd.grad(activate(*inputs), inputs, grad)
        with torch.no_grad():
            activate(x, bias, scale, scale)


if __name__ == "__main__":
    main()
