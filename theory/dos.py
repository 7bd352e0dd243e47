"""The one picture of an electronic density of states that every room shares."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

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
        steps = np.diff(self.energies)
        if steps[0] <= 0 or not np.allclose(steps, steps[0], rtol=1e-3, atol=0):
            raise ValueError("the energy grid of a DOS must be uniform and ascending")

    @property
    def step(self) -> float:
        """Grid spacing in eV."""
        return float((self.energies[-1] - self.energies[0]) / (len(self.energies) - 1))


class DosSum:
    """Running sum of DOS on one grid, for a mean of more DOS than fit into memory."""

    def __init__(self) -> None:
        self._first: ElectronicDos | None = None
        self._count = self._with_m = 0

    def __len__(self) -> int:
        """Count the DOS added so far."""
        return self._count

    def add(self, part: ElectronicDos) -> None:
        """Add one more.

        Raises
        ------
        ValueError
            If its grid differs from that of the first.
        """
        if self._first is None:
            self._first = part
            self._total, self._d = np.zeros_like(part.total), np.zeros_like(part.d)
            self._d_m = np.zeros((5, len(part.energies)))
        elif part.energies.shape != self._first.energies.shape or not np.allclose(
            part.energies, self._first.energies
        ):
            raise ValueError("a mean DOS needs all parts on the same energy grid")
        self._total += part.total
        self._d += part.d
        if part.d_m is not None:
            self._d_m += part.d_m
            self._with_m += 1
        self._count += 1

    def mean(self) -> ElectronicDos:
        """Mean, every part counting the same; by orbital only where every part is.

        Raises
        ------
        ValueError
            If nothing was added.
        """
        if self._first is None:
            raise ValueError("a mean DOS needs at least one DOS")
        return ElectronicDos(
            energies=self._first.energies,
            total=self._total / self._count,
            d=self._d / self._count,
            d_m=self._d_m / self._count if self._with_m == self._count else None,
            broadening=self._first.broadening,
        )


def mean_dos(parts: Iterable[ElectronicDos]) -> ElectronicDos:
    """Mean of several DOS on one grid (every frame counts the same).

    Raises
    ------
    ValueError
        If there is none, or the grids differ.
    """
    together = DosSum()
    for part in parts:
        together.add(part)
    return together.mean()
