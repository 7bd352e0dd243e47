"""Angular content of a force field around each atom, by angular momentum.

Around atom i stand neighbours j in directions r_ij with vectors F_j: their forces, or the change of
their forces between two settings. With spherical harmonics about i,

    A_lm = sum_j F_j Y_lm(r_ij),    p_l = 4 pi / (2 l + 1) sum_m |A_lm|^2
                                        = sum_jj' F_j . F_j' P_l(cos angle_jj'),

the second line by the addition theorem. Divided by sum_j |F_j|^2 it is 1 for every l where vectors
of different neighbours have nothing to do with each other; more than 1 where they share a pattern
of that angular momentum, less where they avoid it. Two patterns are looked at: the whole vectors
(each Cartesian component as a function on the sphere), and their radial parts F_j . r_ij / |r_ij|.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dosml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from ase import Atoms
    from numpy.typing import NDArray
    from scipy.sparse import csr_array

#: Shuffles of atoms behind the expectation without a pattern.
N_SHUFFLES = 20


@dataclass(frozen=True)
class AngularPower:
    """Relative power by l = 0 ... l_max, every array of shape (l_max + 1,), pure numbers.

    Attributes
    ----------
    vector, radial
        Power of whole vectors and of their radial parts, summed over all atoms and frames and
        divided by the sum of squares.
    vector_shuffled, radial_shuffled
        The same after the vectors of a frame were dealt to its atoms at random (mean over
        shuffles): what the geometry and the vanishing sum of forces leave without any pattern.
    vector_spread, radial_spread
        Standard deviation over shuffles: differences of this size mean nothing.
    neighbours
        Mean number of neighbours inside the cutoff.
    """

    vector: NDArray[np.float64]
    radial: NDArray[np.float64]
    vector_shuffled: NDArray[np.float64]
    radial_shuffled: NDArray[np.float64]
    vector_spread: NDArray[np.float64]
    radial_spread: NDArray[np.float64]
    neighbours: float


def angular_power(
    frames: Sequence[Atoms],
    vectors: Sequence[NDArray[np.float64]],
    *,
    cutoff: float,
    l_max: int = 6,
    seed: int = 0,
) -> AngularPower:
    """Measure the angular power of vectors on atoms, see the head of this module.

    Parameters
    ----------
    frames
        Positions and cells.
    vectors
        Shape (n_atoms, 3) for each frame, any unit: forces or differences of forces.
    cutoff
        Neighbours nearer than this count, Å. The minimum after the first peak of the radial
        distribution function asks about the first shell.
    l_max
        Highest angular momentum.
    seed
        Seed of the shuffles.

    Raises
    ------
    InputError
        If there is no frame, shapes disagree, no atom has a neighbour, or all vectors vanish.
    """
    from scipy.sparse import csr_array

    if not frames or [len(f) for f in frames] != [len(v) for v in vectors]:
        raise InputError(
            f"angular power needs a vector on every atom of every frame, got {len(frames)} frames "
            f"and {len(vectors)} arrays, or arrays of another length"
        )
    rng = np.random.default_rng(seed)
    # first row: as given; then the shuffles
    sums = np.zeros((2, 1 + N_SHUFFLES, l_max + 1))
    scale = np.zeros((2, 1 + N_SHUFFLES))
    n_pairs = 0
    for frame, given in zip(frames, vectors, strict=True):
        first, second, unit = _neighbours(frame, cutoff)
        n_pairs += len(first)
        harmonics = _harmonics(unit, l_max)
        pairs = np.arange(len(first))
        # row of an atom: its neighbours
        gather = csr_array((np.ones(len(first)), (first, pairs)), shape=(len(frame), len(first)))
        for k in range(1 + N_SHUFFLES):
            dealt = (given if k == 0 else rng.permutation(given))[second]
            radial = np.sum(dealt * unit, axis=1, keepdims=True)
            values = np.concatenate([dealt, radial], axis=1)
            power = _power(gather, harmonics, values, l_max)
            squares = np.sum(values**2, axis=0)
            for part, columns in enumerate((slice(0, 3), slice(3, 4))):
                sums[part, k] += power[columns].sum(axis=0)
                scale[part, k] += float(squares[columns].sum())
    if n_pairs == 0 or not (scale[:, 0] > 0).all():
        raise InputError(
            f"no neighbour within {cutoff:g} Å holds a vector that does not vanish: choose a "
            f"larger cutoff, or settings whose forces differ"
        )
    power = sums / scale[:, :, None]
    return AngularPower(
        vector=power[0, 0],
        radial=power[1, 0],
        vector_shuffled=power[0, 1:].mean(axis=0),
        radial_shuffled=power[1, 1:].mean(axis=0),
        vector_spread=power[0, 1:].std(axis=0, ddof=1),
        radial_spread=power[1, 1:].std(axis=0, ddof=1),
        neighbours=n_pairs / sum(len(f) for f in frames),
    )


def angular_power_table(
    frames: Sequence[Atoms],
    forces: Mapping[str, Sequence[NDArray[np.float64]]],
    *,
    reference: str,
    cutoff: float,
    l_max: int = 6,
    seed: int = 0,
) -> pd.DataFrame:
    """Angular power of the forces at every setting and of their changes against one of them.

    Parameters
    ----------
    frames
        Positions and cells.
    forces
        Forces of all frames by name of the setting, eV/Å.
    reference
        Name of the setting that changes are counted from.
    cutoff, l_max, seed
        As in `angular_power`.

    Returns
    -------
    pandas.DataFrame
        One row per setting, quantity ("forces", "change") and l: "setting", "quantity", "l",
        "vector", "vector_shuffled", "vector_spread", "radial", "radial_shuffled", "radial_spread",
        "cutoff_angstrom", "neighbours". The reference has no "change".

    Raises
    ------
    InputError
        If `reference` is not one of the settings, or as `angular_power`.
    """
    import pandas as pd

    if reference not in forces:
        raise InputError(f"no setting {reference!r}; there are {', '.join(forces)}")
    rows = []
    for name, given in forces.items():
        changes = [a - b for a, b in zip(given, forces[reference], strict=True)]
        for quantity, vectors in (("forces", list(given)), ("change", changes)):
            if quantity == "change" and name == reference:
                continue
            power = angular_power(frames, vectors, cutoff=cutoff, l_max=l_max, seed=seed)
            rows += [
                {
                    "setting": name,
                    "quantity": quantity,
                    "l": degree,
                    "vector": power.vector[degree],
                    "vector_shuffled": power.vector_shuffled[degree],
                    "vector_spread": power.vector_spread[degree],
                    "radial": power.radial[degree],
                    "radial_shuffled": power.radial_shuffled[degree],
                    "radial_spread": power.radial_spread[degree],
                    "cutoff_angstrom": cutoff,
                    "neighbours": power.neighbours,
                }
                for degree in range(l_max + 1)
            ]
    return pd.DataFrame(rows)


def _neighbours(
    frame: Atoms, cutoff: float
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Pairs inside the cutoff, both ways, and unit vectors from the first to the second."""
    from dosml.neighbours import ase_neighbor_list

    first, second, separation = ase_neighbor_list("ijD", frame, cutoff)
    distance = np.linalg.norm(separation, axis=1, keepdims=True)
    return first.astype(np.int64), second.astype(np.int64), separation / distance


def _harmonics(unit: NDArray[np.float64], l_max: int) -> NDArray[np.float64]:
    """Real orthonormal harmonics, shape (n_pairs, (l_max + 1)^2)."""
    from sphericart import SphericalHarmonics

    return np.asarray(SphericalHarmonics(l_max).compute(np.ascontiguousarray(unit)))


def _power(
    gather: csr_array, harmonics: NDArray[np.float64], values: NDArray[np.float64], l_max: int
) -> NDArray[np.float64]:
    """Sum of p_l over the atoms of a frame for each column of values, (n_columns, l_max + 1).

    Parameters
    ----------
    gather
        Which pairs are an atom's, shape (n_atoms, n_pairs).
    harmonics, values
        Of each pair, shapes (n_pairs, (l_max + 1)^2) and (n_pairs, n_columns).
    l_max
        Highest angular momentum.
    """
    n_pairs, n_columns = values.shape
    products = (values[:, :, None] * harmonics[:, None, :]).reshape(
        n_pairs, n_columns * harmonics.shape[1]
    )
    total = np.sum(np.asarray(gather @ products) ** 2, axis=0).reshape(n_columns, -1)
    parts = [
        4 * np.pi / (2 * k + 1) * total[:, k * k : (k + 1) ** 2].sum(axis=1)
        for k in range(l_max + 1)
    ]
    return np.array(parts).T
