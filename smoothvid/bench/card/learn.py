"""The stage that trains a model to the last minute, then looks at it and measures it."""

import math
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Timer
from typing import Any

from smoothvid.bench.card.equal import usable
from smoothvid.bench.card.jobs import Job
from smoothvid.bench.card.settings import CardSettings
from smoothvid.data.dataset import open_dataset
from smoothvid.data.prepare import PrepareSettings, prepare
from smoothvid.data.prepare_settings import available_cores
from smoothvid.evaluation.run import EvalSettings, evaluate
from smoothvid.plain_text import write_json
from smoothvid.run_config import PhaseName, RunConfig, resolve
from smoothvid.sampling.model import MODEL_FILE, load_model
from smoothvid.training.checkpoint import checkpoint_folders
from smoothvid.training.loop import Training
from smoothvid.training.preview import write_previews
from smoothvid.training.run import RunRequest, prepare_run

_IMAGES = 0.25  # share of the time for the image model, where none is given
_MEASURING = 0.15  # share of the time, and at most these seconds, for looking at the result
_LONGEST_MEASURING = 60.0
FAR = 100_000.0


def learn(settings: CardSettings, until: float) -> Iterator[Job]:
    """Images, videos, figures; each goes on from its last checkpoint, and ends in time for the next."""
    began, folder = time.time(), settings.out / "learn"
    config = resolve(settings.preset or ("tiny" if settings.dry_run else "smooth-64"))
    data = settings.dataset or folder / "data"
    measuring = min(_MEASURING * (until - began), _LONGEST_MEASURING)
    left = until - measuring - began
    init = settings.init or str(folder / "pretrain")

    def images() -> dict[str, Any]:
        if settings.dataset is None and not data.exists():
            _draw(data, config, settings.dry_run)
        if settings.init is not None:
            return {"started from": settings.init}
        return _train(settings, config, "pretrain", data, folder / "pretrain", None, began + _IMAGES * left)

    yield Job("Learning", "images", images)
    yield Job(
        "Learning",
        "videos",
        lambda: _train(settings, config, "train", data, folder / "train", init, until - measuring),
    )
    yield Job("Learning", "figures", lambda: _look(settings, data, folder))


def _draw(data: Path, config: RunConfig, small: bool) -> None:
    side, videos = config.model.resolution, 8 if small else 256
    drawn = PrepareSettings(resolution=side, num_videos=videos, num_frames=160, quality=98, workers=available_cores())
    prepare(["synthetic:drive"], data, drawn, force=True)


def _train(
    settings: CardSettings, config: RunConfig, phase: PhaseName, data: Path, out: Path, init: str | None, until: float
) -> dict[str, Any]:
    """Train up to a moment of time; the run ends as by Ctrl-C, with a checkpoint."""
    ours = replace(config.phase(phase), kimg=1e6, measure_clips=0, keep_checkpoints=1)
    if settings.dry_run:
        ours = replace(ours, kimg=2 * ours.batch * ours.num_frames / 1000, snapshot_ticks=1)
    elif settings.on_card:
        ours = replace(ours, precision="bf16")
    request = RunRequest(
        dataset=data,
        out=out,
        phase=phase,
        config=replace(config, pretrain=ours) if phase == "pretrain" else replace(config, train=ours),
        device=settings.torch_device,
        workers=min(8, available_cores() - 1),
        init=init,
        resume=True,
    )
    training, _ = prepare_run(request)
    began, seen = time.time(), training.seen_frames
    with usable(settings.out, ours.precision, settings.on_card):
        _until(until, training.run)
    taken = time.time() - began
    frames = training.seen_frames - seen
    return {
        "thousand frames": training.seen_frames / 1000,
        "seconds": taken,
        "frames a second": frames / taken,
        "million weights, generator": sum(p.numel() for p in training.generator.parameters()) / 1e6,
        **_losses(training),
    }


def _losses(training: Training) -> dict[str, float]:
    return {name: value for name, value in training.tick.close().items() if math.isfinite(value)}


def _until(moment: float, work: Callable[[], None]) -> None:
    """Do work that ends well on Ctrl-C, and have that pressed at this moment."""
    timer = Timer(max(0.1, moment - time.time()), os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        work()
    except KeyboardInterrupt:
        if time.time() < moment:
            raise
    finally:
        timer.cancel()


def _look(settings: CardSettings, data: Path, folder: Path) -> dict[str, Any]:
    """Measure the model near its start and far from it; write videos, and the model's file alone."""
    few, dataset = settings.dry_run, open_dataset(data)
    model = load_model(folder / "train", settings.torch_device)
    count, frames = (4, 24) if few else (9, 128)
    for start in (0.0, FAR):
        write_previews(model.sample(range(count), frames, start), folder, f"new-{start:.0f}", model.fps)
    asked = EvalSettings(num_videos=4 if few else 64, long_videos=1 if few else 8, start=FAR, allow_few=True)
    found = evaluate({"learned": model}, dataset, asked, str(settings.torch_device))
    (folder / "eval.json").write_text(write_json(found.result, indent=1) + "\n")
    newest = checkpoint_folders(folder / "train")[-1]
    (folder / MODEL_FILE).write_bytes((newest / MODEL_FILE).read_bytes())
    metrics = found.result["columns"][0]["metrics"]
    return {name: value for name, value in metrics.items() if isinstance(value, float)}
