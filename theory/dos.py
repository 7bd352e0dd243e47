"""The one picture of an electronic density of states that every room shares."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

#: Order of the m-resolved columns, real harmonics m = -2 ... 2.
D_ORBITALS = ("dxy", "dyz", "dz2", "dxz", "dx2-y2")


@dataclass(frozen=True)
class ElectronicDos:
    """Density of states of one frame (or a mean over frames).

    Attributes
    ----------
    energies
        Uniform ascending grid, shape (n,), eV, relative to the Fermi level.
    total, d
        Total and d-projected DOS, shape (n,), states/eV/atom, spin summed.
    d_m
        The d part by orbital, shape (5, n), in the order of `D_ORBITALS`, or None.
    broadening
        Standard deviation (eV) of the Gaussian that the engine put on its levels; 0 if none.
    d_by_element
        d part of the atoms of each element, shape (n,), states/eV per atom of that element; empty
        where it is not known. A mean over frames counts those that hold the element.

    Raises
    ------
    ValueError
        If shapes disagree or the grid is not uniform and ascending.
    """

    energies: NDArray[np.float64]
    total: NDArray[np.float64]
    d: NDArray[np.float64]
    d_m: NDArray[np.float64] | None = None
    broadening: float = 0.0
    d_by_element: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check shapes and grid."""
        n = len(self.energies)
        if self.energies.ndim != 1 or n < 2:
            raise ValueError(f"a DOS needs a one-dimensional grid, got {self.energies.shape}")
        if self.total.shape != (n,) or self.d.shape != (n,):
            raise ValueError(
                f"total {self.total.shape} and d {self.d.shape} must have the grid's shape ({n},)"
            )
        if self.d_m is not None and self.d_m.shape != (5, n):
            raise ValueError(f"d_m must have shape (5, {n}), got {self.d_m.shape}")
        for symbol, part in self.d_by_element.items():
            if part.shape != (n,):
                raise ValueError(f"the d part of {symbol} has shape {part.shape}, expected ({n},)")
        steps = np.diff(self.energies)
        if steps[0] <= 0 or not np.allclose(steps, steps[0], rtol=1e-3, atol=0):
            raise ValueError("the energy grid of a DOS must be uniform and ascending")

    @property
    def step(self) -> float:
        """Grid spacing in eV."""
        return float((self.energies[-1] - self.energies[0]) / (len(self.energies) - 1))


def without_d(dos: ElectronicDos) -> ElectronicDos:
    """Give the same total DOS with no d states: of atoms whose d orbitals are no valence shell."""
    return replace(dos, d=np.zeros_like(dos.d), d_m=None, d_by_element={})


def of_element(dos: ElectronicDos, symbol: str) -> ElectronicDos:
    """Give the d part of one element's atoms, per atom of it, beside the same total DOS.

    Raises
    ------
    KeyError
        If it is not known.
    """
    return replace(dos, d=dos.d_by_element[symbol], d_m=None, d_by_element={})


def mean_dos(parts: Sequence[ElectronicDos]) -> ElectronicDos:
    """Mean of several DOS on one grid (every frame counts the same).

    Raises
    ------
    ValueError
        If there is none, or the grids differ.
    """
    if not parts:
        raise ValueError("a mean DOS needs at least one DOS")
    first = parts[0]
    for part in parts[1:]:
        if part.energies.shape != first.energies.shape or not np.allclose(
            part.energies, first.energies
        ):
            raise ValueError("a mean DOS needs all parts on the same energy grid")
    d_m = [part.d_m for part in parts if part.d_m is not None]
    return ElectronicDos(
        energies=first.energies,
        total=np.mean([part.total for part in parts], axis=0),
        d=np.mean([part.d for part in parts], axis=0),
        d_m=np.mean(d_m, axis=0) if len(d_m) == len(parts) else None,
        broadening=first.broadening,
        d_by_element={
            symbol: np.mean([p.d_by_element[symbol] for p in parts if symbol in p.d_by_element], 0)
            for symbol in sorted({symbol for part in parts for symbol in part.d_by_element})
        },
    )
