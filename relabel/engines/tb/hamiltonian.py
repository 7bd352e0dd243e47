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
from ase.units import Bohr
from scipy.sparse import csr_array

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

    from dosml.relabel.engines.tb.kpoints import KPoints
    from dosml.relabel.engines.tb.model import TbParameters
    from dosml.relabel.engines.tb.overlap_guard import Guard

_BLOCK = N_ORBITALS * N_ORBITALS


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
            self._bloch_sum(blocks(table, self.directions), points, real=real)
            for table in (self.radial.hopping, self.radial.overlap)
        )
        diagonal = np.arange(self.n_states)
        levels = self.onsite.energies[:, SHELL_OF_ORBITAL].ravel()
        hamiltonian[:, diagonal, diagonal] += levels
        overlap[:, diagonal, diagonal] += 1.0
        return hamiltonian, overlap

    def _bloch_sum(
        self, pairs: NDArray[np.float64], points: NDArray[np.float64], *, real: bool
    ) -> NDArray[np.inexact]:
        """Sum of exp(2 pi i k.T) B(T) over the bonds and their reverse, shape (n_k, n, n)."""
        bonds = self.bonds
        n_k, n_bonds, n_atoms = len(points), len(pairs), bonds.n_atoms
        phase = self.phases(points, real=real)
        # bonds are sorted by their atoms: the bonds of two atoms are neighbours
        place = bonds.first * n_atoms + bonds.second
        starts = np.flatnonzero(np.diff(place, prepend=-1))
        rows = (starts[None, :] + n_bonds * np.arange(n_k)[:, None]).ravel()
        gather = csr_array(
            (
                phase.ravel(),
                np.tile(np.arange(n_bonds), n_k),
                np.append(rows, n_k * n_bonds),
            ),
            shape=(len(rows), n_bonds),
        )
        summed = (gather @ pairs.reshape(n_bonds, _BLOCK)).reshape(n_k, len(starts), 9, 9)
        matrix = np.zeros((n_k, n_atoms, N_ORBITALS, n_atoms, N_ORBITALS), dtype=phase.dtype)
        matrix[:, bonds.first[starts], :, bonds.second[starts], :] = summed.transpose(1, 0, 2, 3)
        matrix = matrix.reshape(n_k, self.n_states, self.n_states)
        return matrix + matrix.conj().transpose(0, 2, 1)

    def phases(self, points: NDArray[np.float64], *, real: bool) -> NDArray[np.inexact]:
        """exp(2 pi i k.T) of every bond, shape (n_k, n_bonds)."""
        turns = points @ self.bonds.cells.T
        if real:
            return np.where(np.round(2 * turns) % 2 == 0, 1.0, -1.0)
        return np.asarray(np.exp(2j * np.pi * turns))

    def weights(
        self,
        kpoints: KPoints,
        solutions: Sequence[tuple[NDArray[np.float64], NDArray[np.inexact], Guard | None]],
        by_levels: NDArray[np.float64],
    ) -> Weights:
        """Derivatives of E by the elements of H and S.

        Parameters
        ----------
        solutions
            Of every k-point: levels (eV), shape (n_levels,); vectors, shape (n_states, n_levels);
            guard of the overlap matrix, if it has one.
        by_levels
            Shape (n_k, n_levels): dE/de_n (for the free energy 2 w_k f_n). Vanishing columns cost
            nothing.
        """
        bonds, n_atoms = self.bonds, self.bonds.n_atoms
        hopping = np.zeros((len(bonds.first), N_ORBITALS, N_ORBITALS))
        overlap = np.zeros_like(hopping)
        onsite = np.zeros(self.n_states)
        real = kpoints.real
        for k, (levels, vectors, guard) in enumerate(solutions):
            filled = np.flatnonzero(by_levels[k])
            if not len(filled):
                continue
            g, part = by_levels[k, filled], vectors[:, filled]
            adjoint = part.conj().T
            by_hamiltonian = (part * g) @ adjoint
            by_overlap = (part * (-g * levels[filled])) @ adjoint
            if guard is not None:
                by_overlap = guard.adjoint(by_hamiltonian, by_overlap)
            phase = self.phases(kpoints.points[k : k + 1], real=bool(real[k]))[0][:, None, None]
            for total, matrix in ((hopping, by_hamiltonian), (overlap, by_overlap)):
                blocked = matrix.reshape(n_atoms, N_ORBITALS, n_atoms, N_ORBITALS)
                pairs = blocked[bonds.first, :, bonds.second, :]
                # H_ij and its partner H_ji: twice the real part
                total += 2 * (pairs.conj() * phase).real
            onsite += by_hamiltonian.diagonal().real
        by_shell = onsite.reshape(n_atoms, N_ORBITALS)
        edges = np.flatnonzero(np.diff(SHELL_OF_ORBITAL, prepend=-1))
        return Weights(hopping, overlap, np.add.reduceat(by_shell, edges, axis=1))

    def by_vectors(self, weights: Weights) -> NDArray[np.float64]:
        """Derivative of E by the vectors of the bonds, shape (n_bonds, 3), eV/Å; no repulsion."""
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
        return slope[:, None] * bond.n + across / self.bonds.distances[:, None]

    def by_parameters(self, weights: Weights) -> NDArray[np.float64]:
        """Derivative of E by the entries of `TbParameters.to_vector`, shape (116,)."""
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
        """Derivative of E by the density that each bond gives to its two atoms, (n_bonds,)."""
        atoms = np.sum(weights.onsite * self.onsite.slopes, axis=1)
        return np.asarray(atoms[self.bonds.first] + atoms[self.bonds.second])


def _gather(
    bonds: Bonds, to_first: NDArray[np.float64], to_second: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Sum over the bonds of every atom, shape (n_atoms,)."""
    return np.bincount(bonds.first, to_first, bonds.n_atoms) + np.bincount(
        bonds.second, to_second, bonds.n_atoms
    )


def forces_and_stress(
    bonds: Bonds, by_vectors: NDArray[np.float64], volume: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Forces and stress of an energy that depends on the vectors of the bonds.

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
    symmetric = (virial + virial.T) / (2 * volume)
    return forces, symmetric.ravel()[[0, 4, 8, 5, 2, 1]]
