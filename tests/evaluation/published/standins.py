"""Small networks with the signatures of the published ones, data for them, and one process of several that measure."""

import hashlib
import json
import sys
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from smoothvid import processes
from smoothvid.data.dataset import open_dataset
from smoothvid.evaluation.clips import Clips
from smoothvid.evaluation.pretrained import I3DLogits, Inception
from smoothvid.evaluation.protocols import PROTOCOLS, Sizes
from smoothvid.evaluation.published import PublishedResult, measure_published
from smoothvid.evaluation.weights import I3D, INCEPTION, WeightsFile

LENGTHS = (130, 40, 12, 129, 135, 16, 150, 128, 20, 127, 140, 131)  # of the real videos
SIZES = Sizes(frames=50, frame_span=3, clips=7, fewest=4, subsets=3, subset_size=20)
RESOLUTION = 12
SEEN = 4  # features that are not zero


class Layers(nn.Module):
    """Normalised images [N, 3, S, S] -> features [N, 2048], of which a few are not zero."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(SEEN, 27, generator=torch.Generator().manual_seed(0)))

    def forward(self, x: Tensor) -> Tensor:
        seen = torch.tanh(F.linear(F.adaptive_avg_pool2d(x, 3).flatten(1), self.weight))
        return F.pad(seen, [0, 2048 - seen.shape[1]])


class InceptionStandIn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = Layers()

    def forward(self, x: Tensor, return_features: bool = False) -> Tensor:
        x = (F.interpolate(x, size=[24, 24], mode="bilinear", align_corners=False) - 128) / 128
        features = self.layers(x)
        return features if return_features else torch.softmax(features, dim=1)


class I3DStandIn(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(SEEN, 36, generator=torch.Generator().manual_seed(1)))

    def forward(self, x: Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False) -> Tensor:
        if rescale:
            x = x / 127.5 - 1
        if resize:
            x = F.interpolate(x, size=[x.shape[2], 9, 9], mode="trilinear", align_corners=False)
        seen = 5 * torch.tanh(F.linear(F.adaptive_avg_pool3d(x, [3, 2, 2]).flatten(1), self.weight))
        logits = F.pad(seen, [0, 400 - seen.shape[1]])
        return logits if return_features else torch.softmax(logits, dim=1)


def write_networks(folder: Path) -> None:
    """Write both as TorchScript, under the names of the real files."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch calls TorchScript deprecated
        torch.jit.script(InceptionStandIn()).save(str(folder / INCEPTION.name))
        torch.jit.script(I3DStandIn()).save(str(folder / I3D.name))


def described(path: Path, *urls: str) -> WeightsFile:
    """What the tables of smoothvid would say of this file."""
    content = path.read_bytes()
    return WeightsFile(path.name, len(content), hashlib.sha256(content).hexdigest(), urls)


def load_standins(folder: Path) -> dict[str, Any]:
    inception, i3d = folder / INCEPTION.name, folder / I3D.name
    return {
        "inception": Inception(inception, "cpu", file=described(inception)),
        "i3d": I3DLogits(i3d, "cpu", file=described(i3d)),
    }


def write_videos(folder: Path, lengths: Sequence[int] = LENGTHS) -> None:
    """Frame folders: each video has colours of its own that drift and flicker."""
    for video, length in enumerate(lengths):
        rng = np.random.default_rng(100 + video)
        base, place = rng.uniform(40, 200, (RESOLUTION, RESOLUTION, 3)), folder / f"{video:03d}"
        place.mkdir(parents=True)
        for frame in range(length):
            picture = base + 30 * np.sin(frame / 5 + video) + rng.normal(0, 10, 3)
            Image.fromarray(picture.clip(0, 255).astype(np.uint8)).save(place / f"{frame:04d}.png")


class Generated:
    """Endless clips, each frame a function of its number and the clip's."""

    def __init__(self, count: int | None = None, resolution: int = RESOLUTION) -> None:
        self.count, self.resolution = count, resolution

    def spanning(self, num_frames: int) -> Clips:
        return Clips(self.count, self.read, self.resolution)

    def facts(self) -> dict[str, Any]:
        return {}

    def read(self, numbers: Sequence[int], frames: np.ndarray) -> np.ndarray:
        return np.stack([np.stack([self.frame(number, int(frame)) for frame in frames]) for number in numbers])

    def frame(self, number: int, frame: int) -> np.ndarray:
        """uint8 [3, R, R]."""
        base = np.random.default_rng(number).uniform(20, 230, (3, self.resolution, self.resolution))
        return (base + 20 * np.cos(frame / 4 + number)).clip(0, 255).astype(np.uint8)


def measure(data: Path, networks: Mapping[str, Any], cache: Path, **options: Any) -> dict[str, PublishedResult]:
    """All six metrics in the sizes of the tests."""
    dataset, source = open_dataset(data), options.pop("source", Generated())
    options = {"sizes": SIZES, "seed": 5, **options}
    return measure_published(options.pop("names", list(PROTOCOLS)), dataset, source, networks, cache=cache, **options)


if __name__ == "__main__":
    data, files, cache, out = (Path(argument) for argument in sys.argv[1:])
    with processes.joined():
        networks = load_standins(files)
        found = measure(data, networks, cache)
        again = measure(data, networks, cache, names=["kvd2048_16f"])  # now from the cache, where one process looks
    assert again["kvd2048_16f"].value == found["kvd2048_16f"].value
    out.with_suffix(f".{processes.rank()}").write_text(json.dumps({name: found[name].value for name in found}))
