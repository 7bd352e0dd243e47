"""Read DOSCAR: the DOS alone, of any VASP version.

The file does not name its columns. Their number and order follow from NCDIJ in the first line (1:
no spin, 2: spin-polarised, 4: non-collinear) and LORBIT: VASP writes s py pz px dxy dyz dz2 dxz
x2-y2 (LORBIT 11) or s p d (LORBIT 10), each once per spin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dosml.relabel.vasp.output import VaspOutputError, read_bytes

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


def read_doscar(
    path: Path,
) -> tuple[float, int, NDArray[np.float64], list[str], NDArray[np.float64] | None]:
    """Read a DOSCAR, plain or compressed.

    Returns
    -------
    fermi_level
        eV.
    n_atoms
        Atoms in the cell.
    total
        Shape (n_spins, n_grid, 2): energy (eV, absolute) and DOS.
    fields
        Orbital names of the partial DOS.
    partial
        Shape (n_atoms, n_spins, n_grid, n_fields), or None where the file has none.

    Raises
    ------
    VaspOutputError
        If the file is missing, cut off or damaged.
    """
    lines = read_bytes(path).splitlines()
    try:
        return _parse(lines, path)
    except (ValueError, IndexError) as error:
        raise VaspOutputError(
            f"{path} is not a DOSCAR that can be read ({error}): it is cut off or damaged"
        ) from error


def _parse(
    lines: list[bytes], path: Path
) -> tuple[float, int, NDArray[np.float64], list[str], NDArray[np.float64] | None]:
    n_atoms, _, has_partial, components = (int(word) for word in lines[0].split()[:4])
    _, _, n_grid_text, fermi_text = lines[5].split()[:4]
    n_grid = int(n_grid_text)
    n_spins = 2 if components == 2 else 1
    table = _block(lines, 6, n_grid, path)
    total = np.stack([table[:, [0, 1 + spin]] for spin in range(n_spins)])
    partial = None
    fields: list[str] = []
    if has_partial and len(lines) > 6 + n_grid:
        atoms = [
            _block(lines, 6 + n_grid + atom * (n_grid + 1) + 1, n_grid, path)
            for atom in range(n_atoms)
        ]
        n_fields, rest = divmod(atoms[0].shape[1] - 1, components)
        if rest or n_fields not in _FIELDS:
            raise ValueError(f"{atoms[0].shape[1]} columns for {components} spin components")
        fields = _FIELDS[n_fields]
        values = np.stack(atoms)[:, :, 1:].reshape(n_atoms, n_grid, n_fields, components)
        # of the four non-collinear components the first is the charge
        partial = values[..., :n_spins].transpose(0, 3, 1, 2)
    return float(fermi_text), n_atoms, total, fields, partial


def _block(lines: list[bytes], begin: int, count: int, path: Path) -> NDArray[np.float64]:
    rows = lines[begin : begin + count]
    if len(rows) < count:
        raise VaspOutputError(f"{path} is cut off: {len(rows)} of {count} rows in its last block")
    values = np.fromstring(b" ".join(rows), dtype=np.float64, sep=" ")
    return values.reshape(count, -1)
