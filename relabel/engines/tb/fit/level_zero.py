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
#: Share of its movement that the zero may be missed by (rms).
LEAST_GAIN = 0.9
#: Singular values below this share of the largest say nothing.
SMALLEST = 1e-8


def with_level_zero(
    samples: Samples, parameters: TbParameters
) -> tuple[TbParameters, dict[str, float]]:
    """Fit the zero of the levels by linear least squares to all cells, held-out ones too.

    Returns
    -------
    parameters
        With the zero, or with none where snapshots of one volume that are left out of the fit one
        by one are missed by more than `LEAST_GAIN` of what they differ from each other: the data do
        not say how it moves.
    errors
        Of these snapshots, eV (rms): `moves_ev`, how the zero moves from one to the other, and
        `missed_ev` when they are left out.
    """
    snapshots = (*samples.snapshots, *samples.held_out)
    parts = [_rows(part, parameters) for part in (samples.crystals, snapshots)]
    weights = np.repeat([CRYSTAL_WEIGHT, 1.0], [len(part[1]) for part in parts])
    table, zeros = (np.concatenate(column) for column in zip(*parts, strict=True))
    weighted = table * weights[:, None]
    size = np.linalg.norm(weighted, axis=0)
    basis, inner, other = np.linalg.svd(weighted / size, full_matrices=False)
    kept = inner > SMALLEST * inner[0]
    basis, inner, other = basis[:, kept], inner[kept], other[kept]
    found = other.T @ (basis.T @ (zeros * weights) / inner) / size
    # of a linear fit: what a cell is missed by without it is its residual over 1 - leverage
    missed = (zeros - table @ found) / (1 - np.sum(basis**2, axis=1))
    volumes, moved = parts[1][0][:, 0], parts[1][1]
    alike = np.isclose(volumes, np.median(volumes))
    errors = {
        "moves_ev": round(float(np.std(moved[alike])), 4),
        "missed_ev": round(float(np.sqrt(np.mean(missed[-len(moved) :][alike] ** 2))), 4),
    }
    known = errors["missed_ev"] < LEAST_GAIN * errors["moves_ev"]
    return replace(parameters, level_zero=tuple(map(float, found)) if known else ()), errors


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
