"""A smearing in the input of common programs: VASP, GPAW, Quantum ESPRESSO."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dosml.theory.smearing_widths import to_vasp

if TYPE_CHECKING:
    from dosml.theory.smearing import Smearing

#: Rydberg energy in eV (CODATA 2018).
RYDBERG_EV = 13.605693122994
_GPAW = {"fermi-dirac": "fermi-dirac", "cold": "marzari-vanderbilt"}
_QE = {"fermi-dirac": "fermi-dirac", "gaussian": "gaussian", "cold": "marzari-vanderbilt"}


def code_settings(smearing: Smearing) -> dict[str, str]:
    """Input lines that ask for a smearing.

    Parameters
    ----------
    smearing
        Scheme and width.

    Returns
    -------
    dict
        Program -> its lines; a program that does not have the scheme is left out. Widths mean the
        same in all three: x = (e - mu)/width. Quantum ESPRESSO takes Ry, and knows order 1 of
        Methfessel and Paxton only.
    """
    lines = {}
    if smearing.scheme != "cold":
        tags = to_vasp(smearing)
        lines["VASP (INCAR)"] = f"ISMEAR = {tags['ISMEAR']}\nSIGMA = {tags['SIGMA']:g}"
    if smearing.scheme in _GPAW:
        name = _GPAW[smearing.scheme]
        lines["GPAW"] = f"occupations={{'name': '{name}', 'width': {smearing.width:g}}}"
    else:
        lines["GPAW"] = (
            f"occupations={{'name': 'methfessel-paxton', 'order': {smearing.order}, "
            f"'width': {smearing.width:g}}}"
        )
    name = "methfessel-paxton" if smearing.scheme == "methfessel-paxton-1" else ""
    name = _QE.get(smearing.scheme, name)
    if name:
        degauss = smearing.width / RYDBERG_EV
        lines["Quantum ESPRESSO"] = (
            f"occupations = 'smearing'\nsmearing = '{name}'\ndegauss = {degauss:.6f}  ! Ry"
        )
    return lines
