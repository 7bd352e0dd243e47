"""The radial functions of the model, their slopes, and their derivatives by the parameters.

R is the distance in Bohr, energies are in Ry (Mehl, Papaconstantopoulos, Phys. Rev. B 54, 4519
(1996), equations 6 to 12):

    cutoff     F(R) = 1 / (1 + exp((R - R0)/l)), R0 = R_max - 5 l
    density    rho_i = sum_j exp(-lambda^2 R_ij) F(R_ij)
    on-site    h_l = a + b rho^(2/3) + c rho^(4/3) + d rho^2  (some sets add rho^(1/3))
    hopping    V(R) = (c0 + c1 R + c2 R^2 + c3 R^3) exp(-q^2 R) F(R), overlap alike

Two things are added. The published F ends in a step of 0.7 % at R_max: here it is multiplied over
the last l by a smooth step to zero. And where atoms come closer than the parameters know, the
overlap matrix stops being positive: below a distance b all functions are taken at

    R' = R + (b - a) I((b - R)/(b - a)) for a < R < b, constant below, I(t) = int_0^t s(u) du

with the same smooth step s, so that they go over into constants with three continuous derivatives
(after the idea of Trinkle et al., Phys. Rev. B 73, 094123 (2006)), and a pair repulsion
A (1 - R/b)^4 keeps such atoms apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from ase.units import Bohr, Rydberg

from dosml.relabel.engines.tb.model import DENSITY_POWERS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dosml.relabel.engines.tb.model import TbParameters


def smooth_step(t: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """6 t^5 - 15 t^4 + 10 t^3 and its slope: from 0 at t <= 0 to 1 at t >= 1, twice smooth."""
    t = np.clip(t, 0.0, 1.0)
    return t * t * t * (10 + t * (6 * t - 15)), 30 * (t * (1 - t)) ** 2


@dataclass(frozen=True)
class Radial:
    """All radial functions at the distances of one frame's bonds.

    Attributes
    ----------
    hopping, hopping_slope
        Shape (n_bonds, 10), eV and eV/Å.
    overlap, overlap_slope
        Shape (n_bonds, 10), none and 1/Å.
    density, density_slope
        Shape (n_bonds,), none and 1/Å.
    repulsion, repulsion_slope
        Shape (n_bonds,), eV and eV/Å.
    reach
        Shape (n_bonds,): the distance R' that the functions were taken at, Bohr.
    cutoff
        Shape (n_bonds,): F with its smooth end.
    """

    hopping: NDArray[np.float64]
    hopping_slope: NDArray[np.float64]
    overlap: NDArray[np.float64]
    overlap_slope: NDArray[np.float64]
    density: NDArray[np.float64]
    density_slope: NDArray[np.float64]
    repulsion: NDArray[np.float64]
    repulsion_slope: NDArray[np.float64]
    reach: NDArray[np.float64]
    cutoff: NDArray[np.float64]


def radial_functions(parameters: TbParameters, distances: NDArray[np.float64]) -> Radial:
    """Evaluate all radial functions.

    Parameters
    ----------
    distances
        Shape (n_bonds,), Å.
    """
    distance = distances / Bohr
    reach, stretch = _continued(parameters, distance)
    cutoff, cutoff_slope = _cutoff(parameters, reach)
    hopping, hopping_slope = _integral(parameters.hopping, reach, cutoff, cutoff_slope)
    overlap, overlap_slope = _integral(parameters.overlap, reach, cutoff, cutoff_slope)
    decay = parameters.decay**2
    fall = np.exp(-decay * reach)
    repulsion, repulsion_slope = _repulsion(parameters, distance)
    return Radial(
        hopping=Rydberg * hopping,
        hopping_slope=Rydberg / Bohr * hopping_slope * stretch[:, None],
        overlap=overlap,
        overlap_slope=overlap_slope * stretch[:, None] / Bohr,
        density=fall * cutoff,
        density_slope=fall * (cutoff_slope - decay * cutoff) * stretch / Bohr,
        repulsion=Rydberg * repulsion,
        repulsion_slope=Rydberg / Bohr * repulsion_slope,
        reach=reach,
        cutoff=cutoff,
    )


def _continued(
    parameters: TbParameters, distance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """R' and dR'/dR."""
    inner, outer = parameters.short_range
    if inner == outer:
        return distance, np.ones_like(distance)
    width = outer - inner
    t = np.clip((distance - inner) / width, 0.0, 1.0)
    # the integral of the smooth step from 0 to t, which is 1/2 at t = 1
    integral = t**4 * (t * (t - 3) + 2.5)
    below = inner + width * (0.5 + integral)
    return np.where(distance < outer, below, distance), smooth_step(t)[0]


def _cutoff(
    parameters: TbParameters, distance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """F and dF/dR with the smooth end, per Bohr."""
    width = parameters.cutoff_width
    middle = parameters.cutoff_radius - 5 * width
    fermi = 1 / (1 + np.exp((distance - middle) / width))
    step, slope = smooth_step((parameters.cutoff_radius - distance) / width)
    return fermi * step, -fermi * ((1 - fermi) * step + slope) / width


def _integral(
    table: NDArray[np.float64],
    distance: NDArray[np.float64],
    cutoff: NDArray[np.float64],
    cutoff_slope: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Value and slope of ten integrals, shape (n_bonds, 10)."""
    powers = np.vander(distance, 4, increasing=True)
    polynomial = powers @ table[:, :4].T
    polynomial_slope = powers[:, :3] @ (table[:, 1:4] * [1, 2, 3]).T
    decay = table[:, 4] ** 2
    fall = np.exp(-distance[:, None] * decay)
    slope = (polynomial_slope - decay * polynomial) * cutoff[:, None]
    slope += polynomial * cutoff_slope[:, None]
    return polynomial * fall * cutoff[:, None], slope * fall


def _repulsion(
    parameters: TbParameters, distance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return A (1 - R/b)^4 below b and its slope."""
    outer = parameters.short_range[1]
    if outer == 0:
        return np.zeros_like(distance), np.zeros_like(distance)
    t = np.maximum(1 - distance / outer, 0.0)
    return parameters.repulsion * t**4, -4 / outer * parameters.repulsion * t**3


@dataclass(frozen=True)
class Onsite:
    """On-site energies of the atoms of one frame.

    Attributes
    ----------
    density
        Shape (n_atoms,).
    powers, power_slopes
        Shape (n_atoms, 5): rho^p for p in `DENSITY_POWERS`, and their derivatives by rho.
    energies, slopes
        Shape (n_atoms, 3): h_l in eV, dh_l/drho in eV.
    """

    density: NDArray[np.float64]
    powers: NDArray[np.float64]
    power_slopes: NDArray[np.float64]
    energies: NDArray[np.float64]
    slopes: NDArray[np.float64]


def onsite_energies(parameters: TbParameters, density: NDArray[np.float64]) -> Onsite:
    """On-site energies at the densities of the atoms, shape (n_atoms,)."""
    powers, slopes = _density_powers(density)
    table = Rydberg * parameters.onsite.T
    return Onsite(density, powers, slopes, powers @ table, slopes @ table)


def _density_powers(
    density: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """rho^p and its derivative, shape (n_atoms, 5); an atom with no neighbour feels no slope."""
    exponents = np.array(DENSITY_POWERS)
    some = np.where(density > 0, density, 1.0)[:, None]
    powers = np.where(density[:, None] > 0, some**exponents, exponents == 0)
    return powers, np.where(density[:, None] > 0, exponents * some ** (exponents - 1), 0.0)


def hopping_derivative(
    parameters: TbParameters, radial: Radial, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Differentiate sum(weights * hopping) by the table `hopping`.

    Parameters
    ----------
    weights
        Shape (n_bonds, 10): dE/dV.

    Returns
    -------
    derivative
        Shape (10, 5), in units of E eV/Ry (and Bohr).
    """
    return Rydberg * _integral_derivative(parameters.hopping, radial, weights)


def overlap_derivative(
    parameters: TbParameters, radial: Radial, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Differentiate sum(weights * overlap) by the table `overlap`, shape (10, 5)."""
    return _integral_derivative(parameters.overlap, radial, weights)


def _integral_derivative(
    table: NDArray[np.float64], radial: Radial, weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    powers = np.vander(radial.reach, 4, increasing=True)
    fall = np.exp(-radial.reach[:, None] * table[:, 4] ** 2) * radial.cutoff[:, None]
    weighted = weights * fall
    by_c = weighted.T @ powers
    polynomial = powers @ table[:, :4].T
    by_q = -2 * table[:, 4] * np.sum(weighted * polynomial * radial.reach[:, None], axis=0)
    return np.concatenate([by_c, by_q[:, None]], axis=1)


def onsite_derivative(onsite: Onsite, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Differentiate sum(weights * energies) by the table `onsite` at fixed density.

    Parameters
    ----------
    weights
        Shape (n_atoms, 3): dE/dh_l.

    Returns
    -------
    derivative
        Shape (3, 5).
    """
    return Rydberg * weights.T @ onsite.powers


def decay_derivative(
    parameters: TbParameters, radial: Radial, weights: NDArray[np.float64]
) -> float:
    """Differentiate sum(weights * density) by `decay`, weights of shape (n_bonds,)."""
    return float(-2 * parameters.decay * np.sum(weights * radial.reach * radial.density))
