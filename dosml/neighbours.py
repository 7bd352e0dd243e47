"""Neighbour lists by vesin, without torch; a leaf for every room.

vesin imports torch where it is installed, though it needs it for torch's own arrays only. Ours are
numpy's, and torch costs the start of every command a second and 180 MiB of memory.
"""

from __future__ import annotations

import sys

_HIDE = "torch" not in sys.modules
if _HIDE:
    sys.modules["torch"] = None  # type: ignore[assignment] # how Python is told: not installed
try:
    from vesin import NeighborList, ase_neighbor_list
finally:
    if _HIDE:
        del sys.modules["torch"]

__all__ = ["NeighborList", "ase_neighbor_list"]
