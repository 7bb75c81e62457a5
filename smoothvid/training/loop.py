"""Training: read a batch, run the phases, average the weights, write down how it goes."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from smoothvid.batch import to_batch
from smoothvid.data.dataset import VideoDataset
from smoothvid.data.frame_times import draw_clip
from smoothvid.data.loader import BatchReader, ClipSettings, batches
from smoothvid.errors import ConfigError
from smoothvid.models import get_family
from smoothvid.nn.augment import AdaController, augment
from smoothvid.run_config import PhaseName, RunConfig
from smoothvid.sampling.model import ModelFacts, VideoModel
from smoothvid.settings import to_dict
from smoothvid.training.checkpoint import save_checkpoint
from smoothvid.training.ema import ema_decay, update_ema
from smoothvid.training.journal import RunLog, Tick, interrupt_flag
from smoothvid.training.optim import build_optimizers
from smoothvid.training.preview import write_previews
from smoothvid.training.randomness import generator_for
from smoothvid.training.step import TrainingStep, optimize

PREVIEW_VIDEOS = 9
PREVIEW_FRAMES = 48


@dataclass
class Progress:
    """Where a training stands: real frames and videos shown, of how many frames, and what the last tick measured."""

    seen_frames: int
    total_frames: int
    seen_clips: int
    numbers: dict[str, float]


class Training:
    """One run: networks, optimizers, counters. `run` goes on until the length that the settings ask for."""

    def __init__(
        self,
        run: Path,
        dataset: VideoDataset,
        config: RunConfig,
        phase: PhaseName,
        seed: int = 0,
        device: torch.device | None = None,
        workers: int = 0,
    ) -> None:
        self.run_folder, self.dataset, self.config, self.phase_name = run, dataset, config, phase
        self.settings, self.seed, self.workers = config.phase(phase), seed, workers
        self.device = device or torch.device("cpu")
        self.family = get_family(config.family)
        theirs, ours = dataset.resolution, config.model.resolution
        if theirs != ours:
            raise ConfigError(
                f"{dataset.path} has {theirs}×{theirs} frames, the model makes {ours}×{ours}; "
                f"prepare with --resolution {ours} or pass --set model.resolution={theirs}"
            )
        torch.manual_seed(seed)
        c_dim = dataset.label_dim
        self.generator = self.family.build_generator(config.model, c_dim, phase == "pretrain").to(self.device)
        self.discriminator = self.family.build_discriminator(config.model, self.settings.num_frames, c_dim).to(
            self.device
        )
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        self.optimizers = build_optimizers(self.generator, self.discriminator, self.settings)
        self.ada = AdaController(self.settings.augment_target, self.settings.augment_kimg)
        s = self.settings
        self.reader = BatchReader(dataset, ClipSettings(s.batch, s.num_frames, s.spans, s.chunk, s.mirror, seed))
        self.step_number = 0
        self._augment_draws = 0

    @property
    def seen_clips(self) -> int:
        return self.step_number * self.settings.batch

    @property
    def total_steps(self) -> int:
        return max(1, round(self.settings.kimg * 1000 / (self.settings.batch * self.settings.num_frames)))

    def state(self) -> dict[str, Any]:
        """All it takes to go on beside the averaged generator, which has its own file, as plain tensors and numbers."""
        return {
            "phase": self.phase_name,
            "seed": self.seed,
            "step": self.step_number,
            "seen_clips": self.seen_clips,
            "data": self.dataset.fingerprint(),
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "ada": self.ada.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state that `load_state` read."""
        for name in ("phase", "seed"):
            if state[name] != getattr(self, "phase_name" if name == "phase" else name):
                raise ConfigError(f"this run was made with {name} {state[name]}; continue it with the same")
        if state["data"] != self.dataset.fingerprint():
            raise ConfigError(
                f"{self.dataset.path} is not the dataset that this run was trained on; use --init instead"
            )
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        self.average.load_state_dict(state["average"])
        for name, optimizer in self.optimizers.items():
            optimizer.load_state_dict(state["optimizers"][name])
        self.ada.load_state_dict(state["ada"])
        self.step_number = state["step"]

    def run(self, on_progress: Callable[[Progress], None] | None = None) -> None:
        """Train to the end of the settings' length.

        Writes log.jsonl, previews and checkpoints. On an interrupt (Ctrl-C, SIGTERM) the step at hand is finished and
        a checkpoint written before KeyboardInterrupt goes on upwards.
        """
        log = RunLog(self.run_folder / "log.jsonl", self.step_number)
        frames_a_step = self.settings.batch * self.settings.num_frames
        steps_a_tick = max(1, round(self.settings.tick_kimg * 1000 / frames_a_step))
        tick = Tick()
        stream = batches(self.reader, self.step_number, self.workers)
        with interrupt_flag() as interrupted:
            while self.step_number < self.total_steps and not interrupted.is_set():
                tick.add(self.step(*next(stream)))
                last = self.step_number == self.total_steps
                if self.step_number % steps_a_tick == 0 or last:
                    numbers = tick.close(self.settings.batch)
                    numbers["augment_p"] = self.ada.p
                    log.write({"step": self.step_number, "seen_clips": self.seen_clips, **numbers})
                if self.step_number % (steps_a_tick * self.settings.snapshot_ticks) == 0 or last:
                    self.snapshot()
                if on_progress is not None:
                    total = self.total_steps * frames_a_step
                    on_progress(Progress(self.step_number * frames_a_step, total, self.seen_clips, tick.last))
            if interrupted.is_set():
                self.snapshot()
                raise KeyboardInterrupt

    def step(self, frames: Tensor, times: Tensor, labels: Tensor) -> dict[str, Tensor]:
        """One training step on a batch as the loader gives it; returns losses and other numbers by name."""
        s = self.settings
        real = to_batch(frames, times, labels, self.device)
        step = TrainingStep(
            self.generator, self.discriminator, real, self.augment, self.draw_times, s, (self.seed, self.step_number)
        )
        self._augment_draws = 0
        for phase in self.family.phases(s.r1_interval):
            if self.step_number % phase.interval == 0:
                step.report[f"loss_{phase.name}"] = optimize(phase, step, self.optimizers[phase.network])
        self.step_number += 1
        decay = ema_decay(
            s.batch, s.batch * 10 / 32 if s.ema_kimg is None else s.ema_kimg, s.ema_rampup, self.seen_clips
        )
        update_ema(self.average, self.generator, decay)
        if s.augment == "ada":
            self.ada.update(step.report["real_sign"], s.batch)
        return step.report

    def augment(self, videos: Tensor) -> Tensor:
        """Augment videos [B, T, C, H, W] with the present strength."""
        if self.settings.augment == "none" or self.ada.p == 0:
            return videos
        self._augment_draws += 1
        random = generator_for(self.seed, self.step_number, "augment", self._augment_draws)
        return augment(videos, self.ada.p, random, self.settings.augment_share_video)

    def draw_times(self, purpose: str) -> Tensor:
        """Times [B, T] as the data's are distributed."""
        s = self.settings
        key = int(generator_for(self.seed, self.step_number, "times", purpose).initial_seed())
        rng = np.random.Generator(np.random.Philox(key=key))
        lengths = [
            self.dataset.videos[i].num_frames for i in rng.choice(self.reader.usable, s.batch, p=self.reader.weights)
        ]
        return torch.from_numpy(np.stack([draw_clip(rng, n, s.num_frames, s.spans, s.chunk)[1] for n in lengths]))

    def snapshot(self) -> None:
        """Write a checkpoint and the previews that go with it."""
        facts = ModelFacts(
            family=self.config.family,
            config=to_dict(self.config.model),
            resolution=self.dataset.resolution,
            fps=self.dataset.fps,
            seen_clips=self.seen_clips,
            label_names=tuple(self.dataset.label_names),
        )
        save_checkpoint(self.run_folder, self.average, facts, self.state(), self.settings.keep_checkpoints)
        model = VideoModel(copy.deepcopy(self.average), self.config.model, facts, self.device)
        frames = 1 if self.phase_name == "pretrain" else PREVIEW_FRAMES
        videos = model.sample(range(PREVIEW_VIDEOS), frames)
        write_previews(videos, self.run_folder / "previews", f"{self.seen_clips:09d}", self.dataset.fps)
