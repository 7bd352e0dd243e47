"""Residuals of the fit and their derivatives by the parameters.

First-order perturbation theory gives dE/dp of any energy (`Bands.parameter_gradient`); the
derivative of a force along u is then the difference of two such gradients at r +- h u,

    d(f.u)/dp = -(dF/dp(r + h u) - dF/dp(r - h u)) / 2h,

and that of a stress the same with a strain. All residuals are in units of what they may miss.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from dosml.relabel.engines.tb.fit.samples import SMEARINGS
from dosml.relabel.engines.tb.hamiltonian import Structure, forces_and_stress
from dosml.relabel.engines.tb.solve import solve

if TYPE_CHECKING:
    from collections.abc import Callable

    from ase import Atoms
    from numpy.typing import NDArray

    from dosml.relabel.engines.tb.fit.samples import Sample
    from dosml.relabel.engines.tb.kpoints import KPoints
    from dosml.relabel.engines.tb.model import TbParameters
    from dosml.relabel.engines.tb.solve import Bands

N_VECTOR = 116
#: Columns of the Jacobian after the model's: energy per atom added to the model's (eV), and the
#: isotropic stress that a plane-wave basis of fixed cutoff leaves behind (eV/Å^3).
N_EXTRA = 2
STEP, STRAIN_STEP = 0.01, 0.003
_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
#: From Voigt components to those along strains of unit length.
_UNIT = np.array([1, 1, 1, np.sqrt(2), np.sqrt(2), np.sqrt(2)])
_ISOTROPIC = np.array([1, 1, 1, 0, 0, 0])


@dataclass(frozen=True)
class Tolerances:
    """What may be missed by one unit of a residual.

    Attributes
    ----------
    crystal_energy, crystal_share
        eV per atom, and share of the energy above the lowest.
    snapshot_energy, energy_change
        eV per atom: at the first smearing, and of the change from the first to the second.
    force, force_change
        Shares of the root mean square of the snapshots' forces and changes.
    stress
        eV per atom and unit strain.
    level
        eV; all levels together count as `level_count` residuals.
    level_squeezed
        Weight of levels of crystals compressed below 0.7, and of squeezed pairs.
    level_reach
        eV above the Fermi level, over which the weight of levels falls to zero.
    level_floor
        Weight of levels above, up to `level_end`: keeps empty bands from falling.
    strain_energy, strain_share
        Energies of strained crystals against the unstrained one: eV per atom, and share.
    overlap
        Of eigenvalues of the overlap matrix below `overlap_least` (crystals compressed below 0.9 of
        the experimental volume: `overlap_compressed`; below 0.7, and squeezed pairs:
        `overlap_squeezed`).
    prior
        Weight of the prior's residuals.
    """

    crystal_energy: float = 0.002
    crystal_share: float = 0.03
    snapshot_energy: float = 0.004
    energy_change: float = 0.015
    force: float = 0.06
    force_change: float = 0.15
    stress: float = 0.10
    level: float = 0.08
    level_count: float = 800.0
    level_squeezed: float = 0.3
    level_reach: float = 4.0
    level_floor: float = 0.04
    level_end: float = 12.0
    strain_energy: float = 0.0005
    strain_share: float = 0.1
    overlap: float = 0.04
    overlap_least: float = 0.30
    overlap_compressed: float = 0.20
    overlap_squeezed: float = 0.12
    prior: float = 0.5


@dataclass(frozen=True)
class Directions:
    """Orthonormal rows that forces and stress are projected on.

    Attributes
    ----------
    displacements
        Shape (n, 3 n_atoms).
    strains
        Shape (m, 6).
    """

    displacements: NDArray[np.float64]
    strains: NDArray[np.float64]


def random_directions(n_atoms: int, n: int, m: int, rng: np.random.Generator) -> Directions:
    """Draw n displacements that move no centre of mass, and m strains."""
    free = rng.standard_normal((3 * n_atoms, min(n, 3 * n_atoms - 3)))
    free = (free.reshape(n_atoms, 3, -1) - free.reshape(n_atoms, 3, -1).mean(axis=0)).reshape(
        3 * n_atoms, -1
    )
    return Directions(np.linalg.qr(free)[0].T, np.linalg.qr(rng.standard_normal((6, 6)))[0][:m])


def bands_of(atoms: Atoms, kpoints: KPoints, parameters: TbParameters) -> Bands:
    """Diagonalise one cell."""
    return solve(Structure.of(atoms, parameters), kpoints)


@dataclass(frozen=True)
class Observables:
    """Free energy (eV), forces (eV/Å) and stress (eV/Å^3) at each of `SMEARINGS`."""

    energies: NDArray[np.float64]
    forces: NDArray[np.float64]
    stresses: NDArray[np.float64]


def observe(bands: Bands, atoms: Atoms) -> Observables:
    """Fill the levels at each smearing."""
    energies, forces, stresses = [], [], []
    for smearing in SMEARINGS:
        free = bands.free_energy(bands.structure.parameters.electrons * len(atoms), smearing)
        slope = bands.vector_gradient(free)
        force, stress = forces_and_stress(bands.structure.bonds, slope, atoms.cell.volume)
        energies.append(free.value)
        forces.append(force)
        stresses.append(stress)
    return Observables(np.array(energies), np.array(forces), np.array(stresses))


def true_observables(sample: Sample) -> Observables:
    """Those of PBE."""
    results = [sample.results[one.width] for one in SMEARINGS]
    return Observables(
        np.array([one.free_energy for one in results]),
        np.array([one.forces for one in results]),
        np.array([one.stress for one in results]),
    )


def gradients(atoms: Atoms, kpoints: KPoints, parameters: TbParameters) -> NDArray[np.float64]:
    """dF/dp at each of `SMEARINGS`, shape (2, 116), eV."""
    bands = bands_of(atoms, kpoints, parameters)
    electrons = parameters.electrons * len(atoms)
    return np.array(
        [
            bands.parameter_gradient(bands.free_energy(electrons, smearing).by_levels)
            for smearing in SMEARINGS
        ]
    )


@dataclass(frozen=True)
class SnapshotTarget:
    """One snapshot with the directions and units of its residuals.

    Attributes
    ----------
    sample
        The snapshot.
    directions
        Of forces and stress.
    force_unit, change_unit
        eV/Å.
    tolerances
        Of the rest.
    """

    sample: Sample
    directions: Directions
    force_unit: float
    change_unit: float
    tolerances: Tolerances

    def values(self, parameters: TbParameters, extra: NDArray[np.float64]) -> NDArray[np.float64]:
        """Residuals: 2 energies, then narrow, wide, change along displacements, then strains."""
        atoms, n = self.sample.atoms, len(self.sample.atoms)
        true = true_observables(self.sample)
        seen = observe(bands_of(atoms, self.sample.kpoints, parameters), atoms)
        energy = (seen.energies - true.energies) / n + extra[0]
        force = (seen.forces - true.forces).reshape(2, -1) @ self.directions.displacements.T
        stress = seen.stresses - true.stresses - extra[1] * _ISOTROPIC
        stress = atoms.cell.volume / n * (stress * _UNIT) @ self.directions.strains.T
        return self._scaled(energy, force, stress)

    def jacobian(self, parameters: TbParameters) -> NDArray[np.float64]:
        """Differentiate `values`, shape (n, 118)."""
        sample, n = self.sample, len(self.sample.atoms)
        middle = gradients(sample.atoms, sample.kpoints, parameters)
        energy = np.zeros((2, N_VECTOR + N_EXTRA))
        energy[:, :N_VECTOR], energy[:, N_VECTOR] = middle / n, 1.0
        force = [
            -self._slope(parameters, partial(_displaced, sample.atoms, row), STEP)
            for row in self.directions.displacements
        ]
        stress = [
            self._slope(parameters, partial(_strained, sample.atoms, row), STRAIN_STEP) / n
            for row in self.directions.strains
        ]
        forces = np.zeros((2, len(force), N_VECTOR + N_EXTRA))
        forces[:, :, :N_VECTOR] = np.array(force).transpose(1, 0, 2)
        stresses = np.zeros((2, len(stress), N_VECTOR + N_EXTRA))
        stresses[:, :, :N_VECTOR] = np.array(stress).transpose(1, 0, 2)
        trace = self.directions.strains @ (_ISOTROPIC * _UNIT)
        stresses[:, :, N_VECTOR + 1] = -sample.atoms.cell.volume / n * trace
        return self._scaled(energy, forces, stresses)

    def _slope(
        self, parameters: TbParameters, moved: Callable[[float], Atoms], step: float
    ) -> NDArray[np.float64]:
        """Differentiate dF/dp along a direction, shape (2, 116)."""
        up, down = (
            gradients(moved(size), self.sample.kpoints, parameters) for size in (step, -step)
        )
        return (up - down) / (2 * step)

    def _scaled(
        self,
        energy: NDArray[np.float64],
        force: NDArray[np.float64],
        stress: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """One array of residuals (or of their derivatives, as further axes)."""
        tolerances = self.tolerances
        return np.concatenate(
            [
                energy[:1] / tolerances.snapshot_energy,
                (energy[1:] - energy[:1]) / tolerances.energy_change,
                force[0] / self.force_unit,
                force[1] / self.force_unit,
                (force[1] - force[0]) / self.change_unit,
                stress[0] / tolerances.stress,
                stress[1] / tolerances.stress,
            ]
        )


def _displaced(atoms: Atoms, direction: NDArray[np.float64], size: float) -> Atoms:
    moved: Atoms = atoms.copy()
    moved.positions = moved.positions + size * direction.reshape(-1, 3)
    return moved


def _strained(atoms: Atoms, direction: NDArray[np.float64], size: float) -> Atoms:
    """Strain along a direction in the space of the six strains of unit length."""
    deformation = np.eye(3)
    for (i, j), part in zip(_VOIGT, size * direction / _UNIT, strict=True):
        deformation[i, j] += part
        if i != j:
            deformation[j, i] += part
    moved: Atoms = atoms.copy()
    moved.set_cell(np.asarray(atoms.cell) @ deformation, scale_atoms=True)
    return moved
