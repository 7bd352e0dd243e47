"""What a file says, read a second time by hand: nothing of dosml, ase or pymatgen is used.

Slow and strict on purpose: what is odd is an error here. `attack.py` holds the tool against it.
"""

from __future__ import annotations

import math
import re
import shlex
import xml.etree.ElementTree as ET
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

#: Chemical symbols up to curium.
_TABLE = """
    H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br
    Kr Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho
    Er Tm Yb Lu Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn Fr Ra Ac Th Pa U Np Pu Am Cm
"""
SYMBOLS = frozenset(_TABLE.split())
#: eV, eV/Å: labels beyond it are no labels of metals.
LARGEST_LABEL = 1e6


class OddError(ValueError):
    """The file is not as its format asks."""


@dataclass
class Plain:
    """A frame as it stands in its file."""

    symbols: list[str]
    positions: np.ndarray
    cell: np.ndarray
    info: dict[str, str]
    arrays: dict[str, list[list[str]]] = field(default_factory=dict)

    @property
    def distances(self) -> np.ndarray:
        """Sorted distances, Å, of every atom to all others and to images, its own among them.

        Up to the smallest height of the cell: no choice of axes changes them.
        """
        steps = np.array(list(product((-1, 0, 1), repeat=3)))
        scaled = self.positions @ np.linalg.inv(self.cell)
        apart = scaled[None, :, None] - scaled[:, None, None]
        vectors = (apart - np.rint(apart) + steps) @ self.cell
        found = np.linalg.norm(vectors, axis=-1)
        n = np.arange(len(scaled))
        found[n, n, len(steps) // 2] = np.inf  # an atom and itself
        sides = np.cross(self.cell[[1, 2, 0]], self.cell[[2, 0, 1]])
        height = abs(np.linalg.det(self.cell)) / np.linalg.norm(sides, axis=1).max()
        return np.sort(found[found < 1.01 * height])

    def forces(self) -> np.ndarray:
        """REF_forces, eV/Å."""
        if "REF_forces" not in self.arrays:
            raise OddError("no REF_forces")
        return np.array([[float(word) for word in row] for row in self.arrays["REF_forces"]])

    def energy(self) -> float:
        """REF_energy, eV."""
        if "REF_energy" not in self.info:
            raise OddError("no REF_energy")
        return float(self.info["REF_energy"])


def read_frames(path: Path) -> list[Plain]:
    """Read extxyz.

    Raises
    ------
    ValueError
        If anything is odd.
    """
    lines = path.read_text(encoding="utf-8-sig").splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    frames, at = [], 0
    while at < len(lines):
        if not re.fullmatch(r"\s*[1-9]\d*\s*", lines[at]):
            raise OddError(f"line {at + 1} is no number of atoms")
        count = int(lines[at])
        if at + 2 + count > len(lines):
            raise OddError(f"the frame at line {at + 1} is cut off")
        frames.append(
            _frame(lines[at + 1], [one.split() for one in lines[at + 2 : at + 2 + count]])
        )
        at += 2 + count
    return frames


def _frame(comment: str, rows: list[list[str]]) -> Plain:
    info = dict(word.split("=", 1) for word in shlex.split(comment) if "=" in word)
    cell = np.array([float(word) for word in info["Lattice"].split()])
    if len(cell) != 9:
        raise OddError(f"{len(cell)} numbers of a lattice")
    words = info["Properties"].split(":")
    arrays: dict[str, list[list[str]]] = {}
    at = 0
    for name, width in zip(words[::3], words[2::3], strict=True):
        arrays[name] = [row[at : at + int(width)] for row in rows]
        at += int(width)
    if any(len(row) != at for row in rows):
        raise OddError(f"an atom without its {at} columns")
    positions = np.array([[float(word) for word in row] for row in arrays["pos"]])
    return Plain([row[0] for row in arrays["species"]], positions, cell.reshape(3, 3), info, arrays)


def fault_of_frames(frames: list[Plain]) -> str:
    """Say why nobody can use the frames; empty where they are sound."""
    splits = {frame.info.get("split") for frame in frames}
    faults = {
        "no frames": not frames,
        "only some frames are marked with a split": None in splits and len(splits) > 1,
        "a split that nobody knows": not splits <= {None, "train", "val", "test"},
    }
    for number, frame in enumerate(frames):
        numbers = np.vstack([frame.positions, frame.cell])
        with np.errstate(invalid="ignore"):
            sound = bool(np.isfinite(numbers).all() and np.abs(numbers).max() <= 1e6)
        periodic = frame.info.get("pbc", "").split() == ["T"] * 3
        roomy = sound and abs(np.linalg.det(frame.cell)) >= len(frame.symbols)
        faults |= {
            f"frame {number}: no element": not set(frame.symbols) <= SYMBOLS,
            f"frame {number}: no lengths in Å": not sound,
            f"frame {number}: not periodic": not periodic,
            f"frame {number}: flat or crowded": not roomy,
            f"frame {number}: atoms coincide": roomy and frame.distances.min(initial=9) < 0.5,
        }
    return next((name for name, true in faults.items() if true), "")


def fault_of_labels(frames: list[Plain]) -> str:
    """Say why nobody can train on the labels; empty where they are sound."""
    found = fault_of_frames(frames)
    if found:
        return found
    try:
        values = [np.append(one.forces(), one.energy()) for one in frames]
    except ValueError as error:
        return str(error)
    if not all(np.isfinite(one).all() and np.abs(one).max() < LARGEST_LABEL for one in values):
        return "a label that is no number of a metal"
    if not any(one.forces().any() or one.energy() for one in frames):
        return "all energies and forces are zero"
    for frame in frames:
        stress = frame.info.get("REF_stress")
        if stress is not None and len([float(word) for word in stress.split()]) not in {6, 9}:
            return "a stress of other than six or nine numbers"
    return ""


def twins(frames: list[Plain]) -> bool:
    """Whether a frame stands twice."""
    return any(
        one.symbols == other.symbols
        and np.array_equal(one.positions, other.positions)
        and np.array_equal(one.cell, other.cell)
        for n, one in enumerate(frames)
        for other in frames[:n]
    )


@dataclass(frozen=True)
class PlainDos:
    """Numbers of a DOS that are the same however it is read.

    Attributes
    ----------
    fermi
        eV.
    total
        At the Fermi level, all spins, states/eV per atom.
    d_electrons
        Integral of the d states up to it (trapezoidal rule), per atom.
    """

    fermi: float
    total: float
    d_electrons: float


def _dos_numbers(
    fermi: float, energies: np.ndarray, total: np.ndarray, d: np.ndarray, n_atoms: int
) -> PlainDos:
    def at(values: np.ndarray) -> float:
        return float(np.interp(fermi, energies, values))

    below = energies < fermi
    x = np.append(energies[below], fermi)
    y = np.append(d[below], at(d))
    return PlainDos(fermi, at(total) / n_atoms, float(np.trapezoid(y, x)) / n_atoms)


def _fields(line: str, width: int) -> list[float]:
    """Numbers by blanks where those are as many as expected, else by the width of a field."""
    words = line.rstrip("\n")
    try:
        return [_number(word) for word in words.split()]
    except ValueError:
        return [_number(words[at : at + width]) for at in range(0, len(words), width)]


def _number(word: str) -> float:
    """Read a number of Fortran, which leaves out the E of exponents with three digits."""
    word = re.sub(r"(?<=\d)([+-]\d{3})$", r"E\1", word.strip())
    return math.nan if "*" in word else float(word)


def read_doscar(path: Path) -> PlainDos:
    """Read VASP's DOSCAR with projections by m: s, three p, five d, each once per spin column."""
    lines = path.read_text(encoding="utf-8").splitlines()
    n_atoms = int(lines[0].split()[1])
    head = [float(lines[5][at : at + 16]) for at in (0, 16)]
    count = int(lines[5][32:37])
    fermi = float(lines[5][37:53])
    assert head[0] > head[1]
    first = np.array([_fields(line, 12) for line in lines[6 : 6 + count]])
    total = first[:, 1:3].sum(axis=1) if first.shape[1] == 5 else first[:, 1]
    d = np.zeros(count)
    for atom in range(n_atoms):
        begin = 6 + count + atom * (count + 1) + 1
        block = np.array([_fields(line, 12) for line in lines[begin : begin + count]])
        columns = block.shape[1] - 1
        every, kept = {9: (1, 1), 18: (2, 2), 36: (4, 1)}[columns]
        for orbital in range(4, 9):
            for spin in range(kept):
                d += block[:, 1 + every * orbital + spin]
    return _dos_numbers(fermi, first[:, 0], total, d, n_atoms)


def read_vasprun_dos(path: Path) -> PlainDos:
    """Read the DOS of the last calculation of vasprun.xml, which is that of the regular mesh."""
    root = ET.parse(path).getroot()
    calculation = root.findall("calculation")[-1]
    # KPOINTS_OPT puts its own before it, with a comment
    found = [one for one in calculation.findall("dos") if one.get("comment") is None]
    if not found:
        raise OddError("no DOS")
    dos = found[-1]
    efermi = dos.find("i[@name='efermi']")
    assert efermi is not None
    n_atoms = int(root.findtext("atominfo/atoms", "0"))

    def table(node: ET.Element) -> np.ndarray:
        return np.array([[float(word) for word in str(row.text).split()] for row in node.iter("r")])

    totals = dos.find("total/array/set")
    assert totals is not None
    sets = [table(one) for one in totals]
    total = sum(one[:, 1] for one in sets)
    d = np.zeros(len(sets[0]))
    partial = dos.find("partial/array")
    assert partial is not None
    names = [str(one.text).strip() for one in partial.findall("field")]
    columns = [n for n, name in enumerate(names) if name.startswith("d") or name == "x2-y2"]
    for atom in partial.findall("set/set"):
        for spin in atom:
            d += table(spin)[:, columns].sum(axis=1)
    return _dos_numbers(float(str(efermi.text)), sets[0][:, 0], np.asarray(total), d, n_atoms)


def read_steps(path: Path) -> list[np.ndarray]:
    """Fractional positions of every step of an MD: all structures besides the first and last."""
    root = ET.parse(path).getroot()
    return [
        np.array([[float(w) for w in str(v.text).split()] for v in one.iterfind("varray/v")])
        for one in root.iter("structure")
        if one.get("name") not in {"initialpos", "finalpos"}
    ]
