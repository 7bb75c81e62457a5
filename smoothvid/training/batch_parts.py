"""Into what parts a step's batch may be cut, and which size of them a card can hold."""

import logging
from collections.abc import Callable, Sequence
from typing import Literal

import torch

from smoothvid import processes
from smoothvid.errors import ConfigError, DeviceError

BatchGpu = int | Literal["auto"] | None
_logger = logging.getLogger(__name__)


def part_sizes(batch: int, compared: Callable[[int], int]) -> list[int]:
    """Sizes that the parts of a batch can have so that the result is the same, the largest first.

    All processes get as many videos, and videos that the discriminator compares with each other stay in one part.

    Args:
        compared: how many of so many videos it compares.

    Raises:
        ConfigError: the processes are too many for this batch.
    """
    count = processes.count()
    share, rest = divmod(batch, count)
    sizes = [n for n in range(share, 0, -1) if share % n == 0 and compared(n) == compared(batch)]
    if count > 1 and compared(2**20) == 2**20:  # however large a batch is
        raise ConfigError(
            f"{count} processes cannot share a batch of this family, whose networks look at all of it (batch norm); "
            "start a single one"
        )
    if rest or not sizes:
        group = compared(batch)
        raise ConfigError(
            f"batch {batch} cannot be shared by {count} processes: each needs as many videos, in whole groups of the "
            f"{group} that the discriminator compares with each other (model.discriminator.mbstd_group). "
            f"Take --batch {count * group} or a multiple of it, or fewer processes."
        )
    return sizes


def check_size(sizes: Sequence[int], asked: int) -> int:
    """`asked`, if parts can have this size. Raises ConfigError."""
    if asked not in sizes:
        raise ConfigError(f"--batch-gpu {asked}: the batch can be cut into parts of {', '.join(map(str, sizes))}")
    return asked


def largest_that_fits(sizes: Sequence[int], rehearse: Callable[[int], None], device: torch.device) -> int:
    """The largest size with which `rehearse` finds enough memory on every card; elsewhere than on a card, the largest.

    Raises:
        DeviceError: not even the smallest.
    """
    if device.type != "cuda":
        return sizes[0]
    for size in sizes:
        if all(processes.gather(_fits(rehearse, size))):
            _logger.info("--batch-gpu auto: %d videos at once", size)
            return size
    raise DeviceError(
        f"not even {sizes[-1]} videos at once fit in the memory of {device}; take a smaller preset, or "
        "--set train.share_fakes=true"
    )


def _fits(rehearse: Callable[[int], None], size: int) -> bool:
    try:
        rehearse(size)
    except torch.OutOfMemoryError:
        return False
    finally:
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
    return True
