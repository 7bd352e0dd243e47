"""Memory of this process; a leaf like `dosml.errors`, for every room."""

from __future__ import annotations

import resource
import sys


def peak_memory_mib() -> float:
    """Peak memory of this process so far, whatever it did before, MiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20, 1)
