"""Reader of parameter files in the format of the Naval Research Laboratory, one atom type a file.

    line 1      tag: NN00000 (overlap of the form of the hopping), NN00001 (delta + e R + f R^2 +
                g R^3), NN00002 (as NN00000)
    line 2      name, the chemical symbol in brackets or as a word
    line 3      1: atom types
    line 4      R0, R_max, l, or R_max, l with R0 = R_max - 5 l, in Bohr
    line 5      9: orbitals
    line 6, 7   atomic weight; s, p, d electrons
    then        97 numbers, one a line: lambda; 16 of the on-site energies; e, f, g, q of ten
                hoppings; the same of ten overlaps

The 16 are a, b, c, d for each of s, p, t2g and eg; where a label says `b1`, whatever the tag, they
are five (a term in rho^(1/3) more) for each of s, p, d and one that means nothing.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from ase.data import atomic_names, chemical_symbols
from ase.units import Bohr

from dosml.errors import EngineError
from dosml.relabel.engines.tb.model import BONDS, TbParameters
from dosml.relabel.engines.tb.radial import radial_functions

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_COUNT = 97
_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d+)?")
#: Integrals between equal shells: delta is 1 for these in the form NN00001.
_EQUAL = np.array([bond[0] == bond[1] for bond in BONDS], dtype=np.float64)
#: The continuation starts where the overlap matrix of a dimer has an eigenvalue below this.
_SMALLEST_EIGENVALUE = 0.4
#: Inner end of the continuation as a share of its start, and height of its repulsion (Ry).
_INNER = 0.7
_REPULSION = 20.0
#: A published number beyond this is a misprint: the largest that is meant is about 1e6.
_LARGEST = 1e9


def read_nrl(path: Path, symbol: str | None = None) -> TbParameters:
    """Read one parameter file.

    Where the on-site energies of t2g and eg orbitals differ, the model is not invariant under
    rotation: the mean (3 t2g + 2 eg)/5 is taken, and `warnings` says so.

    Parameters
    ----------
    symbol
        The metal that it is used for; None: as line 2 says.

    Raises
    ------
    EngineError
        If the file cannot be read or is for another metal.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise EngineError(f"parameters={path}: cannot be read ({error.strerror})") from error
    body = [line for line in lines[7:] if line.strip()]
    if not lines or not lines[0].startswith("NN0000") or len(body) != _COUNT:
        raise EngineError(
            f"parameters={path}: this is not a parameter file in the NRL format: expected a tag "
            f"NN0000x and {_COUNT} numbers from line 8 on, got {len(body)}"
        )
    named = _symbol(lines[1])
    if symbol is not None and named is not None and symbol != named:
        raise EngineError(f"parameters={path}: these are for {named}, the frames are {symbol}")
    if symbol is None and named is None:
        raise EngineError(f"parameters={path}: line 2 names no element: {lines[1].strip()!r}")
    numbers = np.array([_leading(line, 1, path)[0] for line in body])
    if np.abs(numbers).max() > _LARGEST:
        bad = body[int(np.argmax(np.abs(numbers)))].split()[0]
        raise EngineError(f"parameters={path}: the number {bad} cannot be meant: a misprint?")
    radius, width = _range(lines[3], path)
    onsite, warnings = _onsite(numbers[1:17], five=any("b1" in line for line in body[1:17]))
    free = np.ones(116, dtype=bool)
    free[1:16] = (onsite != 0).any(axis=0)[None, :].repeat(3, axis=0).ravel()
    free[16:66].reshape(10, 5)[:, 3] = False
    parameters = TbParameters(
        symbol=symbol or named or "",
        electrons=sum(_leading(lines[6], 3, path)),
        cutoff_radius=radius,
        cutoff_width=width,
        decay=float(numbers[0]),
        onsite=onsite,
        hopping=_plain(numbers[17:57]),
        overlap=_plain(numbers[57:97]),
        free=free,
        source=f"{path.name}: {lines[1].strip()}",
        warnings=warnings,
    )
    overlap_free = free[66:116].reshape(10, 5)
    if lines[0].startswith("NN00001"):
        parameters = replace(parameters, overlap=_delta(numbers[57:97]))
        overlap_free[:, 0] = False
    else:
        overlap_free[:, 3] = False
    return with_short_range(parameters)


def with_short_range(parameters: TbParameters) -> TbParameters:
    """Set the range of the continuation so that the overlap matrix of a dimer stays positive."""
    bare = replace(parameters, short_range=(0.0, 0.0), repulsion=0.0)
    distances = np.linspace(1.0, 0.8 * parameters.cutoff_radius, 1000)
    smallest = 1 - np.abs(_dimer_overlap(bare, distances * Bohr)).max(axis=1)
    bad = np.flatnonzero(smallest < _SMALLEST_EIGENVALUE)
    start = float(distances[bad[-1]]) if len(bad) else float(distances[0])
    return replace(
        parameters, short_range=(_INNER * start, start), repulsion=_REPULSION if start else 0.0
    )


def _dimer_overlap(parameters: TbParameters, distances: NDArray[np.float64]) -> NDArray[np.float64]:
    """Singular values of the overlap block of two atoms, shape (n, 6)."""
    value = dict(zip(BONDS, radial_functions(parameters, distances).overlap.T, strict=True))
    sss, sps, sds, pps, pds, dds = (
        value[bond] for bond in ("sss", "sps", "sds", "pps", "pds", "dds")
    )
    sigma = np.array([[sss, sps, sds], [-sps, pps, pds], [sds, -pds, dds]]).transpose(2, 0, 1)
    pi = np.array([[value["ppp"], value["pdp"]], [-value["pdp"], value["ddp"]]]).transpose(2, 0, 1)
    parts = [np.linalg.svd(block, compute_uv=False) for block in (sigma, pi)]
    return np.concatenate([*parts, value["ddd"][:, None]], axis=1)


def _plain(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """(e + f R + g R^2) exp(-q^2 R): no cubic term."""
    e, f, g, q = numbers.reshape(10, 4).T
    return np.stack([e, f, g, np.zeros(10), q], axis=1)


def _delta(numbers: NDArray[np.float64]) -> NDArray[np.float64]:
    """(delta + e R + f R^2 + g R^3) exp(-q^2 R)."""
    return np.concatenate([_EQUAL[:, None], numbers.reshape(10, 4)], axis=1)


def _onsite(
    numbers: NDArray[np.float64], *, five: bool
) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """Table of on-site parameters, shape (3, 5), and what to warn of."""
    if five:
        return numbers[:15].reshape(3, 5).copy(), ()
    s, p, t2g, eg = numbers.reshape(4, 4)
    table = np.insert(np.array([s, p, (3 * t2g + 2 * eg) / 5]), 1, 0.0, axis=1)
    if np.array_equal(t2g, eg):
        return table, ()
    warning = (
        "The parameter file has different on-site energies for t2g and eg orbitals, which are not "
        "invariant under rotation: their mean is used."
    )
    return table, (warning,)


def _range(line: str, path: Path) -> tuple[float, float]:
    """R_max and l."""
    numbers = _leading(line, 2, path)
    if len(numbers) == 2:
        return numbers[0], numbers[1]
    middle, radius, width = numbers[:3]
    if abs(radius - middle - 5 * width) > 1e-6:
        raise EngineError(
            f"parameters={path}: line 4 must hold R0, R_max and l with R0 = R_max - 5 l, or R_max "
            f"and l, got {line.strip()!r}"
        )
    return radius, width


def _leading(line: str, least: int, path: Path) -> list[float]:
    """Numbers at the beginning of a line."""
    found = []
    for word in line.split():
        if _NUMBER.fullmatch(word) is None:
            break
        found.append(float(word.replace("D", "E").replace("d", "e")))
    if len(found) < least:
        raise EngineError(
            f"parameters={path}: expected {least} numbers at the beginning of {line.strip()!r}"
        )
    return found


def _symbol(line: str) -> str | None:
    """Chemical symbol in brackets, or the first word that is a symbol or the name of an element."""
    words = re.findall(r"\(([A-Z][a-z]?)\)", line) + re.findall(r"[A-Za-z]+", line)
    names = dict(zip(atomic_names, chemical_symbols, strict=False))
    for word in words:
        if word in chemical_symbols[1:]:
            return str(word)
        if word in names:
            return str(names[word])
    return None
