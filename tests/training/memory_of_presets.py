"""Compute the peak memory of a training step of each preset, for 4, 8, ... videos at once (--batch-gpu).

    python tests/training/memory_of_presets.py [PRESET ...]

Two parts of a step, with all its phases, run on the device "meta": tensors have sizes but no numbers. The bytes of all
that live at the same time are added up. What a card takes beside tensors is not counted: its context, workspaces of
convolutions, gaps between blocks. Run by hand; takes about a minute a preset.
"""

import sys
import warnings
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args
from unittest.mock import patch

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from smoothvid.run_config import PhaseName, preset_names, resolve
from smoothvid.training import loop

META = torch.device("meta")
narrow = [False]  # whether convolutions are made in bfloat16, the innermost rule last


class Memory(TorchDispatchMode):
    """Adds up the bytes of the tensors on "meta" that live at a moment, and keeps the highest sum."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self.sizes: dict[int, int] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten._local_scalar_dense.default and args[0].is_meta:
            return args[0].dtype in (torch.float32, torch.bool)  # gradients are finite, Adam has made one step
        if func is torch.ops.aten.equal.default:
            return False
        result = func(*args, **(kwargs or {}))
        for value in result if isinstance(result, list | tuple) else [result]:
            if isinstance(value, Tensor) and value.is_meta:
                self.see(value.untyped_storage())
        return result

    def see(self, storage: torch.UntypedStorage) -> None:
        key = storage._cdata
        if key not in self.sizes:
            self.sizes[key] = storage.nbytes()
            self.now += self.sizes[key]
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self.forget, key)

    def forget(self, key: int) -> None:
        self.now -= self.sizes.pop(key)


@contextmanager
def autocast(device: str, dtype: torch.dtype = torch.bfloat16, enabled: bool = True) -> Iterator[None]:
    """Stands in for torch.autocast, which does not know "meta"; only convolutions are left to it (nn.precision)."""
    narrow.append(enabled)
    yield
    narrow.pop()


def conv2d(x: Tensor, weight: Tensor, bias: Tensor | None = None, **options: Any) -> Tensor:
    if narrow[-1]:
        x, weight, bias = x.bfloat16(), weight.bfloat16(), None if bias is None else bias.bfloat16()
    return torch.conv2d(x, weight, bias, **options)


def peak_gb(preset: str, phase: PhaseName, precision: Any, videos: int) -> float:
    """The peak of a step's memory in GB (10⁹ bytes), `videos` at once, with augmentation if the preset has any."""
    config = resolve(preset)
    settings: Any = replace(config.phase(phase), batch=2 * videos, precision=precision)
    side, frames = config.model.resolution, settings.num_frames
    data: Any = SimpleNamespace(path="none", resolution=side, label_dim=0, videos=[SimpleNamespace(num_frames=2048)])
    data.label, data.fingerprint = lambda _: np.zeros(0, np.float32), lambda: ""
    with Memory() as memory, META:
        config = replace(config, **{phase: settings})
        training = loop.Training(Path("none"), data, config, phase, device=META, batch_gpu=videos)
        for optimizer in training.optimizers.values():  # makes Adam's averages
            for weight in optimizer.param_groups[0]["params"]:
                weight.grad = torch.zeros_like(weight)
            optimizer.step()
        training.ada.p = 0.5
        pixels = torch.zeros(videos, frames, 3, side, side, dtype=torch.uint8)
        part = pixels, torch.zeros(videos, frames), torch.zeros(videos, 0)
        training.step([part, part])  # the first, in which the penalty is due
    return memory.peak / 1e9


@patch.object(torch, "autocast", autocast)
@patch.object(torch, "is_autocast_enabled", lambda *_: narrow[-1])
@patch.object(torch.amp, "is_autocast_available", lambda _: True)
@patch.object(functional, "conv2d", conv2d)
@patch.object(loop.StepPart, "disordered", lambda part: (part.real.frames.clone(), part.real.times))  # sizes alone
@patch.object(loop, "fetch", lambda values: dict.fromkeys(values, 1.0))
def main() -> None:
    warnings.simplefilter("ignore")
    print("| preset | part | precision | fixed | each video | 4 | 8 | 16 | 32 | 64 |\n" + "|---" * 10 + "|")
    for preset, phase, precision in product(sys.argv[1:] or preset_names(), get_args(PhaseName), ("float32", "bf16")):
        four, eight = (peak_gb(preset, phase, precision, videos) for videos in (4, 8))
        each = (eight - four) / 4  # it grows evenly: a tensor holds all the videos or none
        sizes = [n for n in (4, 8, 16, 32, 64) if n <= max(8, resolve(preset).phase(phase).batch)]
        cells = [preset, phase, precision, f"{four - 4 * each:.2f}", f"{each:.3f}"]
        cells += [f"{four + (n - 4) * each:.1f}" for n in sizes] + ["–"] * (5 - len(sizes))
        print("|", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
