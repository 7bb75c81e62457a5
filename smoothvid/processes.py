"""Several processes that share one piece of work, as `torchrun` starts them. Alone, everything here does nothing.

with processes.joined():
    for number in processes.share(range(1000)):
        ...
    everyone = processes.gather(mine)

Torch is imported when processes do talk, so that work which needs none starts without it.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from smoothvid.errors import PeerLostError

if TYPE_CHECKING:
    from torch import Tensor

Item = TypeVar("Item")

LONGEST_WAIT = timedelta(hours=24)  # where one process may have far more to do than the others
STEP_WAIT = timedelta(minutes=30)  # where all do the same


def rank() -> int:
    """The number of this process, from 0 on."""
    return int(os.environ.get("RANK", "0"))


def count() -> int:
    """How many processes there are."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def count_here() -> int:
    """How many of them share this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", "1"))


def started_by_torchrun() -> bool:
    """Whether torchrun looks after this process: it may restart it, and ends it with signals of its own."""
    return "TORCHELASTIC_RUN_ID" in os.environ


def restarts() -> int:
    """How often torchrun has restarted the processes."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


def local_device(device: str) -> str:
    """The device of this process: "cuda" (or "auto" where there is one) becomes the card that it was given."""
    if count() == 1 or device not in ("auto", "cuda"):
        return device
    import torch

    if not torch.cuda.is_available():
        return device
    return f"cuda:{int(os.environ.get('LOCAL_RANK', '0')) % torch.cuda.device_count()}"


@contextmanager
def joined(longest_wait: timedelta = LONGEST_WAIT) -> Iterator[None]:
    """Within this context the processes can talk to each other: over NCCL about what lies on cards, else over Gloo."""
    if count() == 1:
        yield
        return
    import torch
    import torch.distributed as dist

    if dist.is_initialized():
        yield
        return
    with_cards = torch.cuda.is_available() and dist.is_nccl_available()
    if with_cards:
        torch.cuda.set_device(torch.device(local_device("cuda")))
    # Torchrun keeps its store over restarts; under a name of their own the processes do not find the addresses of those
    # that were there before, which torch itself does not see to.
    store, number, size = next(dist.rendezvous("env://", timeout=STEP_WAIT))
    store = dist.PrefixStore(f"smoothvid/{restarts()}", store)
    backend = "cpu:gloo,cuda:nccl" if with_cards else "gloo"
    dist.init_process_group(backend, store=store, rank=number, world_size=size, timeout=longest_wait)
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
    values: list[Any] = [None] * count()
    _together(lambda dist: dist.all_gather_object(values, value))
    return values


def unshare(mine: Sequence[Item]) -> list[Item]:
    """The results for all items, in their order, from each process's results for its `share`, in every process."""
    shares = gather(mine)
    return [shares[number % count()][number // count()] for number in range(sum(map(len, shares)))]


def by_first(work: Callable[[], Item]) -> Item:
    """What the work gives in process 0, in every process. If it fails, process 0 raises the error, the others leave."""
    result, failure = None, None
    if rank() == 0:
        try:
            result = work()
        except Exception as error:
            failure = error
    result, exit_code = gather((result, failure and getattr(failure, "exit_code", 1)))[0]
    if failure is not None:
        raise failure
    if exit_code is not None:
        raise SystemExit(exit_code)
    return result  # type: ignore[return-value]


def highest(*numbers: int) -> tuple[int, ...]:
    """The highest of what the processes have passed, number by number, in every process."""
    if count() == 1:
        return numbers
    import torch

    found = torch.tensor(numbers)
    _together(lambda dist: dist.all_reduce(found, dist.ReduceOp.MAX))
    return tuple(found.tolist())


def add(values: "Tensor") -> "Tensor":
    """Sum over the processes, in place, in every process."""
    if count() > 1:
        _together(lambda dist: dist.all_reduce(values))
    return values


def average(values: "Tensor") -> "Tensor":
    """Mean over the processes, in place, in every process."""
    return add(values).div_(count()) if count() > 1 else values


def _together(talk: Callable[[Any], object]) -> None:
    import torch.distributed as dist

    try:
        talk(dist)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:120]
        raise PeerLostError(
            f"process {rank()} of {count()} has lost another one, whose message tells why ({reason})"
        ) from None
