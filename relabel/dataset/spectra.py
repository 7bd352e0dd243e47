"""Densities of states of many frames: on one grid, averaged one by one."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

import numpy as np

from dosml.errors import InputError
from dosml.theory.dos import ElectronicDos

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Grids are the same where no point is off by more than this share of a step.
_SAME = 1e-3
#: Share of a step by which a point of the common grid may lie outside a DOS.
_OUTSIDE = 1e-6


class DosParts(Protocol):
    """DOS of each frame, read from memory or from disk when asked for."""

    def __len__(self) -> int:
        """Count the frames."""
        ...

    def __getitem__(self, number: int, /) -> ElectronicDos:
        """Read the DOS of one frame."""
        ...


class PickedDos:
    """Some of the DOS of a longer sequence, read when asked for."""

    def __init__(self, parts: DosParts, which: Sequence[int]) -> None:
        self._parts, self._which = parts, list(which)

    def __len__(self) -> int:
        """Count the DOS."""
        return len(self._which)

    def __getitem__(self, number: int) -> ElectronicDos:
        """Read one."""
        return self._parts[self._which[number]]


class ResampledDos:
    """The same DOS on another grid, each interpolated when it is read."""

    def __init__(self, parts: DosParts, energies: NDArray[np.float64]) -> None:
        # a grid on a grid would interpolate twice
        self.parts: DosParts = parts.parts if isinstance(parts, ResampledDos) else parts
        self.energies = energies

    def __len__(self) -> int:
        """Count the DOS."""
        return len(self.parts)

    def __getitem__(self, number: int) -> ElectronicDos:
        """Read one."""
        return resample(self.parts[number], self.energies)


def same_grid(one: NDArray[np.float64], other: NDArray[np.float64]) -> bool:
    """Whether two uniform energy grids (eV) are the same but for rounding."""
    if len(one) != len(other):
        return False
    allowed = _SAME * (one[1] - one[0])
    return bool(abs(one[0] - other[0]) < allowed and abs(one[-1] - other[-1]) < allowed)


def common_grid(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Grid (eV) of whole multiples of the coarser step, where both grids reach.

    Raises
    ------
    InputError
        If the grids do not overlap.
    """
    step = max((grid[-1] - grid[0]) / (len(grid) - 1) for grid in (one, other))
    low, high = max(one[0], other[0]), min(one[-1], other[-1])
    first = int(np.ceil(low / step - _OUTSIDE))
    last = int(np.floor(high / step + _OUTSIDE))
    if last <= first:
        raise InputError(
            f"two densities of states have no energies in common: {one[0]:.4g} to {one[-1]:.4g} "
            f"and {other[0]:.4g} to {other[-1]:.4g} eV relative to the Fermi level"
        )
    return np.asarray(step * np.arange(first, last + 1), dtype=np.float64)


def resample(dos: ElectronicDos, energies: NDArray[np.float64]) -> ElectronicDos:
    """Interpolate a DOS linearly to another grid (eV) inside its own."""
    if same_grid(dos.energies, energies):
        return dos
    return ElectronicDos(
        energies=energies,
        total=np.interp(energies, dos.energies, dos.total),
        d=np.interp(energies, dos.energies, dos.d),
        d_m=None
        if dos.d_m is None
        else np.array([np.interp(energies, dos.energies, part) for part in dos.d_m]),
        broadening=dos.broadening,
        d_by_element={
            symbol: np.interp(energies, dos.energies, part)
            for symbol, part in dos.d_by_element.items()
        },
    )


class MeanDos:
    """Running mean of DOS, also where their grids differ, each DOS seen once.

    Engines with a grid of their own (VASP's is fixed on an absolute scale, so that every Fermi
    level shifts it) are brought to `common_grid`. Interpolation is linear, so the sum so far may
    move to a new grid in place of its parts.
    """

    def __init__(self) -> None:
        self._sum: ElectronicDos | None = None
        self._resolved = True
        self._count = 0
        self._holding: Counter[str] = Counter()

    def __len__(self) -> int:
        """Count the DOS added so far."""
        return self._count

    def add(self, part: ElectronicDos) -> None:
        """Add one more.

        Raises
        ------
        InputError
            If it has no energies in common with the others.
        """
        self._count += 1
        self._resolved &= part.d_m is not None
        self._holding.update(part.d_by_element.keys())
        if self._sum is None:
            self._sum = part
            return
        total = self._sum
        if not same_grid(total.energies, part.energies):
            grid = common_grid(total.energies, part.energies)
            total, part = resample(total, grid), resample(part, grid)
        d_m = total.d_m + part.d_m if total.d_m is not None and part.d_m is not None else None
        by_element = dict(total.d_by_element)
        for symbol, more in part.d_by_element.items():
            by_element[symbol] = by_element.get(symbol, 0.0) + more
        self._sum = ElectronicDos(
            total.energies,
            total.total + part.total,
            total.d + part.d,
            d_m,
            total.broadening,
            by_element,
        )

    def mean(self) -> ElectronicDos | None:
        """Mean, every DOS counting the same, by orbital only where all are; None without DOS.

        The d part of an element is the mean over the frames that hold it.
        """
        if self._sum is None:
            return None
        total = self._sum
        return ElectronicDos(
            energies=total.energies,
            total=total.total / self._count,
            d=total.d / self._count,
            d_m=total.d_m / self._count if total.d_m is not None and self._resolved else None,
            broadening=total.broadening,
            d_by_element={
                symbol: part / self._holding[symbol] for symbol, part in total.d_by_element.items()
            },
        )
