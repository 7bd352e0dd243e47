"""One frame with the labels that a file of others gives it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class ForeignFrame:
    """A frame and its labels, as far as a file says in which units they are.

    Attributes
    ----------
    atoms
        The frame; `info` may hold tier and split.
    energy
        eV, total.
    forces
        Shape (n_atoms, 3), eV/Å.
    stress
        Shape (6,), order xx yy zz yz xz xy; eV/Å^3 with ase's sign where the format says so, else
        as it stands in the file. None where there is none.
    stress_known
        Whether the format says in which unit and with which sign stresses are.
    """

    atoms: Atoms
    energy: float
    forces: NDArray[np.float64]
    stress: NDArray[np.float64] | None
    stress_known: bool = False

    @property
    def finite(self) -> bool:
        """Whether every label is a number."""
        stress = np.zeros(6) if self.stress is None else self.stress
        whole = np.concatenate([[self.energy], np.ravel(self.forces), np.ravel(stress)])
        return bool(np.isfinite(whole).all())
