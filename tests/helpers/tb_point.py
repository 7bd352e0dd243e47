"""Energies and levels of tight binding with their derivatives by the parameters.

A fit evaluates the same frames again and again: a `FitPoint` keeps what does not depend on the
parameters. First derivatives are exact and cost less than the diagonalisation (the rule stands at
the top of `hamiltonian.py`). A force along a direction u is fitted as the difference of two
energies, at r + h u and r - h u.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ase.units import Bohr

from dosml.relabel.engines.tb.geometry import Bonds, bonds_of
from dosml.relabel.engines.tb.hamiltonian import Structure
from dosml.relabel.engines.tb.solve import Bands, solve

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from ase import Atoms
    from numpy.typing import NDArray

    from dosml.relabel.engines.tb.kpoints import KPoints
    from dosml.relabel.engines.tb.model import TbParameters
    from dosml.theory.setting import ElectronicSetting


@dataclass(frozen=True)
class FitPoint:
    """One frame at its k-points.

    Attributes
    ----------
    bonds
        Pairs within the cutoff, which a fit does not change.
    kpoints
        Any points with weights: a grid, or the irreducible points of another code.
    """

    bonds: Bonds
    kpoints: KPoints

    @classmethod
    def of(cls, frame: Atoms, kpoints: KPoints, parameters: TbParameters) -> FitPoint:
        """Find the bonds of a frame within the cutoff of some parameters."""
        return cls(bonds_of(frame, parameters.cutoff_radius * Bohr), kpoints)

    def bands(self, parameters: TbParameters) -> Bands:
        """Diagonalise; `Bands.parameter_gradient` takes any function of the levels from there.

        Raises
        ------
        LabelError
            If the frame cannot be diagonalised with these parameters.
        """
        return solve(Structure.of_bonds(self.bonds, parameters), self.kpoints)

    def free_energies(
        self, parameters: TbParameters, settings: Sequence[ElectronicSetting]
    ) -> list[tuple[float, NDArray[np.float64]]]:
        """Free energies at several settings from one diagonalisation.

        Returns
        -------
        energies
            For each setting F in eV and its derivative by `TbParameters.to_vector`, shape (116,).

        Raises
        ------
        LabelError
            If the frame cannot be diagonalised or filled with these parameters.
        """
        bands = self.bands(parameters)
        found = []
        for setting in settings:
            electrons = parameters.electrons + setting.electrons_per_atom_shift
            free = bands.free_energy(self.bonds.n_atoms * electrons, setting.smearing)
            found.append((free.value, bands.parameter_gradient(free.by_levels)))
        return found
