"""Second-moment potential (Gupta; Cleri and Rosato): a cheap many-body force field for sampling.

The band energy of a d metal goes as the square root of the second moment of its local density of
states, a sum of squared hopping integrals over neighbours (Cleri and Rosato, Phys. Rev. B 48, 22
(1993), eqs. 1-4)::

    E_i = A sum_j e^{-p (r_ij/r0 - 1)} w(r_ij) - sqrt(xi^2 sum_j e^{-2 q (r_ij/r0 - 1)} w(r_ij))

w is a smooth cutoff, one below `switch_start` and zero above `cutoff`. A potential whose repulsion
is soft gets the universal repulsion of screened nuclei (Ziegler, Biersack, Littmark, The Stopping
and Range of Ions in Solids (1985)) at distances that no crystal has. The parameters of a metal come
from `dosml.relabel.calibration.calibrate`. The potential samples configurations; it labels
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase import units
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress

from dosml.neighbours import NeighborList

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms
    from numpy.typing import NDArray

#: Å: pairs are searched again only after an atom moved half of it.
VERLET_SKIN = 0.6
#: The repulsion of nuclei is whole below the first and nothing above the second, in units of r0.
CORE_RANGE = (0.60, 0.85)
#: Universal screening function: factors, and decays per screening length.
_SCREENING = (
    np.array([0.18175, 0.50986, 0.28022, 0.02817]),
    np.array([3.19980, 0.94229, 0.40290, 0.20162]),
)
#: e^2 / (4 pi epsilon_0), eV Å.
_COULOMB = units.Hartree * units.Bohr


@dataclass(frozen=True)
class SecondMomentParameters:
    """Parameters of one metal.

    Attributes
    ----------
    repulsion, hopping
        A and xi (eV).
    p, q
        Decay of the repulsion and of the hopping integral (dimensionless).
    r0
        Nearest-neighbour distance of the crystal (Å).
    switch_start, cutoff
        The smooth cutoff runs between them (Å).
    core_charge
        Nuclear charge of the atoms whose nuclei repel each other in `CORE_RANGE`; 0: they do not.
    """

    repulsion: float
    hopping: float
    p: float
    q: float
    r0: float
    switch_start: float
    cutoff: float
    core_charge: int = 0


def switched_exponential(
    distances: NDArray[np.float64],
    decay: float,
    r0: float,
    switch_start: float,
    cutoff: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Value and first two derivatives of e^{-decay (r/r0 - 1)} w(r).

    w is the quintic 1 - x^3 (10 - 15 x + 6 x^2), x = (r - switch_start)/(cutoff - switch_start):
    its first two derivatives vanish at both ends, so that forces and elastic constants have no
    kink there.

    Parameters
    ----------
    distances
        Å, shape (n,).

    Returns
    -------
    tuple
        Three arrays of shape (n,): value, 1/Å, 1/Å^2.
    """
    width = cutoff - switch_start
    x = np.clip((distances - switch_start) / width, 0.0, 1.0)
    w = 1.0 - x**3 * (10.0 - 15.0 * x + 6.0 * x * x)
    w1 = -30.0 * (x * (1.0 - x)) ** 2 / width
    w2 = -60.0 * x * (1.0 - x) * (1.0 - 2.0 * x) / width**2
    k = -decay / r0
    e = np.exp(k * (distances - r0))
    return e * w, e * (k * w + w1), e * (k * k * w + 2.0 * k * w1 + w2)


def core_repulsion(
    distances: NDArray[np.float64], charge: int, r0: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Energy of a pair of screened nuclei within `CORE_RANGE`, and its derivative.

    V = Z^2 e^2 / r phi(r/a) w(r), a = 0.8854 a_0 / (2 Z^0.23), with w the quintic of
    `switched_exponential`.

    Parameters
    ----------
    distances
        Å, shape (n,).
    charge
        Z of both.
    r0
        Nearest-neighbour distance of the crystal, Å.

    Returns
    -------
    tuple
        Two arrays of shape (n,): eV, eV/Å.
    """
    length = 0.8854 * units.Bohr / (2.0 * charge**0.23)
    factors, decays = _SCREENING
    terms = factors * np.exp(-np.outer(distances, decays) / length)
    screened, screened1 = terms.sum(axis=1), -(terms @ decays) / length
    start, end = CORE_RANGE
    w, w1, _ = switched_exponential(distances, 0.0, r0, start * r0, end * r0)
    bare = charge**2 * _COULOMB / distances
    return bare * screened * w, bare * ((screened1 - screened / distances) * w + screened * w1)


class SecondMomentCalculator(Calculator):
    """The potential as an ase calculator: energy, forces and stress.

    Periodic or open boundaries. It does not look at chemical symbols: every atom is the metal that
    the parameters are for. `free_energy` equals `energy`, stress has ase's sign and Voigt order
    (eV/Å^3).

    Parameters
    ----------
    parameters
        See `dosml.relabel.calibration.calibrate`.
    """

    implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012

    def __init__(self, parameters: SecondMomentParameters) -> None:
        """Prepare the neighbour list."""
        super().__init__()  # type: ignore[no-untyped-call]
        self.second_moment = parameters
        self._pairs: _VerletPairs | None = None

    def check_state(self, atoms: Atoms, tol: float = 0.0) -> list[str]:
        """List what changed since the last calculation; called by ase, several times a step.

        Exact and an order of magnitude quicker than ase's own comparison, which costs more than
        the forces.
        """
        del tol
        old = self.atoms
        same = (
            old is not None
            and np.array_equal(old.positions, atoms.positions)
            and np.array_equal(np.asarray(old.cell), np.asarray(atoms.cell))
            and np.array_equal(old.numbers, atoms.numbers)
            and np.array_equal(old.pbc, atoms.pbc)
        )
        return [] if same else list(all_changes)

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: Sequence[str] = ("energy",),
        system_changes: Sequence[str] = tuple(all_changes),
    ) -> None:
        """Fill `results`; called by ase."""
        super().calculate(atoms, properties, system_changes)  # type: ignore[no-untyped-call]
        current = self.atoms
        if current is None:
            raise ValueError("the calculator has no atoms: attach it to an ase Atoms object")
        if self._pairs is None or not self._pairs.serve(current):
            self._pairs = _VerletPairs(current, self.second_moment.cutoff)
        first, second, vectors = self._pairs.vectors(current)
        energy, forces, virial = _energy_forces_virial(
            len(current), first, second, vectors, self.second_moment
        )
        self.results = {"energy": energy, "free_energy": energy, "forces": forces}
        if current.cell.rank == 3:
            stress = full_3x3_to_voigt_6_stress(virial)
            self.results["stress"] = stress / current.get_volume()


class _VerletPairs:
    """Pairs, each listed once, that stay valid until an atom has moved half the skin."""

    def __init__(self, atoms: Atoms, cutoff: float) -> None:
        self.positions = atoms.positions.copy()
        self.cell = np.array(atoms.cell)
        self.pbc = atoms.pbc.copy()
        # one thread: the order of pairs, and so the last bit of a sum, must not depend on a race
        search = NeighborList(cutoff=cutoff + VERLET_SKIN, full_list=False, n_threads=1)
        pairs = search.compute(self.positions, self.cell, self.pbc, "ijS")
        self.first, self.second = (index.astype(np.int64) for index in pairs[:2])
        self.offsets = pairs[2] @ self.cell

    def serve(self, atoms: Atoms) -> bool:
        if len(atoms) != len(self.positions) or not np.array_equal(atoms.pbc, self.pbc):
            return False
        if not np.array_equal(np.asarray(atoms.cell), self.cell):
            return False
        moved = atoms.positions - self.positions
        return bool((moved * moved).sum(axis=1).max(initial=0.0) <= (0.5 * VERLET_SKIN) ** 2)

    def vectors(
        self, atoms: Atoms
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
        """Return indices and separations (Å) from the first to the second atom of each pair."""
        separation = atoms.positions[self.second] - atoms.positions[self.first] + self.offsets
        return self.first, self.second, separation


def _energy_forces_virial(
    n_atoms: int,
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    vectors: NDArray[np.float64],
    parameters: SecondMomentParameters,
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Energy (eV), forces (n, 3) and dE/dstrain (3, 3) from pairs that are listed once."""
    par = parameters
    r = np.sqrt(np.einsum("ka,ka->k", vectors, vectors))
    repulsion, repulsion1, _ = switched_exponential(r, par.p, par.r0, par.switch_start, par.cutoff)
    moment, moment1, _ = switched_exponential(r, 2 * par.q, par.r0, par.switch_start, par.cutoff)

    total = np.bincount(first, moment, n_atoms) + np.bincount(second, moment, n_atoms)
    root = np.sqrt(total)
    energy = 2.0 * par.repulsion * repulsion.sum() - par.hopping * root.sum()

    # d(-xi sqrt(m_i))/dm_i; an isolated atom has no neighbour to share a force with
    slope = np.divide(-0.5 * par.hopping, root, out=np.zeros(n_atoms), where=root > 0)
    radial = 2.0 * par.repulsion * repulsion1 + (slope[first] + slope[second]) * moment1
    near = np.flatnonzero(r < CORE_RANGE[1] * par.r0) if par.core_charge else ()
    if len(near):
        core, core1 = core_repulsion(r[near], par.core_charge, par.r0)
        energy += core.sum()
        radial[near] += core1
    pair_forces = (radial / r)[:, None] * vectors  # on `first`
    forces = np.empty((n_atoms, 3))
    for axis in range(3):
        column = pair_forces[:, axis]
        forces[:, axis] = np.bincount(first, column, n_atoms) - np.bincount(second, column, n_atoms)
    return float(energy), forces, vectors.T @ pair_forces
