"""The file of a model: written whole or not at all, and checked in every respect before it is used.

It is one .safetensors file. Its header holds, as JSON under the key "smoothvid", all it takes to rebuild the generator:
a file needs nothing beside it, and reading one runs no code of its own. Header, names, shapes and values are all
checked, and whatever is wrong is a CheckpointError in one line.
"""

import dataclasses
import json
import math
import os
import struct
from pathlib import Path
from typing import Any

import safetensors
import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from smoothvid.checksums import check_file
from smoothvid.errors import CheckpointError, ConfigError
from smoothvid.files import flush
from smoothvid.models import get_family
from smoothvid.plain_text import read_json
from smoothvid.sampling.shipped import MODEL_FILE, shipped, shipped_folder
from smoothvid.settings import from_dict

FORMAT = 1
_MAX_HEADER = 16 * 2**20  # bytes; a real one has a few tens of thousands
_TYPES = ("F64", "F32", "F16", "BF16", "I64")  # the last counts batches
_MAX_NUMBER = 2**20  # of settings such as widths, depths, distances in frames


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


def model_files(path: str | Path) -> list[Path]:
    """Return the model files a path stands for, newest first: one for a file or checkpoint folder, more for a run.

    What is no path to a model may be the name of one that ships.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    if (path / MODEL_FILE).is_file():
        return [path / MODEL_FILE]
    folders = [folder for folder in path.glob("checkpoints/*") if folder.name.isdecimal()]
    files = [folder / MODEL_FILE for folder in sorted(folders, key=lambda folder: int(folder.name), reverse=True)]
    if not files and (folder := shipped_folder(path)):
        return [folder / MODEL_FILE]
    if not files:
        raise CheckpointError(
            f"{path}: no model here; give a run folder, a checkpoint folder, a {MODEL_FILE}, or the name of a model "
            f"that ships with smoothvid ({', '.join(sum(shipped().values(), []))})"
        )
    return files


def save_model(path: str | Path, generator: nn.Module, facts: ModelFacts) -> None:
    """Write a model file; it appears under its name only when whole and on the disk."""
    path = Path(path)
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in generator.state_dict().items()}
    header = json.dumps({"format": FORMAT, **dataclasses.asdict(facts)})
    partial = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        partial.write_bytes(save(tensors, {"smoothvid": header}))  # save_file lets nobody but the owner read it
        flush(partial)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def read_facts(path: str | Path) -> ModelFacts:
    """Read what a model (a path as for load_model) says about itself, without its weights."""
    file = model_files(path)[0]
    return _facts_from(_read_header(file), file)


def read_model(path: Path) -> tuple[nn.Module, Any, ModelFacts]:
    """Read one model file: its generator on the CPU, the family's config, and its facts.

    Raises CheckpointError for a damaged, foreign or hostile file.
    """
    header = _read_header(path)
    check_file(path)
    facts = _facts_from(header, path)
    try:
        family = get_family(facts.family)
        _check_numbers(facts.config)
        config: Any = from_dict(family.config_class, facts.config)
        with torch.device("meta"):
            shapes = _shapes(family.build_generator(config, len(facts.label_names), False).state_dict())
    except Exception as error:  # whatever an odd description may lead to
        raise CheckpointError(f"{path}: its model cannot be rebuilt ({_one_line(error)})") from error
    _check_shapes(path, header, shapes)
    _check_types(path, header)
    with torch.random.fork_rng(devices=[]):  # loading a model leaves the caller's random numbers alone
        generator = family.build_generator(config, len(facts.label_names), False)
    try:
        tensors = load_file(path)
    except (OSError, ValueError, safetensors.SafetensorError) as error:
        raise CheckpointError(f"{path}: damaged model file ({_one_line(error)})") from None
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise CheckpointError(f"{path}: {name} holds values that are not finite; use an earlier checkpoint")
    generator.load_state_dict(tensors)
    return generator, config, facts


def _read_header(path: Path) -> dict[str, Any]:
    """Return the JSON header of a safetensors file: {"__metadata__": {...}, tensor name: {"shape": ...}, ...}."""
    try:
        with open(path, "rb") as file:
            (size,) = struct.unpack("<Q", file.read(8))
            if size > _MAX_HEADER:
                raise ValueError("its header is too large")
            header = read_json(file.read(size))
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
        data = dict(read_json(text))
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
        raise ValueError("a setting is too large")


def _shapes(tensors: dict[str, Tensor]) -> dict[str, list[int]]:
    return {name: list(tensor.shape) for name, tensor in tensors.items()}


def _check_shapes(path: Path, header: dict[str, Any], expected: dict[str, list[int]]) -> None:
    found = {name: entry.get("shape") for name, entry in header.items() if name != "__metadata__"}
    for name in [*expected, *found]:
        if found.get(name) != expected.get(name):
            there, wanted = found.get(name, "missing"), expected.get(name, "not part of this model")
            raise CheckpointError(f"{path}: {name}: {there} in the file, {wanted} by its own description")


def _check_types(path: Path, header: dict[str, Any]) -> None:
    for name, entry in header.items():
        if name != "__metadata__" and entry.get("dtype") not in _TYPES:
            raise CheckpointError(
                f"{path}: {name} is of type {entry.get('dtype')}; networks here have {', '.join(_TYPES)}"
            )


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
