"""Twenty steps of a tiny training, R1 and ADA included, with the batch cut in parts; run under torchrun or alone.

python steps_in_parts.py DATASET CONFIG.json RESULT.pt float32|float64 [VIDEOS_AT_ONCE]
"""

import json
import sys
from pathlib import Path
from typing import Any

import torch

from smoothvid import processes
from smoothvid.batch import Batch
from smoothvid.data.dataset import VideoDataset, open_dataset
from smoothvid.run_config import run_config_from_dict
from smoothvid.training import loop
from smoothvid.training.loop import Training

STEPS = 20


def in_double_precision() -> None:
    """From here on everything that is made or turned into a floating-point number is float64."""
    torch.set_default_dtype(torch.float64)
    torch.Tensor.float = torch.Tensor.double  # type: ignore[method-assign]
    to_batch, label = loop.to_batch, VideoDataset.label

    def in_double(*arguments: Any) -> Batch:
        batch = to_batch(*arguments)
        return Batch(batch.frames.double(), batch.times, batch.labels, batch.cpu_times)

    loop.to_batch = in_double
    VideoDataset.label = lambda self, video: label(self, video).astype("float64")  # type: ignore[method-assign, assignment]


def main(dataset: str, config: str, result: str, precision: str, batch_gpu: str = "") -> None:
    torch.set_num_threads(1)
    if precision == "float64":
        in_double_precision()
    settings = run_config_from_dict(json.loads(Path(config).read_text()))
    at_once = int(batch_gpu) if batch_gpu else None
    with processes.joined():
        training = Training(Path("unused"), open_dataset(dataset), settings, "train", batch_gpu=at_once)
        if precision == "float64":
            for network in (training.generator, training.discriminator, training.average):
                network.double()
        for number in range(STEPS):
            assert training.step(training.reader[number]) == []
        if processes.rank() == 0:
            networks = {
                name: dict(getattr(training, name).state_dict()) for name in ("generator", "discriminator", "average")
            }
            torch.save({**networks, "p": training.ada.p, "numbers": training.close_tick()}, result)


if __name__ == "__main__":
    main(*sys.argv[1:])
