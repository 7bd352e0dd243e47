"""Parameters of the second-moment potential, solved for from the element table.

Four unknowns A, xi, p, q and four conditions on the perfect crystal at its experimental shape:

1. energy per atom = minus the cohesive energy;
2. no hydrostatic pressure at the experimental lattice constant;
3. V d^2E/dV^2 = the bulk modulus;
4. p/q = `DECAY_RATIO`.

The fourth is our choice. With p/q = 4 an unrelaxed vacancy costs about one third of the cohesive
energy, the rule of thumb for transition metals, and the fits of Cleri and Rosato scatter around it.
The bulk modulus fixes p q, so that p/q hardly moves the phonons: their mean square frequency gives
0.6 to 1.3 times the Debye temperature of the tables.

Soft metals (V, Nb, Ta, Fe, Mn) get p of 6 to 7, and melts of this potential alone have pairs at
0.67 to 0.75 of the neighbour distance, where PBE melts of niobium end at 0.78. Below `SOFT` the
repulsion of screened nuclei is added; the crystal does not feel it.

The range of the cutoff is chosen for stability: every ground-state crystal is stable against all
displacements of its supercell, bcc and the stretched hcp of Zn and Cd among them. Exponentials of
longer range lose Mo, W, Cd and Hg (the pair terms like close packing).
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from ase import units
from ase.data import atomic_numbers
from scipy.optimize import brentq

from dosml.neighbours import NeighborList
from dosml.relabel.elements import element
from dosml.relabel.second_moment import SecondMomentParameters, switched_exponential
from dosml.relabel.structures import unit_cell

#: p/q, condition 4.
DECAY_RATIO = 4.0
#: Range of the smooth cutoff in units of the neighbour distance of an fcc crystal with the same
#: volume per atom: it ends beyond the second shell of bcc, before the second shell of fcc and hcp.
SWITCH_RANGE = {"bcc": (1.05, 1.40)}
OTHER_SWITCH_RANGE = (1.02, 1.30)
#: Potentials with a smaller p get the repulsion of nuclei.
SOFT = 8.0
#: Where q is searched for.
_Q_RANGE = (0.3, 12.0)


@cache
def calibrate(symbol: str, prototype: str | None = None) -> SecondMomentParameters:
    """Parameters that reproduce lattice constant, cohesive energy and bulk modulus.

    Parameters
    ----------
    symbol
        One of `dosml.relabel.elements.ELEMENTS`.
    prototype
        Crystal to calibrate on; the ground state if None. Another crystal gets the same cohesive
        energy and bulk modulus, so that it is a local minimum of its own potential.

    Raises
    ------
    UnknownElementError
        If the element table does not hold the symbol.
    InputError
        If the prototype is unknown.
    ValueError
        If no potential of this form has the bulk modulus.
    """
    metal = element(symbol)
    crystal = _Crystal(symbol, prototype)
    bulk_modulus = metal.bulk_modulus * units.GPa

    def mismatch(q: float) -> float:
        # E as a function of a linear scale s, V = V0 s^3: d^2E/ds^2 = 9 V B where dE/ds = 0
        _, _, curvature = crystal.solve(q, metal.cohesive_energy)
        return float(curvature - 9.0 * crystal.volume * bulk_modulus)

    grid = np.linspace(*_Q_RANGE, 118)
    values = np.array([mismatch(q) for q in grid])
    rising = np.flatnonzero((values[:-1] < 0) & (values[1:] >= 0))
    if len(rising) == 0:
        raise ValueError(f"no second-moment potential with p/q = {DECAY_RATIO} fits {symbol}")
    q = brentq(mismatch, grid[rising[0]], grid[rising[0] + 1], xtol=1e-14)
    repulsion, hopping, _ = crystal.solve(q, metal.cohesive_energy)
    return SecondMomentParameters(
        repulsion=repulsion,
        hopping=hopping,
        p=DECAY_RATIO * q,
        q=q,
        r0=crystal.r0,
        switch_start=crystal.switch_start,
        cutoff=crystal.cutoff,
        core_charge=atomic_numbers[symbol] if DECAY_RATIO * q < SOFT else 0,
    )


class _Crystal:
    """Neighbour distances of the perfect crystal."""

    def __init__(self, symbol: str, prototype: str | None) -> None:
        cell = unit_cell(symbol, prototype)
        self.n_atoms = len(cell)
        self.volume = float(cell.get_volume()) / self.n_atoms
        neighbour = (math.sqrt(2.0) * self.volume) ** (1 / 3)
        name = prototype or element(symbol).prototype
        start, end = SWITCH_RANGE.get(name, OTHER_SWITCH_RANGE)
        self.switch_start, self.cutoff = float(start * neighbour), float(end * neighbour)
        pairs = NeighborList(cutoff=self.cutoff, full_list=True, n_threads=1)
        self.centre, self.distances = pairs.compute(
            cell.positions, np.asarray(cell.cell), periodic=True, quantities="id"
        )
        self.r0 = float(self.distances.min())

    def solve(self, q: float, cohesive_energy: float) -> tuple[float, float, float]:
        """Solve conditions 1 and 2 for A and xi (eV); return d^2E/ds^2 (eV/atom) as well."""
        r, shape = self.distances, (self.r0, self.switch_start, self.cutoff)
        f0, f1, f2 = switched_exponential(r, DECAY_RATIO * q, *shape)
        pair = np.array([f0.sum(), (r * f1).sum(), (r * r * f2).sum()]) / self.n_atoms
        g0, g1, g2 = switched_exponential(r, 2.0 * q, *shape)
        m0, m1, m2 = (np.bincount(self.centre, v, self.n_atoms) for v in (g0, r * g1, r * r * g2))
        band = np.array(
            [
                np.sqrt(m0).mean(),
                (m1 / (2.0 * np.sqrt(m0))).mean(),
                (m2 / (2.0 * np.sqrt(m0)) - m1**2 / (4.0 * m0**1.5)).mean(),
            ]
        )
        matrix = np.stack([pair[:2], -band[:2]], axis=1)
        repulsion, hopping = np.linalg.solve(matrix, [-cohesive_energy, 0.0])
        return float(repulsion), float(hopping), float(repulsion * pair[2] - hopping * band[2])
