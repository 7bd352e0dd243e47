"""One frame in the model: Hamiltonian, overlap, and derivatives of anything made of their levels.

All derivatives come from one rule. For levels e_n with H c_n = e_n S c_n, c_m^+ S c_n = delta_mn,

    de_n = c_n^+ (dH - e_n dS) c_n,

so that E(e_1, e_2, ...) with g_n = dE/de_n changes by P : dH - W : dS with P = sum_n g_n c_n c_n^+
and W = sum_n g_n e_n c_n c_n^+. `Structure.weights` gathers P and W bond by bond (this is all that
is ever needed of them), and from there it is a short way to forces, to stress and to derivatives by
the parameters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase.stress import full_3x3_to_voigt_6_stress
from ase.units import Bohr

from dosml.relabel.engines.tb.bloch import BondGather, bloch_sum, density_conjugate
from dosml.relabel.engines.tb.geometry import Bonds, bonds_of
from dosml.relabel.engines.tb.radial import (
    Onsite,
    Radial,
    decay_derivative,
    hopping_derivative,
    onsite_derivative,
    onsite_energies,
    overlap_derivative,
    radial_functions,
)
from dosml.relabel.engines.tb.slater_koster import (
    N_ORBITALS,
    SHELL_OF_ORBITAL,
    Directions,
    blocks,
    contract,
    directions,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms
    from numpy.typing import NDArray

    from dosml.relabel.engines.tb.model import TbParameters
    from dosml.relabel.engines.tb.overlap_guard import Guard


@dataclass(frozen=True)
class Weights:
    """Derivatives of an energy by the elements of the matrices.

    Attributes
    ----------
    hopping, overlap
        Shape (n_bonds, 9, 9): by the blocks of the bonds (both of H_ij and its partner H_ji).
    onsite
        Shape (n_atoms, 3): by the on-site energies of s, p, d.
    """

    hopping: NDArray[np.float64]
    overlap: NDArray[np.float64]
    onsite: NDArray[np.float64]


@dataclass(frozen=True)
class Structure:
    """One frame in the model.

    Attributes
    ----------
    parameters
        Of the metal.
    bonds
        Pairs within the cutoff.
    directions
        Of the bonds.
    radial
        At the distances of the bonds.
    onsite
        Of the atoms.
    """

    parameters: TbParameters
    bonds: Bonds
    directions: Directions
    radial: Radial
    onsite: Onsite

    @classmethod
    def of(cls, frame: Atoms, parameters: TbParameters) -> Structure:
        """Put a frame into the model."""
        return cls.of_bonds(bonds_of(frame, parameters.cutoff_radius * Bohr), parameters)

    @classmethod
    def of_bonds(cls, bonds: Bonds, parameters: TbParameters) -> Structure:
        """Put known bonds into the model, for several parameters of one cutoff."""
        radial = radial_functions(parameters, bonds.distances)
        density = _gather(bonds, radial.density, radial.density)
        onsite = onsite_energies(parameters, density)
        return cls(parameters, bonds, directions(bonds.directions), radial, onsite)

    @property
    def n_states(self) -> int:
        """Rows of the Hamiltonian."""
        return N_ORBITALS * self.bonds.n_atoms

    @property
    def repulsion(self) -> float:
        """Energy that keeps atoms apart which are closer than the parameters know, eV."""
        return float(self.radial.repulsion.sum())

    def matrices(
        self, points: NDArray[np.float64], *, real: bool
    ) -> tuple[NDArray[np.inexact], NDArray[np.inexact]]:
        """Hamiltonian and overlap matrix.

        Parameters
        ----------
        points
            Shape (n_k, 3), in reciprocal lattice vectors.
        real
            Whether all points are their own time-reversal partners.

        Returns
        -------
        hamiltonian, overlap
            Shape (n_k, 9 n_atoms, 9 n_atoms), eV and none; real numbers where `real`.
        """
        hamiltonian, overlap = (
            bloch_sum(self.bonds, blocks(table, self.directions), points, real=real)
            for table in (self.radial.hopping, self.radial.overlap)
        )
        diagonal = np.arange(self.n_states)
        levels = self.onsite.energies[:, SHELL_OF_ORBITAL].ravel()
        hamiltonian[:, diagonal, diagonal] += levels
        overlap[:, diagonal, diagonal] += 1.0
        return hamiltonian, overlap

    def weights(
        self,
        gather: BondGather,
        solutions: Sequence[tuple[NDArray[np.float64], NDArray[np.inexact], Guard | None]],
        by_levels: NDArray[np.float64],
    ) -> Weights:
        """Differentiate E by the elements of H and S.

        Parameters
        ----------
        gather
            Of this frame at the k-points.
        solutions
            Of every k-point: levels (eV), shape (n_levels,); vectors, shape (n_states, n_levels);
            guard of the overlap matrix, if it has one.
        by_levels
            Shape (n_k, n_levels): dE/de_n (for the free energy 2 w_k f_n). Vanishing columns cost
            nothing.
        """
        by_hamiltonian, by_overlap = gather.sum_over(), gather.sum_over()
        onsite = np.zeros(self.n_states)
        for k, (g, (levels, vectors, guard)) in enumerate(zip(by_levels, solutions, strict=True)):
            density = density_conjugate(vectors, g)
            weighted = density_conjugate(vectors, -g * levels)
            if guard is not None:
                weighted = guard.adjoint_conjugate(density, weighted)
            by_hamiltonian.add(k, density)
            by_overlap.add(k, weighted)
            onsite += density.diagonal().real
        by_shell = onsite.reshape(-1, N_ORBITALS)
        edges = np.flatnonzero(np.diff(SHELL_OF_ORBITAL, prepend=-1))
        return Weights(
            by_hamiltonian.result(),
            by_overlap.result(),
            np.add.reduceat(by_shell, edges, axis=1),
        )

    def by_vectors(self, weights: Weights) -> NDArray[np.float64]:
        """Differentiate E by the vectors of the bonds, shape (n_bonds, 3), eV/Å; no repulsion."""
        radial, bond = self.radial, self.directions
        slope = self._by_density(weights) * radial.density_slope
        by_direction = np.zeros_like(bond.n)
        for weight, value, value_slope in (
            (weights.hopping, radial.hopping, radial.hopping_slope),
            (weights.overlap, radial.overlap, radial.overlap_slope),
        ):
            by_integrals, turned = contract(weight, value, bond)
            slope += np.sum(by_integrals * value_slope, axis=1)
            by_direction += turned
        along = np.sum(by_direction * bond.n, axis=1)
        across = by_direction - along[:, None] * bond.n
        return np.asarray(slope[:, None] * bond.n + across / self.bonds.distances[:, None])

    def by_parameters(self, weights: Weights) -> NDArray[np.float64]:
        """Differentiate E by the entries of `TbParameters.to_vector`, shape (116,)."""
        hopping = contract(weights.hopping, self.radial.hopping, self.directions)[0]
        overlap = contract(weights.overlap, self.radial.overlap, self.directions)[0]
        return np.concatenate(
            [
                [decay_derivative(self.parameters, self.radial, self._by_density(weights))],
                onsite_derivative(self.onsite, weights.onsite).ravel(),
                hopping_derivative(self.parameters, self.radial, hopping).ravel(),
                overlap_derivative(self.parameters, self.radial, overlap).ravel(),
            ]
        )

    def _by_density(self, weights: Weights) -> NDArray[np.float64]:
        """Differentiate E by the density that each bond gives to its two atoms, (n_bonds,)."""
        atoms = np.sum(weights.onsite * self.onsite.slopes, axis=1)
        return np.asarray(atoms[self.bonds.first] + atoms[self.bonds.second])


def _gather(
    bonds: Bonds, to_first: NDArray[np.float64], to_second: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sum over the bonds of every atom, shape (n_atoms,)."""
    total = np.zeros(bonds.n_atoms)
    total += np.bincount(bonds.first, to_first, bonds.n_atoms)
    total += np.bincount(bonds.second, to_second, bonds.n_atoms)
    return total


def forces_and_stress(
    bonds: Bonds, by_vectors: NDArray[np.float64], volume: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return forces and stress of an energy that depends on the vectors of the bonds.

    Parameters
    ----------
    by_vectors
        dE/d(vector), shape (n_bonds, 3), eV/Å.
    volume
        Å^3.

    Returns
    -------
    forces, stress
        Shape (n_atoms, 3), eV/Å, and shape (6,), eV/Å^3, ase sign, order xx yy zz yz xz xy.
    """
    forces = np.stack([_gather(bonds, part, -part) for part in by_vectors.T], axis=1)
    virial = by_vectors.T @ bonds.vectors
    return forces, full_3x3_to_voigt_6_stress(virial) / volume
