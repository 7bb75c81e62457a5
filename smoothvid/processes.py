"""Several processes that share one piece of work, as `torchrun` starts them. Alone, everything here does nothing.

with processes.joined():
    for number in processes.share(range(1000)):
        ...
    everyone = processes.gather(mine)
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import torch
import torch.distributed as dist

Item = TypeVar("Item")


def rank() -> int:
    """The number of this process, from 0 on."""
    return int(os.environ.get("RANK", "0"))


def count() -> int:
    """How many processes there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_device(device: str) -> str:
    """The device of this process: "cuda" (or "auto" where there is one) becomes the card that it was given."""
    if count() > 1 and device in ("auto", "cuda") and torch.cuda.is_available():
        return f"cuda:{int(os.environ.get('LOCAL_RANK', '0')) % torch.cuda.device_count()}"
    return device


@contextmanager
def joined() -> Iterator[None]:
    """Within this context the processes can talk to each other. They do so over the CPU, whatever computes."""
    if count() == 1 or dist.is_initialized():
        yield
        return
    dist.init_process_group("gloo")
    try:
        yield
    finally:
        dist.destroy_process_group()


def share(items: Sequence[Item]) -> Sequence[Item]:
    """The items that fall to this process: every `count()`-th, from its own number on."""
    return items[rank() :: count()]


def gather(value: Item) -> list[Item]:
    """What each process has passed, in their order, in every process."""
    if count() == 1:
        return [value]
    values: list[Item | None] = [None] * count()
    dist.all_gather_object(values, value)
    return values  # type: ignore[return-value]
