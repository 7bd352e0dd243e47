"""The hydrogen clusters that ship: three densities, exact labels, all parts of some.

`dosml.relabel.hydrogen_clusters` holds one dataset folder per density; its README.md is the card.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dosml.errors import DamagedFileError, InputError
from dosml.files import read_npz, whole_file
from dosml.relabel.dataset.files import load_folder
from dosml.theory.body_order import up_to

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from dosml.relabel.dataset.value import Dataset

#: Atoms per Å^3, of the sphere in which a cluster is drawn.
DENSITIES = (0.02, 0.1, 0.3)
SIZES = (2, 3, 4, 5, 6, 7, 8)
#: Å.
SHORTEST = 0.7
N_TRAIN, N_TEST = 200, 50
#: Held-out clusters of each size whose parts have energies too.
EXPANDED = 3
#: Name of the label set.
LABELS = "full_ci_sto-3g"
#: Where the set lies.
FOLDER = Path(__file__).with_name("hydrogen_clusters")
PARTS = "parts.npz"


def density_name(density: float) -> str:
    """Name of the folder of a density."""
    return f"density_{density:g}"


def density_words(density: float) -> str:
    """Name of the clusters of a density, for people and tables."""
    return f"H {density:g} Å⁻³"


def hydrogen_dataset(density: float, folder: Path = FOLDER) -> Dataset:
    """Read the clusters of one density, with roles; their tiers are their sizes.

    Raises
    ------
    InputError
        If there is no such density.
    DosmlError
        If a file is damaged.
    """
    if density not in DENSITIES:
        names = ", ".join(f"{one:g}" for one in DENSITIES)
        raise InputError(f"there are hydrogen clusters of {names} atoms/Å^3, not of {density:g}")
    return load_folder(folder / density_name(density))


def expanded(frames: Sequence[Atoms], held: Sequence[int]) -> list[int]:
    """Give the clusters whose parts have energies: the first held-out ones of each size.

    Parameters
    ----------
    frames
        All clusters of a density.
    held
        Which of them are held out.
    """
    seen: Counter[int] = Counter()
    found = []
    for n in held:
        seen[len(frames[n])] += 1
        if seen[len(frames[n])] <= EXPANDED:
            found.append(n)
    return found


def write_parts(place: Path, energies: Sequence[Sequence[float]]) -> None:
    """Write the energies (eV) of all parts of `expanded` clusters, in the order of `up_to`."""
    with whole_file(place / PARTS) as partial:
        np.savez_compressed(
            partial,
            allow_pickle=False,
            counts=np.array([len(one) for one in energies]),
            energies=np.concatenate([np.asarray(one) for one in energies]),
        )


def read_parts(density: float, folder: Path = FOLDER) -> list[dict[int, float]]:
    """Read the energies (eV) of all parts of the `expanded` clusters, in their order.

    Raises
    ------
    DamagedFileError
        If the file is no such thing.
    """
    path = folder / density_name(density) / PARTS
    arrays = read_npz(path)
    counts, energies = arrays["counts"], arrays["energies"]
    sizes = [int(one + 1).bit_length() - 1 for one in counts]
    whole = all(2**size - 1 == one for size, one in zip(sizes, counts, strict=True))
    if not whole or len(energies) != counts.sum() or not np.isfinite(energies).all():
        raise DamagedFileError(f"{path} does not hold all parts of clusters: install dosml again")
    return [
        dict(zip(up_to(size, size), map(float, some), strict=True))
        for size, some in zip(sizes, np.split(energies, np.cumsum(counts)[:-1]), strict=True)
    ]
