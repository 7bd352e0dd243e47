"""The small parts of a vasprun.xml: tags, atoms, structures, vectors, energies and k-points."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING

import numpy as np

from dosml.relabel.vasp.fortran import number, table
from dosml.relabel.vasp.sections import Section, parsed
from dosml.relabel.vasp.species import symbol_of

if TYPE_CHECKING:
    import xml.etree.ElementTree as ET

    from numpy.typing import NDArray

#: No cell of atoms has a smaller volume, Å^3.
_FLAT = 1e-3


def tags_of(raw: bytes, run: Section, name: str) -> dict[str, str]:
    """Tags of a run's "incar" or "parameters", as text."""
    return named(raw, next(iter(run.all(name)), None))


def named(raw: bytes, section: Section | None) -> dict[str, str]:
    """Text of every `<i>` and `<v>` of a section by name, the first of those printed twice.

    VASP prints NELM among "electronic convergence", and again, with another meaning, among
    "response functions".
    """
    return {} if section is None else _items(parsed(section.text(raw)))


def _items(tree: ET.Element) -> dict[str, str]:
    found: dict[str, str] = {}
    for item in tree.iter():
        if item.tag in {"i", "v"} and "name" in item.attrib:
            found.setdefault(item.attrib["name"].strip(), (item.text or "").strip())
    return found


def energies_of(raw: bytes, section: Section | None) -> dict[str, float]:
    """Energies (eV) of an `<energy>`, or of the last one of an electronic step."""
    if section is None:
        return {}
    tree = parsed(section.text(raw))
    energies = tree.findall("energy") or [tree]
    return {name: number(text) for name, text in _items(energies[-1]).items() if text}


def atoms_of(raw: bytes, run: Section) -> tuple[tuple[str, ...], float]:
    """Chemical symbol of every atom, and the sum of ZVAL over them."""
    section = next(iter(run.all("atominfo")), None)
    if section is None:
        raise KeyError("atominfo")
    info = parsed(section.text(raw))

    def rows(name: str) -> list[list[str]]:
        found = info.iterfind(f"array[@name='{name}']/set/rc")
        return [[(cell.text or "").strip() for cell in row] for row in found]

    types = rows("atomtypes")
    # atoms per type, element, mass, ZVAL, TITEL of the POTCAR
    known = {
        str(place): symbol_of(row[1], titel=row[4] if len(row) > 4 else "", mass=_mass(row))
        for place, row in enumerate(types, 1)
    }
    symbols = tuple(_symbol(row, known) for row in rows("atoms"))
    n_valence = sum(number(row[0]) * number(row[3]) for row in types)
    return symbols, n_valence


def _symbol(row: list[str], types: dict[str, str]) -> str:
    """Element of an atom: its own entry, or that of its type where it names none."""
    try:
        return symbol_of(row[0])
    except ValueError:
        if len(row) > 1 and row[1] in types:
            return types[row[1]]
        raise


def _mass(row: list[str]) -> float:
    try:
        return number(row[2])
    except (IndexError, ValueError):
        return math.nan


def kpoints_of(
    raw: bytes, run: Section
) -> tuple[tuple[int, ...] | None, NDArray[np.float64] | None]:
    """Divisions and weights of the regular mesh."""
    section = next((one for one in run.all("kpoints") if not one.attributes.get("comment")), None)
    if section is None:
        return None, None
    tree = parsed(section.text(raw))
    row = tree.find("generation/v[@name='divisions']")
    divisions = None if row is None else tuple(int(word) for word in (row.text or "").split())
    weights = _rows(tree.find("varray[@name='weights']"))
    return divisions, None if weights is None else weights.ravel()


def structure_of(raw: bytes, section: Section) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Cell (3, 3) in Å and scaled positions (n_atoms, 3).

    Raises
    ------
    ValueError
        If one of them is not there, holds a number that overflowed, or the cell is flat.
    """
    tree = parsed(section.text(raw))
    cell = _rows(tree.find("crystal/varray[@name='basis']"))
    scaled = _rows(tree.find("varray[@name='positions']"))
    if cell is None or scaled is None or cell.shape != (3, 3) or scaled.shape[1] != 3:
        raise ValueError("a structure has no cell or no positions")
    if not (np.isfinite(cell).all() and np.isfinite(scaled).all()):
        raise ValueError("a structure has a number that overflowed (asterisks)")
    if abs(np.linalg.det(cell)) < _FLAT:
        raise ValueError("a structure has a cell without a volume")
    return cell, scaled


def vectors_of(raw: bytes, step: Section, name: str) -> NDArray[np.float64] | None:
    """Vectors directly inside a calculation, the last of a name."""
    found = None
    at = step.inner
    # between the sections of a calculation there is little but these
    for child in [*step.children, None]:
        gap = raw[at : child.begin if child is not None else step.end]
        for match in re.finditer(
            rb"<varray[^<>]*name\s*=\s*[\"']" + name.encode() + rb"[\"'][^<>]*>.*?</varray>",
            gap,
            re.DOTALL,
        ):
            found = _rows(parsed(match[0]))
        if child is not None:
            at = child.end if child.whole else child.inner
    return found


def _rows(block: ET.Element | None) -> NDArray[np.float64] | None:
    if block is None:
        return None
    return table([(row.text or "").encode() for row in block.iterfind("v")])
