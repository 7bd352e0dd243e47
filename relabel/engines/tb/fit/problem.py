"""The whole least-squares problem of a metal."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from dosml.errors import LabelError
from dosml.relabel.engines.tb.fit.crystal_residuals import CrystalTarget, StrainTarget
from dosml.relabel.engines.tb.fit.plan import STRAINED_VOLUME, STRAINS, ground_state
from dosml.relabel.engines.tb.fit.prior import Prior
from dosml.relabel.engines.tb.fit.residuals import (
    N_EXTRA,
    N_VECTOR,
    SnapshotTarget,
    Tolerances,
    bands_of,
    random_directions,
    true_observables,
)
from dosml.relabel.engines.tb.fit.samples import SMEARINGS
from dosml.relabel.engines.tb.hamiltonian import Structure
from dosml.relabel.structures import unit_cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dosml.relabel.engines.tb.fit.samples import Sample, Samples
    from dosml.relabel.engines.tb.model import TbParameters

#: Displacements and strains per snapshot, and k-points per crystal whose levels count.
DISPLACEMENTS, STRESSES, LEVEL_POINTS = 8, 2, 10


Target: TypeAlias = CrystalTarget | StrainTarget | SnapshotTarget


@dataclass(frozen=True)
class Problem:
    """Residuals of everything, as functions of (parameters, energy offset, stress offset).

    Attributes
    ----------
    targets
        Cells.
    prior
        What holds the functions.
    prior_weight
        Of the prior's residuals.
    """

    targets: tuple[Target, ...]
    prior: Prior
    prior_weight: float

    def values(
        self, parameters: TbParameters, extra: NDArray[np.float64]
    ) -> NDArray[np.float64] | None:
        """All residuals; None where the overlap matrix of a cell is not positive definite."""
        try:
            parts = [one.values(parameters, extra) for one in self.targets]
        except LabelError:
            return None
        parts.append(self.prior_weight * self.prior.residuals(parameters)[0])
        return np.concatenate(parts)

    def jacobian(self, parameters: TbParameters) -> NDArray[np.float64]:
        """Differentiate `values`, shape (n, 118)."""
        rows = [one.jacobian(parameters) for one in self.targets]
        prior = self.prior_weight * self.prior.residuals(parameters)[1]
        rows.append(np.concatenate([prior, np.zeros((len(prior), N_EXTRA))], axis=1))
        return np.concatenate(rows)


def make_problem(
    samples: Samples, start: TbParameters, tolerances: Tolerances, seed: int = 0
) -> tuple[Problem, NDArray[np.float64]]:
    """Set the problem up.

    Returns
    -------
    problem
        Its residuals.
    extra
        Offsets of energy and stress at the start.
    """
    rng = np.random.default_rng(seed)
    targets: list[Target] = list(_crystals(samples, tolerances))
    targets += _strains(samples, tolerances)
    targets += _snapshots(samples.snapshots, tolerances, rng)
    ground = min(samples.crystals, key=_energy)
    structure = Structure.of(ground.atoms, start)
    nearest = float(structure.bonds.distances.min())
    prior = Prior(start, nearest, float(structure.onsite.density.mean()))
    offset = np.mean([_energy(one) - _model_energy(one, start) for one in samples.crystals])
    stress = np.mean([one.results[SMEARINGS[0].width].stress[:3].mean() for one in [ground]])
    problem = Problem(tuple(targets), prior, tolerances.prior)
    return problem, np.array([offset, -stress if np.isfinite(stress) else 0.0])


def _energy(sample: Sample) -> float:
    return sample.results[SMEARINGS[0].width].free_energy / len(sample.atoms)


def _model_energy(sample: Sample, parameters: TbParameters) -> float:
    n = len(sample.atoms)
    bands = bands_of(sample.atoms, sample.kpoints, parameters)
    return bands.free_energy(parameters.electrons * n, SMEARINGS[0]).value / n


def _crystals(samples: Samples, tolerances: Tolerances) -> list[CrystalTarget]:
    lowest = min(_energy(one) for one in samples.crystals)
    experiment = unit_cell(samples.symbol)
    volume = experiment.cell.volume / len(experiment)
    targets = []
    for sample in samples.crystals:
        assert sample.levels is not None
        n_k = len(sample.kpoints.points)
        chosen = np.unique(np.linspace(0, n_k - 1, min(n_k, LEVEL_POINTS)).astype(np.int64))
        n_bands = min(9 * len(sample.atoms), sample.levels.energies.shape[1])
        above = sample.levels.energies[chosen, :n_bands] - sample.levels.fermi_level
        share = np.clip(1 - above / tolerances.level_reach, tolerances.level_floor, 1.0)
        share[above > tolerances.level_end] = 0.0
        share *= 0.5 + np.clip(sample.levels.d_weights[chosen, :n_bands], 0.0, 1.0)
        unit = tolerances.crystal_energy + tolerances.crystal_share * (_energy(sample) - lowest)
        least = _least_overlap(sample, volume, tolerances)
        share /= np.sqrt(len(sample.atoms))
        if least == tolerances.overlap_squeezed:
            share *= tolerances.level_squeezed
        targets.append(CrystalTarget(sample, unit, chosen, share, least, tolerances.overlap))
    total = sum(float(np.sum(one.weights**2)) for one in targets)
    factor = np.sqrt(tolerances.level_count / total) / tolerances.level
    return [replace(one, weights=factor * one.weights) for one in targets]


def _least_overlap(sample: Sample, volume: float, tolerances: Tolerances) -> float:
    """Eigenvalue of the overlap matrix that a crystal should have at least."""
    share = sample.atoms.cell.volume / len(sample.atoms) / volume
    if sample.tier == "pair" or share < 0.7:
        return tolerances.overlap_squeezed
    return tolerances.overlap_compressed if share < 0.9 else tolerances.overlap_least


def _strains(samples: Samples, tolerances: Tolerances) -> list[StrainTarget]:
    ground = ground_state(samples.symbol)
    named = {one.name: one for one in samples.crystals}
    base = named.get(f"{ground}-{STRAINED_VOLUME:.2f}")
    targets = []
    for kind, size in STRAINS:
        strained = named.get(f"{ground}-{kind}{size:+.2f}")
        if base is not None and strained is not None:
            unit = tolerances.strain_share * abs(_energy(strained) - _energy(base))
            targets.append(StrainTarget(strained, base, tolerances.strain_energy + unit))
    return targets


def _snapshots(
    snapshots: Sequence[Sample], tolerances: Tolerances, rng: np.random.Generator
) -> list[SnapshotTarget]:
    true = [true_observables(one).forces for one in snapshots]
    forces = np.concatenate([one[0].ravel() for one in true])
    changes = np.concatenate([(one[1] - one[0]).ravel() for one in true])
    force_unit = tolerances.force * float(np.sqrt(np.mean(forces**2)))
    change_unit = tolerances.force_change * float(np.sqrt(np.mean(changes**2)))
    return [
        SnapshotTarget(
            one,
            random_directions(len(one.atoms), DISPLACEMENTS, STRESSES, rng),
            force_unit,
            change_unit,
            tolerances,
        )
        for one in snapshots
    ]


def n_columns() -> int:
    """Columns of the Jacobian."""
    return N_VECTOR + N_EXTRA
