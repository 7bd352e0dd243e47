"""How many bands a calculation needs so that the highest one is empty, at any smearing.

VASP's default is meant for widths of 0.2 eV. A band counts as empty where |f| stays below
`EMPTY`; the energy above the Fermi level at which that holds follows from the smearing scheme. The
bands up to there are, per atom: semicore bands (ZVAL beyond the d and s electrons), the part of a
narrow rectangular d band, and the s and p bands of free electrons in the cell's volume:

    n_d = 5 min(1, N/10 + E_empty/W),  W = 4 eV (the narrowest d bands of the metals), N <= 10

    n_sp = V k^3 / (6 pi^2),  k = sqrt(2 m (E_0 + E_empty)) / hbar

with E_0 = 11 eV from the bottom of the s band to the Fermi level (Cu 9, Al 11, W 10 eV), or more
where electrons are added beyond the d shell. `MARGIN` covers what this leaves out; every label is
checked afterwards all the same.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from ase.units import _e, _hbar, _me

from dosml.theory.smearing import Smearing

#: Occupation (full band = 1) under which the highest band counts as empty.
EMPTY = 1e-4
MARGIN = 1.1
_FERMI_ENERGY = 11.0
_D_WIDTH = 4.0
#: hbar^2 / (2 m_e) in eV Å^2.
_KINETIC = _hbar**2 / (2 * _me * _e) * 1e20


@cache
def reach(smearing: Smearing) -> float:
    """Energy above the Fermi level from which on |f| < `EMPTY`, eV."""
    x = np.linspace(0, 60, 60_001)
    full = np.flatnonzero(np.abs(Smearing(smearing.scheme, 1.0).occupation(x)) >= EMPTY)
    return float(x[full[-1] + 1]) * smearing.width


def band_count(
    *,
    n_atoms: int,
    n_electrons: float,
    zval: float,
    valence_electrons: float,
    volume: float,
    smearing: Smearing,
) -> int:
    """Bands of a cell; of an alloy, zval and valence electrons are means over its atoms.

    Parameters
    ----------
    n_atoms
        Atoms in the cell.
    n_electrons
        NELECT, charge included.
    zval
        Valence electrons of the PAW data set (ZVAL of the POTCAR).
    valence_electrons
        d + s electrons of the metal (its group number); all of a main-group element.
    volume
        Å^3.
    smearing
        Scheme and width.

    Returns
    -------
    int
        NBANDS, never below VASP's own default for a calculation without spin.
    """
    semicore = max(0.0, (zval - valence_electrons) / 2)
    outer = n_electrons - n_atoms * (2 * semicore + 10)  # beyond a full d shell
    density = max(0.0, outer) / volume
    fermi_energy = max(_FERMI_ENERGY, _KINETIC * (3 * math.pi**2 * density) ** (2 / 3))
    k = math.sqrt((fermi_energy + reach(smearing)) / _KINETIC)
    filling = (n_electrons / n_atoms - 2 * semicore) / 10
    d_bands = 5 * min(1.0, filling + reach(smearing) / _D_WIDTH)
    needed = MARGIN * (n_atoms * (semicore + d_bands) + volume * k**3 / (6 * math.pi**2))
    default = max(
        math.floor((n_electrons + 2) / 2) + max(n_atoms // 2, 3), math.floor(0.6 * n_electrons)
    )
    return max(math.ceil(needed), default)
