"""Residuals of crystals: energies, levels, strains, and an overlap matrix that stays positive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dosml.relabel.engines.tb.bloch import BondGather
from dosml.relabel.engines.tb.fit.residuals import N_EXTRA, N_VECTOR, bands_of
from dosml.relabel.engines.tb.fit.samples import SMEARINGS
from dosml.relabel.engines.tb.hamiltonian import Structure, Weights
from dosml.relabel.engines.tb.kpoints import KPoints
from dosml.relabel.engines.tb.solve import solve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dosml.relabel.engines.tb.fit.samples import Levels, Sample
    from dosml.relabel.engines.tb.model import TbParameters

#: Lowest eigenvalues of the overlap matrix that are watched at each k-point.
WATCHED = 3


@dataclass(frozen=True)
class CrystalTarget:
    """One crystal: its energy and its levels at some of its k-points.

    Attributes
    ----------
    sample
        The crystal.
    energy_unit
        eV per atom.
    chosen
        Indices of the k-points whose levels count.
    weights
        Shape (n_chosen, n_bands): what 1 eV of a level counts, 1/eV.
    overlap_least, overlap_unit
        Eigenvalues of the overlap matrix below the first are residuals in units of the second.
    """

    sample: Sample
    energy_unit: float
    chosen: NDArray[np.int64]
    weights: NDArray[np.float64]
    overlap_least: float
    overlap_unit: float

    @property
    def _levels(self) -> Levels:
        assert self.sample.levels is not None
        return self.sample.levels

    def values(self, parameters: TbParameters, extra: NDArray[np.float64]) -> NDArray[np.float64]:
        """Residuals: energy, then levels, then eigenvalues of the overlap matrix."""
        sample, n = self.sample, len(self.sample.atoms)
        bands = bands_of(sample.atoms, sample.kpoints, parameters)
        electrons = parameters.electrons * n
        true = sample.results[SMEARINGS[0].width].free_energy
        energy = bands.free_energy(electrons, SMEARINGS[0]).value / n + extra[0] - true / n
        # levels are moved so that their sum is the total energy
        shift = (true - n * extra[0] - self._levels.band_energy) / electrons
        n_bands = self.weights.shape[1]
        wrong = bands.energies[self.chosen, :n_bands] - shift
        wrong = wrong - self._levels.energies[self.chosen, :n_bands]
        short = self.overlap_least - self._overlaps(bands.structure)[0]
        return np.concatenate(
            [
                [energy / self.energy_unit],
                (wrong * self.weights)[self.weights > 0],
                np.maximum(short, 0.0).ravel() / self.overlap_unit,
            ]
        )

    def jacobian(self, parameters: TbParameters) -> NDArray[np.float64]:
        """Differentiate `values`, shape (n, 118)."""
        sample, n = self.sample, len(self.sample.atoms)
        structure = Structure.of(sample.atoms, parameters)
        bands = solve(structure, sample.kpoints)
        free = bands.free_energy(parameters.electrons * n, SMEARINGS[0])
        rows = np.zeros((1 + int(np.sum(self.weights > 0)), N_VECTOR + N_EXTRA))
        rows[0, :N_VECTOR] = bands.parameter_gradient(free.by_levels) / n / self.energy_unit
        rows[0, N_VECTOR] = 1 / self.energy_unit
        number = 1
        for place, k in enumerate(self.chosen):
            one = KPoints(sample.kpoints.points[k : k + 1], np.ones(1))
            single = solve(structure, one)
            for band in np.flatnonzero(self.weights[place] > 0):
                by_levels = np.zeros_like(single.energies)
                by_levels[0, band] = 1.0
                weight = self.weights[place, band]
                rows[number, :N_VECTOR] = weight * single.parameter_gradient(by_levels)
                rows[number, N_VECTOR] = weight / parameters.electrons
                number += 1
        return np.concatenate([rows, self._overlap_rows(structure)])

    def _overlaps(self, structure: Structure) -> tuple[NDArray[np.float64], NDArray[np.complex128]]:
        """Lowest eigenvalues (n_chosen, `WATCHED`) and eigenvectors of the overlap matrix."""
        points = self.sample.kpoints.points[self.chosen]
        values, vectors = np.linalg.eigh(structure.matrices(points, real=False)[1])
        return values[:, :WATCHED], vectors[:, :, :WATCHED]

    def _overlap_rows(self, structure: Structure) -> NDArray[np.float64]:
        values, vectors = self._overlaps(structure)
        rows = np.zeros((*values.shape, N_VECTOR + N_EXTRA))
        for place, number in np.argwhere(values < self.overlap_least):
            k = self.chosen[place]
            one = KPoints(self.sample.kpoints.points[k : k + 1], np.ones(1))
            vector = vectors[place][:, number : number + 1]
            solution = [(np.zeros(1), vector, None)]
            gather = BondGather.of(structure.bonds, one.points)
            unit = structure.weights(gather, solution, np.ones((1, 1)))
            nothing = Weights(np.zeros_like(unit.hopping), unit.hopping, np.zeros_like(unit.onsite))
            slope = structure.by_parameters(nothing)
            rows[place, number, :N_VECTOR] = -slope / self.overlap_unit
        return rows.reshape(-1, N_VECTOR + N_EXTRA)


@dataclass(frozen=True)
class StrainTarget:
    """Energy of a strained crystal against the unstrained one.

    Attributes
    ----------
    strained, unstrained
        The crystals.
    unit
        eV per atom.
    """

    strained: Sample
    unstrained: Sample
    unit: float

    def values(
        self,
        parameters: TbParameters,
        extra: NDArray[np.float64],  # noqa: ARG002 - offsets cancel
    ) -> NDArray[np.float64]:
        """One residual."""
        seen, true = [], []
        for sample in (self.strained, self.unstrained):
            n = len(sample.atoms)
            bands = bands_of(sample.atoms, sample.kpoints, parameters)
            seen.append(bands.free_energy(parameters.electrons * n, SMEARINGS[0]).value / n)
            true.append(sample.results[SMEARINGS[0].width].free_energy / n)
        return np.array([(seen[0] - seen[1] - true[0] + true[1]) / self.unit])

    def jacobian(self, parameters: TbParameters) -> NDArray[np.float64]:
        """Differentiate `values`, shape (1, 118)."""
        slopes = []
        for sample in (self.strained, self.unstrained):
            n = len(sample.atoms)
            bands = bands_of(sample.atoms, sample.kpoints, parameters)
            free = bands.free_energy(parameters.electrons * n, SMEARINGS[0])
            slopes.append(bands.parameter_gradient(free.by_levels) / n)
        row = (slopes[0] - slopes[1]) / self.unit
        return np.concatenate([row, np.zeros(N_EXTRA)])[None]
