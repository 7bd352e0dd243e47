"""Is it a crystal or a liquid: radial distribution function and Bragg order of sampled frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from vesin import NeighborList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms
    from numpy.typing import NDArray


def radial_distribution(
    frames: Sequence[Atoms], *, r_max: float, n_bins: int = 100
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Radial distribution function g(r), averaged over periodic frames.

    g is the density of neighbours at distance r over the mean density: one for an ideal gas,
    whatever `r_max`, because pairs with every periodic image are counted.

    Parameters
    ----------
    frames
        Periodic frames; cells and atom counts may differ.
    r_max
        Å.
    n_bins
        Number of equal bins.

    Returns
    -------
    tuple
        Bin centres (Å) and g, shape (n_bins,) each.

    Raises
    ------
    ValueError
        If there is no frame.
    """
    if not frames:
        raise ValueError("a radial distribution needs at least one frame")
    edges = np.linspace(0.0, r_max, n_bins + 1)
    shells = 4.0 / 3.0 * np.pi * np.diff(edges**3)
    g = np.zeros(n_bins)
    for frame in frames:
        pairs = NeighborList(cutoff=r_max, full_list=True, n_threads=1)
        (distances,) = pairs.compute(
            frame.positions, np.asarray(frame.cell), periodic=True, quantities="d"
        )
        counts, _ = np.histogram(distances, edges)
        g += counts / (len(frame) ** 2 / frame.get_volume() * shells)
    return 0.5 * (edges[1:] + edges[:-1]), g / len(frames)


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
