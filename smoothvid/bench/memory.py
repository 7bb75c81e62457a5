"""The peak memory of a call, beside what is held before it."""

import ctypes
import gc
import platform
from collections.abc import Callable
from pathlib import Path

import torch

_STATUS, _CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")


def peak_bytes(call: Callable[[], object], device: torch.device) -> int | None:
    """Bytes that a call takes at its peak: resident memory on a CPU (Linux only), allocated memory on a card.

    What the call computes once and keeps, such as compiled code, is not to be counted: call it once before.
    """
    gc.collect()
    if device.type == "cuda":
        torch.cuda.synchronize()
        held = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        call()
        torch.cuda.synchronize()
        return torch.cuda.max_memory_allocated() - held
    if device.type != "cpu" or not _forget_peak():
        return None
    held = _resident("VmRSS")
    call()
    return _resident("VmHWM") - held


def _forget_peak() -> bool:
    """Give freed memory back to the system and make the present size the highest; says whether that worked."""
    try:
        if platform.libc_ver()[0] == "glibc":
            ctypes.CDLL(None).malloc_trim(0)
        _CLEAR.write_text("5")  # see proc(5)
    except OSError:
        return False
    return True


def _resident(name: str) -> int:
    line = next(line for line in _STATUS.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1]) * 1024
