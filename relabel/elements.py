"""The 27 transition metals: one table, read from `elements.csv`, whose header names its sources."""

from __future__ import annotations

import csv
import difflib
from dataclasses import dataclass
from functools import cache
from importlib import resources

from dosml.errors import UnknownElementError


@dataclass(frozen=True)
class Element:
    """What dosml knows about one metal before any calculation.

    Attributes
    ----------
    symbol, atomic_number
        Chemical identity.
    prototype
        Crystal observed at ambient pressure: fcc, bcc, hcp, rhombohedral or alpha-Mn.
    a, c
        Experimental lattice constants (Å); `c` is None where the crystal has none.
    alpha
        Rhombohedral angle (degree), else None.
    melting_temperature
        At ambient pressure (K).
    valence_electrons
        d + s electrons outside closed shells. The ZVAL of a POTCAR may be larger.
    d_electrons
        d electrons of the free atom's ground state.
    cohesive_energy
        eV/atom, positive.
    bulk_modulus
        GPa.
    potcar_symbol
        Recommended VASP potential.
    """

    symbol: str
    atomic_number: int
    prototype: str
    a: float
    c: float | None
    alpha: float | None
    melting_temperature: float
    valence_electrons: int
    d_electrons: int
    cohesive_energy: float
    bulk_modulus: float
    potcar_symbol: str


@cache
def _table() -> dict[str, Element]:
    text = resources.files(__package__).joinpath("elements.csv").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return {row["symbol"]: _element(row) for row in csv.DictReader(lines)}


def _element(row: dict[str, str]) -> Element:
    def optional(name: str) -> float | None:
        return float(row[name]) if row[name] else None

    return Element(
        symbol=row["symbol"],
        atomic_number=int(row["atomic_number"]),
        prototype=row["prototype"],
        a=float(row["a_angstrom"]),
        c=optional("c_angstrom"),
        alpha=optional("alpha_degree"),
        melting_temperature=float(row["melting_temperature_k"]),
        valence_electrons=int(row["valence_electrons"]),
        d_electrons=int(row["d_electrons"]),
        cohesive_energy=float(row["cohesive_energy_ev_per_atom"]),
        bulk_modulus=float(row["bulk_modulus_gpa"]),
        potcar_symbol=row["potcar_symbol"],
    )


#: First and last atomic number of the elements with d electrons in the valence shell.
_D_ELEMENTS = ((21, 30), (39, 48), (57, 80), (89, 112))
#: Symbols of the metals in the table, alphabetical.
ELEMENTS: tuple[str, ...] = tuple(_table())


def element(symbol: str) -> Element:
    """Look up one metal.

    Parameters
    ----------
    symbol
        Chemical symbol as written in the periodic table, for example ``Ti``.

    Raises
    ------
    UnknownElementError
        If the table does not hold the symbol; the message lists those it holds.
    """
    try:
        return _table()[symbol]
    except KeyError:
        raise UnknownElementError(_unknown(symbol)) from None


def _unknown(symbol: str) -> str:
    from ase.data import atomic_numbers

    folded = {name.casefold(): name for name in ELEMENTS}
    near = difflib.get_close_matches(symbol.casefold(), folded, n=1, cutoff=0.5)
    hint = f" (did you mean {folded[near[0]]}?)" if near else ""
    what = f"{symbol} is none of the metals that are known by name"
    if symbol not in atomic_numbers:
        what = f"unknown element {symbol!r}{hint}"
    return f"{what}: these are {' '.join(ELEMENTS)}"


def valence_electrons(symbol: str, zval: float) -> float:
    """Electrons of an atom that are no semicore: d + s of a metal of the table, else all.

    Parameters
    ----------
    symbol
        Any element.
    zval
        Valence electrons of its PAW data set.
    """
    known = _table().get(symbol)
    return zval if known is None else known.valence_electrons


def has_d_shell(symbol: str) -> bool:
    """Whether an element has d electrons in its valence shell: groups 3 to 12, f elements.

    Elsewhere what a code projects on d orbitals is polarisation, or a full shell deep below: no
    d band.
    """
    from ase.data import atomic_numbers

    number = atomic_numbers.get(symbol, 0)
    return any(first <= number <= last for first, last in _D_ELEMENTS)
