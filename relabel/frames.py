"""Frames: their identity, and reading and checking the user's own."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import ase.io
import numpy as np
from ase import Atoms

from dosml.errors import FrameError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

#: Decimals of Å that a frame keeps: what extxyz writes, so that a frame read back is the same.
POSITION_DECIMALS = 8
#: Facts about a frame that travel with it.
KEPT_INFO = ("tier", "temperature_K", "md_time_fs", "prototype", "split")


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


def read_frames(path: Path, *, one_element: bool = True) -> list[Atoms]:
    """Read and check a user's frames.

    Parameters
    ----------
    path
        What ase reads, extxyz at best.
    one_element
        Refuse frames of several elements, within a frame and among frames.

    Returns
    -------
    list
        Canonical frames in file order.

    Raises
    ------
    FrameError
        If the file is missing, unreadable or empty, or if a frame cannot be used: no cell, not
        periodic, several elements where there must be one, coinciding atoms, two identical frames.
    """
    if not path.is_file():
        raise FrameError(f"no frame file at {path}: give an element symbol or an extxyz file")
    try:
        read = ase.io.read(path, index=":")
    except Exception as error:
        raise FrameError(
            f"cannot read frames from {path} ({type(error).__name__}: {error}): "
            "is it a complete extxyz file?"
        ) from error
    frames = [canonical(atoms) for atoms in (read if isinstance(read, list) else [read])]
    if not frames:
        raise FrameError(f"{path} holds no frame")
    for number, frame in enumerate(frames):
        _check_frame(frame, f"frame {number} of {path}")
        symbols = sorted(set(frame.get_chemical_symbols()))
        if one_element and len(symbols) > 1:
            raise FrameError(
                f"frame {number} of {path} holds {' and '.join(symbols)}: a scan needs frames of "
                "one element"
            )
    _check_set(frames, path, one_element=one_element)
    return frames


def _check_frame(frame: Atoms, where: str) -> None:
    if len(frame) == 0:
        raise FrameError(f"{where} has no atoms")
    if not np.isfinite(frame.positions).all() or not np.isfinite(np.asarray(frame.cell)).all():
        raise FrameError(f"{where} has positions or a cell that are not finite numbers")
    if not frame.pbc.all() or abs(frame.cell.volume) < 1e-6:
        raise FrameError(
            f"{where} has no periodic cell in three dimensions: write it with Lattice= and "
            "pbc=T T T"
        )
    if len(frame) > 1:
        distances = frame.get_all_distances(mic=True)
        np.fill_diagonal(distances, np.inf)
        shortest = float(distances.min())
        if shortest < 0.5:
            first, second = np.unravel_index(int(distances.argmin()), distances.shape)
            raise FrameError(
                f"{where}: atoms {first} and {second} are {shortest:.2f} Å apart, "
                "closer than any metal's atoms can be"
            )


def _check_set(frames: Sequence[Atoms], path: Path, *, one_element: bool) -> None:
    symbols = sorted({frame.get_chemical_symbols()[0] for frame in frames})
    if one_element and len(symbols) > 1:
        raise FrameError(
            f"{path} holds frames of {', '.join(symbols)}: a scan needs frames of one element"
        )
    seen: dict[str, int] = {}
    for number, frame in enumerate(frames):
        first = seen.setdefault(frame_id(frame), number)
        if first != number:
            raise FrameError(
                f"frames {first} and {number} of {path} are identical: a held-out frame must not "
                "also be a training frame; remove one"
            )
