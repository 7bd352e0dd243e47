"""Configurations of the MTP program (MLIP-2 and MLIP-3), `.cfg`.

    BEGIN_CFG
     Size
        2
     Supercell
        ...
     AtomData:  id type cartes_x cartes_y cartes_z fx fy fz
        ...
     Energy
        ...
     PlusStress:  xx yy zz yz xz xy
        ...
     Feature   NAME VALUE
    END_CFG

Energies in eV, forces in eV/Å. PlusStress is -dE/dstrain in eV: minus the stress times the volume.
Coordinates may also be fractions of the cell (direct_x direct_y direct_z), and files of old
versions call two of the items SuperCell and Atomic_data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

from dosml.errors import FrameError
from dosml.limits import MOST_COUNTED, open_bounded
from dosml.relabel.foreign.frame import ForeignFrame

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

_COORDINATES = ("cartes_x", "cartes_y", "cartes_z")
_FRACTIONS = ("direct_x", "direct_y", "direct_z")
_FORCES = ("fx", "fy", "fz")
_NUMBERS = {"id", "type", *_COORDINATES, *_FRACTIONS, *_FORCES}
_OLD = {"SuperCell": "Supercell", "Atomic_data": "AtomData"}
_VOIGT = ("xx", "yy", "zz", "yz", "xz", "xy")


def iter_mtp(path: Path, types: Sequence[str]) -> Iterator[ForeignFrame]:
    """Read the configurations of a file.

    Parameters
    ----------
    path
        The file, compressed or not.
    types
        Element of type 0, 1, ...

    Raises
    ------
    FrameError
        Naming the configuration: it is cut off, or lacks something.
    """
    lines: list[list[str]] | None = None
    number = -1
    with open_bounded(path) as handle:
        for raw in handle:
            words = raw.decode("utf-8", errors="replace").split()
            if words[:1] == ["BEGIN_CFG"]:
                lines, number = [], number + 1
            elif words[:1] == ["END_CFG"] and lines is not None:
                yield _configuration(lines, types, f"configuration {number} of {path}")
                lines = None
            elif lines is not None and words:
                lines.append(words)
    if lines is not None:
        raise FrameError(f"configuration {number} of {path} has no END_CFG: the file is cut off")
    if number < 0:
        raise FrameError(f"{path} holds no BEGIN_CFG: it is no file of MTP configurations")


def _configuration(lines: list[list[str]], types: Sequence[str], where: str) -> ForeignFrame:
    try:
        return _read(lines, types)
    except (IndexError, KeyError, ValueError, StopIteration) as error:
        reason = str(error) or type(error).__name__
        raise FrameError(f"{where} cannot be read: {reason}") from error


def _read(lines: list[list[str]], types: Sequence[str]) -> ForeignFrame:
    names = [words[0].rstrip(":") for words in lines]
    at = {_OLD.get(name, name): k for k, name in reversed(list(enumerate(names)))}
    if missing := [name for name in ("Size", "Supercell", "AtomData", "Energy") if name not in at]:
        raise ValueError(f"it has no {missing[0]}")
    size = int(lines[at["Size"] + 1][0])
    if not 0 < size <= MOST_COUNTED:
        raise ValueError(f"Size is {size}")
    begin = at["Supercell"] + 1
    cell = np.array([[float(one) for one in words[:3]] for words in lines[begin : begin + 3]])
    begin = at["AtomData"]
    rows = lines[begin + 1 : begin + 1 + size]
    columns = lines[begin][1:]
    widths = {len(words) for words in rows}
    if cell.shape != (3, 3) or len(rows) != size or widths != {len(columns)}:
        raise ValueError(
            f"Supercell has shape {cell.shape}, AtomData {len(rows)} rows of {sorted(widths)} "
            f"words, expected (3, 3), {size} rows and {len(columns)} words"
        )
    if not set(_FORCES) <= set(columns):
        raise ValueError("AtomData has no fx fy fz: these are no labels")
    # other columns may hold words
    place = {
        name: np.array([float(words[k]) for words in rows])
        for k, name in enumerate(columns)
        if name in _NUMBERS
    }
    order = np.argsort(place["id"]) if "id" in place else np.arange(size)
    fractional = set(_FRACTIONS) <= set(place)
    there = [place[one] for one in (_FRACTIONS if fractional else _COORDINATES)]
    where = np.column_stack(there)[order]
    atoms = Atoms(
        [types[kind] for kind in _kinds(place["type"], types)[order]],
        positions=where @ cell if fractional else where,
        cell=cell,
        pbc=True,
    )
    stress = None
    if "PlusStress" in at:
        begin = at["PlusStress"]
        named = dict(zip(lines[begin][1:], map(float, lines[begin + 1]), strict=True))
        stress = -np.array([named[one] for one in _VOIGT]) / atoms.get_volume()
    forces = np.column_stack([place[one] for one in _FORCES])[order]
    energy = float(lines[at["Energy"] + 1][0])
    return ForeignFrame(atoms, energy, forces, stress, stress_known=True)


def _kinds(column: NDArray[np.float64], types: Sequence[str]) -> NDArray[np.int_]:
    """Types of the atoms, all of which have a name."""
    kinds = column.astype(int)
    if kinds.min() < 0 or kinds.max() >= len(types):
        raise ValueError(
            f"it holds the type {kinds.max()}, and {len(types)} elements are named: give --types, "
            "such as Ta,V,Cr,W for the types 0 to 3"
        )
    return kinds
