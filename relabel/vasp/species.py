"""Chemical symbols as VASP prints them: names of POTCARs, hashes after a slash, and slips."""

from __future__ import annotations

import math
import re

from ase.data import atomic_masses, atomic_numbers

_LETTERS = re.compile(r"[A-Z][a-z]?(?![a-z])")
#: How far the POMASS of a POTCAR may be from the mass of its element, u.
_MASS_TOLERANCE = 0.6
_SYMBOLS = frozenset(atomic_numbers) - {"X"}


def symbol_of(text: str, *, titel: str = "", mass: float = math.nan) -> str:
    """Chemical symbol of an entry such as "Ti", "Ti_sv", "Ti_sv/3d80aaeb" or a damaged one.

    VASP 5.4.4 takes the symbol from the VRHFIN line of the POTCAR and prints "r " for some Zr: then
    the POTCAR's title, and its mass, say what the element is.

    Parameters
    ----------
    text
        The entry.
    titel
        TITEL of the POTCAR, such as "PAW_PBE Zr_sv 04Jan2005"; empty where it is not known.
    mass
        POMASS, u; nan where it is not known.

    Raises
    ------
    ValueError
        If none of them names an element.
    """
    words = titel.split()
    named = [_leading(text), *(_leading(word) for word in words[1:2])]
    found = [symbol for symbol in named if symbol]
    if math.isfinite(mass):
        fitting = [one for one in found if _fits(one, mass)]
        # isotopes have masses of their own: a symbol is not given up for them
        found = fitting or found or [one for one in _SYMBOLS if _fits(one, mass)][:1]
    if not found:
        raise ValueError(f"{text!r} names no element")
    return found[0]


def _leading(text: str) -> str:
    match = _LETTERS.match(text.strip())
    if match is None:
        return ""
    return match[0] if match[0] in _SYMBOLS else "H" if match[0] == "D" else ""


def _fits(symbol: str, mass: float) -> bool:
    return bool(abs(float(atomic_masses[atomic_numbers[symbol]]) - mass) < _MASS_TOLERANCE)
