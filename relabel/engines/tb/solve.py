"""Levels and orbitals of one frame: the one diagonalisation that every setting shares."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from scipy.linalg import LinAlgError, eigh

from dosml.errors import LabelError
from dosml.relabel.engines.tb.bloch import BondGather
from dosml.relabel.engines.tb.overlap_guard import Guard, guard_of
from dosml.relabel.engines.tb.slater_koster import N_ORBITALS
from dosml.theory.fermi_level import band_energy, chemical_potential

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dosml.relabel.engines.tb.hamiltonian import Structure, Weights
    from dosml.relabel.engines.tb.kpoints import KPoints
    from dosml.theory.smearing import Smearing

#: Occupation below which a level is left out of the forces.
_NEGLIGIBLE = 1e-12
#: Elements of the matrices that are assembled at a time: 8 MiB if complex, an array that freed
#: memory is kept for (`dosml.memory`). Sixteen times as many cost a fifth more time.
_AT_A_TIME = 500_000
_D = slice(4, 9)


@dataclass(frozen=True)
class FreeEnergy:
    """Free energy of the electrons at one setting.

    Attributes
    ----------
    value
        F = 2 sum_k w_k sum_n (f e - sigma s), eV, with the repulsion of the continuation.
    fermi_level
        eV.
    by_levels
        dF/de_n at fixed number of electrons: 2 w_k f_n, shape (n_k, n_levels).
    """

    value: float
    fermi_level: float
    by_levels: NDArray[np.float64]


@dataclass(frozen=True)
class Bands:
    """Levels and orbitals.

    Attributes
    ----------
    structure, kpoints
        What was diagonalised.
    energies
        Shape (n_k, n_states), eV.
    vectors
        Of every k-point, shape (n_states, n_states), columns c_n with c_n^+ S c_n = 1; real where
        the k-point allows.
    d_weights
        Mulliken populations of the five d orbitals, summed over atoms, shape (n_k, 5, n_states).
    guards
        Of every k-point; None where the overlap matrix is taken as it is.
    """

    structure: Structure
    kpoints: KPoints
    energies: NDArray[np.float64]
    vectors: list[NDArray[np.inexact]]
    d_weights: NDArray[np.float64]
    guards: list[Guard | None]

    def free_energy(self, electrons: float, smearing: Smearing) -> FreeEnergy:
        """Fill the levels.

        Parameters
        ----------
        electrons
            In the cell.

        Raises
        ------
        LabelError
            If the orbitals cannot hold that number.
        """
        share = self.kpoints.weights[:, None]
        try:
            level = chemical_potential(self.energies, electrons, smearing, weights=share)
        except ValueError as error:
            raise LabelError(str(error)) from error
        filled = band_energy(self.energies, level, smearing, weights=share)
        by_levels = 2 * share * smearing.occupation(self.energies - level)
        return FreeEnergy(filled.free_energy + self.structure.repulsion, level, by_levels)

    def weights(self, by_levels: NDArray[np.float64]) -> Weights:
        """Differentiate E by the matrices from dE/de_n, shape (n_k, n_states)."""
        levels = zip(self.energies, self.vectors, self.guards, strict=True)
        return self.structure.weights(self._gather, list(levels), by_levels)

    @cached_property
    def _gather(self) -> BondGather:
        return BondGather.of(self.structure.bonds, self.kpoints.points)

    def parameter_gradient(self, by_levels: NDArray[np.float64]) -> NDArray[np.float64]:
        """Differentiate E(e_1, e_2, ...) by the parameters.

        Parameters
        ----------
        by_levels
            dE/de_n, shape (n_k, n_states): `FreeEnergy.by_levels` for a free energy, 1 at one level
            and 0 elsewhere for that level, 2 w (e_n - e_n^ref) for a sum of squared errors.

        Returns
        -------
        gradient
            Shape (116,), eV per unit of `TbParameters.to_vector`.
        """
        return self.structure.by_parameters(self.weights(by_levels))

    def vector_gradient(self, free: FreeEnergy) -> NDArray[np.float64]:
        """Differentiate a free energy by the vectors of the bonds, shape (n_bonds, 3), eV/Å."""
        full = 2 * self.kpoints.weights[:, None]
        filled = np.where(np.abs(free.by_levels) > _NEGLIGIBLE * full, free.by_levels, 0.0)
        slope = self.structure.radial.repulsion_slope[:, None]
        by_levels = self.structure.by_vectors(self.weights(filled))
        return np.asarray(by_levels + slope * self.structure.directions.n)


def solve(structure: Structure, kpoints: KPoints) -> Bands:
    """Diagonalise at every k-point.

    Raises
    ------
    LabelError
        If the overlap matrix is not positive definite: atoms are too close for the parameters.
    """
    n_k, n = len(kpoints.points), structure.n_states
    energies = np.empty((n_k, n))
    d_weights = np.empty((n_k, 5, n))
    vectors: list[NDArray[np.inexact]] = [np.empty(0)] * n_k
    guards: list[Guard | None] = [None] * n_k
    real = kpoints.real
    at_a_time = max(1, _AT_A_TIME // n**2)
    for kind in (True, False):
        members = np.flatnonzero(real == kind)
        for start in range(0, len(members), at_a_time):
            chosen = members[start : start + at_a_time]
            matrices = structure.matrices(kpoints.points[chosen], real=kind)
            for k, hamiltonian, bare in zip(chosen, *matrices, strict=True):
                guard = guard_of(bare)
                overlap = bare
                if guard is not None:
                    overlap = guard.overlap
                    hamiltonian[...] += guard.lift
                guards[k] = guard
                energies[k], vectors[k] = _diagonalise(structure, hamiltonian, overlap)
                d_weights[k] = _d_populations(vectors[k], overlap)
    return Bands(structure, kpoints, energies, vectors, d_weights, guards)


def _diagonalise(
    structure: Structure, hamiltonian: NDArray[np.inexact], overlap: NDArray[np.inexact]
) -> tuple[NDArray[np.float64], NDArray[np.inexact]]:
    try:
        # divide and conquer: three times as fast as the other drivers at 300 to 600 states
        levels, vectors = eigh(
            hamiltonian, overlap, driver="gvd", overwrite_a=True, check_finite=False
        )
    except LinAlgError as error:
        closest = structure.bonds.distances.min(initial=np.inf)
        raise LabelError(
            "the overlap matrix is not positive definite: atoms are too close for the parameters "
            f"of {structure.parameters.symbol} (closest pair {closest:.2f} Å)"
        ) from error
    return levels, vectors


def _d_populations(
    vectors: NDArray[np.inexact], overlap: NDArray[np.inexact]
) -> NDArray[np.float64]:
    """Mulliken gross populations c (S c) of the d orbitals, shape (5, n_states)."""
    n = len(overlap)
    rows = np.arange(n).reshape(-1, N_ORBITALS)[:, _D].ravel()
    gross = (vectors[rows].conj() * (overlap[rows] @ vectors)).real
    return np.asarray(gross.reshape(-1, 5, n).sum(axis=0))
