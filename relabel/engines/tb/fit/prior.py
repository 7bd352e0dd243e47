"""What holds the fit back where the data say nothing: the functions stay near those of the start.

The parameters of the model are strongly correlated (a polynomial times an exponential), so a prior
on parameters means nothing. This one is on the values of hoppings, overlaps and on-site energies
over the range that molecular dynamics meets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase.units import Bohr, Rydberg

from dosml.relabel.engines.tb.model import DENSITY_POWERS
from dosml.relabel.engines.tb.radial import radial_functions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dosml.relabel.engines.tb.model import TbParameters

#: Distances in units of the nearest-neighbour distance, and densities in units of the crystal's.
DISTANCES = np.linspace(0.72, 2.2, 13)
DENSITIES = np.array([0.35, 0.6, 0.85, 1.0, 1.2, 1.6, 2.2, 3.2])
#: Below this distance a residual weighs `SHORT_WEIGHT` times as much: a close pair in a melt must
#: not meet a function that has run away.
SHORT, SHORT_WEIGHT = 0.9, 2.0
#: Allowed change: a share of the value, and an amount at the nearest-neighbour distance that falls
#: as exp(-`FALL` (R/d - 1)). Hoppings in eV, overlaps dimensionless.
SHARE = 0.4
HOPPING, OVERLAP, FALL = 0.20, 0.03, 2.0
#: Allowed change of an on-site energy, eV.
ONSITE = 1.0


@dataclass(frozen=True)
class Prior:
    """Residuals of the functions against those of the start.

    Attributes
    ----------
    start
        Parameters at the start.
    distance
        Nearest-neighbour distance, Å.
    density
        Density (of the model at the start) in the crystal.
    """

    start: TbParameters
    distance: float
    density: float

    def residuals(
        self, parameters: TbParameters
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Residuals and their derivatives by `TbParameters.to_vector`.

        Returns
        -------
        residuals, jacobian
            Shapes (n,) and (n, 116).
        """
        parts = [
            self._table(parameters, "hopping", HOPPING, Rydberg, slice(16, 66)),
            self._table(parameters, "overlap", OVERLAP, 1.0, slice(66, 116)),
            self._onsite(parameters),
        ]
        return np.concatenate([one[0] for one in parts]), np.concatenate([one[1] for one in parts])

    def _table(
        self, parameters: TbParameters, name: str, amount: float, unit: float, columns: slice
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        distances = DISTANCES * self.distance
        distances = distances[distances < 0.9 * parameters.cutoff_radius * Bohr]
        bare = [_without_continuation(one) for one in (self.start, parameters)]
        old, new = (radial_functions(one, distances) for one in bare)
        before, after = getattr(old, name), getattr(new, name)
        fall = np.exp(-FALL * (distances / self.distance - 1))
        allowed = SHARE * np.abs(before) + amount * fall[:, None]
        allowed[distances < SHORT * self.distance] /= SHORT_WEIGHT
        # values are products of powers of R, one exponential and the cutoff
        table = getattr(parameters, name)
        powers = np.vander(new.reach, 4, increasing=True)
        shape = np.exp(-new.reach[:, None] * table[:, 4] ** 2) * new.cutoff[:, None]
        jacobian = np.zeros((len(distances), 10, 10, 5))
        for bond in range(10):
            by_c = unit * powers * shape[:, bond, None]
            by_q = -2 * table[bond, 4] * new.reach * after[:, bond]
            jacobian[:, bond, bond] = np.concatenate([by_c, by_q[:, None]], axis=1)
        full = np.zeros((len(distances) * 10, 116))
        full[:, columns] = (jacobian / allowed[:, :, None, None]).reshape(-1, 50)
        return ((after - before) / allowed).ravel(), full

    def _onsite(self, parameters: TbParameters) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        powers = (DENSITIES * self.density)[:, None] ** np.array(DENSITY_POWERS)
        change = Rydberg * powers @ (parameters.onsite - self.start.onsite).T
        jacobian = np.zeros((len(powers), 3, 3, 5))
        for shell in range(3):
            jacobian[:, shell, shell] = Rydberg * powers / ONSITE
        full = np.zeros((len(powers) * 3, 116))
        full[:, 1:16] = jacobian.reshape(-1, 15)
        return (change / ONSITE).ravel(), full


def _without_continuation(parameters: TbParameters) -> TbParameters:
    from dataclasses import replace

    return replace(parameters, short_range=(0.0, 0.0), repulsion=0.0)
