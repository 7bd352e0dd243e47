"""Labels from bands: forces, stress and density of states at one electronic setting."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import csc_array

from dosml.errors import LabelError
from dosml.relabel.engines.base import DOS_STEP, DOS_WINDOW, LEVEL_BROADENING
from dosml.relabel.engines.tb.hamiltonian import forces_and_stress
from dosml.relabel.engines.tb.level_zero import LevelZero
from dosml.relabel.label import Label
from dosml.theory.dos import ElectronicDos

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from dosml.relabel.engines.tb.solve import Bands
    from dosml.theory.setting import ElectronicSetting


def label_of(
    bands: Bands,
    volume: float,
    setting: ElectronicSetting,
    facts: Mapping[str, str | float | int],
) -> Label:
    """Label one frame at one setting; costs matrix products, no diagonalisation.

    Parameters
    ----------
    volume
        Of the cell, Å^3.
    facts
        Of the diagonalisation.

    Raises
    ------
    LabelError
        If the orbitals cannot hold the electrons, or a number is not finite.
    """
    start = time.perf_counter()
    structure = bands.structure
    n_atoms = structure.bonds.n_atoms
    added = n_atoms * setting.electrons_per_atom_shift
    electrons = n_atoms * structure.parameters.electrons + added
    free = bands.free_energy(electrons, setting.smearing)
    free_energy, by_vectors, by_log_volume = free.value, bands.vector_gradient(free), 0.0
    if added:
        zero = LevelZero.of(structure, volume)
        free_energy -= added * zero.value
        by_vectors = by_vectors - added * zero.by_vectors
        by_log_volume = -added * zero.by_log_volume
    forces, stress = forces_and_stress(structure.bonds, by_vectors, volume)
    stress[:3] += by_log_volume / volume
    highest = free.by_levels[:, -1] / (2 * bands.kpoints.weights)
    if not (np.isfinite(forces).all() and np.isfinite(free_energy)):
        raise LabelError("forces that are not finite numbers")
    return Label(
        free_energy=free_energy,
        forces=forces,
        stress=stress,
        fermi_level=free.fermi_level,
        n_electrons=electrons,
        top_occupation=0.0,  # no band is left out: the nine orbitals are the whole model
        dos=density_of_states(bands, free.fermi_level),
        facts={
            **facts,
            "highest_band_occupation": float(np.abs(highest).max()),
            "seconds": time.perf_counter() - start + float(facts["seconds"]),
        },
    )


def density_of_states(bands: Bands, fermi_level: float) -> ElectronicDos:
    """Total and d-projected density of states on the common grid.

    Every level is a Gaussian as in `dosml.relabel.engines.base.broaden`, evaluated where it is not
    negligible only: k-points make many levels.
    """
    n_atoms = bands.structure.bonds.n_atoms
    share = 2 / n_atoms * bands.kpoints.weights[:, None, None]
    channels = np.concatenate([np.ones_like(bands.d_weights[:, :1]), bands.d_weights], axis=1)
    weights = (share * channels).transpose(1, 0, 2).reshape(6, -1)
    energies, densities = _broaden(bands.energies.ravel() - fermi_level, weights)
    return ElectronicDos(
        energies=energies,
        total=densities[0],
        d=densities[1:].sum(axis=0),
        d_m=densities[1:],
        broadening=LEVEL_BROADENING,
    )


def _broaden(
    levels: NDArray[np.float64], weights: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = DOS_WINDOW
    n_grid = round((high - low) / DOS_STEP) + 1
    energies = np.linspace(low, high, n_grid)
    half = round(6 * LEVEL_BROADENING / DOS_STEP)
    near = np.flatnonzero((levels > low - half * DOS_STEP) & (levels < high + half * DOS_STEP))
    middle = np.round((levels[near] - low) / DOS_STEP).astype(np.int64)
    index = middle[:, None] + np.arange(-half, half + 1)
    x = (low + index * DOS_STEP - levels[near, None]) / LEVEL_BROADENING
    lines = np.exp(-0.5 * x * x) / (LEVEL_BROADENING * np.sqrt(2 * np.pi))
    lines[(index < 0) | (index >= n_grid)] = 0.0
    columns = np.arange(len(near) + 1) * index.shape[1]
    shape = (n_grid, len(near))
    spread = csc_array((lines.ravel(), np.clip(index, 0, n_grid - 1).ravel(), columns), shape=shape)
    return energies, (spread @ weights[:, near].T).T
