"""The stages of the demo: videos → dataset → image model → video model → new videos → figures → one page.

A finished stage is noted in demo.json and not repeated, and a training goes on from its last checkpoint, so that the
same call carries on after an interruption.
"""

import os
import shlex
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from smoothvid.data.dataset import open_dataset
from smoothvid.data.prepare import PrepareSettings, prepare
from smoothvid.errors import ConfigError, DataError
from smoothvid.evaluation.report import write_report
from smoothvid.evaluation.run import EvalSettings, evaluate
from smoothvid.plain_text import read_json, write_json
from smoothvid.run_config import PhaseName, RunConfig, resolve
from smoothvid.sampling.model import load_model
from smoothvid.sampling.shipped import SHIPPED_IMAGES
from smoothvid.sampling.stream import parse_length
from smoothvid.training.demo.page import write_page
from smoothvid.training.demo.videos import FAR, GRID, write_videos
from smoothvid.training.journal import read_log
from smoothvid.training.progress import Bars, counted, no_bars, run_shown
from smoothvid.training.run import RunRequest, prepare_run

PRESET = "tiny"
FORMAT: Literal["png"] = "png"  # at 32 × 32, JPEG's noise would be a quarter of all motion
# Enough for the world that the shipped model knows already; with a third of it pictures stay poor now and then.
SHORT_PRETRAINING = ("pretrain.kimg=2.8", "pretrain.tick_kimg=0.2")
WORLD = "synthetic:drive"
WORLD_FRAMES = 96
EVAL_VIDEOS = 128
LONG_VIDEOS = 8  # whose smoothness is measured
STATE_FILE = "demo.json"


@dataclass(frozen=True, kw_only=True)
class DemoRequest:
    """What the `demo` command asks for."""

    out: Path
    clips: Path | None = None
    """A video or a folder of videos; None draws synthetic ones."""
    num_videos: int = 64
    """How many synthetic videos."""
    sets: tuple[str, ...] = ()
    """Settings over the preset, as `section.key=value`."""
    length: str = "10s"
    """Of the videos that are made; one is twice as long."""
    seed: int = 0
    device: torch.device = torch.device("cpu")
    force: bool = False
    """Start over."""

    def facts(self) -> dict[str, Any]:
        """All that decides the result, as plain data."""
        clips = None if self.clips is None else str(self.clips)
        return {
            "clips": clips,
            "num_videos": self.num_videos,
            "sets": list(self.sets),
            "length": self.length,
            "seed": self.seed,
        }


def run_demo(
    request: DemoRequest, bars: Bars = no_bars, say: Callable[[str], None] = lambda text: None
) -> dict[str, Any]:
    """Run the stages that are not done yet and write the page.

    Returns:
        page: its path; seconds: what each stage took; metrics: of the evaluation, None where there were too few clips.

    Raises:
        ConfigError: the folder holds a demo made with other settings.
        KeyboardInterrupt: stopped by Ctrl-C; the same call goes on.
    """
    out, config = request.out, resolve(PRESET, sets=_settings(request))
    if parse_length(request.length, 1000.0) is None:  # told now, not after the training
        raise ConfigError("--length inf: the demo needs an end; write a number of frames (128) or seconds (10s)")
    stages = Stages(request, say)
    stages.run("prepare", lambda: _prepare(request, config, bars))
    for phase in ("pretrain", "train"):
        stages.run(phase, lambda phase=phase: _train(request, config, phase, bars))  # type: ignore[misc]
    stages.run("sample", lambda: write_videos(out, request.length, request.seed, request.device, bars))
    stages.run("eval", lambda: _evaluate(request, bars))
    page = write_page(out, stages.seconds, commands(request, config), str(request.device))
    result = read_json((out / "eval.json").read_text())
    metrics = result["columns"][0]["metrics"] if "columns" in result else None
    return {"page": str(page), "seconds": stages.seconds, "metrics": metrics}


def commands(request: DemoRequest, config: RunConfig) -> list[str]:
    """The commands that do the same by hand."""
    out, source = request.out, WORLD if request.clips is None else str(request.clips)
    seed = ["--seed", str(request.seed)] if request.seed else []
    sets = [word for text in _settings(request) for word in ("--set", text)]
    drawn = ["--videos", str(request.num_videos), "--frames", str(WORLD_FRAMES)] if request.clips is None else []
    data, images, video = f"{out}/data", f"{out}/pretrain", f"{out}/train"
    side = str(config.model.resolution)
    grid = ["--grid", f"{GRID}x{GRID}", "--length", request.length]
    few = ["--num-videos", str(EVAL_VIDEOS), "--long-videos", str(LONG_VIDEOS), "--allow-few"]
    lines = [
        ["prepare", source, "--out", data, "--resolution", side, "--format", FORMAT, *drawn, *seed],
        ["pretrain", data, "--out", images, "--init", SHIPPED_IMAGES, "--preset", PRESET, *sets, *seed],
        ["train", data, "--out", video, "--init", images, "--preset", PRESET, *sets, *seed],
        ["sample", video, *grid, *seed, "--out", "new.mp4"],
        *(["sample", video, *grid, "--start", str(start), *seed, "--out", f"new-{start}.mp4"] for start in FAR),
        ["sample", video, "--length", "inf", *seed, "--out", "endless.mp4"],
        ["eval", video, data, *few, *seed, "--start", str(FAR[-1]), "--out", "eval.html"],
    ]
    return [shlex.join(["smoothvid", *line]) for line in lines]


def _settings(request: DemoRequest) -> tuple[str, ...]:
    """Settings over the preset; the user's come last and win."""
    return request.sets if request.clips is not None else (*SHORT_PRETRAINING, *request.sets)


class Stages:
    """Which stages are done and how long each took, kept in demo.json."""

    def __init__(self, request: DemoRequest, say: Callable[[str], None]) -> None:
        self._path, self._say = request.out / STATE_FILE, say
        self._facts, self._done, self.seconds = request.facts(), list[str](), dict[str, float]()
        if self._path.exists() and not request.force:
            content = read_json(self._path.read_text())
            if content["request"] != self._facts:
                raise ConfigError(
                    f"{request.out} holds a demo made with other settings; give the same, or another --out, or "
                    "--force to start over"
                )
            self._done, self.seconds = content["done"], content["seconds"]
        elif self._path.exists():
            for name in ("data", "pretrain", "train", "videos"):
                shutil.rmtree(request.out / name, ignore_errors=True)
        elif request.out.exists() and any(request.out.iterdir()):
            raise ConfigError(f"{request.out} exists and holds no demo; it is left alone. Give another --out.")
        request.out.mkdir(parents=True, exist_ok=True)
        self._save()

    def run(self, name: str, work: Callable[[], None]) -> None:
        """Do the work unless it is done already."""
        if name in self._done:
            return self._say(f"{name}: done before")
        began = time.perf_counter()
        try:
            work()
            self._done.append(name)
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + time.perf_counter() - began, 1)
            self._save()

    def _save(self) -> None:
        partial = self._path.with_suffix(".tmp")
        partial.write_text(write_json({"request": self._facts, "done": self._done, "seconds": self.seconds}, indent=1))
        os.replace(partial, self._path)


def _prepare(request: DemoRequest, config: RunConfig, bars: Bars) -> None:
    settings = PrepareSettings(
        resolution=config.model.resolution,
        format=FORMAT,
        num_videos=request.num_videos,
        num_frames=WORLD_FRAMES,
        seed=request.seed,
    )
    source = WORLD if request.clips is None else request.clips
    with counted(bars, "prepare", "files") as on_progress:
        prepare([source], request.out / "data", settings, on_progress, force=True)


def _train(request: DemoRequest, config: RunConfig, phase: PhaseName, bars: Bars) -> None:
    run = request.out / phase
    training, _ = prepare_run(
        RunRequest(
            dataset=request.out / "data",
            out=run,
            phase=phase,
            config=config,
            seed=request.seed,
            device=request.device,
            init=SHIPPED_IMAGES if phase == "pretrain" else request.out / "pretrain",
            resume=True,
        )
    )
    run_shown(training, bars)


def _evaluate(request: DemoRequest, bars: Bars) -> None:
    """Measure near the start and far from it; too few clips are no reason to lose the page."""
    model, dataset = load_model(request.out / "train", request.device), open_dataset(request.out / "data")
    settings = EvalSettings(
        num_videos=EVAL_VIDEOS, long_videos=LONG_VIDEOS, seed=request.seed, start=float(FAR[-1]), allow_few=True
    )
    try:
        with counted(bars, "eval", "clips") as on_progress:
            found = evaluate({"train": model}, dataset, settings, str(request.device), on_progress, show=True)
    except DataError as error:
        result = {"error": str(error)}
    else:
        result = found.result
        log = read_log(request.out / "train" / "log.jsonl")
        shown = [found.shown[0], *(replace(column, log=log) for column in found.shown[1:])]
        write_report(request.out / "eval.html", result, shown)
    (request.out / "eval.json").write_text(write_json(result, indent=1) + "\n")
