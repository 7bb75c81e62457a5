"""What compiled functions are given: tensors as flat arrays, and a share of the work for each thread."""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_PARTS_PER_THREAD = 2


def flat(x: Tensor) -> NDArray[Any]:
    """The numbers of x in one row, without a copy where they lie so already."""
    result: NDArray[Any] = x.detach().contiguous().view(-1).numpy()
    return result


def per_plane(value: Tensor | None, n: int, c: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """A number for each plane, [N · C], from [N, C] or [C]; ones for None."""
    if value is None:
        return np.ones(n * c, dtype)
    return value.detach().double().expand(n, c).reshape(-1).numpy().astype(dtype)


def share(count: int, work: Callable[[int, int], None]) -> None:
    """Have as many threads as PyTorch uses call work(first, last) for parts of `count` things."""
    threads = torch.get_num_threads()
    parts = min(count, threads * _PARTS_PER_THREAD) if threads > 1 else 1
    ends = [count * i // parts for i in range(parts + 1)]
    list(_threads(os.getpid(), threads).map(work, ends, ends[1:])) if parts > 1 else work(0, count)


@cache
def _threads(process: int, count: int) -> ThreadPoolExecutor:
    """Threads for this process: those of its parent did not come along."""
    return ThreadPoolExecutor(count, thread_name_prefix="kernels")
