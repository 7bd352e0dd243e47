"""Starting structures: a crystal, a supercell of at least a given length, one random vacancy.

The recipe is that of Owen et al., npj Comput. Mater. 10, 92 (2024), Methods: ground-state crystal,
every lattice vector of the supercell at least 7 Å, one vacancy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dosml.errors import InputError
from dosml.limits import LARGEST_SEED
from dosml.relabel.elements import Element, element

if TYPE_CHECKING:
    from ase import Atoms
    from pymatgen.core import Lattice, Structure


@dataclass(frozen=True)
class CellRecipe:
    """How big a sampled cell is and what it holds.

    Attributes
    ----------
    min_length
        Least length (Å) of every supercell vector.
    primitive
        Repeat the primitive cell instead of the conventional one of cubic crystals.
    vacancy
        Remove one random atom.
    tiers
        Names of the temperatures; a small periodic crystal does not melt, it is superheated.
    """

    min_length: float
    primitive: bool
    vacancy: bool
    tiers: tuple[str, str, str]


#: `published`: Owen et al. `small`: 8 atoms of an fcc, bcc or hcp metal.
CELLS = {
    "published": CellRecipe(7.0, primitive=False, vacancy=True, tiers=("cold", "warm", "melt")),
    "small": CellRecipe(4.3, primitive=True, vacancy=False, tiers=("cold", "warm", "hot")),
}
MIN_ATOMS = 2
MAX_ATOMS = 500


@dataclass(frozen=True)
class Prototype:
    """A crystal structure type.

    Attributes
    ----------
    sites
        Fractional coordinates in the cell that is repeated.
    space_group
        International symbol that completes `sites`, one per orbit; None if they are all.
    min_repeat
        Repetitions along each vector that the published frames have, whatever the length asked.
    """

    sites: tuple[tuple[float, float, float], ...]
    space_group: str | None = None
    min_repeat: int = 1


_THIRDS = ((1 / 3, 2 / 3), (2 / 3, 1 / 3))
#: Conventional cubic cells for fcc, bcc and alpha-Mn; primitive cells for the others: that gives
#: the published 53 atoms for W and Ta, 35 for Hf and Zr, 80 (81 - 1, 3 x 3 x 3) for omega Ti.
PROTOTYPES = {
    "fcc": Prototype(((0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0))),
    "bcc": Prototype(((0, 0, 0), (0.5, 0.5, 0.5))),
    "hcp": Prototype(((*_THIRDS[0], 0.25), (*_THIRDS[1], 0.75))),
    "omega": Prototype(((0, 0, 0), (*_THIRDS[0], 0.5), (*_THIRDS[1], 0.5)), min_repeat=3),
    "rhombohedral": Prototype(((0, 0, 0),)),
    # Oberteuffer and Ibers, Acta Cryst. B26, 1499 (1970): 2a, 8c and two 24g.
    "alpha-Mn": Prototype(
        (
            (0, 0, 0),
            (0.31787, 0.31787, 0.31787),
            (-0.08958, -0.08958, 0.28194),
            (0.64294, 0.64294, 0.03457),
        ),
        space_group="I-43m",
    ),
}
#: Lattice constants (a, c in Å) known for crystals that are not the ground state:
#: Jamieson, Science 140, 72 (1963).
KNOWN_LATTICES = {("Ti", "omega"): (4.625, 2.813), ("Zr", "omega"): (5.036, 3.109)}
#: Shape used where only the volume per atom is known.
_C_OVER_A = {"hcp": math.sqrt(8 / 3), "omega": 2.813 / 4.625}
_MERCURY_ANGLE = 70.45


def unit_cell(symbol: str, prototype: str | None = None) -> Atoms:
    """One cell of the crystal, at the experimental lattice constants.

    A prototype other than the ground state keeps the ground state's volume per atom, unless its
    lattice constants are in `KNOWN_LATTICES`; its shape is then the ideal one (hcp), that of
    titanium (omega) or that of mercury (rhombohedral).

    Raises
    ------
    UnknownElementError
        If the element table does not hold the symbol.
    InputError
        If the prototype is unknown.
    """
    from pymatgen.io.ase import AseAtomsAdaptor

    return AseAtomsAdaptor.get_atoms(_structure(element(symbol), prototype), msonable=False)


def build_structure(
    symbol: str,
    *,
    prototype: str | None = None,
    min_length: float = 7.0,
    primitive: bool = False,
    vacancy: bool = True,
    seed: int = 0,
) -> Atoms:
    """Build the crystal that sampling starts from.

    Parameters
    ----------
    symbol
        One of `dosml.relabel.elements.ELEMENTS`.
    prototype
        One of `PROTOTYPES`; the ground-state crystal if None.
    min_length
        Least length (Å) of every supercell vector; omega cells are 3 x 3 x 3 or larger.
    primitive
        Repeat the primitive cell, which allows fewer atoms, instead of the conventional one.
    vacancy
        Remove one random atom.
    seed
        Chooses the vacancy site.

    Returns
    -------
    ase.Atoms
        Periodic, without calculator; `info` holds `prototype`, `supercell` (three repetitions)
        and `vacancy_site` (index in the perfect supercell, None without vacancy).

    Raises
    ------
    UnknownElementError
        If the element table does not hold the symbol.
    InputError
        If the prototype is unknown, `min_length` leads to fewer than 2 or more than 500 atoms, or
        the seed is none.
    """
    from pymatgen.io.ase import AseAtomsAdaptor

    metal = element(symbol)
    name = prototype or metal.prototype
    structure = _structure(metal, prototype)
    if primitive:
        structure = structure.get_primitive_structure()
    if not (math.isfinite(min_length) and min_length > 0):
        raise InputError(f"--min-length must be a positive length in Å, got {min_length}")
    repeats = [
        # the tolerance keeps a vector of exactly min_length single
        max(math.ceil(min_length / length - 1e-9), PROTOTYPES[name].min_repeat)
        for length in structure.lattice.abc
    ]
    n_atoms = len(structure) * math.prod(repeats) - int(vacancy)
    if not MIN_ATOMS <= n_atoms <= MAX_ATOMS:
        raise InputError(
            f"--min-length {min_length:g} Å gives {n_atoms} atoms of {name} {symbol}: choose one "
            f"that gives {MIN_ATOMS} to {MAX_ATOMS} (7 Å is the published value)"
        )
    if not 0 <= seed <= LARGEST_SEED:
        raise InputError(f"--seed takes numbers from 0 to {LARGEST_SEED}, got {seed}")
    structure.make_supercell(repeats)
    atoms = AseAtomsAdaptor.get_atoms(structure, msonable=False)
    site = int(np.random.default_rng(seed).integers(len(atoms))) if vacancy else None
    if site is not None:
        del atoms[site]
    atoms.info = {"prototype": name, "supercell": repeats, "vacancy_site": site}
    return atoms


def _structure(metal: Element, prototype: str | None) -> Structure:
    from pymatgen.core import Structure

    name = prototype or metal.prototype
    if name not in PROTOTYPES:
        raise InputError(f"unknown prototype {name!r}: choose one of {', '.join(PROTOTYPES)}")
    kind = PROTOTYPES[name]
    species = [metal.symbol] * len(kind.sites)
    lattice = _lattice(name, metal)
    if kind.space_group is None:
        structure = Structure(lattice, species, kind.sites)
    else:
        structure = Structure.from_spacegroup(kind.space_group, lattice, species, kind.sites)
    if name != metal.prototype and (metal.symbol, name) not in KNOWN_LATTICES:
        ground = _structure(metal, None)
        structure.scale_lattice(ground.volume / len(ground) * len(structure))
    return structure


def _lattice(name: str, metal: Element) -> Lattice:
    """Lattice with the experimental constants where known, else of the right shape only."""
    from pymatgen.core import Lattice

    a, c = KNOWN_LATTICES.get((metal.symbol, name), (metal.a, metal.c))
    if name == "rhombohedral":
        return Lattice.rhombohedral(a, metal.alpha or _MERCURY_ANGLE)
    if name not in _C_OVER_A:
        return Lattice.cubic(a)
    known = name == metal.prototype or (metal.symbol, name) in KNOWN_LATTICES
    return Lattice.hexagonal(a, c if known and c is not None else a * _C_OVER_A[name])


def right_handed(atoms: Atoms) -> Atoms:
    """Give the same crystal right-handed cell vectors, as VASP and phonopy need them.

    Where they are left-handed, the first two are exchanged: no atom moves.
    """
    return exchange_vectors(atoms) if atoms.cell.handedness < 0 else atoms


def exchange_vectors(atoms: Atoms) -> Atoms:
    """Exchange the first two cell vectors of a crystal; no atom moves."""
    exchanged: Atoms = atoms.copy()
    exchanged.set_cell(atoms.cell[[1, 0, 2]], scale_atoms=False)
    exchanged.pbc = atoms.pbc[[1, 0, 2]]
    return exchanged
