"""Structures that were found: relaxed with the engine, told apart, ranked, with their symmetry."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import units
from ase.filters import FrechetCellFilter
from ase.optimize import BFGS

from dosml.errors import DosmlError
from dosml.neighbours import NeighborList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms
    from ase.calculators.calculator import Calculator
    from numpy.typing import NDArray

#: eV/atom, and mean difference of sorted distances (Å), within which two structures are one.
SAME_ENERGY, SAME_DISTANCES = 0.005, 0.08
#: eV/atom, the same where one of them is not relaxed: it is on its way down to the other.
NEAR_ENERGY = 0.05
#: Mean difference of the distances of two crystals, each in units of their mean: fcc and hcp, the
#: nearest of kin, are 0.012 apart.
SAME_SHAPE = 0.006
#: eV/Å and steps of the relaxation with the engine.
FMAX, STEPS = 0.02, 40
#: Å: tolerance at which symmetry is looked for (a k-mesh of a skewed cell distorts a crystal by a
#: tenth), and reach around an atom of a crystal that tells structures apart.
SYMMETRY, REACH = 0.2, 8.0
#: Neighbours of each atom of a crystal that are looked at.
NEIGHBOURS = 40


@dataclass(frozen=True)
class Found:
    """A structure with its energy.

    Attributes
    ----------
    atoms
        The structure.
    value
        Energy, with pressure times volume for a crystal, eV/atom.
    search, call
        Where it was found first.
    relaxed
        Whether the engine relaxed it.
    """

    atoms: Atoms
    value: float
    search: str
    call: int
    relaxed: bool = False


def distances_of(atoms: Atoms, *, periodic: bool) -> NDArray[np.float64]:
    """Sorted distances that tell structures apart, whatever the order of the atoms or the cell.

    Of a cluster all pairs; of a crystal the distances of the first neighbours of an atom, mean over
    the atoms.
    """
    if not periodic:
        upper = np.triu_indices(len(atoms), 1)
        return np.sort(atoms.get_all_distances()[upper])
    search = NeighborList(cutoff=REACH, full_list=True, n_threads=1)
    centre, found = search.compute(
        atoms.positions, np.asarray(atoms.cell), periodic=True, quantities="id"
    )
    lists = [np.sort(found[centre == n])[:NEIGHBOURS] for n in range(len(atoms))]
    count = min(map(len, lists))
    return np.asarray(np.mean([one[:count] for one in lists], axis=0))


def same(one: Found, other: Found, *, periodic: bool) -> bool:
    """Whether two structures are one: clusters by energy and distances, crystals by shape.

    A crystal that is not relaxed is the same one at another volume, a cluster that is not is the
    same one within wider limits.
    """
    mine, theirs = (distances_of(found.atoms, periodic=periodic) for found in (one, other))
    count = min(len(mine), len(theirs))
    mine, theirs = mine[:count], theirs[:count]
    if periodic:
        return float(np.abs(mine / mine.mean() - theirs / theirs.mean()).mean()) < SAME_SHAPE
    both = one.relaxed and other.relaxed
    if abs(one.value - other.value) > (SAME_ENERGY if both else NEAR_ENERGY):
        return False
    return float(np.abs(mine - theirs).mean()) < SAME_DISTANCES


def distinct(found: Sequence[Found], *, periodic: bool, most: int | None = None) -> list[Found]:
    """Rank structures, lowest first, each kind once.

    Parameters
    ----------
    found
        Any number.
    periodic
        Whether they are crystals.
    most
        So many at most.
    """
    kept: list[Found] = []
    for one in sorted(found, key=lambda each: each.value):
        if most is not None and len(kept) == most:
            break
        if not any(same(one, other, periodic=periodic) for other in kept):
            kept.append(one)
    return kept


def relax_found(
    found: Found, calculator: Calculator, *, periodic: bool, pressure: float
) -> tuple[Found, int]:
    """Relax a structure with the engine.

    Parameters
    ----------
    found
        Where to begin.
    calculator
        The engine's.
    periodic, pressure
        Whether its cell is relaxed too, at a pressure in GPa.

    Returns
    -------
    found, calls
        The relaxed structure (called so where it came to rest), or the given one where the engine
        fails; calls of the engine.
    """
    atoms = found.atoms.copy()
    atoms.calc = calculator
    outside = pressure * units.GPa if periodic else 0.0
    target: Any = FrechetCellFilter(atoms, scalar_pressure=outside) if periodic else atoms
    try:
        with BFGS(target, logfile=None) as optimiser:
            converged = bool(optimiser.run(fmax=FMAX, steps=STEPS))
            calls = optimiser.nsteps + 1
        value = float(atoms.get_potential_energy()) + outside * float(atoms.cell.volume)
    except (DosmlError, ValueError, RuntimeError, ArithmeticError):
        return found, 1
    relaxed = atoms.copy()
    relaxed.calc = None
    return Found(relaxed, value / len(atoms), found.search, found.call, converged), calls


def symmetry_of(atoms: Atoms, *, periodic: bool) -> str:
    """Space group of a crystal ("Fm-3m (225)"), point group of a cluster ("Ih")."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries about their own future
        if periodic:
            import spglib

            cell: Any = (np.asarray(atoms.cell), atoms.get_scaled_positions(), atoms.numbers)
            found = spglib.get_symmetry_dataset(cell, symprec=SYMMETRY)
            return "P1 (1)" if found is None else f"{found.international} ({found.number})"
        from pymatgen.core import Molecule
        from pymatgen.symmetry.analyzer import PointGroupAnalyzer

        molecule = Molecule(atoms.get_chemical_symbols(), atoms.positions)
        return str(PointGroupAnalyzer(molecule, tolerance=SYMMETRY).get_pointgroup())
