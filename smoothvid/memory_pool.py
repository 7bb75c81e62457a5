"""Memory that is kept for the next operation instead of being given back to the system.

PyTorch on a CPU asks for each large tensor anew. The C library of Linux gives such memory back at once when it is
freed, and the next tensor begins with pages that have never been touched, which the system must first find and clear:
that can take longer than the operation itself.
"""

import ctypes
import os
import platform

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8  # parameters of mallopt, <malloc.h>
_NEVER = 2**31 - 1


def keep_memory() -> bool:
    """Tell the C library to keep freed memory for this process, however large its pieces; returns whether it does.

    Only glibc knows how. Call it early: memory asked for before is not affected. SMOOTHVID_KEEP_MEMORY=0 prevents it.
    """
    if os.environ.get("SMOOTHVID_KEEP_MEMORY") == "0" or platform.libc_ver()[0] != "glibc":
        return False
    mallopt = ctypes.CDLL(None).mallopt
    # One arena for all threads: the others must take large pieces from the system.
    settings = {_MMAP_MAX: 0, _TRIM_THRESHOLD: _NEVER, _ARENA_MAX: 1}
    return all(mallopt(parameter, value) == 1 for parameter, value in settings.items())
