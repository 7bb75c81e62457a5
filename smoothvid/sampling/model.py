"""A trained model: its file, and frames at any times.

A model is one .safetensors file. Its header holds, as JSON under the key "smoothvid", all it takes to rebuild the
generator, so a file needs nothing beside it, and loading one runs no code of its own. A file is material to judge: its
header, names, shapes and values are all checked before use, and whatever is wrong is a CheckpointError in one line.
"""

import copy
import dataclasses
import json
import logging
import math
import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from smoothvid.errors import CheckpointError, ConfigError, DeviceError
from smoothvid.models import get_family
from smoothvid.sampling.motion_noise import content_code, drawn_label, motion_codes
from smoothvid.sampling.stream import time_chunks, to_uint8
from smoothvid.settings import from_dict

FORMAT = 1
MODEL_FILE = "model.safetensors"
_MAX_HEADER = 16 * 2**20  # bytes; a real one has a few tens of thousands
_MAX_NUMBER = 2**20  # of settings such as widths, depths, distances in frames
_logger = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ModelFacts:
    """What a model file says about itself."""

    family: str
    config: Any  # plain data that settings.from_dict turns into the family's config class
    resolution: int  # side of a frame in pixels
    fps: float  # of the dataset: one unit of time is one frame at this rate
    seen_clips: int = 0
    label_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not (math.isfinite(self.fps) and self.fps > 0 and 0 < self.resolution <= 8192 and self.seen_clips >= 0):
            raise ValueError("resolution, fps or seen_clips is out of range")


class VideoModel:
    """A generator ready to make videos. A frame depends on (model, seed, time) alone: not on chunks, batch or start.

    The generator is taken over: put into evaluation mode, frozen and moved to the device.
    """

    def __init__(
        self, generator: nn.Module, config: Any, facts: ModelFacts, device: str | torch.device = "auto"
    ) -> None:
        self.family, self.config, self.seen_clips = facts.family, config, facts.seen_clips
        self.resolution, self.fps, self.label_names = facts.resolution, facts.fps, list(facts.label_names)
        self.device = choose_device(device)
        self.generator: Any = generator.eval().requires_grad_(False).to(self.device)
        # At t = 10^8 frames a float32 speed is off by many turns, and by others in each chunk: motion is read off in
        # double precision. It costs little beside the frames; mps has no float64, so there it stays on the CPU.
        self._motion_device = torch.device("cpu") if self.device.type == "mps" else self.device
        self._motion: Any = copy.deepcopy(self.generator.motion).to(self._motion_device, torch.float64)

    @property
    def label_dim(self) -> int:
        return len(self.label_names)

    @torch.no_grad()
    def contents(self, seeds: Sequence[int], truncation_psi: float = 1.0, label: str | None = None) -> Tensor:
        """Return what each seed shows, ws float32 [B, num_ws, w_dim].

        truncation_psi: 1 keeps the full variety, 0 gives the mean. label: a name; None lets each seed draw its own.
        """
        codes = np.stack([content_code(seed, self.generator.z_dim) for seed in seeds])
        z = torch.from_numpy(codes).to(self.device)
        return self.generator.mapping(z, self._labels(seeds, label, self.device), truncation_psi=truncation_psi)

    @torch.no_grad()
    def motions(self, seeds: Sequence[int], times: NDArray[np.float64], label: str | None = None) -> Tensor:
        """Return how each seed moves, motion codes float32 [B, T, v_dim], at times [T] in frames of the dataset's fps.

        Only the codes around these times are drawn, so that neither time nor memory grows with t.
        """
        device, motion = self._motion_device, self._motion
        grid = torch.from_numpy(np.array(times, np.float64)).to(device).expand(len(seeds), -1)  # [B, T]
        first, count = motion.code_range(grid)  # one window a video, as many codes each
        codes = np.stack(
            [motion_codes(seed, int(at), count, motion.z_dim) for seed, at in zip(seeds, first, strict=True)]
        )
        labels = self._labels(seeds, label, device)
        labels = None if labels is None else labels.double()
        motion_z = torch.from_numpy(codes).to(device, torch.float64)
        return motion(motion_z, grid, labels, first_code=first).to(self.device, torch.float32)

    @torch.no_grad()
    def render(self, ws: Tensor, v: Tensor) -> Tensor:
        """Return frames in about [-1, 1], float32 [B, T, 3, H, W], from contents [B, ...] and motions [B, T, v_dim]."""
        return self.generator.synthesis(ws, v).unflatten(0, v.shape[:2])

    def frames(
        self, seed: int, times: NDArray[np.float64], truncation_psi: float = 1.0, label: str | None = None
    ) -> Tensor:
        """Return the frames of one video at times [T], in any order, as float32 [T, 3, H, W] in about [-1, 1]."""
        return self.render(self.contents([seed], truncation_psi, label), self.motions([seed], times, label))[0]

    def stream(
        self,
        seed: int = 0,
        start: float = 0.0,
        num_frames: int | None = None,
        step: float = 1.0,
        truncation_psi: float = 1.0,
        label: str | None = None,
        chunk: int = 8,
    ) -> Iterator[Tensor]:
        """Yield one video in chunks of at most `chunk` frames, uint8 [T, 3, H, W] on the CPU.

        Args:
            start: time of the first frame, in frames of the dataset's fps; any value, negative too.
            num_frames: None is endless.
            step: time from one frame to the next: 1 is the dataset's speed, 0.5 half of it.
        """
        ws = self.contents([seed], truncation_psi, label)
        for times in time_chunks(start, num_frames, step, chunk):
            yield to_uint8(self.render(ws, self.motions([seed], times, label))[0])

    def sample(
        self,
        seeds: Sequence[int],
        num_frames: int,
        start: float = 0.0,
        step: float = 1.0,
        truncation_psi: float = 1.0,
        label: str | None = None,
        chunk: int = 8,
    ) -> Tensor:
        """Return whole videos, uint8 [B, T, 3, H, W] on the CPU; `chunk` frames of all seeds are made at a time."""
        ws = self.contents(seeds, truncation_psi, label)
        chunks = time_chunks(start, num_frames, step, chunk)
        return torch.cat([to_uint8(self.render(ws, self.motions(seeds, times, label))) for times in chunks], dim=1)

    def check_label(self, label: str | None) -> None:
        """Raise ConfigError unless the model knows this label; None is always fine."""
        if label is not None and label not in self.label_names:
            known = ", ".join(self.label_names) or "none: it was trained without labels"
            raise ConfigError(f"label {label!r}: this model knows {known}")

    def _labels(self, seeds: Sequence[int], label: str | None, device: torch.device) -> Tensor | None:
        self.check_label(label)
        if not self.label_names:
            return None
        names = self.label_names
        indexes = [names.index(label) if label is not None else drawn_label(seed, len(names)) for seed in seeds]
        return torch.eye(len(names), device=device)[indexes]


def load_model(path: str | Path, device: str | torch.device = "auto") -> VideoModel:
    """Load a model for sampling.

    Args:
        path: a model file, a checkpoint folder, or a run folder (its newest checkpoint that is whole).
        device: "auto" (cuda, else mps, else cpu), or one by name.

    Raises:
        CheckpointError: nothing there, or a damaged, foreign or hostile file.
        DeviceError: this machine lacks the device.
    """
    files = model_files(path)
    for file in files[:-1]:
        try:
            return _load_file(file, device)
        except CheckpointError as error:
            _logger.warning("%s; taking the checkpoint before it", error)
    return _load_file(files[-1], device)


def model_files(path: str | Path) -> list[Path]:
    """Return the model files a path stands for, newest first: one for a file or checkpoint folder, more for a run."""
    path = Path(path)
    if path.is_file():
        return [path]
    if (path / MODEL_FILE).is_file():
        return [path / MODEL_FILE]
    folders = [folder for folder in path.glob("checkpoints/*") if folder.name.isdecimal()]
    files = [folder / MODEL_FILE for folder in sorted(folders, key=lambda folder: int(folder.name), reverse=True)]
    if not files:
        raise CheckpointError(f"{path}: no model here; give a run folder, a checkpoint folder or a {MODEL_FILE}")
    return files


def save_model(path: str | Path, generator: nn.Module, facts: ModelFacts) -> None:
    """Write a model file; it appears under its name only when whole and on the disk."""
    path = Path(path)
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in generator.state_dict().items()}
    header = json.dumps({"format": FORMAT, **dataclasses.asdict(facts)})
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        save_file(tensors, partial, metadata={"smoothvid": header})
        with open(partial, "rb") as file:
            os.fsync(file.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read_facts(path: str | Path) -> ModelFacts:
    """Read what a model (a path as for load_model) says about itself, without its weights."""
    file = model_files(path)[0]
    return _facts_from(_read_header(file), file)


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


def _load_file(path: Path, device: str | torch.device) -> VideoModel:
    header = _read_header(path)
    facts = _facts_from(header, path)
    try:
        family = get_family(facts.family)
        _check_numbers(facts.config)
        config = from_dict(family.config_class, facts.config)
        with torch.device("meta"):
            shapes = _shapes(family.build_generator(config, len(facts.label_names)).state_dict())
    except (ConfigError, ValueError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"{path}: its model cannot be rebuilt ({_one_line(error)})") from None
    _check_shapes(path, header, shapes)
    generator = family.build_generator(config, len(facts.label_names))
    try:
        tensors = load_file(path)
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"{path}: damaged model file ({_one_line(error)})") from None
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise CheckpointError(f"{path}: {name} holds values that are not finite; use an earlier checkpoint")
    generator.load_state_dict(tensors)
    return VideoModel(generator, config, facts, device)


def _read_header(path: Path) -> dict[str, Any]:
    """Return the JSON header of a safetensors file: {"__metadata__": {...}, tensor name: {"shape": ...}, ...}."""
    try:
        with open(path, "rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            if size > _MAX_HEADER:
                raise ValueError("its header is too large")
            header = json.loads(file.read(size))
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
    except (struct.error, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: not a model file, or a damaged one ({_one_line(error)})") from None
    if not isinstance(header, dict) or not all(isinstance(value, dict) for value in header.values()):
        raise CheckpointError(f"{path}: not a model file (its header is not a table of tensors)")
    return header


def _facts_from(header: dict[str, Any], path: Path) -> ModelFacts:
    text = header.get("__metadata__", {}).get("smoothvid")
    if not isinstance(text, str):
        raise CheckpointError(f"{path}: a safetensors file, but not one of smoothvid's models")
    try:
        data = dict(json.loads(text))
        if data.pop("format") != FORMAT:
            raise CheckpointError(f"{path}: written in another format version; update smoothvid to read it")
        return from_dict(ModelFacts, data)
    except (ConfigError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: damaged model file (its description: {_one_line(error)})") from None


def _check_numbers(config: Any) -> None:
    """Raise ValueError for a number no network has; building it would take the whole machine."""
    if isinstance(config, dict | list):
        for value in config.values() if isinstance(config, dict) else config:
            _check_numbers(value)
    elif isinstance(config, int | float) and not abs(config) <= _MAX_NUMBER:
        raise ValueError(f"a setting of {config:g} is out of range")


def _shapes(tensors: dict[str, Tensor]) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in tensors.items()}


def _check_shapes(path: Path, header: dict[str, Any], expected: dict[str, list[int]]) -> None:
    found = {name: entry.get("shape") for name, entry in header.items() if name != "__metadata__"}
    for name in [*expected, *found]:
        if found.get(name) != expected.get(name):
            there, wanted = found.get(name, "missing"), expected.get(name, "not part of this model")
            raise CheckpointError(f"{path}: {name}: {there} in the file, {wanted} by its own description")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
