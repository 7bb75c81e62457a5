"""Tensors and storages that are none."""

import io
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
import torch

from .reading import Call, read, refused
from .standins import MARKER, Persistent, dumps


def tensor(storage: Any, offset: Any = 0, size: Any = (2,), stride: Any = (1,)) -> bytes:
    """A snapshot whose only tensor is this, by hand."""
    call = Call(torch._utils._rebuild_tensor_v2, Call(torch.storage._load_from_bytes, storage), offset, size, stride)
    module = Persistent()
    module._buffers["x"] = call  # type: ignore[assignment]
    return dumps({"G": module})


def storage(numbers: int = 4, claimed: int | None = None) -> bytes:
    """A storage of floats as torch writes it; `claimed` is how many it says there are."""
    function, (data,) = torch.zeros(numbers).storage().__reduce__()
    if claimed is None:
        return data
    small = b"K" + bytes([numbers])
    assert data.count(small) == 1
    return data.replace(small, b"\x8a\x08" + struct.pack("<q", claimed))


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_tensors_that_are_none() -> None:
    assert read(tensor(storage()))[0]["G.x"].shape == (2,)
    for changes in (
        {"size": (5,)},
        {"size": (2, 2), "stride": (4, 1)},
        {"offset": 3},
        {"offset": -1},
        {"size": (2**39,), "stride": (0,)},
        {"size": (3, 3), "stride": (0, 1)},
        {"size": (2**62,)},
        {"size": (-1,)},
        {"size": (1,) * 9, "stride": (1,) * 9},
        {"size": (2,), "stride": (1, 1)},
        {"size": "2"},
        {"offset": None},
    ):
        refused(tensor(storage(), **changes), "storage|size that no tensor has")  # type: ignore[arg-type]
    for other in (storage(101, claimed=2**40), storage(101, claimed=-4), storage()[:-9], b"", b"PK\x03\x04", None, [1]):
        refused(tensor(other), "storage")


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_one_storage_does_not_become_many_tensors() -> None:
    shared = Call(torch.storage._load_from_bytes, storage(1000))
    module = Persistent()
    for number in range(20):
        module._buffers[f"x{number}"] = Call(torch._utils._rebuild_tensor_v2, shared, 0, (1000,), (1,))  # type: ignore
    refused(dumps({"G": module}), "larger than the file")


@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_storages_run_nothing(tmp_path: Path) -> None:
    marker = tmp_path / MARKER
    evil = pickle.dumps(Call(os.system, f"touch {marker}"))
    start = storage()
    header = start[: start.index(b"\x80\x02(X\x07\x00\x00\x00storage")]
    whole = io.BytesIO()
    torch.save(torch.zeros(3), whole)
    for data in (evil, header + evil, whole.getvalue()):
        refused(tensor(data), "storage")
    assert not marker.exists()
