"""Training: read a batch, run the phases, average the weights.

With several processes each works on its parts of every batch. All hold the same weights and counters and decide
everything together.
"""

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from smoothvid import processes
from smoothvid.batch import to_batch
from smoothvid.data.dataset import VideoDataset
from smoothvid.data.frame_times import FrameDraw
from smoothvid.data.loader import BatchReader, ClipSettings, Part, batches
from smoothvid.errors import CheckpointError, ConfigError, DataError, TrainingError
from smoothvid.models import get_family
from smoothvid.nn.augment import AdaController
from smoothvid.nn.layout import lay_channels_last
from smoothvid.nn.precision import tf32
from smoothvid.nn.running_means import forget_means, settle_means
from smoothvid.run_config import PhaseName, RunConfig
from smoothvid.training.batch_parts import BatchGpu, check_size, largest_that_fits, part_sizes
from smoothvid.training.ema import ema_decay, update_ema
from smoothvid.training.journal import Tick, stop_by, stop_flag
from smoothvid.training.optim import build_optimizers
from smoothvid.training.pace import pace_of
from smoothvid.training.randomness import generator_for
from smoothvid.training.record import Recorder
from smoothvid.training.step import Draws, StepPart, fetch, find_gradients, mean_report, optimize

MOST_SKIPPED = 50  # steps in a row
CALIBRATION_VIDEOS = 64
_APPLIED = "applied_"


@dataclass
class Progress:
    """Where a training stands: real frames and videos shown, of how many frames, and what the last tick measured."""

    seen_frames: int
    total_frames: int
    seen_clips: int
    numbers: dict[str, float]


class Training:
    """One run: networks, optimizers, counters. `run` goes on until the length that the settings ask for.

    Args:
        batch_gpu: videos that pass through the networks at once in one process: "auto" for as many as the card holds,
            None for its whole share. Smaller parts give the same result, in less memory and more time.
        tensorboard: write TensorBoard events, too.
        channels_last: keep the weights of convolutions, and with them what passes through, with a pixel's channels side
            by side, as cuDNN's fast kernels and the filters want them. None: on a CUDA card.
        fused: let Adam take its steps in a few launches. None: on a CUDA card.
        tf32: let a card convolve float32 in TF32, as PyTorch does by itself; the penalty on gradients, too.
    """

    def __init__(
        self,
        run: Path,
        dataset: VideoDataset,
        config: RunConfig,
        phase: PhaseName,
        seed: int = 0,
        device: torch.device | None = None,
        workers: int = 0,
        batch_gpu: BatchGpu = None,
        tensorboard: bool = False,
        *,
        channels_last: bool | None = None,
        fused: bool | None = None,
        tf32: bool = True,
    ) -> None:
        self.run_folder, self.dataset, self.config, self.phase_name = run, dataset, config, phase
        self.settings, self.seed, self.workers = config.phase(phase), seed, workers
        self.device, self.tensorboard = device or torch.device("cpu"), tensorboard
        self.family = get_family(config.family)
        self.phases = self.family.phases(self.settings.r1_interval)
        theirs, ours = dataset.resolution, config.model.resolution
        if theirs != ours:
            raise ConfigError(
                f"{dataset.path} has {theirs}×{theirs} frames, the model makes {ours}×{ours}; "
                f"prepare with --resolution {ours} or pass --set model.resolution={theirs}"
            )
        self.sizes = part_sizes(self.settings.batch, lambda count: self.family.compared(config.model, count))
        self.batch_gpu = check_size(self.sizes, batch_gpu) if isinstance(batch_gpu, int) else batch_gpu
        self.reader = self._reader(self.batch_gpu if isinstance(self.batch_gpu, int) else self.sizes[0])
        torch.manual_seed(seed)
        c_dim = dataset.label_dim
        self.generator = self.family.build_generator(config.model, c_dim, phase == "pretrain").to(self.device)
        self.discriminator = self.family.build_discriminator(config.model, self.settings.num_frames, c_dim).to(
            self.device
        )
        self.tf32, on_card = tf32, self.device.type == "cuda"
        if on_card if channels_last is None else channels_last:
            lay_channels_last(self.generator, self.discriminator)
        self.average = copy.deepcopy(self.generator).requires_grad_(False)
        parts: list[Any] = [module for module in self.generator.modules() if hasattr(module, "checkpointing")]
        for part in parts:
            part.checkpointing = self.settings.checkpointing
        self.optimizers = build_optimizers(
            self.generator, self.discriminator, self.settings, self.phases, self.family.slow, fused
        )
        self.ada = AdaController(self.settings.augment_target, self.settings.augment_kimg)
        self.fingerprint = dataset.fingerprint()
        self.step_number = self.seen_clips = self.seen_frames = 0
        self.tick, self.skipped = Tick(), 0
        self._pending: dict[str, torch.Tensor] = {}

    @property
    def frames_a_step(self) -> int:
        return self.settings.batch * self.settings.num_frames

    @property
    def total_frames(self) -> int:
        """Real frames to be shown, in whole steps."""
        return max(1, round(self.settings.kimg * 1000 / self.frames_a_step)) * self.frames_a_step

    def calibrate(self) -> None:
        """Show real videos to the modules that measure the data before the first step, those with `calibrate`."""
        modules: list[Any] = [module for module in self.discriminator.modules() if hasattr(module, "calibrate")]
        if not modules:
            return
        reader, cpu = BatchReader(self.dataset, self.reader.settings), torch.device("cpu")  # whole in each process
        count = -(-CALIBRATION_VIDEOS // self.settings.batch)
        videos = torch.cat([to_batch(*reader[number][0], cpu).frames for number in range(count)])
        for module in modules:
            module.calibrate(videos)

    def state(self) -> dict[str, Any]:
        """All it takes to go on beside the averaged generator, which has its own file, as plain tensors and numbers."""
        return {
            "phase": self.phase_name,
            "seed": self.seed,
            "step": self.step_number,
            "seen_clips": self.seen_clips,
            "seen_frames": self.seen_frames,
            "data": self.fingerprint,
            "generator": self.generator.state_dict(),
            "discriminator": self.discriminator.state_dict(),
            "optimizers": {name: optimizer.state_dict() for name, optimizer in self.optimizers.items()},
            "ada": self.ada.state_dict(),
            "tick": dict(self.tick.sums),
            "skipped": self.skipped,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state that `load_state` read.

        Raises:
            CheckpointError: it is that of another training, or is missing something.
        """
        try:
            self._restore(state)
        except Exception as error:  # whatever odd contents may lead to
            reason = f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
            raise CheckpointError(f"{self.run_folder}: its training state does not fit the run ({reason})") from error

    def _restore(self, state: dict[str, Any]) -> None:
        self.generator.load_state_dict(state["generator"])
        self.discriminator.load_state_dict(state["discriminator"])
        self.average.load_state_dict(state["average"])
        for name, optimizer in self.optimizers.items():
            rates = [
                {key: value for key, value in group.items() if key != "params"} for group in optimizer.param_groups
            ]
            optimizer.load_state_dict(state["optimizers"][name])
            for parameter, noted in optimizer.state.items():
                if any(value.numel() > 1 and value.shape != parameter.shape for value in noted.values()):
                    raise ValueError("an optimizer's numbers have another shape than its weights")
                for key, value in noted.items():  # the run may have been on another device, in another layout
                    if key == "step":
                        noted[key] = value.to(parameter.device if optimizer.defaults["fused"] else "cpu")
                    else:
                        noted[key] = torch.empty_like(parameter).copy_(value)
            for group, ours in zip(optimizer.param_groups, rates, strict=True):
                group.update(ours)  # the settings' rates, should they have been changed
        self.ada.load_state_dict(state["ada"])
        counts = [state[name] for name in ("step", "seen_clips", "seen_frames", "skipped")]
        if not all(type(count) is int and 0 <= count < 2**48 for count in counts):
            raise ValueError("its counts are no whole numbers")
        self.step_number, self.seen_clips, self.seen_frames, self.skipped = counts
        self.tick = Tick({str(name): (float(total), int(count)) for name, (total, count) in state["tick"].items()})

    def run(self, on_progress: Callable[[Progress], None] | None = None) -> None:
        """Train to the end of the settings' length; writes log, previews, checkpoints and the report.

        On Ctrl-C or SIGTERM, and when data cannot be read, the step at hand is finished and a checkpoint written before
        KeyboardInterrupt, SystemExit (143) or DataError goes on upwards.

        Raises:
            DataError: frames cannot be read. CheckpointError: files cannot be written. TrainingError: gradients are not
                finite. PeerLostError: another process has ended.
        """
        if self.batch_gpu == "auto":
            self.reader = self._reader(largest_that_fits(self.sizes, self._rehearse, self.device))
        s, numbers, skipped_in_a_row = self.settings, dict[str, float](), 0
        steps_a_tick = max(1, round(s.tick_kimg * 1000 / self.frames_a_step))
        recorder = Recorder(self, self.tensorboard)
        stream = batches(self.reader, self.step_number, self.workers, pin=self.device.type == "cuda")
        with stop_flag() as flag:
            batch, trouble = _next(stream)
            while self.seen_frames < self.total_frames:
                signal, failed = processes.highest(flag.signal, int(trouble is not None))
                if failed:
                    raise DataError(f"{trouble or 'Another process cannot read its data.'} {recorder.save()}")
                if signal:
                    recorder.save()
                    stop_by(signal)
                self.launch(batch)
                last = self.seen_frames >= self.total_frames
                if not last:
                    batch, trouble = _next(stream)  # while a card is at work
                left_out = self.settle()
                skipped_in_a_row = skipped_in_a_row + 1 if left_out else 0
                if self.step_number % steps_a_tick == 0 or last:
                    numbers = recorder.tick(last or self.step_number % (steps_a_tick * s.snapshot_ticks) == 0)
                if left_out and (s.on_nan == "stop" or skipped_in_a_row == MOST_SKIPPED):
                    raise TrainingError(
                        f"step {self.step_number}: gradients of {', '.join(left_out)} are not finite; that update was "
                        f"left out. {recorder.save()} Take a lower rate (--set {self.phase_name}.lr_g=... --accept "
                        f"{self.phase_name}.lr_g), or leave such updates out (--on-nan skip)."
                    )
                if on_progress is not None:
                    on_progress(Progress(self.seen_frames, self.total_frames, self.seen_clips, numbers))
        recorder.close()

    def step(self, batch: list[Part]) -> list[str]:
        """One training step on this process's parts of a batch, as the loader gives them.

        Returns the phases whose update was left out because its gradients are not finite.
        """
        self.launch(batch)
        return self.settle()

    def launch(self, batch: list[Part]) -> None:
        """Ask the device for a whole step; on a CUDA card without waiting for any of it. `settle` comes next."""
        with tf32(self.tf32):
            self._launch(batch)

    def _launch(self, batch: list[Part]) -> None:
        s, parts = self.settings, self.parts(batch)
        torch.manual_seed(
            generator_for(self.seed, self.step_number, "networks").initial_seed()
        )  # for networks that draw noise of their own
        due = [phase for phase in self.phases if self.step_number % phase.interval == 0]
        bf16 = s.precision == "bf16"
        applied = {phase.name: optimize(phase, parts, self.optimizers[phase.network], bf16) for phase in due}
        settle_means(self.generator, processes.average)
        self.step_number += 1
        self.seen_clips += s.batch
        self.seen_frames += self.frames_a_step
        half_life = s.batch * 10 / 32 if s.ema_kimg is None else s.ema_kimg
        update_ema(self.average, self.generator, ema_decay(s.batch, half_life, s.ema_rampup, self.seen_clips))
        self._pending = mean_report(parts) | {_APPLIED + name: changed for name, changed in applied.items()}

    def settle(self) -> list[str]:
        """Wait for the step that was launched, and take in what it reports. Returns what `step` does."""
        report = fetch(self._pending)
        changed = {name: report.pop(name) for name in list(report) if name.startswith(_APPLIED)}
        left_out = [name.removeprefix(_APPLIED) for name, value in changed.items() if not value]
        if self.settings.augment == "ada":
            self.ada.update(report["real_sign"], self.settings.batch)
        self.tick.add(report)
        self.skipped += len(left_out)
        return left_out

    def parts(self, batch: list[Part]) -> list[StepPart]:
        """This process's parts of the present step."""
        draws = Draws(self.seed, self.step_number, self.reader, self.generator)
        networks = self.generator, self.discriminator
        return [
            StepPart(*networks, to_batch(*data, self.device), draws, self.ada.p, self.settings, part, self.reader.of)
            for part, data in zip(self.reader.parts, batch, strict=True)
        ]

    def close_tick(self) -> dict[str, float]:
        """The means of the steps since the last call, with augment_p, and how many updates were skipped, if any."""
        numbers = {**self.tick.close(), "augment_p": self.ada.p}
        if self.skipped:
            numbers["skipped"] = self.skipped
        self.skipped = 0
        return numbers

    def _reader(self, size: int) -> BatchReader:
        """A reader of this process's share of each batch, in parts of `size` videos."""
        s = self.settings
        draw, chunk = FrameDraw(s.num_frames, s.spans, s.spacing, s.near_steps, s.far_frames), s.chunk
        pace = pace_of(self.config)
        if s.num_frames > 1 and pace != "auto" and pace != 1:
            draw, chunk = draw.slower(pace), round(chunk * pace)
        clips = ClipSettings(s.batch, draw, chunk, s.mirror, self.seed)
        return BatchReader(self.dataset, clips, processes.share(range(s.batch // size)), s.batch // size)

    def _rehearse(self, size: int) -> None:
        """Find the gradients of all phases for one part of this size, with room for the optimizers; nothing changes."""
        self.reader = self._reader(size)
        weights = sum(parameter.numel() for group in self.optimizers.values() for parameter in _trained(group))
        room = torch.empty(3 * weights, device=self.device)
        try:
            for phase in self.phases:
                find_gradients(phase, self.parts(self.reader[self.step_number])[:1], self.settings.precision == "bf16")
        finally:
            del room
            forget_means(self.generator)
            for optimizer in self.optimizers.values():
                optimizer.zero_grad(set_to_none=True)


def _trained(optimizer: torch.optim.Optimizer) -> list[torch.nn.Parameter]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _next(stream: Iterator[list[Part]]) -> tuple[list[Part], DataError | None]:
    try:
        return next(stream), None
    except DataError as error:
        return [], error
