"""Lattice and elastic constants of a crystal with any ase calculator that has stresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import units
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS

from dosml.errors import EngineError

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator
    from numpy.typing import NDArray

#: Strain of the finite differences; force (eV/Å) and steps of a relaxation.
STRAIN, FMAX, STEPS = 0.005, 0.005, 100
#: Voigt order of ase.
_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


@dataclass(frozen=True)
class Crystal:
    """A crystal at zero pressure.

    Attributes
    ----------
    atoms
        Relaxed, without calculator.
    energy
        eV/atom.
    stiffness
        Elastic constants C_ij in ase's Voigt order, shape (6, 6), GPa, atoms relaxed.
    """

    atoms: Atoms
    energy: float
    stiffness: NDArray[np.float64]

    @property
    def lengths(self) -> NDArray[np.float64]:
        """Lattice constants, Å."""
        return np.asarray(self.atoms.cell.lengths())


def relax_crystal(crystal: Atoms, calculator: Calculator) -> Crystal:
    """Relax cell and atoms, then strain the cell.

    Parameters
    ----------
    crystal
        Where to begin.
    calculator
        With energy, forces and stress.

    Raises
    ------
    EngineError
        If the relaxation does not end at zero pressure, or the cell runs away.
    """
    atoms = crystal.copy()
    atoms.calc = calculator
    filtered: Any = FrechetCellFilter(atoms)
    with BFGS(filtered, logfile=None) as optimiser:
        converged = optimiser.run(fmax=FMAX, steps=STEPS)
    ratio = atoms.cell.volume / crystal.cell.volume
    if not converged or not 0.5 < ratio < 2.0:
        raise EngineError(
            f"the crystal does not relax: after {STEPS} steps it has {ratio:.2f} times its volume"
        )
    columns = []
    for number in range(6):
        ends = [_stress(atoms, calculator, number, sign * STRAIN) for sign in (1, -1)]
        columns.append((ends[0] - ends[1]) / (2 * STRAIN) / units.GPa)
    stiffness = np.array(columns)
    relaxed = atoms.copy()
    relaxed.calc = None
    return Crystal(
        relaxed, float(atoms.get_potential_energy()) / len(atoms), (stiffness + stiffness.T) / 2
    )


def _stress(
    atoms: Atoms, calculator: Calculator, number: int, strain: float
) -> NDArray[np.float64]:
    """Stress (6,) at one Voigt strain, atoms relaxed."""
    a, b = _VOIGT[number]
    deformation = np.eye(3)
    # Voigt's shear strain is twice the tensor's
    deformation[a, b] += strain if a == b else strain / 2
    if a != b:
        deformation[b, a] += strain / 2
    strained = atoms.copy()
    strained.set_cell(np.asarray(atoms.cell) @ deformation, scale_atoms=True)
    strained.calc = calculator
    if np.abs(strained.get_forces()).max() > FMAX:
        with BFGS(strained, logfile=None) as optimiser:
            optimiser.run(fmax=FMAX, steps=STEPS)
    return np.asarray(strained.get_stress())
