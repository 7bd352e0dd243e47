"""Memory of this process; a leaf like `dosml.errors`, for every room."""

from __future__ import annotations

import ctypes
import platform
import resource
import sys
from functools import cache

#: mallopt's numbers of the two thresholds (malloc.h), and what they are set to, bytes. More costs
#: memory and saves nothing: fits of 2700 environments took half a GiB more with 256 and 32 MiB.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT, _MAPPED = 64 << 20, 16 << 20


def peak_memory_mib() -> float:
    """Peak memory of this process so far, whatever it did before, MiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)


@cache
def keep_freed_memory() -> None:
    """Let this process keep up to 64 MiB of freed memory for its next arrays.

    Work on matrices of some MiB frees and takes them hundreds of times. glibc gives the top of its
    heap back to the system each time, and the system clears every page that it hands out anew:
    that was a seventh of the processor time of a `tb` label, and up to a third of a small fit.
    Arrays above 16 MiB go back as they did. Does nothing without glibc.
    """
    if platform.libc_ver()[0] == "glibc":
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, _MAPPED)
        library.mallopt(_TRIM_THRESHOLD, _KEPT)
