"""Clusters in vacuum: drawn at random, or cut from periodic frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

from dosml.errors import InputError
from dosml.relabel.frames import ALONE, KEPT_INFO, POSITION_DECIMALS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Å between the images of a cluster: beyond twice every cutoff of a short-ranged model that ships.
VACUUM = 20.0
#: Draws of one cluster before the density counts as too high.
_DRAWS = 100_000


def in_vacuum(cluster: Atoms, vacuum: float = VACUUM) -> Atoms:
    """Put a cluster into a periodic box so large that its images are at least `vacuum` (Å) apart.

    Engines and labels are of periodic frames. Every part of a cluster keeps the cluster's own box,
    so that a model with a long range sees the same images of every part.
    """
    extent = np.ptp(cluster.positions, axis=0)
    box = np.round(extent + vacuum, POSITION_DECIMALS)
    middle = (cluster.positions.max(axis=0) + cluster.positions.min(axis=0)) / 2
    placed = Atoms(
        numbers=cluster.numbers,
        positions=cluster.positions - middle + box / 2,
        cell=box,
        pbc=True,
    )
    placed.info = {key: cluster.info[key] for key in KEPT_INFO if key in cluster.info}
    return placed


def boxed(atoms: Atoms) -> Atoms:
    """Give a cluster without a periodic cell its box; other frames are left alone."""
    return atoms if atoms.pbc.any() or not len(atoms) else in_vacuum(atoms)


def is_isolated(frame: Atoms) -> bool:
    """Whether no atom of a frame has a periodic image of any atom within `ALONE` (Å)."""
    from dosml.neighbours import NeighborList

    if not frame.pbc.any():
        return True
    (shifts,) = NeighborList(cutoff=ALONE, full_list=True).compute(
        points=frame.positions, box=np.asarray(frame.cell), periodic=True, quantities="S"
    )
    return not np.asarray(shifts).any()


def environment(frame: Atoms, atom: int, size: int) -> Atoms:
    """Cut an atom and its nearest neighbours, periodic images included, out of a frame.

    Parameters
    ----------
    frame
        Periodic.
    atom
        Index of the atom in the middle, which comes first.
    size
        Atoms in all.

    Returns
    -------
    ase.Atoms
        Without a cell. Of neighbours at equal distances those with the smaller indices come first.

    Raises
    ------
    InputError
        If there are fewer atoms within six times the distance of a bond.
    """
    from dosml.neighbours import NeighborList

    positions, cell = frame.positions, np.asarray(frame.cell)
    for reach in (ALONE / 2, ALONE, 2 * ALONE, 6 * ALONE):
        first, second, vectors, distances = NeighborList(cutoff=reach, full_list=True).compute(
            points=positions, box=cell, periodic=True, quantities="ijDd"
        )
        mine = first == atom
        if mine.sum() >= size - 1:
            break
    else:
        raise InputError(
            f"an atom of the frame has {int(mine.sum())} neighbours within {reach:g} Å, an "
            f"environment of {size} atoms needs {size - 1}: ask for a smaller --size"
        )
    # distances of a crystal are equal up to rounding: the order must not depend on it
    order = np.lexsort((second[mine], np.round(distances[mine], 6)))[: size - 1]
    others = second[mine][order].astype(int)
    cut = Atoms(
        numbers=np.concatenate([frame.numbers[[atom]], frame.numbers[others]]),
        positions=np.vstack([np.zeros(3), vectors[mine][order]]),
    )
    cut.info = {key: frame.info[key] for key in KEPT_INFO if key in frame.info}
    return cut


def random_cluster(
    size: int, *, density: float, shortest: float, rng: np.random.Generator, symbol: str = "H"
) -> Atoms:
    """Draw atoms at random in a sphere of `size / density` Å^3.

    Parameters
    ----------
    size
        Atoms.
    density
        Atoms per Å^3.
    shortest
        No two atoms come closer, Å: draws in which they do are thrown away.

    Raises
    ------
    InputError
        If there is no such cluster, as far as `_DRAWS` draws can tell.
    """
    radius = (3 * size / density / (4 * np.pi)) ** (1 / 3)
    for _ in range(_DRAWS):
        positions = _in_sphere(size, radius, rng)
        if size < 2 or _closest(positions) >= shortest:
            return Atoms(numbers=Atoms(symbol).numbers.repeat(size), positions=positions)
    raise InputError(
        f"no cluster of {size} {symbol} atoms {shortest:g} Å apart was found at {density:g} "
        "atoms/Å^3: take a lower density"
    )


def draw_clusters(
    sizes: Sequence[int], count: int, *, density: float, shortest: float, seed: int
) -> list[Atoms]:
    """Draw clusters of hydrogen, the sizes in turn, so that every stretch of them holds all."""
    rng = np.random.default_rng(seed)
    return [
        random_cluster(sizes[n % len(sizes)], density=density, shortest=shortest, rng=rng)
        for n in range(count)
    ]


def _in_sphere(size: int, radius: float, rng: np.random.Generator) -> NDArray[np.float64]:
    directions = rng.normal(size=(size, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    # volume grows with the cube of the radius
    return np.asarray(radius * rng.uniform(size=(size, 1)) ** (1 / 3) * directions)


def _closest(positions: NDArray[np.float64]) -> float:
    first, second = np.triu_indices(len(positions), 1)
    return float(np.linalg.norm(positions[first] - positions[second], axis=1).min())
