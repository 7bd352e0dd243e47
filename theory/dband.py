"""The d band in a few numbers: moments of a density of states in a stated energy window.

A moment over a whole calculated DOS means nothing: its tail of empty states reaches as far as the
calculation does (a bcc Fe DOS gives a "centre" of +76 eV). The window is therefore a mandatory
argument, and the result carries it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dosml.theory.principal_value import hilbert_transform, uniform_step
from dosml.theory.smearing_integrals import cell_occupations

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from dosml.theory.dos import ElectronicDos
    from dosml.theory.smearing import Smearing


@dataclass(frozen=True)
class BandMoments:
    """Shape of a band within a window.

    Attributes
    ----------
    window
        (low, high) in eV relative to the Fermi level; all numbers below hold for it.
    states
        Integral of the DOS, states/atom.
    electrons, filling
        Occupied part of it (number and fraction) at the smearing asked for.
    centre
        First moment, eV relative to the Fermi level: Hammer and Nørskov, Surf. Sci. 343, 211
        (1995).
    width
        Root mean square about the centre, eV.
    skewness, kurtosis
        Third and fourth moment about the centre over width^3 and width^4 (a Gaussian has 3).
    upper_edge
        Highest point of the Hilbert transform, eV: Xin et al., Phys. Rev. B 89, 115114 (2014).
    """

    window: tuple[float, float]
    states: float
    electrons: float
    filling: float
    centre: float
    width: float
    skewness: float
    kurtosis: float
    upper_edge: float


def _check_window(energies: NDArray[np.float64], window: tuple[float, float]) -> NDArray[np.bool_]:
    """Mark the grid points of the window."""
    low, high = window
    if not low < high:
        raise ValueError(f"the energy window must rise, got {low} ... {high} eV")
    slack = 1e-9 * max(abs(energies[0]), abs(energies[-1]))
    if low < energies[0] - slack or high > energies[-1] + slack:
        raise ValueError(
            f"the energy window {low} ... {high} eV reaches beyond the DOS grid "
            f"({energies[0]:.3f} ... {energies[-1]:.3f} eV): narrow the window"
        )
    inside = (energies >= low - slack) & (energies <= high + slack)
    if np.count_nonzero(inside) < 3:
        raise ValueError(f"the energy window {low} ... {high} eV holds fewer than 3 grid points")
    return np.asarray(inside)


def band_moments(
    energies: ArrayLike,
    density: ArrayLike,
    window: tuple[float, float],
    *,
    smearing: Smearing | None = None,
    fermi_level: float = 0.0,
) -> BandMoments:
    """Moments of a density of states in an energy window.

    Parameters
    ----------
    energies
        Uniform ascending grid, shape (n,), eV.
    density
        DOS on the grid, shape (n,), states/eV.
    window
        (low, high) in eV relative to `fermi_level`; the grid points within it are used.
    smearing
        Occupation of the levels for `electrons` and `filling`; a sharp Fermi level if None.
    fermi_level
        μ in eV on the scale of `energies`; the results are relative to it.

    Returns
    -------
    moments
        Energies in eV relative to `fermi_level`.

    Raises
    ------
    ValueError
        If shapes disagree, the grid is not uniform, the window does not lie on the grid, or it
        holds no states.

    Notes
    -----
    Moments use the trapezoid rule on the points of the window, as pymatgen's
    `CompleteDos.get_n_moment(erange=window)` does; the occupied part fills the straight lines
    between the points exactly. The Hilbert transform is that of the whole DOS, its highest point is
    sought in the window. A DOS that is negative in places (Methfessel-Paxton broadening) may have
    a negative second moment: that raises too.
    """
    energies = np.asarray(energies, dtype=np.float64)
    density = np.asarray(density, dtype=np.float64)
    uniform_step(energies)
    if density.shape != energies.shape:
        raise ValueError(f"the DOS has shape {density.shape}, its grid {energies.shape}")
    relative = energies - fermi_level
    inside = _check_window(relative, window)
    e, g = relative[inside], density[inside]
    states = float(np.trapezoid(g, e))
    if not (np.isfinite(g).all() and states > 0):
        raise ValueError(f"the DOS holds no states in the window {window[0]} ... {window[1]} eV")
    centre = float(np.trapezoid(g * e, e)) / states
    second, third, fourth = (
        float(np.trapezoid(g * (e - centre) ** k, e)) / states for k in (2, 3, 4)
    )
    if second <= 0:
        raise ValueError("the second moment of this DOS is not positive: it has negative parts")
    zeroth, first = cell_occupations(e, smearing, 0.0)
    electrons = float(g[:-1] @ zeroth + (np.diff(g) / np.diff(e)) @ first)
    transform = hilbert_transform(energies, density)[inside]
    width = float(np.sqrt(second))
    return BandMoments(
        window=(float(window[0]), float(window[1])),
        states=states,
        electrons=electrons,
        filling=electrons / states,
        centre=centre,
        width=width,
        skewness=third / width**3,
        kurtosis=fourth / second**2,
        upper_edge=float(e[np.argmax(transform)]),
    )


def d_band(
    dos: ElectronicDos,
    window: tuple[float, float],
    *,
    smearing: Smearing | None = None,
    fermi_level: float = 0.0,
) -> BandMoments:
    """Moments of the d part of a density of states.

    Parameters
    ----------
    dos
        Energies relative to its Fermi level.
    window
        (low, high) in eV relative to `fermi_level`.
    smearing, fermi_level
        As in `band_moments`.

    Returns
    -------
    moments
        Energies in eV, numbers of states and electrons per atom.

    Raises
    ------
    ValueError
        As `band_moments`.
    """
    return band_moments(dos.energies, dos.d, window, smearing=smearing, fermi_level=fermi_level)
