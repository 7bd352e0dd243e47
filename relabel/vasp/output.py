"""What one VASP job says, whichever of its files it was read from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from ase.stress import full_3x3_to_voigt_6_stress
from ase.units import GPa

from dosml.errors import FrameError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

#: VASP prints the stress in kB, positive where the cell wants to grow; ase's sign is the other one.
EV_PER_A3_PER_KBAR = -0.1 * GPa
#: Names under which a job's main output is looked for, the best one first.
OUTPUT_NAMES = (
    "vasprun.xml",
    "vasprun.xml.gz",
    "vasprun.xml.xz",
    "vasprun.xml.bz2",
    "vaspout.h5",
    "vaspout.h5.gz",
)


class VaspOutputError(FrameError):
    """A VASP output that is cut off or damaged."""


@dataclass(frozen=True, kw_only=True)
class DosRun:
    """What a DOS needs of the run that made it: also one without forces (GW, LOPTICS) has these.

    Attributes
    ----------
    incar
        Tags that VASP read from its INCAR, as text.
    parameters
        Tags that VASP used, as text; empty for vaspout.h5.
    symbols
        Chemical symbol of every atom.
    fermi_level
        eV, of the regular mesh of k-points; nan where the file does not say.
    n_electrons
        NELECT that VASP used; nan where the file does not say.
    facts
        More plain values for the table; "lost" says what overflowed (asterisks).
    """

    incar: Mapping[str, str]
    parameters: Mapping[str, str]
    symbols: tuple[str, ...]
    fermi_level: float
    n_electrons: float
    facts: Mapping[str, Any] = field(default_factory=dict)


class DosTables(NamedTuple):
    """Tables of a density of states, as printed.

    Attributes
    ----------
    total
        Shape (n_spins, n_grid, 2): energy (eV, absolute) and DOS; nan where a field overflowed.
    fields
        Orbital names of the partial DOS, without the energy.
    partial
        Shape (n_atoms, n_components, n_grid, n_fields), or None where the file has none; of the
        four components of a non-collinear run the first is the charge.
    """

    total: NDArray[np.float64]
    fields: list[str]
    partial: NDArray[np.float64] | None


@dataclass(frozen=True, kw_only=True)
class VaspOutput(DosRun):
    """The last ionic step of one VASP job.

    Attributes
    ----------
    version
        As printed, for instance "5.4.4.18Apr17-6-g9f103f2a35".
    n_valence
        Sum of ZVAL over the atoms; nan where the file does not say.
    cell, scaled_positions
        Shapes (3, 3) in Å and (n_atoms, 3), of the last ionic step.
    free_energy
        Force-consistent free energy F, eV: `e_fr_energy`, the only name in vasprun.xml that means
        the same in VASP 5.4 (which shifts the names in the last block) and in VASP 6.
    energy_without_entropy, energy_sigma_0
        E and VASP's e_0 = ((N+1) F + E)/(N+2) of ISMEAR = N, eV, from the last electronic step,
        whose names are right in every version.
    forces
        Shape (n_atoms, 3), eV/Å.
    stress_kbar
        As VASP prints it, shape (3, 3), kB; None where it was not computed.
    n_bands
        NBANDS that VASP used.
    kpoints
        Divisions of the grid; None where the file does not say.
    top_occupation
        Largest |occupation| of the highest band over k-points and spins, full band = 1.
    ionic_steps, electronic_steps, max_electronic_steps
        Counts: finished ionic steps, electronic steps of the last one, NELM (0: not said).
    scf_converged
        None where the file does not say (vaspout.h5 before VASP 6.5).
    """

    version: str
    n_valence: float
    cell: NDArray[np.float64]
    scaled_positions: NDArray[np.float64]
    free_energy: float
    energy_without_entropy: float
    energy_sigma_0: float
    forces: NDArray[np.float64]
    stress_kbar: NDArray[np.float64] | None
    n_bands: int
    kpoints: tuple[int, ...] | None
    top_occupation: float
    ionic_steps: int
    electronic_steps: int
    max_electronic_steps: int
    scf_converged: bool | None

    @property
    def stress(self) -> NDArray[np.float64]:
        """Stress, eV/Å^3, shape (6,), ase's sign and Voigt order xx yy zz yz xz xy; nan if none."""
        if self.stress_kbar is None:
            return np.full(6, np.nan)
        return np.asarray(full_3x3_to_voigt_6_stress(self.stress_kbar) * EV_PER_A3_PER_KBAR)


def find_output(folder: Path) -> Path | None:
    """Find the main output in a job folder; None if there is none."""
    for name in OUTPUT_NAMES:
        if (folder / name).exists():
            return folder / name
    return None
