"""Tensors out of records."""

import io
import math
from typing import Any

import torch
from torch import Tensor

from smoothvid.errors import CheckpointError
from smoothvid.importing.records import as_bytes, name_of, printable


def as_tensor(value: Any) -> Tensor:
    """The tensor that a record stands for, on the CPU, contiguous, with nothing beside it.

    Raises:
        CheckpointError: it is none, lies outside of its storage, or is larger than that.
    """
    if name_of(value) == "torch._utils._rebuild_parameter" and value.args:
        value = value.args[0]
    if name_of(value) not in ("torch._utils._rebuild_tensor_v2", "torch._utils._rebuild_tensor") or len(value.args) < 4:
        raise CheckpointError(f"{name_of(value) or type(value).__name__} stands where a tensor belongs; refused")
    source, offset, *shape = value.args[:4]
    (offset,), size, stride = (_numbers(numbers) for numbers in ((offset,), *shape))
    storage = _storage(source)
    end = offset + sum((n - 1) * step for n, step in zip(size, stride, strict=False)) + 1
    if len(size) != len(stride) or end > len(storage) or math.prod(size) > len(storage):
        raise CheckpointError(f"a tensor of size {size} does not lie in its storage of {len(storage)} numbers; refused")
    return storage.as_strided(size, stride, offset).clone(memory_format=torch.contiguous_format)


def _numbers(value: Any) -> list[int]:
    """A size or stride: a tuple of counts, or a torch.Size of one."""
    value = value.args[0] if name_of(value) == "torch.Size" and value.args else value
    if type(value) is not tuple or len(value) > 8 or not all(type(n) is int and 0 <= n < 2**40 for n in value):
        raise CheckpointError("a tensor has a size that no tensor has; refused")
    return list(value)


def _storage(value: Any) -> Tensor:
    """All numbers of a storage, wherever it was, as a tensor [n]."""
    if name_of(value) != "torch.storage._load_from_bytes" or not value.args:
        raise CheckpointError(f"{name_of(value) or type(value).__name__} stands where a storage belongs; refused")
    try:
        storage = torch.load(io.BytesIO(as_bytes(value.args[0])), map_location="cpu", weights_only=True)
    except MemoryError:
        raise
    except Exception as error:  # whatever it may lead to
        raise CheckpointError(f"a damaged storage, or none ({printable(' '.join(str(error).split()))})") from None
    if not isinstance(storage, torch.TypedStorage):
        raise CheckpointError(f"{type(storage).__name__} stands where a storage belongs; refused")
    flat = torch.empty(0, dtype=storage.dtype)
    return flat.set_(storage._untyped_storage, 0, [int(storage._size())], [1])
