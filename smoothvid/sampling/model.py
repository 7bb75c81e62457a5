"""A trained model: frames at any times."""

import copy
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from smoothvid.batch import to_uint8
from smoothvid.devices import to_device
from smoothvid.errors import CheckpointError, ConfigError, DeviceError
from smoothvid.nn.layout import Preparation
from smoothvid.nn.precision import tf32
from smoothvid.sampling.curve import curve_weights
from smoothvid.sampling.graphs import Graphs
from smoothvid.sampling.model_file import MODEL_FILE, ModelFacts, model_files, read_model, save_model
from smoothvid.sampling.motion_noise import content_code, drawn_label, motion_codes, start_phases
from smoothvid.sampling.stream import time_chunks, time_step

__all__ = ["MODEL_FILE", "CardOptions", "ModelFacts", "VideoModel", "choose_device", "load_model", "save_model"]

Precision = Literal["float32", "tf32", "bf16"]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class CardOptions:
    """What makes sampling fast on a CUDA card. None is for yes there, and no elsewhere."""

    graphs: bool = True
    """Record the network as CUDA graphs, see sampling.graphs; on a card alone. The same frames to the bit."""
    channels_last: bool | None = None
    """Let a pixel's channels lie side by side, as convolutions and filters on a card want it."""
    styles_ahead: bool | None = None
    """Let activations multiply by the next layer's style, which spares two passes a layer."""
    eights: bool | None = None
    """Let layers have a multiple of eight channels, some of them zeros; None: in bfloat16, channels last."""
    overlap: bool = True
    """Let `stream` have its next chunk made while the last one is used; on a card alone."""


class VideoModel:
    """A generator ready to make videos. A frame depends on (model, seed, time) alone: not on chunks, batch or start.

    The generator is taken over: put into evaluation mode, frozen and moved to the device.
    """

    def __init__(
        self,
        generator: nn.Module,
        config: Any,
        facts: ModelFacts,
        device: str | torch.device = "auto",
        precision: Precision = "float32",
        options: CardOptions | None = None,
    ) -> None:
        self.family, self.config, self.seen_clips = facts.family, config, facts.seen_clips
        self.resolution, self.fps, self.label_names = facts.resolution, facts.fps, list(facts.label_names)
        self.device = choose_device(device)
        _check_precision(precision, self.device)
        self.options, on_card = options or CardOptions(), self.device.type == "cuda"
        ready: Any = generator.eval().requires_grad_(False).to(self.device)
        ready.prepare(_preparation(self.options, precision == "bf16", on_card))
        self.generator = ready
        self._graphs = Graphs(partial(_synthesize, ready, precision), on_card and self.options.graphs)
        # A CPU gains nothing from batches of larger pictures; elsewhere this is where to begin, see `render`.
        self._pictures_at_once = 1 if self.device.type == "cpu" and self.resolution >= 128 else 32
        # At t = 10^8 frames a float32 speed is off by many turns, and by others in each chunk: motion is read off in
        # double precision. It costs little beside the frames; mps has no float64, so there it stays on the CPU.
        self._motion_device = torch.device("cpu") if self.device.type == "mps" else self.device
        self._motion: Any = copy.deepcopy(self.generator.motion).to(self._motion_device, torch.float64)

    @property
    def label_dim(self) -> int:
        return len(self.label_names)

    def step(self, fps: float | None = None, slowmo: float = 1.0) -> float:
        """Return the time between two frames at this rate, in frames of the dataset; see `time_step`."""
        return time_step(self.fps, fps, slowmo)

    @torch.no_grad()
    def contents(
        self, seeds: Sequence[int], truncation_psi: float = 1.0, label: str | None = None, index: int = 0
    ) -> Tensor:
        """Return what each seed shows, ws float32 [B, num_ws, w_dim].

        Args:
            truncation_psi: 1 keeps the full variety, 0 gives the mean.
            label: a name; None lets each seed draw its own.
            index: which content of the seed; others than 0 are for drifting.

        Raises:
            ConfigError: a truncation_psi that is not finite.
        """
        if not math.isfinite(truncation_psi):
            raise ConfigError(f"truncation {truncation_psi}: give a finite number, 1 for full variety, 0 for the mean")
        codes = np.stack([content_code(seed, self.generator.z_dim, index) for seed in seeds])
        z = to_device(torch.from_numpy(codes), self.device)
        return self.generator.mapping(z, self._labels(seeds, label, z), truncation_psi=truncation_psi)

    def drifting_contents(
        self,
        seeds: Sequence[int],
        times: NDArray[np.float64],
        frames_each: float,
        truncation_psi: float = 1.0,
        label: str | None = None,
    ) -> Tensor:
        """Return what each seed shows at times [T] while it wanders, ws float32 [B, T, num_ws, w_dim].

        At time k · frames_each a seed shows its content number k, and in between a smooth curve leads from one to the
        next. Only the contents around these times are made.
        """
        position = times / frames_each
        first, last = math.floor(position.min()) - 1, math.floor(position.max()) + 2
        weights = curve_weights(np.arange(last - first + 1.0), position - first)  # [T, n]
        keys = torch.stack([self.contents(seeds, truncation_psi, label, index) for index in range(first, last + 1)])
        return torch.einsum("tn,nbij->btij", to_device(torch.from_numpy(weights), keys.device, keys.dtype), keys)

    @torch.no_grad()
    def motions(self, seeds: Sequence[int], times: NDArray[np.float64], label: str | None = None) -> Tensor:
        """Return how each seed moves, motion codes float32 [B, T, v_dim], at times [T] in frames of the dataset's fps.

        Only the codes around these times are drawn, so that neither time nor memory grows with t.
        """
        device, motion = self._motion_device, self._motion
        grid = torch.from_numpy(np.array(times, np.float64)).expand(len(seeds), -1)  # [B, T]
        first, count = motion.code_range(grid)  # one window a video, as many codes each
        codes = np.stack(
            [motion_codes(seed, at, count, motion.z_dim) for seed, at in zip(seeds, first.tolist(), strict=True)]
        )
        phases = np.stack([start_phases(seed, motion.num_phases) for seed in seeds])
        motion_z = to_device(torch.from_numpy(codes), device, torch.float64)
        v = motion(
            motion_z,
            to_device(grid, device),
            self._labels(seeds, label, motion_z),
            first_code=to_device(first, device),
            start_phase=to_device(torch.from_numpy(phases), device),
        )
        return v.to(self.device, torch.float32)

    @torch.no_grad()
    def render(self, ws: Tensor, v: Tensor) -> Tensor:
        """Return frames in about [-1, 1], float32 [B, T, 3, H, W], as many at once as the device has memory for.

        ws: contents [B, num_ws, w_dim], or [B, T, num_ws, w_dim] where they change. v: motions [B, T, v_dim].
        """
        if ws.ndim == 3 and self.device.type != "cuda":
            ws = ws[:, None].expand(-1, v.shape[1], -1, -1)
        if ws.ndim == 4:  # each picture is a video of its own
            every_ws, every_v = ws.flatten(0, 1), v.flatten(0, 1)[:, None]
        else:  # what a video's frames share is made once
            every_ws, every_v = ws, v
        made, count = list[Tensor](), v.shape[0] * v.shape[1]
        while (done := sum(map(len, made))) < count:
            part = _from_picture(done, every_v.shape[1], self._pictures_at_once)
            try:
                made.append(self.synthesize(every_ws[part[0]], every_v[part]))
            except torch.OutOfMemoryError:
                if self._graphs.release():
                    continue
                if self._pictures_at_once == 1:
                    raise
                self._pictures_at_once //= 2  # once and for all: what fits is found with the first chunk
        return torch.cat(made).unflatten(0, v.shape[:2])

    @torch.no_grad()
    def synthesize(self, ws: Tensor, v: Tensor) -> Tensor:
        """Return frames [B·T, 3, H, W] of ws [B, num_ws, w_dim] and v [B, T, v_dim], all at once, in the precision."""
        return self._graphs(ws, v)

    def frames(
        self, seed: int, times: NDArray[np.float64], truncation_psi: float = 1.0, label: str | None = None
    ) -> Tensor:
        """Return the frames of one video at times [T], in any order, as float32 [T, 3, H, W] in about [-1, 1]."""
        return self.render(self.contents([seed], truncation_psi, label), self.motions([seed], times, label))[0]

    def stream(
        self,
        seed: int | Sequence[int] = 0,
        start: float = 0.0,
        num_frames: int | None = None,
        *,
        fps: float | None = None,
        slowmo: float = 1.0,
        truncation_psi: float = 1.0,
        label: str | None = None,
        drift: float | None = None,
        chunk: int = 8,
    ) -> Iterator[Tensor]:
        """Return one video in chunks of at most `chunk` frames, uint8 [T, 3, H, W] on the CPU, made when asked for.

        Memory is constant, and a frame costs the same at any time.

        Args:
            seed: several seeds give as many videos at once, [B, T, 3, H, W].
            start: time of the first frame, in frames of the dataset's fps; any value, negative too.
            num_frames: None is endless.
            fps: of the result; the motion keeps its speed. None takes the dataset's.
            slowmo: 2 is half as fast as the dataset, 0.5 twice.
            truncation_psi, label: as for `contents`.
            drift: seconds as seen, whatever slowmo is, from one content to the next; None keeps the content. Content k
                is met k · drift seconds after time 0, so a stream that starts later goes on where another ended.

        Raises:
            ConfigError: at once, for a value out of range or a label that the model does not know.
        """
        seeds = [int(seed)] if isinstance(seed, (int, np.integer)) else list(seed)
        step = self.step(fps, slowmo)
        frames_each = None if drift is None else drift * self.fps / slowmo
        if not seeds:
            raise ConfigError("no seeds: a stream needs at least one")
        if frames_each is not None and not step <= frames_each < math.inf:
            raise ConfigError(f"drift {drift:g}: from one content to the next takes at least a frame")
        chunks = time_chunks(start, num_frames, step, chunk)
        held = self.contents(seeds, truncation_psi, label)

        def videos(times: NDArray[np.float64]) -> Tensor:
            ws = held
            if frames_each is not None:
                ws = self.drifting_contents(seeds, times, frames_each, truncation_psi, label)
            made = to_uint8(self.render(ws, self.motions(seeds, times, label))).contiguous()
            return made[0] if np.ndim(seed) == 0 else made

        made = map(videos, chunks)
        overlap = self.device.type == "cuda" and self.options.overlap
        return _fetched(made) if overlap else (chunk.cpu() for chunk in made)

    def sample(
        self,
        seeds: Sequence[int],
        num_frames: int,
        start: float = 0.0,
        *,
        fps: float | None = None,
        slowmo: float = 1.0,
        truncation_psi: float = 1.0,
        label: str | None = None,
        drift: float | None = None,
        chunk: int = 8,
    ) -> Tensor:
        """Return whole videos, uint8 [B, T, 3, H, W] on the CPU: what `stream` gives, in one piece."""
        chunks = self.stream(
            seeds,
            start,
            num_frames,
            fps=fps,
            slowmo=slowmo,
            truncation_psi=truncation_psi,
            label=label,
            drift=drift,
            chunk=chunk,
        )
        return torch.cat(list(chunks), dim=1)

    def check_label(self, label: str | None) -> None:
        """Raise ConfigError unless the model knows this label; None is always fine."""
        if label is not None and label not in self.label_names:
            known = ", ".join(self.label_names) or "none: it was trained without labels"
            raise ConfigError(f"label {label!r}: this model knows {known}")

    def _labels(self, seeds: Sequence[int], label: str | None, like: Tensor) -> Tensor | None:
        self.check_label(label)
        if not self.label_names:
            return None
        names = self.label_names
        indexes = [names.index(label) if label is not None else drawn_label(seed, len(names)) for seed in seeds]
        return to_device(torch.eye(len(names))[indexes], like.device, like.dtype)


def load_model(
    path: str | Path,
    device: str | torch.device = "auto",
    precision: Precision = "float32",
    options: CardOptions | None = None,
) -> VideoModel:
    """Load a model for sampling.

    Args:
        path: a model file, a checkpoint folder, or a run folder (its newest checkpoint that is whole).
        device: "auto" (cuda, else mps, else cpu), or one by name.
        precision: "tf32" lets NVIDIA cards convolve with 11 of float32's 24 bits, "bf16" convolves in bfloat16; both
            are faster on devices made for them.
        options: what makes sampling fast on a CUDA card; None for all of it.

    Raises:
        CheckpointError: nothing there, or a damaged, foreign or hostile file.
        DeviceError: this machine lacks the device, or the device bfloat16.
    """
    files = model_files(path)
    for file in files[:-1]:
        try:
            return VideoModel(*read_model(file), device, precision, options)
        except CheckpointError as error:
            _logger.warning("%s; taking the checkpoint before it", error)
    return VideoModel(*read_model(files[-1]), device, precision, options)


def choose_device(name: str | torch.device) -> torch.device:
    """Return the device a name stands for; "auto" is cuda, else mps, else cpu. Raises DeviceError if it is missing."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if name == "auto":
        return torch.device(next(kind for kind, is_there in there.items() if is_there))
    try:
        device = torch.device(name)
    except RuntimeError:
        raise DeviceError(f"device {name!r}: unknown; use auto, cpu, cuda or mps") from None
    if not there.get(device.type, False):
        raise DeviceError(f"device {name!r}: this machine has none that torch can use; use --device auto")
    return device


def _synthesize(generator: Any, precision: Precision, ws: Tensor, v: Tensor) -> Tensor:
    # Without a cache: the weights are in bfloat16 already, and a graph's memory cannot be kept beyond it.
    autocast = torch.autocast(ws.device.type, torch.bfloat16, enabled=precision == "bf16", cache_enabled=False)
    with autocast, tf32(precision == "tf32"):
        images: Tensor = generator.synthesis(ws, v)
    return images


def _from_picture(first: int, num_frames: int, at_once: int) -> tuple[slice, slice]:
    """Which videos and which of their frames are made next: whole videos, as many as may be, or a piece of one."""
    video, frame = divmod(first, num_frames)
    videos = 1 if frame else max(1, at_once // num_frames)
    return slice(video, video + videos), slice(frame, frame + at_once)


def _preparation(options: CardOptions, bf16: bool, on_card: bool) -> Preparation:
    channels_last = on_card if options.channels_last is None else options.channels_last
    return Preparation(
        dtype=torch.bfloat16 if bf16 else None,
        channels_last=channels_last,
        styles_ahead=on_card if options.styles_ahead is None else options.styles_ahead,
        eights=channels_last and bf16 if options.eights is None else options.eights,
    )


def _fetched(chunks: Iterator[Tensor]) -> Iterator[Tensor]:
    """Chunks from a card, each fetched while the card makes the next one."""
    last: tuple[Tensor, torch.cuda.Event] | None = None
    for chunk in chunks:
        with torch.cuda.device(chunk.device):
            following = chunk.to("cpu", non_blocking=True), torch.cuda.Event()  # into page-locked memory
            following[1].record()
        if last is not None:
            yield _ready(*last)
        last = following
    if last is not None:
        yield _ready(*last)


def _ready(chunk: Tensor, copied: torch.cuda.Event) -> Tensor:
    copied.synchronize()
    return chunk.clone()  # out of page-locked memory, which the next chunk takes


def _check_precision(precision: Precision, device: torch.device) -> None:
    """Raise DeviceError where a precision is not faster than float32."""
    if precision == "tf32":
        if device.type != "cuda" or torch.cuda.get_device_capability(device)[0] < 8:
            raise DeviceError(f"precision tf32: this {device.type} has no TF32, as NVIDIA's cards do; use float32")
    elif precision == "bf16":
        if device.type == "cpu":
            able = torch.ops.mkldnn._is_mkldnn_bf16_supported()
        else:
            able = device.type != "cuda" or torch.cuda.is_bf16_supported(including_emulation=False)
        if not able:
            raise DeviceError(f"precision bf16: this {device.type} has no bfloat16 arithmetic; use float32")
