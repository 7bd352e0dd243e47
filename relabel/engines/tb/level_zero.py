"""The zero of the levels: what it takes away from a charged cell.

The model has no pair repulsion: its levels carry the whole energy, and with it a zero that moves
when the atoms move. In a neutral cell that is the repulsion. In a cell with q electrons more or
fewer the bare model would add q times the zero's movement to the energy, where in PBE the repulsion
of the nuclei is what it was. By dF/dn = E_F the zero can be measured: it is the Fermi level of the
model less that of PBE (average potential zero, as plane-wave codes with a uniform background
have it), and the parameters of a metal hold it as

    z = c_V ln(V/n) + 1/n sum_i sum_p c_p rho_i^p

with the density rho_i and its powers as in the on-site energies (`dosml.relabel.engines.tb.fit`).
Then F = F_bare - q z. Neutral cells do not feel it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dosml.relabel.engines.tb.hamiltonian import Structure


@dataclass(frozen=True)
class LevelZero:
    """The zero of the levels of one frame.

    Attributes
    ----------
    value
        z, eV.
    by_vectors
        dz/d(vector of a bond) at constant volume, shape (n_bonds, 3), eV/Å.
    by_log_volume
        dz/d(ln V) at constant densities, eV.
    """

    value: float
    by_vectors: NDArray[np.float64]
    by_log_volume: float

    @classmethod
    def of(cls, structure: Structure, volume: float) -> LevelZero:
        """Evaluate the function of the metal's parameters at a frame; all zero where it has none.

        Parameters
        ----------
        volume
            Of the cell, Å^3.
        """
        bonds, onsite = structure.bonds, structure.onsite
        if not structure.parameters.level_zero:
            return cls(0.0, np.zeros_like(bonds.vectors), 0.0)
        by_log_volume, *by_powers = structure.parameters.level_zero
        by_density = onsite.power_slopes @ by_powers / bonds.n_atoms
        slope = (
            by_density[bonds.first] + by_density[bonds.second]
        ) * structure.radial.density_slope
        value = coordinates(structure, volume) @ structure.parameters.level_zero
        return cls(float(value), slope[:, None] * structure.directions.n, by_log_volume)


def coordinates(structure: Structure, volume: float) -> NDArray[np.float64]:
    """Give what the coefficients multiply: ln(V/n), V in Å^3, and means of rho^p; shape (6,)."""
    n_atoms = structure.bonds.n_atoms
    return np.array([math.log(volume / n_atoms), *structure.onsite.powers.mean(axis=0)])
