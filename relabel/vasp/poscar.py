"""POSCAR: the frame that VASP gets, read back before it counts as written.

VASP refuses a cell whose vectors are left-handed. Their first two are exchanged then: the atoms
stay where they are, and so do energy, forces and stress. (pymatgen turns the vectors around, which
mirrors the atoms.)
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from ase.io.vasp import read_vasp
from pymatgen.core.structure import Structure
from pymatgen.io.vasp.inputs import Poscar

from dosml.errors import FrameError
from dosml.relabel.frames import canonical, frame_id
from dosml.relabel.structures import exchange_vectors, right_handed

if TYPE_CHECKING:
    from ase import Atoms


def to_structure(frame: Atoms) -> Structure:
    """Frame with right-handed vectors, its atoms in their order, positions not wrapped."""
    posed = right_handed(frame)
    return Structure(
        np.asarray(posed.cell),
        posed.get_chemical_symbols(),
        posed.get_scaled_positions(wrap=False),
    )


def poscar_text(frame: Atoms) -> str:
    """POSCAR of a canonical frame.

    Raises
    ------
    FrameError
        If what was written is not the frame when it is read again.
    """
    text = Poscar(to_structure(frame), sort_structure=False).get_str()
    identity = frame_id(frame)
    try:
        frame_of_poscar(text, identity)
    except ValueError as error:
        raise FrameError(
            f"frame {identity} cannot be written as a POSCAR ({error}): are its cell and positions "
            "those of a crystal?"
        ) from error
    return text


def frame_of_poscar(text: str, identity: str) -> Atoms:
    """Canonical frame that a POSCAR was written for.

    Parameters
    ----------
    text
        Content of the POSCAR.
    identity
        The frame's content hash.

    Raises
    ------
    ValueError
        If it cannot be read, or is of another frame.
    """
    try:
        read = read_vasp(io.StringIO(text))
    except Exception as error:  # ase raises many kinds on a damaged file
        raise ValueError(f"cannot be read: {error}") from error
    for frame in (canonical(read), canonical(exchange_vectors(read))):
        if frame_id(frame) == identity:
            return frame
    raise ValueError(f"holds frame {frame_id(canonical(read))}, not {identity}")
