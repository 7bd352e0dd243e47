"""Stresses of others in eV/Å^3 with ase's sign: unit, sign and order judged by the forces."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from ase import units

from dosml.relabel.label_units import VASP_ORDER, stress_slope

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dosml.relabel.foreign.frame import ForeignFrame

#: What a user may say that stresses are in -> one of it in eV/Å^3.
UNITS = {
    "eV/A^3": 1.0,
    "GPa": units.GPa,
    "kB": 0.1 * units.GPa,
    "bar": 1e-4 * units.GPa,
}
#: A unit is sure where the slope is as near to it as this, as a factor.
_NEAR = 2.5
_ASE, _VASP = "ase", "vasp"
_KEEP = "(left out): give --stress-unit and --stress-sign to keep them"
#: Whose sign and order a stress may have.
SIGNS = (_ASE, _VASP)


def as_ase(
    frames: Sequence[ForeignFrame], *, unit: str | None, sign: str | None
) -> tuple[list[ForeignFrame], list[str]]:
    """Give stresses in eV/Å^3 with ase's sign and order, or leave them out.

    Parameters
    ----------
    frames
        Of one file; all with a stress, or some, or none.
    unit, sign
        What a user says of them (`UNITS`; "ase", or "vasp" for the sign of a pressure and the
        order xx yy zz xy yz zx); None: judged.

    Returns
    -------
    frames, notes
        What was found or left out, one sentence each.
    """
    having = [one for one in frames if one.stress is not None]
    if not having:
        return list(frames), []
    if len(having) < len(frames):
        return _bare(frames), [
            f"{len(having)} of {len(frames)} frames have a stress: stresses are left out"
        ]
    if unit is not None or sign is not None:
        factor = UNITS[unit or "eV/A^3"]
        return _turned(frames, factor, vasp=sign == _VASP, minus=sign == _VASP), []
    return _judged(list(frames))


def _judged(frames: list[ForeignFrame]) -> tuple[list[ForeignFrame], list[str]]:
    """Compare stresses with what the forces say."""
    found = stress_slope(
        [one.atoms for one in frames],
        [one.forces for one in frames],
        np.array([one.stress for one in frames]),
    )
    if found is None:
        if all(one.stress_known for one in frames):
            return frames, []
        return _bare(frames), [f"unit and sign of the stresses cannot be judged {_KEEP}"]
    name, factor = min(UNITS.items(), key=lambda one: abs(np.log(abs(found.slope) * one[1])))
    if abs(np.log(abs(found.slope) * factor)) > np.log(_NEAR):
        return _bare(frames), [
            f"stresses are {found.slope:.3g} times what the forces say in eV/Å^3, no unit {_KEEP}"
        ]
    minus = found.slope < 0
    note = (
        f"stresses are taken for {name.replace('A^3', 'Å^3')}, "
        f"{'compression' if minus else 'tension'} positive, in the order "
        f"{'xx yy zz xy yz zx' if found.vasp_order else 'xx yy zz yz xz xy'} (slope "
        f"{found.slope:.3g} against the forces)"
    )
    plain = name == "eV/A^3" and not minus and not found.vasp_order
    turned = _turned(frames, factor, vasp=found.vasp_order, minus=minus)
    return turned, [] if plain else [note]


def _bare(frames: Sequence[ForeignFrame]) -> list[ForeignFrame]:
    return [replace(one, stress=None) for one in frames]


def _turned(
    frames: Sequence[ForeignFrame], factor: float, *, vasp: bool, minus: bool
) -> list[ForeignFrame]:
    order = [0, 1, 2, *VASP_ORDER] if vasp else list(range(6))
    signed = -factor if minus else factor
    return [
        one if one.stress is None else replace(one, stress=signed * one.stress[order])
        for one in frames
    ]
