"""extxyz with labels under any names: which of them are energies, forces and stresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.errors import FrameError
from dosml.relabel.foreign.frame import ForeignFrame
from dosml.relabel.frame_files import iter_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from ase import Atoms
    from numpy.typing import NDArray

#: Position of xx yy zz yz xz xy in a full tensor.
_VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))
#: Words in names, the better first: free energies belong to the forces.
_ENERGIES = ("ref_energy", "free_energy", "free", "energy")
_FORCES = ("ref_force", "force")
_STRESSES = ("ref_stress", "stress")
_VIRIALS = ("virial",)


@dataclass(frozen=True)
class Keys:
    """Names of the labels in a file; None: found by what they are called.

    Attributes
    ----------
    energy, forces, stress
        Names; a stress whose name holds "virial" is minus the stress times the volume.
    """

    energy: str | None = None
    forces: str | None = None
    stress: str | None = None


def iter_extxyz(path: Path, keys: Keys) -> Iterator[ForeignFrame]:
    """Read frames and labels.

    Raises
    ------
    FrameError
        If the file cannot be read, or a label is missing or of another shape, or two names would
        do.
    """
    for number, atoms in enumerate(iter_file(path, "extxyz")):
        where = f"frame {number} of {path}"
        yield _labelled(atoms, keys, where)


def _labelled(atoms: Atoms, keys: Keys, where: str) -> ForeignFrame:
    # ase takes labels of these names for results of a calculation
    results = dict(atoms.calc.results) if atoms.calc is not None else {}
    facts = {**atoms.info, **{k: v for k, v in results.items() if np.size(v) in (1, 6, 9)}}
    columns = {**atoms.arrays, **{k: v for k, v in results.items() if k == "forces"}}
    energy = _pick(facts, keys.energy, _ENERGIES, where, "energy", "--energy-key")
    forces = _pick(columns, keys.forces, _FORCES, where, "forces", "--forces-key")
    if energy is None or np.size(facts[energy]) != 1:
        raise FrameError(_missing("energy", "--energy-key", facts, where))
    if forces is None:
        raise FrameError(_missing("forces", "--forces-key", columns, where))
    vectors = np.asarray(columns[forces])
    if vectors.shape != (len(atoms), 3) or vectors.dtype.kind not in "fi":
        raise FrameError(
            f"{where}: {forces} has shape {vectors.shape}, expected {len(atoms)} rows of three "
            "numbers"
        )
    try:
        number = float(np.asarray(facts[energy]).reshape(()))
    except (TypeError, ValueError) as error:
        raise FrameError(
            f"{where}: {energy} is {facts[energy]!r}, expected a number in eV"
        ) from error
    return ForeignFrame(atoms, number, vectors.astype(float), _stress(facts, keys, atoms, where))


def _stress(
    facts: Mapping[str, Any], keys: Keys, atoms: Atoms, where: str
) -> NDArray[np.float64] | None:
    """Stress as it stands in the file, in order xx yy zz yz xz xy."""
    name = _pick(facts, keys.stress, (*_STRESSES, *_VIRIALS), where, "stress", "--stress-key")
    if name is None:
        return None
    values = np.asarray(facts[name])
    if values.size not in (6, 9) or values.dtype.kind not in "fi":
        if keys.stress is None:
            return None  # a word that only sounds like it
        raise FrameError(f"{where}: {name} holds {values.size} values, expected 6 or 3 x 3")
    if values.size == 9:
        tensor = values.reshape(3, 3)
        values = np.array([tensor[a, b] for a, b in _VOIGT])
    values = values.astype(float)
    return -values / atoms.get_volume() if "virial" in name.lower() else values


def _pick(
    among: Mapping[str, Any],
    given: str | None,
    words: tuple[str, ...],
    where: str,
    what: str,
    option: str,
) -> str | None:
    """Name of a label: the one given, or the one whose name holds the best word."""
    if given is not None:
        if given not in among:
            raise FrameError(_missing(f"{what} named {given}", option, among, where))
        return given
    for word in words:
        found = sorted(name for name in among if word in name.lower())
        exact = [name for name in found if name.lower() in {word, f"{word}s"}]
        if len(exact or found) > 1:
            raise FrameError(
                f"{where} has {', '.join(exact or found)}: which of them is the {what}? Name it "
                f"with {option}"
            )
        if found:
            return (exact or found)[0]
    return None


def _missing(what: str, option: str, among: Mapping[str, Any], where: str) -> str:
    there = ", ".join(sorted(set(among) - {"numbers", "positions"})) or "nothing"
    return f"{where} has no {what}; it has {there}: name it with {option}"
