"""Integrals of the occupation function: what a density of states on a grid needs.

With F_1(x) = ∫_x^∞ f and F_2(x) = ∫_x^∞ F_1, any DOS made of straight pieces is filled exactly, at
any width, also far below the grid step.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import erfc, spence

from dosml.theory.smearing import (
    COLD_SHIFT,
    SQRT_PI,
    Smearing,
    hermite_gaussians,
    methfessel_paxton_weight,
    parse_scheme,
)

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def _gaussian_first(x: NDArray[np.float64]) -> NDArray[np.float64]:
    (gaussian,) = hermite_gaussians(x, 1)
    return np.asarray(gaussian / (2 * SQRT_PI) - x * erfc(x) / 2)


def _gaussian_second(x: NDArray[np.float64]) -> NDArray[np.float64]:
    (gaussian,) = hermite_gaussians(x, 1)
    return np.asarray((1 + 2 * x * x) * erfc(x) / 8 - x * gaussian / (4 * SQRT_PI))


def first_integral(x: ArrayLike, scheme: str) -> NDArray[np.float64]:
    """F_1(x) = ∫_x^∞ f(t) dt, which is s(x) - x f(x) in every scheme.

    Parameters
    ----------
    x
        (e - μ)/σ, finite, any shape.
    scheme
        Name of the scheme.
    """
    family, order = parse_scheme(scheme)
    x = np.asarray(x, dtype=np.float64)
    if family == "fermi-dirac":
        return np.asarray(np.logaddexp(0, -x))
    if family == "cold":
        u = x + COLD_SHIFT
        return np.asarray(_gaussian_first(u) + erfc(u) / math.sqrt(8))
    total = _gaussian_first(x)
    hermite = hermite_gaussians(x, max(1, 2 * order))
    for n in range(1, order + 1):
        total = total + methfessel_paxton_weight(n, fewer=2) * hermite[2 * n - 2]
    return total


def second_integral(x: ArrayLike, scheme: str) -> NDArray[np.float64]:
    """F_2(x) = ∫_x^∞ F_1(t) dt.

    Parameters
    ----------
    x
        (e - μ)/σ, finite, any shape.
    scheme
        Name of the scheme.
    """
    family, order = parse_scheme(scheme)
    x = np.asarray(x, dtype=np.float64)
    if family == "fermi-dirac":
        # -Li_2(-exp(-x)), reflected for x < 0 where the exponential would overflow.
        positive = -spence(1 + np.exp(-np.abs(x)))
        return np.asarray(np.where(x >= 0, positive, x * x / 2 + math.pi**2 / 6 - positive))
    if family == "cold":
        u = x + COLD_SHIFT
        return np.asarray(_gaussian_second(u) + _gaussian_first(u) / math.sqrt(2))
    total = _gaussian_second(x)
    if order:
        total = total - erfc(x) / 8
        hermite = hermite_gaussians(x, 2 * order)
        for n in range(2, order + 1):
            total = total + methfessel_paxton_weight(n, fewer=3) * hermite[2 * n - 3]
    return total


def cell_occupations(
    energies: NDArray[np.float64], smearing: Smearing | None, fermi_level: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Integrals of f(e) and of f(e) (e - e_left) over every cell of a grid.

    Parameters
    ----------
    energies
        Ascending grid, shape (n,), eV.
    smearing
        None for zero smearing.
    fermi_level
        μ in eV.

    Returns
    -------
    zeroth, first
        Shape (n-1,), eV and eV^2.
    """
    step = np.diff(energies)
    if smearing is None:
        zeroth = np.clip(fermi_level - energies[:-1], 0, step)
        return zeroth, zeroth**2 / 2
    x = (energies - fermi_level) / smearing.width
    one = smearing.width * first_integral(x, smearing.scheme)
    two = smearing.width**2 * second_integral(x, smearing.scheme)
    # By parts: ∫ f (e - a) = -(b - a) σ F_1(b) + σ^2 [F_2(a) - F_2(b)].
    return one[:-1] - one[1:], two[:-1] - two[1:] - step * one[1:]
