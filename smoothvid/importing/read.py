"""Reading a snapshot in a process of its own, and what that process has written."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from smoothvid.errors import CheckpointError
from smoothvid.file_kind import file_kind
from smoothvid.importing.child import FACTS, TENSORS
from smoothvid.plain_text import read_json

_MAX_FACTS = 64 * 2**20  # bytes
_OWN = "; smoothvid reads its own without import"


@dataclass(frozen=True)
class Limits:
    """What the reading process may take beside what every one takes."""

    memory: int
    """Bytes."""
    seconds: int

    @classmethod
    def for_size(cls, size: int) -> "Limits":
        """Those for a file of this many bytes, which is in memory about twice at the end."""
        return cls(memory=2**30 + 4 * size, seconds=60 + size // 2**22)


@dataclass(frozen=True)
class Contents:
    """What a snapshot holds, as plain data."""

    networks: dict[str, dict[str, Any]]
    """G, D, G_ema → {"class_name": str, "args": [...], "kwargs": {...}}."""
    tensors: dict[str, dict[str, Tensor]] = field(repr=False)
    """G, D, G_ema → tensors by name."""
    settings: dict[str, Any]
    """Of its dataset."""
    left_out: dict[str, str]
    """What else there is → what it is."""


def read_snapshot(path: Path, limits: Limits | None = None) -> Contents:
    """Read a snapshot without running anything in it; see smoothvid.importing.

    Raises:
        CheckpointError: no snapshot, a damaged one, or one that holds what no snapshot holds.
    """
    size = _check_kind(path)
    limits = limits or Limits.for_size(size)
    with tempfile.TemporaryDirectory(prefix="smoothvid-import-") as folder:
        command = [sys.executable, "-P", "-m", "smoothvid.importing.child"]  # -P: nothing from the working folder
        command += [str(path.absolute()), folder, str(limits.memory), str(limits.seconds)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(os.path.abspath, sys.path))}
        try:
            ended = subprocess.run(
                command,
                env=environment,
                cwd=folder,
                timeout=2 * limits.seconds + 60,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            ).returncode
        except subprocess.TimeoutExpired:
            ended = None
        return _collect(path, Path(folder), ended)


def grouped(everything: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Contents:
    """What `networks.read_networks` returned, by network."""
    tensors: dict[str, dict[str, Tensor]] = {name: {} for name in facts["networks"]}
    for name, tensor in everything.items():
        network, _, inner = name.partition(".")
        tensors[network][inner] = tensor
    return Contents(tensors=tensors, **facts)


def _collect(path: Path, folder: Path, ended: int | None) -> Contents:
    """What the reading process has written; it is checked like anything from outside."""
    try:
        if (folder / FACTS).stat().st_size > _MAX_FACTS:
            raise ValueError("too much of it")
        facts = read_json((folder / FACTS).read_text())
        if "error" in facts:
            raise CheckpointError(f"{path}: {facts['error']}")
        return grouped(load_file(folder / TENSORS), facts)
    except (OSError, ValueError, KeyError, TypeError, SafetensorError):
        pass
    slow = (None, -signal.SIGXCPU, -signal.SIGKILL)  # the last may be lack of memory, too
    how = "took too long" if ended in slow else f"ended with {signal.Signals(-ended).name if ended < 0 else ended}"
    raise CheckpointError(f"{path}: reading it {how}; no snapshot does that")


def _check_kind(path: Path) -> int:
    """The size of a file that may be a snapshot. Raises CheckpointError for one that is something else by its look."""
    try:
        with open(path, "rb") as file:
            start, size = file.read(1), os.fstat(file.fileno()).st_size
        kind, advice = file_kind(path)
    except IsADirectoryError:
        raise CheckpointError(f"{path}: a folder; give the snapshot itself, a .pkl file") from None
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
    if not start:
        raise CheckpointError(f"{path}: an empty file")
    if kind and kind != "a pickle":
        own = {
            "a zip archive": ", such as torch.save writes",
            "a safetensors file": "; smoothvid reads its own without import",
        }
        raise CheckpointError(f"{path}: not a snapshot but {kind}{own.get(kind, advice)}")
    return size
