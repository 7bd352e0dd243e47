"""Chemical potential and band energies of smeared levels.

Which root: with Methfessel-Paxton and cold smearing the electron number is not monotonic in μ, and
several μ can hold the same number. The answer here is always the root nearest to the (unique)
root of Gaussian smearing of the same width, the lower one if two are equally near: it does not
depend on a starting guess, and it is the root that all schemes share as σ goes to zero. Compare
dos Santos and Marzari, Phys. Rev. B 107, 195122 (2023). In a gap, where every μ will do, it is the
middle of the range that holds the number within 1e-11 of the band capacity.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from scipy.optimize import toms748

from dosml.theory.principal_value import uniform_step
from dosml.theory.smearing import Smearing
from dosml.theory.smearing_integrals import cell_occupations

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

_TOLERANCE = 1e-11
# Tails of the occupation below the tolerance: exp(-x) and exp(-x^2).
_REACH = {"fermi-dirac": 60.0}
_GAUSSIAN_TAIL = 16.0
_STEPS_PER_WIDTH = 32


class BandEnergy(NamedTuple):
    """Energies of independent levels.

    Attributes
    ----------
    electrons
        Σ g f.
    energy
        E = Σ g f e, eV.
    entropy
        Σ g s, dimensionless.
    free_energy
        F = E - σ Σ g s, eV: the quantity whose derivatives are forces.
    """

    electrons: float
    energy: float
    entropy: float
    free_energy: float


def _levels(
    eigenvalues: ArrayLike, weights: ArrayLike | None, degeneracy: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Flatten levels and their number of electrons."""
    energies = np.asarray(eigenvalues, dtype=np.float64)
    if energies.size == 0 or not np.isfinite(energies).all():
        raise ValueError("the eigenvalues must be one or more finite numbers")
    if not degeneracy > 0:
        raise ValueError(f"the degeneracy of a level must be positive, got {degeneracy}")
    shares = np.ones(1) if weights is None else np.asarray(weights, dtype=np.float64)
    if not (np.isfinite(shares).all() and (shares >= 0).all()):
        raise ValueError("weights must be finite and not negative")
    try:
        full = np.broadcast_to(shares, energies.shape)
    except ValueError as error:
        raise ValueError(
            f"weights of shape {shares.shape} do not fit eigenvalues of shape {energies.shape}; "
            "give k-point weights as a column, shape (k, 1)"
        ) from error
    return energies.ravel(), degeneracy * full.ravel()


def _root(residual: Callable[[float], float], one: float, other: float) -> float:
    """Root between two ends of opposite sign.

    Counts are flat in a gap and steep at its edges. Brent's method can need more than a hundred
    steps there; this one never needs more than about three times the steps of a bisection.
    """
    low, high = sorted((one, other))
    return float(toms748(residual, low, high, xtol=1e-13, maxiter=500))


def _edge_root(
    count: Callable[[float], float], target: float, low: float, high: float, slack: float
) -> float:
    """Middle of the range of μ in which a monotonic count is the target within the slack."""
    first = _root(lambda mu: count(mu) - target + slack, low, high)
    last = _root(lambda mu: count(mu) - target - slack, low, high)
    return (first + last) / 2


def _nearest_root(
    count: Callable[[float], float],
    target: float,
    start: float,
    *,
    bounds: tuple[float, float],
    step: float,
    slack: float,
) -> float:
    """Root of count - target nearest to the start, found by walking outwards in small steps."""

    def residual(mu: float) -> float:
        return count(mu) - target

    here = residual(start)
    if abs(here) <= slack:
        return start
    inner = {-1: (start, here), 1: (start, here)}
    for k in range(1, math.ceil((bounds[1] - bounds[0]) / step) + 2):
        roots = []
        for side in (-1, 1):
            mu = start + side * k * step
            value = residual(mu)
            if value == 0 or (value < 0) != (here < 0):
                roots.append(_root(residual, inner[side][0], mu))
            inner[side] = (mu, value)
        if roots:
            return min(roots, key=lambda mu: (abs(mu - start), mu))
    raise ValueError("no chemical potential holds this number of electrons")  # pragma: no cover


def _solve(
    count: Callable[[float, Smearing], float],
    electrons: float,
    capacity: float,
    smearing: Smearing,
    extent: tuple[float, float],
) -> float:
    """Chemical potential for a count function of μ and smearing."""
    slack = _TOLERANCE * capacity
    if not slack < electrons < capacity - slack:
        raise ValueError(
            f"{electrons} electrons do not fit levels that hold {capacity:g}: the number must lie "
            "between the two (add empty bands if the levels are full)"
        )
    monotonic = smearing.scheme in {"fermi-dirac", "gaussian"}
    guide = smearing if monotonic else Smearing("gaussian", smearing.width)
    reach = _REACH.get(smearing.scheme, _GAUSSIAN_TAIL) * smearing.width
    low, high = extent[0] - reach, extent[1] + reach
    start = _edge_root(lambda mu: count(mu, guide), electrons, low, high, slack)
    if monotonic:
        return start
    return _nearest_root(
        lambda mu: count(mu, smearing),
        electrons,
        start,
        bounds=(low, high),
        step=smearing.width / _STEPS_PER_WIDTH,
        slack=slack,
    )


def chemical_potential(
    eigenvalues: ArrayLike,
    electrons: float,
    smearing: Smearing,
    *,
    weights: ArrayLike | None = None,
    degeneracy: float = 2.0,
) -> float:
    """Chemical potential that holds a number of electrons in discrete levels.

    Parameters
    ----------
    eigenvalues
        Levels in eV, any shape.
    electrons
        Number of electrons.
    smearing
        Scheme and width.
    weights
        Share of each level (k-point weights), broadcast to the eigenvalues; 1 if None.
    degeneracy
        Electrons that a level holds (2: spin-paired).

    Returns
    -------
    mu
        eV. The choice among several roots, and in a gap, is defined at the top of this module.

    Raises
    ------
    ValueError
        If the electrons do not fit, or the levels or weights are not usable numbers.
    """
    energies, shares = _levels(eigenvalues, weights, degeneracy)

    def count(mu: float, scheme: Smearing) -> float:
        return float(shares @ scheme.occupation(energies - mu))

    extent = (float(energies.min()), float(energies.max()))
    return _solve(count, electrons, float(shares.sum()), smearing, extent)


def dos_electrons(
    energies: ArrayLike, density: ArrayLike, smearing: Smearing | None, fermi_level: float
) -> float:
    """Electrons in a density of states.

    Parameters
    ----------
    energies
        Uniform ascending grid, shape (n,), eV.
    density
        DOS, shape (n,), states/eV, linear between grid points and zero outside: filled exactly.
    smearing
        None for zero smearing.
    fermi_level
        μ, eV.

    Raises
    ------
    ValueError
        If shapes disagree or the grid is not uniform.
    """
    energies = np.asarray(energies, dtype=np.float64)
    density = np.asarray(density, dtype=np.float64)
    step = uniform_step(energies)
    if density.shape != energies.shape or not np.isfinite(density).all():
        raise ValueError(f"the DOS must hold {len(energies)} finite numbers")
    zeroth, first = cell_occupations(energies, smearing, fermi_level)
    return float(density[:-1] @ zeroth + np.diff(density) @ first / step)


def dos_chemical_potential(
    energies: ArrayLike, density: ArrayLike, electrons: float, smearing: Smearing
) -> float:
    """Chemical potential that holds a number of electrons in a density of states.

    Parameters
    ----------
    energies
        Uniform ascending grid, shape (n,), eV.
    density
        DOS, shape (n,), states/eV, with the spin degeneracy in it.
    electrons
        Number of electrons.
    smearing
        Scheme and width (any width: also far below the grid step).

    Returns
    -------
    mu
        eV, on the scale of `energies`.

    Raises
    ------
    ValueError
        If the electrons do not fit, shapes disagree, or the grid is not uniform.
    """
    energies = np.asarray(energies, dtype=np.float64)
    density = np.asarray(density, dtype=np.float64)
    capacity = dos_electrons(energies, density, None, float(energies[-1]))

    def count(mu: float, scheme: Smearing) -> float:
        return dos_electrons(energies, density, scheme, mu)

    return _solve(count, electrons, capacity, smearing, (float(energies[0]), float(energies[-1])))


def band_energy(
    eigenvalues: ArrayLike,
    mu: float,
    smearing: Smearing,
    *,
    weights: ArrayLike | None = None,
    degeneracy: float = 2.0,
) -> BandEnergy:
    """Electron number, E, Σ s and F = E - σ Σ s of discrete levels.

    Parameters
    ----------
    eigenvalues, weights, degeneracy
        As in `chemical_potential`.
    mu
        Chemical potential, eV.
    smearing
        Scheme and width.

    Returns
    -------
    energies
        See `BandEnergy`.

    Raises
    ------
    ValueError
        If the levels or weights are not usable numbers.
    """
    energies, shares = _levels(eigenvalues, weights, degeneracy)
    f = smearing.occupation(energies - mu)
    energy = float(shares @ (f * energies))
    entropy = float(shares @ smearing.entropy(energies - mu))
    return BandEnergy(float(shares @ f), energy, entropy, energy - smearing.width * entropy)
