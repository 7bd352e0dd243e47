"""What the model has to reproduce: cells with their PBE numbers, from the fitting data of a metal.

The metals of the reference set have their snapshots there (3 x 3 x 3 points around Gamma), and a
few of the held-out ones on more points here; all others have their snapshots in the data of this
package (2 x 2 x 2 points off Gamma).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

from dosml.relabel.dataset import reference_dataset
from dosml.relabel.engines.tb.fit.plan import REFERENCE_SNAPSHOTS, WIDTHS
from dosml.relabel.engines.tb.fit.records import Result, read_data
from dosml.relabel.engines.tb.kpoints import KPoints, gamma_grid
from dosml.theory.fermi_level import band_energy
from dosml.theory.smearing import Smearing

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from dosml.relabel.engines.tb.fit.records import Record

SCHEME = "methfessel-paxton-1"
SMEARINGS = tuple(Smearing(SCHEME, width) for width in WIDTHS)
#: Frames of the reference set used by a fit, by tier; its held-out frames are held out here too.
REFERENCE_FRAMES_PER_TIER = 4
REFERENCE_GRID = (3, 3, 3)


@dataclass(frozen=True)
class Levels:
    """PBE levels of a crystal.

    Attributes
    ----------
    energies
        Shape (n_k, n_bands), eV.
    d_weights
        Same shape: d character.
    fermi_level
        eV.
    band_energy
        F of these levels filled with the valence electrons, eV per cell: what a model without pair
        term has to move to the total free energy.
    """

    energies: NDArray[np.float64]
    d_weights: NDArray[np.float64]
    fermi_level: float
    band_energy: float


@dataclass(frozen=True)
class Sample:
    """One cell and its PBE numbers.

    Attributes
    ----------
    name, tier
        As of `dosml.relabel.engines.tb.fit.plan.Cell`.
    atoms
        The cell.
    kpoints
        On which both sides are computed.
    results
        By width, eV.
    levels
        Of crystals.
    """

    name: str
    tier: str
    atoms: Atoms
    kpoints: KPoints
    results: Mapping[float, Result]
    levels: Levels | None


@dataclass(frozen=True)
class Samples:
    """All cells of a metal.

    Attributes
    ----------
    symbol
        Metal.
    crystals, snapshots
        What the parameters are fitted to.
    held_out
        Snapshots that no fit sees.
    dense
        Some of `held_out` on more k-points; empty for metals outside the reference set.
    """

    symbol: str
    crystals: tuple[Sample, ...]
    snapshots: tuple[Sample, ...]
    held_out: tuple[Sample, ...]
    dense: tuple[Sample, ...] = ()


def load_samples(symbol: str, electrons: float, folder: Path | None = None) -> Samples:
    """Read the data of a metal.

    Parameters
    ----------
    electrons
        Valence electrons per atom.
    folder
        Of the data; None: those that ship.

    Raises
    ------
    InputError
        If there are none.
    """
    records = read_data(symbol) if folder is None else read_data(symbol, folder)
    read = [(one, _sample(one, electrons)) for one in records]
    crystals = tuple(sample for one, sample in read if one.kind == "crystal")
    fit, test, dense = (
        tuple(sample for one, sample in read if one.kind == "snapshot" and one.role == role)
        for role in ("fit", "test", "dense")
    )
    if symbol in REFERENCE_SNAPSHOTS:
        fit, test = _reference(symbol)
    return Samples(symbol, crystals, fit, test, dense)


def _sample(record: Record, electrons: float) -> Sample:
    n_atoms = len(record.positions)
    atoms = Atoms([record.symbol] * n_atoms, positions=record.positions, cell=record.cell, pbc=True)
    kpoints = KPoints(record.kpoints, record.weights)
    levels = None
    if record.kind == "crystal":
        fermi_level = record.results[WIDTHS[0]].fermi_level
        filled = band_energy(
            record.levels, fermi_level, SMEARINGS[0], weights=record.weights[:, None]
        )
        # levels are kept to 1 meV, so their filling is that of GPAW but for as much
        missing = (electrons * n_atoms - _count(record, fermi_level)) * fermi_level
        total = filled.free_energy + missing
        levels = Levels(record.levels, record.d_weights, fermi_level, total)
    return Sample(record.name, record.tier, atoms, kpoints, record.results, levels)


def _count(record: Record, fermi_level: float) -> float:
    occupation = SMEARINGS[0].occupation(record.levels - fermi_level)
    return float(2 * np.sum(record.weights[:, None] * occupation))


def _reference(symbol: str) -> tuple[tuple[Sample, ...], tuple[Sample, ...]]:
    """Training and held-out snapshots of a metal of the reference set."""
    data = reference_dataset(symbol)
    sets = {
        setting.smearing.width: labels
        for setting, labels in zip(data.electronic, data.label_sets, strict=True)
    }
    parts: dict[str, list[Sample]] = {"train": [], "test": []}
    taken: dict[str, int] = {}
    for number, (frame, tier, split) in enumerate(
        zip(data.frames, data.tiers, data.roles, strict=True)
    ):
        if split == "train":
            taken[tier] = taken.get(tier, 0) + 1
            if taken[tier] > REFERENCE_FRAMES_PER_TIER:
                continue
        results = {}
        for width in WIDTHS:
            labels = sets[width]
            assert labels.stresses is not None  # the shipped set has them
            results[width] = Result(
                float(labels.energies[number]),
                labels.forces[number],
                labels.stresses[number],
                float(labels.facts["fermi_level_ev"][number]),
            )
        name = f"reference-{number:02d}-{tier}"
        parts[split].append(Sample(name, tier, frame, gamma_grid(REFERENCE_GRID), results, None))
    return tuple(parts["train"]), tuple(parts["test"])
