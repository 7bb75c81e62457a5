"""Keep freed memory, so that the next step need not ask the system for it again."""

import ctypes
import platform

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4


def keep_freed_memory() -> bool:
    """Tell glibc to hold on to large freed blocks for reuse; does nothing on other systems. Returns whether it worked.

    On a CPU most of an alias-free network's time beside the convolutions goes into zeroing pages for large temporaries.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, -1))
