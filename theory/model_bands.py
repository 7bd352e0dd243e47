"""Model bands in closed form: rectangular (Friedel) and semi-elliptic.

Sources: J. Friedel in The Physics of Metals, ed. Ziman (Cambridge 1969); D. G. Pettifor, Bonding
and Structure of Molecules and Solids (Oxford 1995), ch. 7. The response integrals are derived in
the project's theory page.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import brentq

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True)
class _Band:
    """What both model bands share.

    Attributes
    ----------
    width
        Full width W in eV.
    centre
        Middle of the band in eV.
    states
        Number of states it holds (10 for a d band).

    Raises
    ------
    ValueError
        If the width or the number of states is not positive and finite.
    """

    width: float
    centre: float = 0.0
    states: float = 10.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not (math.isfinite(self.width) and self.width > 0):
            raise ValueError(f"the band width must be a positive number in eV, got {self.width}")
        if not (math.isfinite(self.states) and self.states > 0):
            raise ValueError(f"a band must hold a positive number of states, got {self.states}")
        if not math.isfinite(self.centre):
            raise ValueError(f"the band centre must be a finite number in eV, got {self.centre}")

    def _fraction(self, electrons: float) -> float:
        """Return the filling of the band, between 0 and 1."""
        if not 0 <= electrons <= self.states:
            raise ValueError(f"this band holds 0 to {self.states:g} electrons, got {electrons}")
        return electrons / self.states


class RectangularBand(_Band):
    """Friedel's band: a constant DOS over the width W."""

    def dos(self, energies: ArrayLike) -> NDArray[np.float64]:
        """DOS in states/eV at `energies` (eV), any shape."""
        inside = np.abs(np.asarray(energies, dtype=np.float64) - self.centre) <= self.width / 2
        return np.where(inside, self.states / self.width, 0.0)

    @property
    def rms_width(self) -> float:
        """Root mean square about the centre, W/sqrt(12), eV."""
        return self.width / math.sqrt(12)

    def fermi_level(self, electrons: float) -> float:
        """Fermi level in eV at zero smearing: centre - W (1/2 - N/10)."""
        return self.centre - self.width * (0.5 - self._fraction(electrons))

    def bond_energy(self, electrons: float) -> float:
        """Bond energy in eV: the sum of (e - centre) over occupied states, -(W/20) N (10 - N)."""
        x = self._fraction(electrons)
        return -self.states * self.width * x * (1 - x) / 2

    def pair_integral(self, electrons: float) -> float:
        """Response integral over occupied and empty states, (n^2/W) H(N/n), states^2/eV.

        H(x) = -x ln x - (1 - x) ln(1 - x).
        """
        x = self._fraction(electrons)
        h = sum(-p * math.log(p) for p in (x, 1 - x) if p > 0)
        return self.states**2 / self.width * h


class SemiEllipticBand(_Band):
    """A DOS shaped as half an ellipse over the width W (Bethe lattice, first recursion level)."""

    def _position(self, energies: ArrayLike) -> NDArray[np.float64]:
        """Energy from the centre in units of half the width, held within -1 ... 1."""
        x = (np.asarray(energies, dtype=np.float64) - self.centre) / (self.width / 2)
        return np.clip(x, -1.0, 1.0)

    def dos(self, energies: ArrayLike) -> NDArray[np.float64]:
        """DOS in states/eV at `energies` (eV), any shape."""
        x = self._position(energies)
        return np.asarray(4 * self.states / (math.pi * self.width) * np.sqrt(1 - x * x))

    @property
    def rms_width(self) -> float:
        """Root mean square about the centre, W/4, eV."""
        return self.width / 4

    def electrons(self, fermi_level: float) -> float:
        """Electrons below `fermi_level` (eV) at zero smearing."""
        x = float(self._position(fermi_level))
        return self.states * (0.5 + (x * math.sqrt(1 - x * x) + math.asin(x)) / math.pi)

    def fermi_level(self, electrons: float) -> float:
        """Fermi level in eV at zero smearing (the inverse of `electrons`)."""
        self._fraction(electrons)
        low, high = self.centre - self.width / 2, self.centre + self.width / 2
        if electrons in {0, self.states}:
            return low if electrons == 0 else high
        return float(brentq(lambda mu: self.electrons(mu) - electrons, low, high, xtol=1e-14))

    def bond_energy(self, electrons: float) -> float:
        """Sum of (e - centre) over occupied states, -(n W / 3π) (1 - x^2)^(3/2), eV."""
        x = float(self._position(self.fermi_level(electrons)))
        return float(-self.states * self.width / (3 * math.pi) * (1 - x * x) ** 1.5)

    def pair_integral(self, electrons: float) -> float:
        """Response integral over occupied and empty states, states^2/eV.

        (8 n^2 / 3π W) (1 - x^2)^(3/2): the Hilbert transform of half an ellipse is linear within
        the band, so this integral is -(8 n / W^2) times the bond energy.
        """
        return -8 * self.states / self.width**2 * self.bond_energy(electrons)


def friedel_bond_energy(width: float, electrons: float, states: float = 10.0) -> float:
    """Friedel's bond energy of a rectangular band, -(W/20) N (10 - N) for ten states.

    Parameters
    ----------
    width
        Full band width W, eV.
    electrons
        N.
    states
        Number of states in the band.

    Returns
    -------
    energy
        eV per atom, negative.

    Raises
    ------
    ValueError
        If the width is not positive or the electrons do not fit.
    """
    return RectangularBand(width, states=states).bond_energy(electrons)
