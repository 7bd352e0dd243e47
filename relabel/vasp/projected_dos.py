"""The density of states that VASP wrote, as `ElectronicDos`.

VASP smears the DOS that it writes with the ISMEAR and SIGMA of the run: what is read from a run at
SIGMA = 2 eV is a smooth curve whatever the metal, and with Methfessel-Paxton smearing it may be
negative in places. `ProjectedDos.smearing` says what is in the curve.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from dosml.errors import InputError
from dosml.relabel.vasp.content import recognise
from dosml.relabel.vasp.fortran import number
from dosml.relabel.vasp.output import DosRun, DosTables, VaspOutputError
from dosml.theory.dos import D_ORBITALS, ElectronicDos
from dosml.theory.smearing_widths import from_vasp, vasp_occupations

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from dosml.theory.smearing import Smearing

Spin = Literal["sum", "up", "down"]
#: Names that VASP versions and pymatgen give the d orbitals, in the order of `D_ORBITALS`.
D_NAMES = (("dxy",), ("dyz",), ("dz2",), ("dxz",), ("dx2-y2", "x2-y2", "dx2"))


@dataclass(frozen=True)
class ProjectedDos:
    """DOS of one cell, per spin.

    Attributes
    ----------
    energies
        Uniform grid, shape (n_grid,), eV, on the engine's own scale.
    fermi_level
        eV, same scale.
    total
        States/eV of the cell, shape (n_spins, n_grid).
    d
        d part by atom and orbital, shape (n_atoms, n_spins, n_grid, 5), or (..., 1) where only
        their sum is known; None without projections, or where a column of them was lost.
    symbols
        Chemical symbol of every atom; empty where the file does not say (DOSCAR).
    smearing
        What VASP smeared the curve with; None where it was none, or where it is not said.
    occupations
        How VASP filled the levels, in words; empty where the file does not say.
    lost
        What could not be read, in words: numbers too wide for their fields (asterisks), what a file
        that is cut off would have said.
    orbitals
        Every projection of the file by its name (s, px, dxy, x2-y2, ...), by atom, shape (n_atoms,
        n_spins, n_grid); nan where a number was too wide for its field.
    """

    energies: NDArray[np.float64]
    fermi_level: float
    total: NDArray[np.float64]
    d: NDArray[np.float64] | None
    symbols: tuple[str, ...]
    smearing: Smearing | None
    occupations: str = ""
    lost: tuple[str, ...] = ()
    orbitals: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    @property
    def n_spins(self) -> int:
        """1 or 2."""
        return len(self.total)

    @property
    def n_atoms(self) -> int:
        """Atoms in the cell; 0 where the file has no projections."""
        return 0 if self.d is None else len(self.d)

    @property
    def shells(self) -> tuple[str, ...]:
        """Letters of the shells that the file projects on: s, p, d, f."""
        return tuple(dict.fromkeys(orbital_name(name)[0] for name in self.orbitals))

    def electronic_dos(self, spin: Spin = "sum", element: str | None = None) -> ElectronicDos:
        """DOS per atom, relative to the Fermi level.

        Parameters
        ----------
        spin
            Both channels together, or one of them.
        element
            Take the d part from the atoms of this element, per atom of it; the total DOS stays
            that of the cell, per atom of the cell.

        Raises
        ------
        InputError
            If there are no projections, no such element, or no second spin channel.
        """
        if self.d is None:
            why = "; ".join(self.lost) or "run VASP with LORBIT = 11 (or 10, without m)"
            raise InputError(f"the file has no projected DOS: {why}")
        channels = self._channels(spin)
        atoms = self._atoms(element)
        # (orbital, grid): mean over atoms, sum over spins
        d_m = self.d[atoms][:, channels].sum(axis=1).mean(axis=0).T
        n_atoms = len(self.d)
        return ElectronicDos(
            energies=self.energies - self.fermi_level,
            total=self.total[channels].sum(axis=0) / n_atoms,
            d=d_m.sum(axis=0),
            d_m=d_m if len(d_m) == 5 else None,
            broadening=self.gaussian_broadening,
            d_by_element={
                symbol: self.d[self._atoms(symbol)][:, channels].sum(axis=(1, 3)).mean(axis=0)
                for symbol in sorted(set(self.symbols) - {""})
            },
        )

    def projection(
        self, names: Sequence[str], spin: Spin = "sum", element: str | None = None
    ) -> NDArray[np.float64] | None:
        """Sum of some projections, states/eV per atom of the element (or of the cell).

        Parameters
        ----------
        names
            Shells ("s", "p", "d", "f") or orbitals as `orbital_name` writes them ("dxy", "px").
        spin, element
            As in `electronic_dos`.

        Returns
        -------
        ndarray or None
            Shape (n_grid,); None where the file has none of a name, or lost it.

        Raises
        ------
        InputError
            As `electronic_dos`.
        """
        channels, atoms = self._channels(spin), self._atoms(element)
        found = {orbital_name(name): values for name, values in self.orbitals.items()}
        parts = []
        for name in names:
            own = [values for known, values in found.items() if name in (known, known[0])]
            if not own:
                return None
            parts += own
        total = np.sum([part[atoms][:, channels].sum(axis=1).mean(axis=0) for part in parts], 0)
        return np.asarray(total) if np.isfinite(total).all() else None

    def _channels(self, spin: Spin) -> slice:
        if spin == "sum":
            return slice(None)
        if self.n_spins == 1:
            raise InputError(f"--spin {spin}: the run was not spin-polarised (ISPIN = 1)")
        return slice(0, 1) if spin == "up" else slice(1, 2)

    def without_d(self) -> ProjectedDos:
        """Keep the total DOS of a file that lost a column of its d part: that is zero then."""
        n_spins, n_grid = self.total.shape
        return replace(self, d=np.zeros((len(self.symbols), n_spins, n_grid, 1)))

    @property
    def gaussian_broadening(self) -> float:
        """Standard deviation (eV) of the Gaussian in the curve; 0 for any other smearing."""
        if self.smearing is not None and self.smearing.scheme == "gaussian":
            return self.smearing.width / math.sqrt(2)
        return 0.0

    def _atoms(self, element: str | None) -> NDArray[np.intp]:
        if element is None:
            return np.arange(self.n_atoms or len(self.symbols))
        chosen = np.flatnonzero([symbol == element for symbol in self.symbols])
        if not len(chosen):
            held = ", ".join(dict.fromkeys(self.symbols)) or "elements that the file does not name"
            raise InputError(f"--element {element}: the cell holds {held}")
        return chosen


def orbital_name(name: str) -> str:
    """Name of a d orbital as `D_ORBITALS` has it (x2-y2 and dx2 are dx2-y2); others as they are."""
    for known, names in zip(D_ORBITALS, D_NAMES, strict=True):
        if name in names:
            return known
    return name


def read_dos(path: Path, *, unfinished: bool = False) -> ProjectedDos:
    """Read the DOS from vasprun.xml, vaspout.h5, DOSCAR or a pymatgen CompleteDos JSON file.

    What the file is, and whether it is compressed, is told by its content; of a folder the best of
    these is taken.

    Parameters
    ----------
    path
        The file or folder.
    unfinished
        Also take the DOS of a vasprun.xml that is cut off behind it: to look at, no label.
        `lost` tells of it.

    Raises
    ------
    VaspOutputError
        If the file is missing, cut off, damaged, or holds no DOS.
    EngineMissingError
        If vaspout.h5 is read and h5py is not installed.
    """
    path, raw, kind = recognise(path)
    if kind == "CompleteDos":
        return _from_complete_dos(path, raw)
    if kind == "DOSCAR":
        from dosml.relabel.vasp.doscar import read_doscar

        read = read_doscar(path, raw)
        return _projected(read.tables, path, fermi_level=read.fermi_level, symbols=read.symbols)
    if kind == "vaspout.h5":
        from dosml.relabel.vasp import vaspout

        return projected_dos(*vaspout.run_dos(path, raw), path)
    from dosml.relabel.vasp.vasprun import run_dos

    return projected_dos(*run_dos(path, raw, unfinished=unfinished), path)


def projected_dos(run: DosRun, tables: DosTables, path: Path) -> ProjectedDos:
    """DOS from what `run_dos` or `dos_tables` of `vasprun` or `vaspout` returned.

    Raises
    ------
    VaspOutputError
        If the grid is not uniform, or the projections hold no d orbitals.
    """
    return _projected(
        tables,
        path,
        fermi_level=run.fermi_level,
        symbols=run.symbols,
        smearing=run_smearing(run),
        occupations=vasp_occupations(*_smearing_tags(run)),
        lost=[run.facts["lost"]] if "lost" in run.facts else [],
    )


def run_smearing(run: DosRun) -> Smearing | None:
    """Smearing that VASP used; None for tetrahedra (ISMEAR -4, -5) and fixed occupations."""
    ismear, sigma = _smearing_tags(run)
    try:
        return from_vasp(ismear, sigma)
    except ValueError:
        return None


def _smearing_tags(run: DosRun) -> tuple[int, float]:
    """ISMEAR and SIGMA (eV), or VASP's defaults where the file names neither."""
    tags = {**run.incar, **run.parameters}
    try:
        return int(number(tags.get("ISMEAR", "1"))), number(tags.get("SIGMA", "0.2"))
    except ValueError as error:
        raise VaspOutputError(f"ISMEAR and SIGMA cannot be read: {error}") from error


def _projected(
    tables: DosTables,
    path: Path,
    *,
    fermi_level: float,
    symbols: tuple[str, ...],
    smearing: Smearing | None = None,
    occupations: str = "",
    lost: Sequence[str] = (),
) -> ProjectedDos:
    total, fields, partial = tables
    n_spins = len(total)
    lost = list(lost)
    if not np.isfinite(fermi_level):
        raise VaspOutputError(
            f"the Fermi level in {path} is no number (asterisks?) or missing: without it the DOS "
            "has no zero"
        )
    energies = total[0, :, 0]
    if np.isnan(energies).any():
        energies = _filled(energies, path)
        lost.append("energies of the DOS overflowed (asterisks) and were filled in from the others")
    values = total[..., 1]
    if np.isnan(values).any():
        lost.append("the total DOS is left out: a number of it overflowed (asterisks)")
        values = np.full_like(values, math.nan)
    d = None if partial is None else _d_part(partial[:, :n_spins], fields, path)
    if d is not None and np.isnan(d).any():
        lost.append("the d part is left out: a number of it overflowed (asterisks)")
        d = None
    return ProjectedDos(
        energies=_uniform(energies, path),
        fermi_level=fermi_level,
        total=values,
        d=d,
        symbols=symbols,
        smearing=smearing,
        occupations=occupations,
        lost=tuple(lost),
        orbitals={}
        if partial is None
        else {name: partial[:, :n_spins, :, place] for place, name in enumerate(fields)},
    )


def _filled(energies: NDArray[np.float64], path: Path) -> NDArray[np.float64]:
    """Make a uniform grid from those of its energies that could be printed."""
    known = np.flatnonzero(np.isfinite(energies))
    if len(known) < 2:
        raise VaspOutputError(f"the energies of the DOS in {path} are no numbers (asterisks)")
    step = (energies[known[-1]] - energies[known[0]]) / (known[-1] - known[0])
    exact = energies[known[0]] + step * (np.arange(len(energies)) - known[0])
    return np.where(np.isfinite(energies), energies, exact)


def _uniform(energies: NDArray[np.float64], path: Path) -> NDArray[np.float64]:
    """Undo the rounding of the printed grid (four decimals are coarse for a fine grid).

    Raises
    ------
    VaspOutputError
        If the grid is not uniform but for rounding.
    """
    exact = np.linspace(energies[0], energies[-1], len(energies))
    if np.abs(exact - energies).max() > 2e-3 * (exact[1] - exact[0]) + 1.01e-3:
        raise VaspOutputError(f"the energy grid of the DOS in {path} is not uniform")
    return exact


def _d_part(partial: NDArray[np.float64], fields: Sequence[str], path: Path) -> NDArray[np.float64]:
    """Columns of the d orbitals, shape (n_atoms, n_spins, n_grid, 5 or 1)."""
    if "d" in fields:
        return partial[..., [list(fields).index("d")]]
    columns = [
        next((index for index, field in enumerate(fields) if field in names), -1)
        for names in D_NAMES
    ]
    if -1 in columns:
        raise VaspOutputError(
            f"{path} has no d orbitals among its projections ({', '.join(fields)}): "
            "LORBIT = 11 gives them"
        )
    return partial[..., columns]


def _from_complete_dos(path: Path, raw: bytes) -> ProjectedDos:
    """Read a CompleteDos as pymatgen's `to_json` writes it (Materials Project downloads)."""
    try:
        held = json.loads(raw)
        if held.get("@class") != "CompleteDos":
            raise VaspOutputError(f"{path} is JSON, but not a pymatgen CompleteDos")
        spins = sorted(held["densities"], key=int, reverse=True)  # "1" is up, "-1" down
        fields = list(held["pdos"][0])
        total = np.array(
            [list(zip(held["energies"], held["densities"][spin], strict=True)) for spin in spins]
        )
        partial = np.array(
            [
                [[site[field]["densities"][spin] for field in fields] for spin in spins]
                for site in held["pdos"]
            ]
        ).transpose(0, 1, 3, 2)
        symbols = tuple(site["species"][0]["element"] for site in held["structure"]["sites"])
        fermi_level = float(held["efermi"])
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise VaspOutputError(
            f"{path} is not a pymatgen CompleteDos that can be read "
            f"({type(error).__name__}: {error})"
        ) from error
    tables = DosTables(total, fields, partial)
    return _projected(tables, path, fermi_level=fermi_level, symbols=symbols)
