"""The parts of a generator as functions of plain tensors, each of which can become a program of its own.

    mapping    z, truncation, labels                             → ws      what a video shows
    motion     motion_z, times, first_code, start_phase, labels  → v       where it is at each time
    synthesis  ws, v                                             → frames

`labels` are there in models with labels, `start_phase` where a video's motion has phases of its own.
"""

import copy
from collections.abc import Mapping as Table
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

Free = Table[str, tuple[str | int, ...]]
"""Of each input its axes: a name where the size is free, else the size."""


@dataclass(frozen=True)
class Part:
    """A module whose inputs have names, and what they look like."""

    name: str
    module: nn.Module
    axes: Free
    dtypes: Table[str, torch.dtype]
    result: str

    def example(self, sizes: Table[str, int], seed: int) -> dict[str, Tensor]:
        """Inputs for these sizes of the free axes: normal numbers, but for what has a meaning of its own."""
        noise = torch.Generator().manual_seed(seed)
        made: dict[str, Tensor] = {}
        for name, axes in self.axes.items():
            shape = [axis if isinstance(axis, int) else sizes[axis] for axis in axes]
            value = torch.randn(shape, generator=noise, dtype=torch.float64)
            if name == "labels":
                value = torch.eye(shape[1])[torch.arange(shape[0]) % shape[1]]
            made[name] = value.to(self.dtypes[name])
        if self.name == "motion":
            made |= self._window(sizes, seed)
        return made

    def _window(self, sizes: Table[str, int], seed: int) -> dict[str, Tensor]:
        """Times, late ones and early ones, and the codes that they need."""
        module: Any = self.module
        noise = torch.Generator().manual_seed(seed + 1)
        begin = torch.rand(sizes["batch"], 1, generator=noise, dtype=torch.float64) * 10.0 ** (4 * seed % 12)
        times = begin + 0.5 * torch.arange(sizes["frames"], dtype=torch.float64)
        first, count = module.motion.code_range(times)
        codes = torch.randn(sizes["batch"], count, module.motion.z_dim, generator=noise)
        return {"motion_z": codes, "times": times, "first_code": first}


class Mapping(nn.Module):
    """z [B, z_dim], truncation [B], labels [B, c_dim] → ws [B, num_ws, w_dim]."""

    def __init__(self, generator: Any) -> None:
        super().__init__()
        self.mapping = generator.mapping

    def forward(self, z: Tensor, truncation: Tensor, labels: Tensor | None = None) -> Tensor:
        full = self.mapping(z, labels)
        mean = self.mapping(z, labels, truncation_psi=0.0)
        ws: Tensor = mean + (full - mean) * truncation[:, None, None]
        return ws


class Motion(nn.Module):
    """motion_z [B, K, z_dim], times [B, T], ... → v [B, T, v_dim]: reckoned in double precision, given in single."""

    def __init__(self, generator: Any) -> None:
        super().__init__()
        self.motion = copy.deepcopy(generator.motion).to(torch.float64)

    def forward(
        self,
        motion_z: Tensor,
        times: Tensor,
        first_code: Tensor,
        start_phase: Tensor | None = None,
        labels: Tensor | None = None,
    ) -> Tensor:
        c = None if labels is None else labels.double()
        v: Tensor = self.motion(motion_z.double(), times, c, first_code=first_code, start_phase=start_phase)
        return v.float()


class Synthesis(nn.Module):
    """ws [N, num_ws, w_dim], v [N, v_dim] → frames [N, 3, H, H] in about [-1, 1]: one content and one motion each."""

    def __init__(self, generator: Any) -> None:
        super().__init__()
        self.synthesis = generator.synthesis

    def forward(self, ws: Tensor, v: Tensor) -> Tensor:
        frames: Tensor = self.synthesis(ws, v[:, None])
        return frames


@torch.no_grad()
def parts_of(generator: Any, num_labels: int) -> list[Part]:
    """Mapping, motion and synthesis of a generator on the CPU."""
    single, double, whole = torch.float32, torch.float64, torch.int64
    labels = {"labels": ("batch", num_labels)} if num_labels else {}
    motion = generator.motion
    phases = {"start_phase": ("batch", motion.num_phases)} if motion.num_phases else {}
    mapped = Mapping(generator)
    mapping_axes = {"z": ("batch", generator.z_dim), "truncation": ("batch",), **labels}
    mapping = Part("mapping", mapped, mapping_axes, dict.fromkeys(mapping_axes, single), "ws")
    ws = mapped(**mapping.example({"batch": 1}, 0))
    motion_axes = {
        "motion_z": ("batch", "codes", motion.z_dim),
        "times": ("batch", "frames"),
        "first_code": ("batch",),
        **phases,
        **labels,
    }
    dtypes = dict.fromkeys(motion_axes, single) | {"times": double, "first_code": whole}
    dtypes |= dict.fromkeys(phases, double)
    synthesis_axes = {"ws": ("batch", *ws.shape[1:]), "v": ("batch", motion.v_dim)}
    return [
        mapping,
        Part("motion", Motion(generator), motion_axes, dtypes, "v"),
        Part("synthesis", Synthesis(generator), synthesis_axes, dict.fromkeys(synthesis_axes, single), "frames"),
    ]
