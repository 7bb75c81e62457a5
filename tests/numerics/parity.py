"""Read the published system's numbers and rebuild, by the rule that came with them, the weights they were made with."""

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

PARITY = Path(__file__).resolve().parents[3] / "shared" / "parity"


def draw(name: str, shape: list[int], suffix: str = "") -> np.ndarray:
    seed = zlib.crc32((name + suffix).encode())
    return np.random.Generator(np.random.PCG64(seed)).standard_normal(shape).astype(np.float32)


class Variant:
    """One published variant: its settings, weights, inputs and the numbers that came out."""

    def __init__(self, name: str) -> None:
        if not PARITY.is_dir():
            pytest.skip("the published system's numbers (../shared/parity) are not here")
        self.facts: dict[str, Any] = json.loads((PARITY / f"{name}.json").read_text())
        self.arrays = np.load(PARITY / f"{name}.npz")
        self.suffix = self.facts["seed_suffix"]

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
