"""Frames: their identity, and reading and checking the user's own.

`check_frames` is the one place where a frame is refused, whoever gives it: what a frame must be for
depends on its purpose, the words do not.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase import Atoms

from dosml.errors import FrameError
from dosml.neighbours import NeighborList
from dosml.relabel.frame_files import iter_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

#: Decimals of Å that a frame keeps: what extxyz writes, so that a frame read back is the same.
POSITION_DECIMALS = 8
#: Facts about a frame that travel with it.
KEPT_INFO = ("tier", "temperature_K", "md_time_fs", "prototype", "split")
#: What a frame may be marked as: in `info["split"]`.
SPLITS = ("train", "val", "test")
#: Where a frame was read, for messages: stays in memory, no file keeps it.
ORIGIN = "dosml_origin"

#: Å: two frames all of whose atoms are so near to each other differ by how they were written.
SAME = 1e-3

#: Characters of the name of a tier, which becomes a line of tables.
LONGEST_TIER = 60

#: Å: atoms of no metal come closer, and a cell whose sides do is flat.
CLOSEST = 0.5
#: Å: where atoms are looked for that come so close. Shorter than any bond of metals, and longer
#: than `CLOSEST`, because the search takes time for every box of this size.
_SEARCH = 1.8
#: Å: coordinates beyond it are no positions, and would not keep their decimals.
FARTHEST = 1e6
#: Å^3 per atom: hydrogen inside Jupiter has 2, osmium 14; caesium 115, an atom in a box of 100 Å a
#: million.
DENSEST, THINNEST = 1.0, 1e6
#: Å: caesium's neighbours are 5.2 Å apart; an atom without one within this is alone.
ALONE = 7.0


@dataclass(frozen=True)
class Purpose:
    """What frames are for, and so what they must be.

    Attributes
    ----------
    words
        What needs them, such as "a scan".
    one_element
        All frames hold one and the same element.
    distinct
        No frame stands twice.
    bound
        Every atom has a neighbour.
    """

    words: str
    one_element: bool = False
    distinct: bool = False
    bound: bool = True


SCAN = Purpose("a scan", distinct=True)
VASP_LABELS = Purpose("a VASP study", distinct=True)
DYNAMICS = Purpose("molecular dynamics", one_element=True)
PHONONS = Purpose("phonons")
#: Twins that stand on both sides of a split are refused where frames get their roles; the energy of
#: a lone atom is a label like any other.
TRAINING = Purpose("a label set", bound=False)


def canonical(atoms: Atoms) -> Atoms:
    """Return the frame without calculator, momenta and foreign info, rounded to file precision.

    Labels are computed on canonical frames only: one that went through a file has the same id and
    the same label.
    """
    frame = Atoms(
        numbers=atoms.numbers,
        # adding zero turns -0.0 into 0.0, which would hash differently
        positions=np.round(atoms.positions, POSITION_DECIMALS) + 0.0,
        cell=np.round(np.asarray(atoms.cell), POSITION_DECIMALS) + 0.0,
        pbc=atoms.pbc,
    )
    frame.info = {key: atoms.info[key] for key in KEPT_INFO if key in atoms.info}
    return frame


def frame_id(frame: Atoms) -> str:
    """Content hash (16 hexadecimal digits) of elements, positions, cell and periodicity."""
    digest = hashlib.sha256()
    digest.update(np.asarray(frame.numbers, dtype="<i8").tobytes())
    for values in (frame.positions, np.asarray(frame.cell)):
        scaled = np.rint(np.asarray(values) * 10**POSITION_DECIMALS)
        digest.update(scaled.astype("<i8").tobytes())
    digest.update(np.asarray(frame.pbc, dtype="u1").tobytes())
    return digest.hexdigest()[:16]


def name_of(frame: Atoms, number: int) -> str:
    """Say which frame it is: as it stood in its file, else by its number here."""
    return str(frame.info.get(ORIGIN, f"frame {number}"))


def read_frames(path: Path, purpose: Purpose = SCAN) -> list[Atoms]:
    """Read and check a user's frames.

    Parameters
    ----------
    path
        What ase reads, extxyz at best.
    purpose
        What they are for.

    Returns
    -------
    list
        Canonical frames in file order.

    Raises
    ------
    FrameError
        If the file is missing, unreadable or empty, or as `check_frames`.
    TooLargeError
        If the file holds more than it can.
    """
    frames = [canonical(atoms) for atoms in iter_file(path)]
    check_frames(frames, path, purpose)
    return frames


def check_frames(frames: Sequence[Atoms], path: Path | str, purpose: Purpose) -> None:
    """Refuse frames that nobody can use, and those that do not serve the purpose.

    Parameters
    ----------
    frames
        As they stand in the file. Each is told (`ORIGIN`) where it stood, for later messages.
    path
        The file, or other words for where they are from.
    purpose
        What they are for.

    Raises
    ------
    FrameError
        Naming the file, the frame by its number there, and the atom where it is about one: no
        frames, no atoms, numbers that are not finite or no lengths in Å, an unknown element, no
        cell that is periodic in three directions, a flat or crowded or empty one, atoms that
        coincide or are alone, several elements or identical frames where the purpose has none, a
        split or tier that says nothing.
    """
    if not frames:
        raise FrameError(f"{path} holds no frame: {purpose.words} needs one at least")
    for number, frame in enumerate(frames):
        where = f"frame {number} of {path}"
        frame.info[ORIGIN] = where
        _check_numbers(frame, where)
        _check_cell(frame, where)
        _check_neighbours(frame, where, bound=purpose.bound)
        _check_elements(frame, frames[0], where, purpose)
        _check_facts(frame, frames[0], where)
    if purpose.distinct and (same := twins(frames)):
        first, number = same[0]
        raise FrameError(
            f"frames {first} and {number} of {path} {twin_words(frames[first], frames[number])}; "
            "remove one"
        )


def twins(frames: Sequence[Atoms]) -> list[tuple[int, int]]:
    """Pairs of frames that are the same but for rounding, in ascending order.

    Elements, cells and positions are compared, to `SAME`; frames that were shifted as a whole, or
    whose atoms stand in another order, are not found.
    """
    from scipy.spatial import cKDTree

    groups: dict[bytes, list[int]] = {}
    for number, frame in enumerate(frames):
        groups.setdefault(frame.numbers.tobytes() + frame.pbc.tobytes(), []).append(number)
    found = []
    for members in groups.values():
        rows = [np.concatenate([frames[n].cell[:], frames[n].positions]).ravel() for n in members]
        near = cKDTree(np.array(rows)).query_pairs(SAME, p=np.inf)
        found += [(members[i], members[j]) for i, j in near]
    return sorted(found)


def twin_words(one: Atoms, other: Atoms) -> str:
    """Say what two frames are that `twins` found, and why they may not both be there."""
    exact = frame_id(one) == frame_id(other)
    how = "are identical" if exact else f"are the same frame within {SAME:g} Å"
    return f"{how}: a held-out frame must not also be a training frame"


def _check_numbers(frame: Atoms, where: str) -> None:
    if len(frame) == 0:
        raise FrameError(f"{where} has no atoms")
    if (atom := _first(frame.numbers < 1)) is not None:
        raise FrameError(
            f"{where}, atom {atom}: its element is X (atomic number 0), which is none: name the "
            "element"
        )
    if (atom := _first(~np.isfinite(frame.positions).all(axis=1))) is not None:
        raise FrameError(
            f"{where}, atom {atom}: its position {_numbers(frame.positions[atom])} is not finite"
        )
    if (atom := _first((np.abs(frame.positions) > FARTHEST).any(axis=1))) is not None:
        raise FrameError(
            f"{where}, atom {atom}: its position {_numbers(frame.positions[atom])} is no length in "
            f"Å, which end at {FARTHEST:.0e}"
        )


def _check_cell(frame: Atoms, where: str) -> None:
    cell = np.asarray(frame.cell)
    if not (np.isfinite(cell).all() and np.abs(cell).max() <= FARTHEST):
        raise FrameError(
            f"{where}: its cell {_numbers(cell.ravel())} is not finite, or no lengths in Å"
        )
    if not (frame.pbc.all() and cell.any(axis=1).all()):
        letters = " ".join("T" if one else "F" for one in frame.pbc)
        raise FrameError(
            f"{where} has no periodic cell in three directions (pbc {letters}): write it with "
            'Lattice="..." and pbc="T T T", with empty space around a slab or a cluster'
        )
    volume = abs(float(np.linalg.det(cell)))
    sides = np.linalg.norm(np.cross(cell[[1, 2, 0]], cell[[2, 0, 1]]), axis=1)
    height = volume / float(sides.max()) if sides.all() else 0.0
    if height < CLOSEST:
        raise FrameError(
            f"{where}: its cell is flat, {height:.3g} Å between two opposite sides, and atoms are "
            f"{CLOSEST} Å apart at least: is the cell in Å?"
        )
    each = volume / len(frame)
    if not DENSEST <= each <= THINNEST:
        raise FrameError(
            f"{where}: its cell has {each:.3g} Å^3 per atom, expected {DENSEST:g} to "
            f"{THINNEST:.0e} (osmium 14, caesium 115): is the cell in Å?"
        )


def _check_neighbours(frame: Atoms, where: str, *, bound: bool) -> None:
    pairs = _pairs(frame, _SEARCH)
    nearest = int(pairs.distances.argmin()) if len(pairs.distances) else None
    if nearest is not None and pairs.distances[nearest] < CLOSEST:
        i, j = sorted((int(pairs.i[nearest]), int(pairs.j[nearest])))
        who = f"atom {i} and its own image are" if i == j else f"atoms {i} and {j} are"
        raise FrameError(
            f"{where}: {who} {pairs.distances[nearest]:.2f} Å apart, closer than any metal's atoms "
            "can be"
        )
    if not bound:
        return
    near = _pairs(frame, ALONE)
    alone = np.ones(len(frame), dtype=bool)
    alone[near.i] = alone[near.j] = False
    if (atom := _first(alone)) is not None:
        raise FrameError(
            f"{where}, atom {atom} is alone: no other atom within {ALONE:g} Å; a metal's DOS and "
            "forces need neighbours, leave the frame out (training takes lone atoms)"
        )


@dataclass(frozen=True)
class _Pairs:
    """Pairs of atoms, each once."""

    i: NDArray[np.uint64]
    j: NDArray[np.uint64]
    distances: NDArray[np.float64]


def _pairs(frame: Atoms, cutoff: float) -> _Pairs:
    found = NeighborList(cutoff=cutoff, full_list=False, n_threads=1).compute(
        frame.positions, np.asarray(frame.cell), periodic=True, quantities="ijd"
    )
    return _Pairs(*found)


def _check_elements(frame: Atoms, first: Atoms, where: str, purpose: Purpose) -> None:
    symbols = sorted(set(frame.get_chemical_symbols()))
    if purpose.one_element and len(symbols) > 1:
        raise FrameError(
            f"{where} holds {' and '.join(symbols)}: {purpose.words} needs frames of one element"
        )
    if purpose.one_element and (other := str(first.symbols[0])) != symbols[0]:
        raise FrameError(
            f"{where} holds {symbols[0]}, the first {other}: {purpose.words} needs frames of one "
            "element"
        )


def _check_facts(frame: Atoms, first: Atoms, where: str) -> None:
    """Refuse marks that nobody understands, and marks on some of the frames only."""
    split = frame.info.get("split")
    if split is not None and (not isinstance(split, str) or split not in SPLITS):
        raise FrameError(
            f"{where} is marked split={split}, expected {', '.join(SPLITS[:-1])} or {SPLITS[-1]}"
        )
    if (split is None) != ("split" not in first.info):
        marked, bare = (where, name_of(first, 0)) if split else (name_of(first, 0), where)
        raise FrameError(
            f"{marked} is marked with split=..., {bare} is not: mark all frames, or none"
        )
    tier = frame.info.get("tier")
    if tier is not None and (not np.isscalar(tier) or not 0 < len(str(tier)) <= LONGEST_TIER):
        raise FrameError(
            f"{where}: its tier is {str(tier)[:LONGEST_TIER]!r}, expected one word or number of at "
            f"most {LONGEST_TIER} characters"
        )


def _first(which: NDArray[np.bool_]) -> int | None:
    """Index of the first that is true."""
    return int(which.argmax()) if which.any() else None


def _numbers(values: NDArray[np.float64]) -> str:
    return " ".join(f"{one:.6g}" for one in values)
