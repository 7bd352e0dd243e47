"""What an engine returns for one frame at one electronic setting."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.records import json_object
from dosml.theory.dos import ElectronicDos

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray


#: Arrays of the d part of one element's atoms: this and the symbol.
_OF_ELEMENT = "dos_d_of_"


@dataclass(frozen=True)
class Label:
    """A label and the DOS that belongs to it.

    Attributes
    ----------
    free_energy
        Force-consistent free energy F = E - sigma*S of the frame, eV.
    forces
        -dF/dR, shape (n_atoms, 3), eV/Å.
    stress
        (1/V) dF/d(strain), shape (6,), eV/Å^3, ase sign and Voigt order xx yy zz yz xz xy; None
        from an engine that has none.
    fermi_level
        eV, on the engine's own scale; NaN from an engine that does not say.
    n_electrons
        Electrons in the cell; NaN from an engine that does not say.
    top_occupation
        Occupation of the highest band, per band and spin pair scaled to 1: not small means too
        few empty bands; NaN from an engine that does not say.
    dos
        Energies relative to the Fermi level; None where the engine has none.
    facts
        How it was made: attempts, seconds, convergence settings.
    """

    free_energy: float
    forces: NDArray[np.float64]
    stress: NDArray[np.float64] | None
    fermi_level: float
    n_electrons: float
    top_occupation: float
    dos: ElectronicDos | None
    facts: Mapping[str, str | float | int] = field(default_factory=dict)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Arrays for one npz file; the DOS in single precision, which is finer than its meaning."""
        arrays: dict[str, NDArray[Any]] = {
            "free_energy": np.array(self.free_energy),
            "forces": self.forces,
            "fermi_level": np.array(self.fermi_level),
            "n_electrons": np.array(self.n_electrons),
            "top_occupation": np.array(self.top_occupation),
            "facts": np.array(json.dumps(dict(self.facts))),
        }
        if self.stress is not None:
            arrays["stress"] = self.stress
        if self.dos is not None:
            grid = self.dos.energies
            arrays["dos_grid"] = np.array([grid[0], grid[-1], len(grid)])
            arrays["dos_broadening"] = np.array(self.dos.broadening)
            arrays["dos_total"] = self.dos.total.astype(np.float32)
            arrays["dos_d"] = self.dos.d.astype(np.float32)
            if self.dos.d_m is not None:
                arrays["dos_d_m"] = self.dos.d_m.astype(np.float32)
            for symbol, part in self.dos.d_by_element.items():
                arrays[f"{_OF_ELEMENT}{symbol}"] = part.astype(np.float32)
        return arrays

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> Label:
        """Inverse of `to_arrays`; a DOS that cannot be one is refused.

        Raises
        ------
        KeyError, TypeError, ValueError
            If an array is missing, or is something else.
        """
        return cls(
            free_energy=float(arrays["free_energy"]),
            forces=arrays["forces"],
            stress=arrays.get("stress"),
            fermi_level=float(arrays["fermi_level"]),
            n_electrons=float(arrays["n_electrons"]),
            top_occupation=float(arrays["top_occupation"]),
            dos=_dos(arrays),
            facts=json_object(str(arrays["facts"])),
        )


def check_label(label: Label, n_atoms: int | None = None) -> None:
    """Refuse numbers that cannot be a label.

    Parameters
    ----------
    label
        What was computed, or read.
    n_atoms
        Of its frame, where that is known.

    Raises
    ------
    ValueError
        If the forces are not those of so many atoms, the stress has another shape, or energy,
        forces or DOS are not finite.
    """
    shape = np.shape(label.forces)
    wanted = "n" if n_atoms is None else str(n_atoms)
    if len(shape) != 2 or shape[1] != 3 or shape[0] == 0 or n_atoms not in {None, shape[0]}:
        raise ValueError(f"the forces have shape {shape}, expected ({wanted}, 3)")
    if label.stress is not None and np.shape(label.stress) != (6,):
        raise ValueError(f"the stress has shape {np.shape(label.stress)}, expected (6,)")
    numbers: dict[str, Any] = {"free energy": label.free_energy, "forces": label.forces}
    if label.dos is not None:
        numbers |= {"total DOS": label.dos.total, "d-DOS": label.dos.d}
        if label.dos.d_m is not None:
            numbers["d-DOS by orbital"] = label.dos.d_m
        numbers |= {f"d-DOS of {one}": part for one, part in label.dos.d_by_element.items()}
    for name, values in numbers.items():
        if not np.isfinite(values).all():
            raise ValueError(f"{name}: not all values are finite")


def _dos(arrays: Mapping[str, NDArray[Any]]) -> ElectronicDos | None:
    if "dos_grid" not in arrays:
        return None
    low, high, count = arrays["dos_grid"]
    if count != len(arrays["dos_total"]):
        raise ValueError(f"a DOS of {len(arrays['dos_total'])} values on a grid of {count:g}")
    return ElectronicDos(
        energies=np.linspace(low, high, int(count)),
        total=arrays["dos_total"].astype(np.float64),
        d=arrays["dos_d"].astype(np.float64),
        d_m=arrays["dos_d_m"].astype(np.float64) if "dos_d_m" in arrays else None,
        broadening=float(arrays["dos_broadening"]),
        d_by_element={
            name.removeprefix(_OF_ELEMENT): values.astype(np.float64)
            for name, values in arrays.items()
            if name.startswith(_OF_ELEMENT)
        },
    )
