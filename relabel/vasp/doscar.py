"""Read DOSCAR: the DOS alone, of any VASP version, and LOBSTER's file of the same name.

The file does not name its columns. Energy, DOS and integral make 3 columns in the total (5 with two
spins); an atom has s p d (LORBIT 10), or s py pz px dxy dyz dz2 dxz x2-y2 (LORBIT 11), with f where
there are such electrons, each once per spin, or four times in a non-collinear run (charge and
magnetisation). NCDIJ, the fourth number of line 1, says the same in VASP 6, and is 0 in VASP 5.

Line 1 has the format 4I4 and line 6 2F16.8,I5,2F16.8: from 1000 atoms or 10000 energies on, their
fields touch.

LOBSTER begins every atom with its element and the names of the columns (`; Z= 29; 4s 3d_xy ...`);
its energies are relative to the Fermi level, although line 6 gives it on VASP's scale.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase.data import chemical_symbols

from dosml.relabel.vasp.content import read_bytes
from dosml.relabel.vasp.fortran import number, table
from dosml.relabel.vasp.output import DosTables, VaspOutputError

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

_LM = ["s", "py", "pz", "px", "dxy", "dyz", "dz2", "dxz", "x2-y2"]
_FIELDS = {
    3: ["s", "p", "d"],
    4: ["s", "p", "d", "f"],
    9: _LM,
    16: _LM + [f"f{m}" for m in range(7)],
}
#: Lines before the first energy; the last of them is repeated before every atom.
_HEAD = 6
#: Widths of the fields of that line.
_WIDTHS = (16, 16, 5, 16, 16)
_LOBSTER = re.compile(rb";\s*(?:Z\s*=\s*(\d+)|[^;]*)\s*;([^;]*)")


@dataclass(frozen=True)
class Doscar:
    """What a DOSCAR holds.

    Attributes
    ----------
    fermi_level
        eV.
    symbols
        Chemical symbol of every atom; empty strings where the file does not say.
    tables
        Energies (eV, absolute), total and partial DOS.
    """

    fermi_level: float
    symbols: tuple[str, ...]
    tables: DosTables


def read_doscar(path: Path, raw: bytes | None = None) -> Doscar:
    """Read a DOSCAR, plain or compressed.

    Parameters
    ----------
    path
        The file, for messages where `raw` is given.
    raw
        Its content, where that was read before.

    Raises
    ------
    VaspOutputError
        If the file is missing, cut off or damaged.
    """
    content = read_bytes(path) if raw is None else raw
    lines = content.lstrip(b"\r\n").splitlines()
    while lines and not lines[-1].strip():
        lines.pop()
    try:
        return _parse(lines, path)
    except (ValueError, IndexError) as error:
        raise VaspOutputError(
            f"{path} is not a DOSCAR that can be read ({error}): it is cut off or damaged"
        ) from error


def _parse(lines: list[bytes], path: Path) -> Doscar:
    atoms_said, components_said = _counts(lines[0])
    n_grid, fermi_level = _head(lines)
    total = _block(lines, _HEAD, n_grid, path)
    n_spins = {3: 1, 5: 2}.get(total.shape[1], 0)
    if not n_spins:
        raise ValueError(f"{total.shape[1]} columns in the total, where 3 or 5 are written")
    begins = range(_HEAD + n_grid, len(lines), n_grid + 1)
    blocks = [_block(lines, begin + 1, n_grid, path) for begin in begins]
    if blocks and atoms_said and len(blocks) < atoms_said:
        raise VaspOutputError(
            f"{path} is cut off: it holds the DOS of {len(blocks)} of {atoms_said} atoms"
        )
    printed = np.stack([total[:, [0, 1 + spin]] for spin in range(n_spins)])
    named = [_LOBSTER.search(lines[begin]) for begin in begins]
    if any(named) or b"LOBSTER" in lines[_HEAD - 2].upper():
        symbols, fields, partial = _lobster(named, blocks, n_spins, path)
        return Doscar(0.0, symbols, DosTables(printed, fields, partial))
    symbols = ("",) * (len(blocks) or atoms_said)
    if not blocks:
        return Doscar(fermi_level, symbols, DosTables(printed, [], None))
    fields, partial = _orbitals(np.stack(blocks)[:, :, 1:], n_spins, components_said)
    return Doscar(fermi_level, symbols, DosTables(printed, fields, partial))


def _counts(line: bytes) -> tuple[int, int]:
    """Atoms and NCDIJ, 0 where the field overflowed."""
    words = line.split()
    if len(words) != 4:
        words = [line[place : place + 4] for place in (0, 4, 8, 12)]
    atoms, _, _, components = (number(word) for word in words)
    return int(np.nan_to_num(atoms)), int(np.nan_to_num(components))


def _head(lines: list[bytes]) -> tuple[int, float]:
    """Count the energies, and give the Fermi level (eV)."""
    line = lines[_HEAD - 1].split(b";")[0]
    fields = line.split()
    if len(fields) != 5 or b"*" in line:
        ends = np.cumsum(_WIDTHS)
        fields = [line[end - width : end] for end, width in zip(ends, _WIDTHS, strict=True)]
    _, _, count, fermi_level, _ = (number(field) for field in fields)
    if not np.isfinite(fermi_level):
        raise ValueError(f"no Fermi level in {line.decode(errors='replace')!r}")
    if np.isfinite(count):
        return int(count), fermi_level
    # 100000 energies or more: the line is repeated where they end
    same = (at for at in range(_HEAD, len(lines)) if lines[at].split(b";")[0] == line)
    return next(same, len(lines)) - _HEAD, fermi_level


def _block(lines: list[bytes], begin: int, count: int, path: Path) -> NDArray[np.float64]:
    rows = lines[begin : begin + count]
    if len(rows) < count or count < 2:
        raise VaspOutputError(f"{path} is cut off: {len(rows)} of {count} rows in its last block")
    return table(rows)


def _orbitals(
    values: NDArray[np.float64], n_spins: int, components_said: int
) -> tuple[list[str], NDArray[np.float64]]:
    """Names of the orbitals, and their DOS by component, from the number of columns."""
    n_atoms, n_grid, columns = values.shape
    # one spin in the total: no spin, or the four components of a non-collinear run
    possible = [2] if n_spins == 2 else [1, 4]
    fitting = [one for one in possible if columns % one == 0 and columns // one in _FIELDS]
    if not fitting:
        raise ValueError(f"{columns} columns of an atom for {n_spins} spins in the total")
    # 16 columns are s to f by m, or s p d f of a non-collinear run
    components = components_said if components_said in fitting else fitting[0]
    fields = _FIELDS[columns // components]
    shaped = values.reshape(n_atoms, n_grid, len(fields), components)
    return fields, shaped.transpose(0, 3, 1, 2)


def _lobster(
    named: list[re.Match[bytes] | None],
    blocks: list[NDArray[np.float64]],
    n_spins: int,
    path: Path,
) -> tuple[tuple[str, ...], list[str], NDArray[np.float64] | None]:
    """Symbols, orbital names and partial DOS of LOBSTER's file: every atom names its own columns.

    An orbital that an atom does not have is zero there; those of several shells are added.
    """
    symbols, parts = [], []
    for match, block in zip(named, blocks, strict=True):
        if match is None or match[1] is None:
            raise VaspOutputError(
                f"{path} is a DOSCAR of LOBSTER whose columns are not those of atoms (orbitals of "
                "fragments): give the DOSCAR.lobster of the atoms, or VASP's own DOSCAR"
            )
        symbols.append(chemical_symbols[int(match[1])])
        names = [_plain_name(word.decode()) for word in match[2].split()]
        values = block[:, 1:].reshape(len(block), len(names), n_spins)
        part: dict[str, NDArray[np.float64]] = {}
        for place, name in enumerate(names):
            part[name] = part.get(name, 0) + values[:, place].T
        parts.append(part)
    if not parts:
        return (), [], None
    fields = list(dict.fromkeys(name for part in parts for name in part))
    zero = np.zeros((n_spins, len(blocks[0])))
    partial = np.array([[part.get(name, zero) for name in fields] for part in parts])
    return tuple(symbols), fields, partial.transpose(0, 2, 3, 1)


def _plain_name(name: str) -> str:
    """Orbital of LOBSTER in VASP's words: 3d_x^2-y^2 is x2-y2, 4s is s."""
    bare = name.lstrip("0123456789").replace("_", "").replace("^", "")
    return "x2-y2" if bare == "dx2-y2" else bare
