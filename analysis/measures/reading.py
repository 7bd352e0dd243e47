"""What measures of a d density of states are read from, every window stated.

`bare` is the DOS as the engine wrote it (with the engine's fixed broadening only); `smeared` is the
same DOS convolved with the scan's own -df/de, which is what a calculation smeared with that sigma
prints. The smeared one falls with sigma by construction: the two are always given side by side.

E_F is the chemical potential of the setting. In a band that is not symmetric about it, smearing
moves it (copper: by several eV at sigma = 2 eV), and with it everything measured from it.
Values at the *unsmeared* Fermi level, to which the same electrons would fill the same levels
sharply, are free of that: they change only where levels change.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.measures.dos_curves import (
    mean_absolute_curvature,
    mean_absolute_slope,
    smeared_dos,
)
from dosml.errors import InputError
from dosml.theory.dband import d_band
from dosml.theory.fermi_level import dos_chemical_potential, dos_electrons
from dosml.theory.response_index import response_index
from dosml.theory.smearing import Smearing

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dosml.theory.dband import BandMoments
    from dosml.theory.dos import ElectronicDos


@dataclass(frozen=True)
class DosWindows:
    """Energy windows of the measures, (low, high) in eV relative to E_F.

    Attributes
    ----------
    moments
        Window of d-band centre, width, filling and response integral. Without one, free-electron
        tails far above E_F run away with the centre.
    sharpness
        Window of the mean |dn_d/dE|.
    """

    moments: tuple[float, float] = (-10.0, 10.0)
    sharpness: tuple[float, float] = (-2.0, 2.0)

    def __post_init__(self) -> None:
        """Check the order of the ends."""
        for name, (low, high) in (("moments", self.moments), ("sharpness", self.sharpness)):
            if not low < 0 < high:
                raise InputError(
                    f"the {name} window ({low}, {high}) eV must go from below E_F (negative) to "
                    f"above it (positive)"
                )


@dataclass(frozen=True, eq=False)
class DosReading:
    """One DOS at one smearing, with what several measures share computed once.

    Attributes
    ----------
    dos
        Best the mean over frames: a sum of a few narrow levels at the Gamma point is jagged, and
        its slope measures the number of frames.
    smearing
        The scan's own smearing, centred at E_F = 0; None fills levels sharply.
    windows
        Where to look.
    """

    dos: ElectronicDos
    smearing: Smearing | None
    windows: DosWindows

    @cached_property
    def has_d(self) -> bool:
        """Whether there are d states in the moments window."""
        low, high = self.windows.moments
        inside = (self.dos.energies >= low) & (self.dos.energies <= high)
        return bool(np.any(self.dos.d[inside]))

    @cached_property
    def moments(self) -> BandMoments:
        """Moments of the bare d-DOS in the moments window."""
        return d_band(self.dos, self.windows.moments, smearing=self.smearing)

    @cached_property
    def response(self) -> float:
        """Pair integral of `dosml.theory.response_index`, (states/atom)^2/eV."""
        found = response_index(self.dos, self.smearing, window=self.windows.moments)
        return found.pair_integral

    @property
    def filling_product(self) -> float:
        """Filling times what is left of it, N (10 - N)/100."""
        return self.moments.filling * (1 - self.moments.filling)

    @property
    def orbital_spread(self) -> float:
        """Standard deviation of `orbital_occupations`; nan where the DOS is not m-resolved."""
        return math.nan if self.dos.d_m is None else float(np.std(self.orbital_occupations))

    def slope(self, *, smeared: bool) -> float:
        """Mean |dn_d/dE| over the sharpness window, states/eV^2/atom."""
        curve = self.smeared_d if smeared else self.dos.d
        return mean_absolute_slope(self.dos.energies, curve, self.windows.sharpness)

    def curvature(self, *, smeared: bool) -> float:
        """Mean |d^2 n_d/dE^2| over the sharpness window, states/eV^3/atom."""
        curve = self.smeared_d if smeared else self.dos.d
        return mean_absolute_curvature(self.dos.energies, curve, self.windows.sharpness)

    @cached_property
    def orbital_occupations(self) -> NDArray[np.float64]:
        """Electrons in each d orbital of an atom in the moments window, shape (5,).

        Raises
        ------
        ValueError
            If the DOS is not m-resolved.
        """
        if self.dos.d_m is None:
            raise ValueError("this DOS has no m-resolved d part (d_m is None)")
        low, high = self.windows.moments
        inside = (self.dos.energies >= low) & (self.dos.energies <= high)
        energies = self.dos.energies[inside]
        return np.array(
            [dos_electrons(energies, one[inside], self.smearing, 0.0) for one in self.dos.d_m]
        )

    @cached_property
    def unsmeared_level(self) -> float:
        """Level to which the same electrons fill the same levels sharply, eV relative to E_F."""
        if self.smearing is None:
            return 0.0
        energies, total = self.dos.energies, self.dos.total
        electrons = dos_electrons(energies, total, self.smearing, 0.0)
        # a Gaussian of one grid step is as sharp as the grid can tell
        sharp = Smearing("gaussian", self.dos.step)
        return dos_chemical_potential(energies, total, electrons, sharp)

    @cached_property
    def response_unsmeared(self) -> float:
        """The same pair integral without smearing, at the unsmeared level."""
        window = self.windows.moments
        found = response_index(self.dos, None, fermi_level=self.unsmeared_level, window=window)
        return found.pair_integral

    @cached_property
    def delta_weights(self) -> NDArray[np.float64]:
        """-df/de of the smearing times the weight of each grid point, shape (n,)."""
        weight = np.full(len(self.dos.energies), self.dos.step)
        weight[[0, -1]] *= 0.5  # trapezoidal rule
        weight *= np.asarray(self._known.delta(self.dos.energies), dtype=float)
        return weight

    @cached_property
    def smeared_d(self) -> NDArray[np.float64]:
        """d-DOS convolved with the smearing, shape (n,), states/eV/atom."""
        return smeared_dos(self.dos.energies, self.dos.d, self._known)

    @property
    def _known(self) -> Smearing:
        if self.smearing is None:
            raise ValueError("without a smearing nothing is smeared")
        return self.smearing
