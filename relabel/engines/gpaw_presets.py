"""Presets of the GPAW engine: what a calculation costs and how far it is converged."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dosml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms


@dataclass(frozen=True)
class GpawPreset:
    """Numerical settings.

    Attributes
    ----------
    energy_cutoff
        Of the plane waves, eV.
    kpoint_spacing
        Largest distance between neighbouring k-points, 1/Å (2 pi included, as VASP's KSPACING).
    """

    energy_cutoff: float
    kpoint_spacing: float

    def kpoints(self, frame: Atoms) -> tuple[int, int, int]:
        """Smallest grid around Gamma with at most this spacing."""
        lengths = 2 * math.pi * np.linalg.norm(np.asarray(frame.cell.reciprocal()), axis=1)
        grid = [max(1, math.ceil(length / self.kpoint_spacing - 1e-9)) for length in lengths]
        return grid[0], grid[1], grid[2]


#: `laptop` has the coarsest grid at which the labels of small cells are of use: 3 x 3 x 3 for 8
#: atoms (docs/engines.md has the measurement). `paper` is the published plane-wave cutoff.
PRESETS = {
    "laptop": GpawPreset(energy_cutoff=300.0, kpoint_spacing=0.51),
    "paper": GpawPreset(energy_cutoff=520.0, kpoint_spacing=0.22),
}


def preset_of(name: str) -> GpawPreset:
    """Preset by name.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    if name not in PRESETS:
        raise InputError(f"no GPAW preset {name!r}: choose one of {', '.join(PRESETS)}")
    return PRESETS[name]


def check_grid(kpoints: Sequence[int]) -> tuple[int, int, int]:
    """Three numbers from 1 up, as a tuple.

    Raises
    ------
    InputError
        If they are not.
    """
    if len(kpoints) != 3 or any(number < 1 for number in kpoints):
        raise InputError(f"--kpoints takes three numbers from 1 up, got {list(kpoints)}")
    return kpoints[0], kpoints[1], kpoints[2]
