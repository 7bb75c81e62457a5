"""Read the published system's numbers and rebuild, by the rule that came with them, the weights they were made with."""

import json
import os
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from smoothvid.models.published import Arguments, Snapshot

PARITY = Path(os.environ.get("SMOOTHVID_PARITY") or Path(__file__).resolve().parents[3] / "shared" / "parity")
"""Other numbers of the same kind are read where SMOOTHVID_PARITY says."""


def draw(name: str, shape: list[int], suffix: str = "") -> np.ndarray:
    seed = zlib.crc32((name + suffix).encode())
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(shape).astype(np.float32)


def kind(facts: dict[str, Any]) -> str:
    """What a variant is of: stylesv, styleganv or mocogan-sg2, its motion alone, a discriminator, or a pair of them."""
    config = facts.get("config", {})
    if facts.get("network") == "discriminator":
        return "pair" if config["source"] == "mocogan" else "discriminator"
    if facts.get("network") != "generator":
        return "other"
    if config["motion"]["gen_strategy"] == "autoregressive":
        return "mocogan-sg2"
    if "img_resolution" not in facts["constructor"]:
        return "motion"
    return "stylesv" if "layer_names" in facts else "styleganv"


def variants(wanted: str, having: str = "") -> list[str]:
    """Names of all variants of a kind; only those with such an array, where one is given."""
    paths = sorted(PARITY.glob("*.json"))
    found = [path.stem for path in paths if kind(json.loads(path.read_text())) == wanted]
    return [name for name in found if not having or having in np.load(PARITY / f"{name}.npz")]


class Variant:
    """One published variant: its settings, weights, inputs and the numbers that came out."""

    def __init__(self, name: str) -> None:
        if not PARITY.is_dir():
            pytest.skip("the published system's numbers (../shared/parity) are not here")
        self.facts: dict[str, Any] = json.loads((PARITY / f"{name}.json").read_text())
        self.arrays = np.load(PARITY / f"{name}.npz")
        self.suffix = self.facts["seed_suffix"]

    def snapshot(self) -> Snapshot:
        """The network as the importer gets it, so that settings are read from its arguments by the importer's rules."""
        args, state = Arguments({**self.facts["constructor"], "cfg": self.facts["config"]}), self.state()
        if self.facts["network"] == "discriminator":
            return Snapshot(Arguments({}), {}, args, state)
        return Snapshot(args, state)

    def state(self) -> dict[str, Tensor]:
        values = {}
        for entry in self.facts["entries"]:
            name, shape = entry["name"], entry["shape"]
            if entry["source"] == "filled":
                noise = np.float32(entry["scale"]) * draw(name, shape, self.suffix)
                if entry["form"].startswith("exp"):
                    value = np.exp(noise)
                else:
                    offset = np.asarray(entry["offset"], np.float32)
                    value = offset + noise
            elif entry.get("stored_in_npz"):
                value = self.arrays[f"kept/{name}"]
            else:
                continue
            values[name] = torch.from_numpy(np.array(value, np.float32).reshape(shape))
        return values

    def input(self, key: str) -> Tensor:
        name, shape, scale = self.facts["inputs"][key]
        return torch.from_numpy(np.float32(scale) * draw(name, shape, self.suffix))

    def array(self, key: str) -> Tensor:
        return torch.from_numpy(np.asarray(self.arrays[key]))


def relative_error(ours: Tensor, theirs: Tensor) -> float:
    """‖ours − theirs‖ / ‖theirs‖."""
    assert ours.shape == theirs.shape, (ours.shape, theirs.shape)
    ours, theirs = ours.detach().double(), theirs.double()
    return float((ours - theirs).norm() / theirs.norm())


def strided(x: Tensor, channels: int, rows: int) -> Tensor:
    """Thinned as the stored layer outputs are: about `channels` channels of `rows` × `rows` numbers are left."""
    return x[:, :: max(1, x.shape[1] // channels), :: max(1, x.shape[2] // rows), :: max(1, x.shape[3] // rows)]


def record_outputs(module: nn.Module) -> dict[str, Tensor]:
    """Fill a dict with each child's output, by name, as it runs."""
    outputs: dict[str, Tensor] = {}
    for name, child in module.named_modules():
        child.register_forward_hook(lambda _m, _i, out, name=name: outputs.__setitem__(name, out))
    return outputs


def gradient_norms(
    module: nn.Module, variant: Variant, rename: Callable[[dict[str, Tensor]], dict[str, Tensor]]
) -> Tensor:
    """Norms of the module's gradients in the published order of names; zero where there is no gradient.

    rename: from tensors under published names to the same under ours.
    """
    names = variant.facts["grad_norm_names"]
    labels = {name: torch.full((1,), float(i)) for i, name in enumerate(names)}
    ours = {key: int(label) for key, label in rename(labels).items() if "low_rank_gain" not in key}
    norms = torch.zeros(len(names), dtype=torch.float64)
    for key, parameter in module.named_parameters():
        if key in ours and parameter.grad is not None:
            norms[ours[key]] = parameter.grad.double().norm()
    return norms
