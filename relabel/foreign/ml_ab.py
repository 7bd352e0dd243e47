"""Training data of VASP's machine-learned force fields, `ML_AB` and `ML_ABN`.

A header, then one block per configuration, every item under its title between rules of `-` and `=`
(VASP wiki, ML_AB). Energies in eV, forces in eV/Å, stresses in kB with VASP's sign, first
XX YY ZZ, then XY YZ ZX.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms, units
from ase.data import atomic_numbers

from dosml.errors import FrameError
from dosml.limits import MOST_COUNTED, open_bounded
from dosml.relabel.foreign.frame import ForeignFrame

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

#: One kB in eV/Å^3.
_KB = 0.1 * units.GPa
_RULES = {"-", "=", "*"}
_TITLES = (
    *("The number of atom types", "The number of atoms", "Atom types and atom numbers"),
    *("Primitive lattice vectors (ang.)", "Atomic positions (ang.)", "Total energy (eV)"),
    *("Forces (eV ang.^-1)", "Stress (kbar)", "XX YY ZZ", "XY YZ ZX"),
)


def iter_ml_ab(path: Path) -> Iterator[ForeignFrame]:
    """Read the configurations of a file.

    Raises
    ------
    FrameError
        Naming the configuration: it is cut off, or lacks something.
    """
    block: list[str] | None = None
    number = 0
    with open_bounded(path) as handle:
        for raw in handle:
            line = raw.decode("utf-8", errors="replace").strip()
            if line.startswith("Configuration num."):
                if block is not None:
                    yield _configuration(block, f"configuration {number} of {path}")
                block, number = [], number + 1
            elif block is not None and line and not set(line) <= _RULES:
                block.append(line)
    if block is None:
        raise FrameError(f"{path} holds no 'Configuration num.': it is no ML_AB file")
    yield _configuration(block, f"configuration {number} of {path}")


def _configuration(block: list[str], where: str) -> ForeignFrame:
    try:
        return _read(block)
    except (IndexError, KeyError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise FrameError(f"{where} cannot be read ({reason}): is the file cut off?") from error


def _read(block: list[str]) -> ForeignFrame:
    at = {title: block.index(title) + 1 for title in _TITLES if title in block}
    missing = [title for title in _TITLES[:7] if title not in at]
    if missing:
        raise ValueError(f"it has no {missing[0]!r}")

    def rows(title: str, count: int) -> np.ndarray:
        begin = at[title]
        values = [[float(one) for one in line.split()] for line in block[begin : begin + count]]
        array = np.array(values)
        if array.shape != (count, 3):
            raise ValueError(f"{title} has shape {array.shape}, expected ({count}, 3)")
        return array

    size = int(block[at["The number of atoms"]])
    kinds = int(block[at["The number of atom types"]])
    if not (0 < size <= MOST_COUNTED and 0 < kinds <= len(atomic_numbers)):
        raise ValueError(f"{size} atoms of {kinds} types")
    begin = at["Atom types and atom numbers"]
    symbols: list[str] = []
    for line in block[begin : begin + kinds]:
        symbol, count = line.split()
        symbols += [symbol] * int(count)
    if len(symbols) != size:
        raise ValueError(f"the types count {len(symbols)} atoms, expected {size}")
    atoms = Atoms(
        symbols,
        cell=rows("Primitive lattice vectors (ang.)", 3),
        positions=rows("Atomic positions (ang.)", size),
        pbc=True,
    )
    energy = float(block[at["Total energy (eV)"]])
    forces = rows("Forces (eV ang.^-1)", size)
    stress = None
    if "XX YY ZZ" in at and "XY YZ ZX" in at:
        xx, yy, zz = rows("XX YY ZZ", 1)[0]
        xy, yz, zx = rows("XY YZ ZX", 1)[0]
        stress = -_KB * np.array([xx, yy, zz, yz, zx, xy])
    return ForeignFrame(atoms, energy, forces, stress, stress_known=True)
