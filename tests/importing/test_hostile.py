"""Hostile snapshots: refused with a reason, nothing run, in bounded time."""

import os
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
import torch

from smoothvid.importing.records import Record

from .reading import Call, bomb, read, refused
from .standins import MARKER, Persistent, dumps, network

FOREIGN = [
    ("os", "system"),
    ("posix", "system"),
    ("builtins", "eval"),
    ("builtins", "exec"),
    ("builtins", "getattr"),
    ("__builtin__", "compile"),
    ("builtins", "dict.fromkeys"),
    ("collections", "OrderedDict.fromkeys"),
    ("subprocess", "Popen"),
    ("importlib", "import_module"),
    ("functools", "partial"),
    ("pickle", "loads"),
    ("copyreg", "add_extension"),
    ("numpy", "load"),
    ("torch", "load"),
    ("torch.storage", "_load_from_bytes.__globals__"),
    ("torch.nn.modules.module", "Module.__init__"),
    ("torch.nn.modules.module", "torch"),
    ("src", "torch_utils.persistence.import_hook"),
    ("torch_utils.persistence", "_src_to_module"),
    ("omegaconf.omegaconf", "OmegaConf"),
    ("training.networks", "Generator"),
    ("dnnlib.util", "call_func_by_name"),
    ("typing", "Any\x1b[31m"),
]


@pytest.mark.parametrize(("module", "name"), FOREIGN)
def test_what_no_snapshot_contains_is_refused_by_name(module: str, name: str, tmp_path: Path) -> None:
    shown = f"{module}.{name}".replace("\x1b[31m", r"\\x1b\[31m")
    argument = f"touch {tmp_path / MARKER}"
    call = f"c{module}\n{name}\n(S{argument!r}\ntR".encode()
    by_stack = pickle.dumps(module, 4)[:-1] + pickle.dumps(name, 4)[:-1] + b"\x93)R"
    for thing in (call, by_stack, f"(i{module}\n{name}\n".encode()):
        refused(b"}S'G'\n" + thing + b"s.", f"{shown} is not something a snapshot contains; refused")
        refused(b"(d" + thing + b"Np0\ns.", "is not something a snapshot contains")  # as a key
    assert not (tmp_path / MARKER).exists()


def test_calls_are_refused_wherever_they_stand(tmp_path: Path) -> None:
    marker = tmp_path / MARKER
    evil = Call(os.system, f"touch {marker}")
    net = network("Generator", {"mapping.w_avg": torch.zeros(2)}, marker, cfg={"a": [evil]})
    refused(dumps({"G_ema": net}), "posix.system is not")
    refused(dumps({"training_set_kwargs": {"a": evil}}), "posix.system is not")
    refused(dumps({"G": Call(Call, Call(eval, "1"))}), "reading.Call is not")
    module = Persistent()
    module.state_hook = evil  # type: ignore[assignment]
    refused(dumps({"G": module}), "posix.system is not")
    assert not marker.exists()


ORDERED, STORAGE = b"ccollections\nOrderedDict\n", b"ctorch.storage\n_load_from_bytes\n"
INSTRUCTIONS = {
    "an extension code": b"\x80\x02\x82\x01.",
    "a large extension code": b"\x80\x02\x84\x01\x01\x01\x01.",
    "a persistent id": b"Pstorage\n.",
    "a state for a class": ORDERED + b"}S'name'\nS'os.system'\nsb.",
    "slots for a class": ORDERED + b"(N}S'name'\nS'os.system'\nst\x85b.",
    "a pair for a class": ORDERED + b"S'name'\nS'os.system'\ns.",
    "an item for a class": ORDERED + b"Na.",
    "a call of what is no function": b"(dN(tR.",
    "a call of a record": ORDERED + b")R)R.",
    "a new object of no class": b"N)\x81.",
    "a buffer from outside": b"\x80\x05\x97.",
    "an endless length": b"\x80\x04\x8e" + struct.pack("<Q", 2**62) + b"abc.",
    "a negative length": b"\x80\x02\x8b" + struct.pack("<i", -5) + b".",
    "a frame longer than the file": b"\x80\x04\x95" + struct.pack("<Q", 2**40) + b"N.",
    "a number of too many digits": b"I" + b"9" * 10_000 + b"\n.",
    "an empty stack": b"\x80\x040.",
    "what was never kept": b"\x80\x04h\x09.",
    "no end": b"\x80\x04N",
    "a text": b"hello\n" * 100,
    "a list": pickle.dumps([1, 2]),
    "a protocol to come": b"\x80\x7fN.",
}


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_odd_instructions_end_the_reading(name: str) -> None:
    refused(INSTRUCTIONS[name], "damaged|refused|not a snapshot|^$")
    assert Record.name == "" and not hasattr(Record, "os")


def test_a_state_changes_nothing_but_the_record() -> None:
    for state in ({"__class__": 1, "__setstate__": 2}, (None, {"args": 3}), (Call, 1), 7):
        data = dumps({"augment_pipe": 1}) if state == 7 else b"(dS'G'\n" + ORDERED + b")R" + _bare(state) + b"bs."
        _, facts = read(data)
        assert facts["networks"] == {}


def _bare(value: Any) -> bytes:
    return pickle.dumps(value if not isinstance(value, tuple) else (None, value[1]), 2)[2:-1]


def nested(levels: int, opened: bytes, closed: bytes) -> bytes:
    return b"(dS'training_set_kwargs'\n" + opened * levels + closed * levels + b"s."


def _twice(module: Persistent) -> Persistent:
    outer = Persistent()
    outer._modules.update(a=module, b=module)
    return outer


def test_bombs() -> None:
    refused(dumps({"training_set_kwargs": bomb(60, lambda x: [x, x], 1)}), "without end")
    refused(dumps({"training_set_kwargs": bomb(60, lambda x: {"a": x, "b": x}, 1)}), "without end")
    refused(dumps({"G": bomb(25, _twice, Persistent())}), "without end")
    refused(b"(dS'training_set_kwargs'\n]q\x00h\x00as.", "without end")  # a list that holds itself
    refused(nested(100_000, b"(l", b"a").replace(b"(la", b"(l", 1), "without end")
    many = {f"x{n}": torch.zeros(1) for n in range(300)}
    refused(dumps(many), "not a snapshot")
