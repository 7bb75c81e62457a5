"""Networks out of a snapshot's records: what they were built with, and their tensors by name."""

import re
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from smoothvid.errors import CheckpointError
from smoothvid.importing.plain import plain
from smoothvid.importing.records import as_dict, name_of, printable
from smoothvid.importing.tensors import as_tensor

NETWORKS = ("G", "D", "G_ema")
_MAX_KEYS = 256
_MAX_MODULES = 20_000
_MAX_DEPTH = 32
_NAME = re.compile(r"\w{1,100}", re.ASCII)


def read_networks(records: Any, room: int) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Take the networks out of an unpickled snapshot.

    Args:
        room: bytes that all their tensors together may take.

    Returns:
        tensors by NETWORK.TENSOR, and facts: {"networks": {name: {"class_name", "args", "kwargs"}}, "settings": those
        of its dataset, "left_out": {name: what it is}}.

    Raises:
        CheckpointError: it is no snapshot, or holds what no snapshot holds.
    """
    snapshot = as_dict(records)
    if snapshot is None or not all(type(key) is str for key in snapshot) or len(snapshot) > _MAX_KEYS:
        raise CheckpointError("a pickle, but not a snapshot: those are tables of networks (G, D, G_ema)")
    facts: dict[str, Any] = {"networks": {}, "settings": {}, "left_out": {}}
    tensors: dict[str, Tensor] = {}
    for key, value in snapshot.items():
        network = as_network(value)
        if network is None and key == "training_set_kwargs":
            facts["settings"] = plain(value)
        elif network is None or key not in NETWORKS:
            what = network.class_name if network else name_of(value) or type(value).__name__
            facts["left_out"][printable(key)] = printable(what)
        else:
            facts["networks"][key] = {"class_name": printable(network.class_name), **network.arguments}
            for name, record in network.tensors.items():
                tensor = tensors[f"{key}.{name}"] = as_tensor(record)
                room -= tensor.nbytes
                if room < 0:
                    raise CheckpointError("its tensors are larger than the file itself; refused")
    return tensors, facts


@dataclass
class Network:
    """A network as it stands in a snapshot."""

    class_name: str
    arguments: dict[str, Any]
    """What it was built with: {"args": [...], "kwargs": {...}}, plain values."""
    tensors: dict[str, Any] = field(repr=False)
    """Parameters and buffers by name, not looked at yet: for `as_tensor`."""


def as_network(value: Any) -> Network | None:
    """The network that a record stands for, or None.

    Raises:
        CheckpointError: modules without end.
    """
    class_name, state = _module(value)
    if state is None:
        return None
    arguments = {"args": plain(state.get("_init_args", ())), "kwargs": plain(state.get("_init_kwargs", {}))}
    tensors: dict[str, Any] = {}
    _collect(state, "", 0, tensors, [0])
    return Network(class_name, arguments, tensors)


def _module(value: Any) -> tuple[str, dict[Any, Any] | None]:
    """Class name and state of a module: a persistent object, or one of torch's own. State None: it is no module."""
    name: Any = name_of(value)
    state: Any = None
    if name == "torch_utils.persistence._reconstruct_persistent_obj":
        meta = as_dict(value.args[0]) if value.args else None
        meta = meta or {}  # its `module_src` is the source of the class; nobody reads it
        name, state = meta.get("class_name"), meta.get("state")
    elif name.startswith("torch.nn.modules."):
        state = value.state
    state = as_dict(state)
    return name if type(name) is str else "", state if state is not None and "_modules" in state else None


def _collect(state: dict[Any, Any], prefix: str, depth: int, tensors: dict[str, Any], count: list[int]) -> None:
    """Put what a module and those in it hold into `tensors`, in the order of a state dict."""
    count[0] += 1
    if depth > _MAX_DEPTH or count[0] > _MAX_MODULES or len(tensors) > _MAX_MODULES:
        raise CheckpointError("its modules are nested too deeply, or without end; refused")
    passing = state.get("_non_persistent_buffers_set")
    passing = passing if type(passing) is set else set()
    for group in ("_parameters", "_buffers"):
        for name, value in (as_dict(state.get(group)) or {}).items():
            if value is not None and not (group == "_buffers" and name in passing):
                tensors[prefix + _checked(name)] = value
    for name, value in (as_dict(state.get("_modules")) or {}).items():
        _, inner = _module(value)
        if inner is not None:
            _collect(inner, f"{prefix}{_checked(name)}.", depth + 1, tensors, count)


def _checked(name: Any) -> str:
    if type(name) is not str or not _NAME.fullmatch(name):
        shown = printable(name) if type(name) is str else type(name).__name__
        raise CheckpointError(f"{shown!r} is no name of a parameter or module; refused")
    return name
