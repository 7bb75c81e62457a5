"""What a run leaves in its folder: log, previews, checkpoints, report. Process 0 writes; all take part in measuring."""

import copy
import logging
import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch

from smoothvid import processes
from smoothvid.errors import CheckpointError, DataError, SmoothvidError
from smoothvid.sampling.model import CardOptions, ModelFacts, VideoModel
from smoothvid.settings import to_dict
from smoothvid.training.checkpoint import save_checkpoint
from smoothvid.training.events import EventWriter
from smoothvid.training.health import new_warnings
from smoothvid.training.journal import RunLog, best_line
from smoothvid.training.measure import Yardstick
from smoothvid.training.preview import write_previews
from smoothvid.training.report.page import write_run_report

if TYPE_CHECKING:
    from smoothvid.training.loop import Training

PREVIEW_VIDEOS = 9
PREVIEW_FRAMES = 48
_logger = logging.getLogger(__name__)


class Recorder:
    """Writes down how `training` goes."""

    def __init__(self, training: "Training", tensorboard: bool = False) -> None:
        self.training, self.run = training, training.run_folder
        self.writes = processes.rank() == 0
        self._yardstick: Yardstick | None = None
        self._events: EventWriter | None = None
        self._clips_at_tick = training.seen_clips
        if self.writes:
            with self._told():
                self.log = RunLog(self.run, training.step_number)
                if tensorboard:
                    self._events = EventWriter(self.run / "events", training.step_number)

    def tick(self, with_checkpoint: bool) -> dict[str, float]:
        """Close a tick: a line in the log, and a measured checkpoint with previews where one is due.

        Returns the line's numbers, with the speed.
        """
        training = self.training
        model = self._model() if with_checkpoint else None
        measured = {} if model is None else self._measure(model)
        numbers = {**training.close_tick(), **measured}
        if not self.writes:
            return numbers
        counts = {"step": training.step_number, "seen_clips": training.seen_clips}
        line: dict[str, Any] = {**counts, "kimg": training.seen_frames / 1000, **numbers}
        if warnings := new_warnings([*self.log.lines, line]):
            line["warnings"] = warnings
        for text in warnings.values():
            _logger.warning("%s", text)
        with self._told():
            self.log.write(line)
            speed = self.log.write_speed(
                counts, training.seen_clips - self._clips_at_tick, peak_memory_gb(training.device)
            )
            self._clips_at_tick = training.seen_clips
            if self._events is not None:
                self._events.numbers(training.step_number, {**numbers, **speed})
            if model is not None:
                self._preview(model)  # before the checkpoint, so that no checkpoint is without
                self.save()
        return {**numbers, **speed}

    def save(self) -> str:
        """Write a checkpoint of the present state, and the report, which no training ends for; says that it did."""
        training = self.training
        done = f"The run is saved at {training.seen_clips} clips; --resume goes on."
        if not self.writes:
            return done
        with self._told():
            best = best_line(self.log.lines)
            save_checkpoint(
                self.run,
                training.average,
                self._facts(),
                training.state(),
                training.settings.keep_checkpoints,
                None if best is None else best["seen_clips"],
            )
        try:
            write_run_report(self.run, training.dataset)
        except (OSError, SmoothvidError) as error:
            _logger.warning("the report was not written: %s", error)
        return done

    def close(self) -> None:
        if self._events is not None:
            self._events.close()

    def _measure(self, model: VideoModel) -> dict[str, float]:
        count = self.training.settings.measure_clips
        if count and self._yardstick is None:
            try:
                self._yardstick = Yardstick(self.training.dataset, count, self.training.phase_name == "train")
            except DataError as error:
                raise DataError(f"{error} {self.save()}") from None
        return self._yardstick.measure(model) if self._yardstick is not None else {}

    def _preview(self, model: VideoModel) -> None:
        name, fps = f"{self.training.seen_clips:09d}", self.training.dataset.fps
        frames = 1 if self.training.phase_name == "pretrain" else PREVIEW_FRAMES
        videos = model.sample(range(PREVIEW_VIDEOS), frames)
        write_previews(videos, self.run / "previews", name, fps)
        if self._events is not None:
            self._events.preview(self.training.step_number, videos, fps)

    def _model(self) -> VideoModel:
        training = self.training
        # A graph would take memory that the training needs.
        options, average = CardOptions(graphs=False), copy.deepcopy(training.average)
        return VideoModel(average, training.config.model, self._facts(), training.device, options=options)

    def _facts(self) -> ModelFacts:
        training = self.training
        return ModelFacts(
            family=training.config.family,
            config=to_dict(training.config.model),
            resolution=training.dataset.resolution,
            fps=training.dataset.fps,
            seen_clips=training.seen_clips,
            label_names=tuple(training.dataset.label_names),
        )

    @contextmanager
    def _told(self) -> Iterator[None]:
        """What keeps files from being written is told in a way that helps."""
        try:
            yield
        except OSError as error:
            what = error.strerror or error
            raise CheckpointError(
                f"{self.run}: cannot be written ({what}); checkpoints saved before are intact. When that is mended, "
                "the same command with --resume goes on."
            ) from None


def peak_memory_gb(device: torch.device) -> float:
    """The most memory this process has used so far, in GB: of the card, else of the machine."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9
