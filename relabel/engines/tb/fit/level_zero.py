"""The zero of a metal's levels from the data of its fit: where the model's Fermi level lies."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from dosml.relabel.engines.tb.fit.residuals import bands_of
from dosml.relabel.engines.tb.fit.samples import SMEARINGS
from dosml.relabel.engines.tb.level_zero import coordinates

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from dosml.relabel.engines.tb.fit.samples import Sample, Samples
    from dosml.relabel.engines.tb.model import TbParameters

#: A crystal counts as much less than a snapshot as its zero may be missed by more: volumes move it
#: by electron volts, displacements of atoms by hundredths of one.
CRYSTAL_WEIGHT = 0.05
#: Singular values below this share of the largest say nothing.
SMALLEST = 1e-8


def with_level_zero(samples: Samples, parameters: TbParameters) -> TbParameters:
    """Fit the zero of the levels by linear least squares.

    The metal gets none where snapshots of one volume that are left out of the fit one by one are
    missed by more than they differ from each other: the data do not say how it moves.
    """
    parts = [_rows(part, parameters) for part in (samples.crystals, samples.snapshots)]
    weights = np.repeat([CRYSTAL_WEIGHT, 1.0], [len(part[1]) for part in parts])
    table, zeros = (np.concatenate(column) for column in zip(*parts, strict=True))
    weighted = table * weights[:, None]
    size = np.linalg.norm(weighted, axis=0)
    basis, inner, other = np.linalg.svd(weighted / size, full_matrices=False)
    kept = inner > SMALLEST * inner[0]
    basis, inner, other = basis[:, kept], inner[kept], other[kept]
    found = other.T @ (basis.T @ (zeros * weights) / inner) / size
    missed = (zeros - table @ found) / (1 - np.sum(basis**2, axis=1))
    volumes, moved = parts[1][0][:, 0], parts[1][1]
    alike = np.isclose(volumes, np.median(volumes))
    if np.mean(missed[-len(moved) :][alike] ** 2) >= np.var(moved[alike]):
        return replace(parameters, level_zero=())
    return replace(parameters, level_zero=tuple(map(float, found)))


def zero_errors(held_out: Sequence[Sample], parameters: TbParameters) -> dict[str, float]:
    """Measure how the zero moves among snapshots, and what is left of that, eV (rms).

    Their volumes are the same, so that constants say nothing.
    """
    table, zeros = _rows(held_out, parameters)
    left = zeros - table @ parameters.level_zero if parameters.level_zero else zeros
    moved = {"moves_ev": zeros - zeros.mean(), "left_ev": left - left.mean()}
    return {name: round(float(np.sqrt(np.mean(one**2))), 4) for name, one in moved.items()}


def _rows(
    samples: Sequence[Sample], parameters: TbParameters
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coordinates of every cell, and its zero: Fermi level of the model less that of PBE, eV."""
    table, zeros = [], []
    for sample in samples:
        bands = bands_of(sample.atoms, sample.kpoints, parameters)
        electrons = parameters.electrons * len(sample.atoms)
        level = bands.free_energy(electrons, SMEARINGS[0]).fermi_level
        table.append(coordinates(bands.structure, float(sample.atoms.cell.volume)))
        zeros.append(level - sample.results[SMEARINGS[0].width].fermi_level)
    return np.array(table), np.array(zeros)
