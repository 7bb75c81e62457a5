"""By hand: what does `eval` cost beside the feature network, and does its memory grow with the number of clips?

    python tests/evaluation/plumbing.py --clips 256,2048           # next to no network: memory, and the rest's time
    python tests/evaluation/plumbing.py --clips 4 --network s3d    # about a third of I3D's arithmetic: share of time

Compares drawn roads, 128 frames of 64 × 64 as JPEG, with themselves by `fvd2048_128f`, through a stand-in of I3D's
signature, then gives the network the same number of clips that lie in memory.
"""

import argparse
import resource
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from smoothvid.data.dataset import VideoDataset, open_dataset
from smoothvid.data.prepare import PrepareSettings, prepare
from smoothvid.evaluation.clips import DatasetClips
from smoothvid.evaluation.pretrained import I3DLogits
from smoothvid.evaluation.published import Sizes, measure_published
from smoothvid.evaluation.weights import WeightsFile

FRAMES, SIDE, VIDEOS = 128, 64, 16


class Standin(nn.Module):
    """Takes what I3D takes and gives what it gives."""

    def __init__(self, network: nn.Module, resizes: bool) -> None:
        super().__init__()
        self.network, self.resizes = network, resizes

    def forward(self, x: Tensor, rescale: bool = False, resize: bool = False, return_features: bool = False) -> Tensor:
        if rescale:
            x = x / 127.5 - 1
        if resize and self.resizes:
            frames = F.interpolate(x.transpose(1, 2).flatten(0, 1), size=(224, 224), mode="bilinear")
            x = frames.unflatten(0, (x.shape[0], x.shape[2])).transpose(1, 2)
        return self.network(x)


def light() -> nn.Module:
    return nn.Sequential(nn.AvgPool3d(16), nn.Flatten(), nn.Linear(3 * 8 * 4 * 4, 400))


def s3d() -> nn.Module:
    from torchvision.models.video import s3d as network

    return network(num_classes=400)


def repeated(dataset: VideoDataset, count: int) -> VideoDataset:
    """The same videos over and over, as a dataset of `count` videos."""
    dataset.videos = [replace(dataset.videos[n % VIDEOS], name=dataset.videos[n % VIDEOS].name) for n in range(count)]
    return dataset


def write_network(path: Path, network: nn.Module, resizes: bool) -> WeightsFile:
    import hashlib

    torch.manual_seed(0)
    torch.jit.script(Standin(network, resizes).eval()).save(str(path))
    content = path.read_bytes()
    return WeightsFile(path.name, len(content), hashlib.sha256(content).hexdigest(), ())


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", default="256,2048")
    parser.add_argument("--network", choices=["light", "s3d"], default="light")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        settings = PrepareSettings(resolution=SIDE, num_videos=VIDEOS, num_frames=FRAMES, workers=1)
        prepare(["synthetic:drive"], root / "data", settings)
        file = write_network(
            root / "network.pt", {"light": light, "s3d": s3d}[options.network](), options.network == "s3d"
        )
        network: Any = I3DLogits(root / "network.pt", "cpu", file)
        for count in map(int, options.clips.split(",")):
            dataset = repeated(open_dataset(root / "data"), count)
            clip = dataset.read(0, range(FRAMES))[None]
            sizes, source = Sizes(clips=count, fewest=2), DatasetClips(dataset, seed=1)
            networks = {"i3d": network}
            if options.network != "light":  # the first calls compile, for each number of clips at once
                measure_published(["fvd2048_128f"], dataset, source, networks, sizes=sizes, cache=root / "first")
            network(clip)
            before, begin = time.process_time(), time.perf_counter()
            for _ in range(2 * count):
                network(clip)
            alone, alone_clock = time.process_time() - before, time.perf_counter() - begin
            before, begin = time.process_time(), time.perf_counter()
            measure_published(["fvd2048_128f"], dataset, source, networks, sizes=sizes, cache=root / str(count))
            whole, whole_clock = time.process_time() - before, time.perf_counter() - begin
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(
                f"{count} clips a side: network alone {1e3 * alone / 2 / count:.1f} ms of processor time a clip, whole "
                f"{1e3 * whole / 2 / count:.1f} ({100 * (whole / alone - 1):+.1f} %), by the clock "
                f"{100 * (whole_clock / alone_clock - 1):+.1f} %, peak memory {peak:.0f} MiB",
                flush=True,
            )
            assert np.isfinite(whole)


if __name__ == "__main__":
    main()
