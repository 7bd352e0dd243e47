"""The response index of a real density of states: how strongly a d band answers, and at which l.

First-order perturbation theory for levels with one radial part (see `dosml.theory.response`) sums
(f_i - f_j)/(e_j - e_i) over pairs of states. For a band, with the coupling replaced by its mean
over all pairs of d orbitals, the sum is

    chi_l = w_l ∬_{e < e'} g_d(e) g_d(e') [f(e) - f(e')] / (e' - e) de de',
    w_l = (2 2 l; 0 0 0)^2 = 1/5, 2/35, 2/35 for l = 0, 2, 4,

every pair counted once (an unrestricted double integral counts it twice). On the diagonal the
integrand is g^2 (-f'). The integrand of f is known, because f enters linearly:

    chi_l = ∫ f(e) q(e) de,   q(e) = w_l g_d(e) PV ∫ g_d(e') / (e' - e) de'.

So chi at width σ is chi at zero smearing, as a function of the Fermi level, averaged with the
scheme's delta function: smearing can only smooth that curve.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from dosml.theory.dos import ElectronicDos
    from dosml.theory.smearing import Smearing

#: w_l = (2 2 l; 0 0 0)^2 for the l that two d orbitals reach.
D_WEIGHTS = {0: 1 / 5, 2: 2 / 35, 4: 2 / 35}
#: Cells of the grid on which integrals with occupations are taken, at least: with fewer, half of a
#: cell at the Fermi level counts (4 % of the integral on a step of 1 eV, docs/theory.md).
FINE_CELLS = 2000


@dataclass(frozen=True)
class ResponseIndex:
    """Response index of one d DOS.

    Attributes
    ----------
    pair_integral
        The double integral without w_l, (states/atom)^2/eV.
    chi
        chi_l for l = 0, 2, 4, same unit.
    """

    pair_integral: float
    chi: dict[int, float]


@dataclass(frozen=True)
class OrbitalResponseIndex:
    """Response index of an m-resolved d DOS.

    Attributes
    ----------
    orbital_pairs
        Double integrals between orbitals, shape (5, 5), symmetric, in the order of `D_ORBITALS`;
        they add up to the pair integral of the summed DOS.
    chi
        chi_l for l = 0, 2, 4: the mean over M of `channels`.
    channels
        chi_{LM} = 4π Σ_ij C_{i LM j}^2 (orbital pair ij), real harmonics. All M of one l are equal,
        and equal to chi_l of `response_index`, where the five orbitals have the same DOS.
    """

    orbital_pairs: NDArray[np.float64]
    chi: dict[int, float]
    channels: dict[tuple[int, int], float]


def pair_integrals(
    energies: ArrayLike,
    densities: ArrayLike,
    smearing: Smearing | None,
    *,
    fermi_level: float = 0.0,
) -> NDArray[np.float64]:
    """Double integrals of g_i(e) g_j(e') [f(e) - f(e')] / (e' - e) over e < e'.

    Parameters
    ----------
    energies
        Uniform ascending grid, shape (n,), eV.
    densities
        k densities, shape (k, n), states/eV; linear between grid points, zero outside the grid.
    smearing
        None for zero smearing.
    fermi_level
        μ in eV, on the scale of `energies`.

    Returns
    -------
    integrals
        Shape (k, k), states^2/eV, symmetric: half the sum of (i, j) and (j, i).

    Raises
    ------
    ValueError
        If the grid is not uniform and ascending, or shapes disagree, or a value is not finite.

    Notes
    -----
    The principal values are those of the piecewise linear DOS, exactly. Inside a cell f is taken
    as its mean: nothing is lost at zero smearing with the Fermi level on a grid point, otherwise
    the error falls with the square of the step. So a grid of fewer than `FINE_CELLS` cells is cut
    into that many, which does not change the DOS.
    """
    # scipy is imported on use: `import dosml.theory` imports this module.
    from dosml.theory.principal_value import cell_principal_values, uniform_step
    from dosml.theory.smearing_integrals import cell_occupations

    energies = np.asarray(energies, dtype=np.float64)
    densities = np.asarray(densities, dtype=np.float64)
    step = uniform_step(energies)
    if densities.ndim != 2 or densities.shape[1] != len(energies):
        raise ValueError(f"densities must have shape (k, {len(energies)}), got {densities.shape}")
    if not (np.isfinite(densities).all() and np.isfinite(fermi_level)):
        raise ValueError("the DOS and the Fermi level must be finite numbers")
    cut = -(-FINE_CELLS // (len(energies) - 1))
    if cut > 1:
        fine = np.linspace(energies[0], energies[-1], cut * (len(energies) - 1) + 1)
        densities = np.array([np.interp(fine, energies, one) for one in densities])
        energies, step = fine, step / cut
    occupied, _ = cell_occupations(energies, smearing, fermi_level)
    return np.asarray(cell_principal_values(step, densities) @ (occupied / step))


def fermi_level_curve(energies: ArrayLike, density: ArrayLike) -> NDArray[np.float64]:
    """Pair integral at zero smearing with the Fermi level at every grid point.

    Parameters
    ----------
    energies, density
        Uniform grid (eV) and DOS (states/eV), shape (n,).

    Returns
    -------
    curve
        Shape (n,), states^2/eV; zero at both ends.

    Raises
    ------
    ValueError
        If the grid is not uniform and ascending.
    """
    from dosml.theory.principal_value import cell_principal_values, uniform_step

    energies = np.asarray(energies, dtype=np.float64)
    density = np.asarray(density, dtype=np.float64)
    cells = cell_principal_values(uniform_step(energies), density[None])[0, 0]
    return np.concatenate([[0.0], np.cumsum(cells)])


def _inside(dos: ElectronicDos, window: tuple[float, float] | None) -> NDArray[np.bool_]:
    """Mark the grid points of the window (eV, relative to the Fermi level)."""
    if window is None:
        return np.ones(len(dos.energies), dtype=bool)
    inside = (dos.energies >= window[0]) & (dos.energies <= window[1])
    if np.count_nonzero(inside) < 2:
        raise ValueError(f"the window {window} eV holds fewer than two points of the DOS grid")
    return np.asarray(inside)


def response_index(
    dos: ElectronicDos,
    smearing: Smearing | None,
    *,
    fermi_level: float = 0.0,
    window: tuple[float, float] | None = None,
) -> ResponseIndex:
    """Response index chi_l of a d DOS (l = 0, 2, 4).

    Parameters
    ----------
    dos
        The density of states; its d part is used.
    smearing
        Any scheme, or None for zero smearing. The engine's own broadening (`dos.broadening`) is
        already in the DOS and is not removed.
    fermi_level
        μ in eV relative to the DOS's own Fermi level; see
        `dosml.theory.fermi_level.dos_chemical_potential` for μ at another width.
    window
        Grid points to use, (low, high) in eV; the whole grid if None.

    Returns
    -------
    index
        The pair integral and chi_l, (states/atom)^2/eV.

    Raises
    ------
    ValueError
        If the window holds fewer than two grid points.
    """
    inside = _inside(dos, window)
    pairs = pair_integrals(
        dos.energies[inside], dos.d[None, inside], smearing, fermi_level=fermi_level
    )
    total = float(pairs[0, 0])
    return ResponseIndex(pair_integral=total, chi={k: w * total for k, w in D_WEIGHTS.items()})


def orbital_response_index(
    dos: ElectronicDos,
    smearing: Smearing | None,
    *,
    fermi_level: float = 0.0,
    window: tuple[float, float] | None = None,
) -> OrbitalResponseIndex:
    """Response index of an m-resolved d DOS, by channel (L, M) of the potential.

    Parameters
    ----------
    dos
        A density of states that holds `d_m`.
    smearing, fermi_level, window
        As in `response_index`.

    Returns
    -------
    index
        Orbital pairs, channels and chi_l, (states/atom)^2/eV.

    Raises
    ------
    ValueError
        If the DOS is not m-resolved, or the window holds fewer than two grid points.
    """
    from dosml.theory.gaunt_tables import shell_couplings

    if dos.d_m is None:
        raise ValueError("this DOS has no m-resolved d part (d_m is None)")
    inside = _inside(dos, window)
    pairs = pair_integrals(
        dos.energies[inside], dos.d_m[:, inside], smearing, fermi_level=fermi_level
    )
    labels, couplings = shell_couplings((2,), kind="real")
    strengths = 4 * np.pi * np.einsum("Lij,ij->L", couplings**2, pairs)
    channels = {
        label: float(value)
        for label, value in zip(labels, strengths, strict=True)
        if label[0] % 2 == 0
    }
    chi = {
        ell: sum(value for (k, _), value in channels.items() if k == ell) / (2 * ell + 1)
        for ell in D_WEIGHTS
    }
    return OrbitalResponseIndex(orbital_pairs=pairs, chi=chi, channels=channels)
