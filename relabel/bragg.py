"""Is it a crystal or a liquid: the Bragg order of sampled frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ase import Atoms
    from numpy.typing import NDArray


def bragg_order(frame: Atoms, crystal: Atoms, *, n_shells: int = 3) -> float:
    """Strength of the crystal's first Bragg peaks in a frame: 1 perfect, below about 0.15 molten.

    |sum_j e^{i G.r_j}|^2 summed over the crystal's shortest strong reciprocal vectors G, relative
    to the crystal's own. It falls as the Debye-Waller factor e^{-G^2 <u^2>/3} in a warm crystal and
    does not see a translation of the whole frame. In a liquid it is S(G)/N, S the structure factor.

    Parameters
    ----------
    frame
        Same cell as `crystal`.
    crystal
        Perfect sites, with or without a vacancy.
    n_shells
        How many lengths |G| to take, shortest first.

    Raises
    ------
    ValueError
        If the cells differ.
    """
    if not np.allclose(np.asarray(frame.cell), np.asarray(crystal.cell), atol=1e-6):
        raise ValueError("the Bragg order needs a frame and a crystal with the same cell")
    span = range(-8, 9)
    integers = [(i, j, k) for i in span for j in span for k in span if (i, j, k) > (0, 0, 0)]
    vectors = 2.0 * np.pi * np.array(integers) @ np.asarray(crystal.cell.reciprocal())
    reference = _intensity(vectors, crystal)
    # a vacancy leaves a weak background of order one at every G; peaks are of order N^2
    strong = reference > 0.2 * len(crystal) ** 2
    lengths = np.round(np.linalg.norm(vectors, axis=1), 4)
    chosen = strong & np.isin(lengths, np.unique(lengths[strong])[:n_shells])
    measured = _intensity(vectors[chosen], frame).sum() / len(frame) ** 2
    return float(measured / (reference[chosen].sum() / len(crystal) ** 2))


def _intensity(vectors: NDArray[np.float64], atoms: Atoms) -> NDArray[np.float64]:
    phases = vectors @ atoms.positions.T
    intensity: NDArray[np.float64] = np.abs(np.exp(1j * phases).sum(axis=1)) ** 2
    return intensity
