"""Bonds of a periodic frame: every pair of atoms within the cutoff once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Bonds:
    """Every pair of atoms within a cutoff once, periodic images included.

    Attributes
    ----------
    n_atoms
        Atoms in the cell.
    first, second
        Shape (n_bonds,), indices of the atoms; an atom is bonded to its own images too.
    cells
        Shape (n_bonds, 3), whole numbers: the cell of the second atom's image.
    vectors
        Shape (n_bonds, 3), from the first to the second, Å.
    distances
        Shape (n_bonds,), Å.
    """

    n_atoms: int
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    cells: NDArray[np.int64]
    vectors: NDArray[np.float64]
    distances: NDArray[np.float64]

    @property
    def directions(self) -> NDArray[np.float64]:
        """Unit vectors, shape (n_bonds, 3)."""
        return self.vectors / self.distances[:, None]


def bonds_of(frame: Atoms, cutoff: float) -> Bonds:
    """Find the bonds of a frame, with a cutoff in Å."""
    from dosml.neighbours import NeighborList

    search = NeighborList(cutoff=cutoff, full_list=True)
    i, j, shifts, vectors, distances = search.compute(
        points=np.asarray(frame.positions),
        box=np.asarray(frame.cell),
        periodic=True,
        quantities="ijSDd",
    )
    i, j, shifts = i.astype(np.int64), j.astype(np.int64), shifts.astype(np.int64)
    # of an atom and its image one of the two opposite directions
    sign = np.sign(shifts) @ np.array([9, 3, 1])
    once = (i < j) | ((i == j) & (sign > 0))
    order = np.lexsort((*shifts[once].T, j[once], i[once]))
    kept = np.flatnonzero(once)[order]
    return Bonds(len(frame), i[kept], j[kept], shifts[kept], vectors[kept], distances[kept])
