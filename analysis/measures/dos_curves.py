"""Curves of a density of states: smeared, and how steep and how bent they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dosml.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from dosml.theory.smearing import Smearing


def smeared_dos(
    energies: NDArray[np.float64], values: NDArray[np.float64], smearing: Smearing
) -> NDArray[np.float64]:
    """Convolve a DOS with a smearing: n(E) = ∫ g(e) delta(e - E) de, delta = -df/de.

    This is dN/dmu at mu = E for N(mu) = ∫ g(e) f(e - mu) de; outside the grid g is taken as zero.

    Parameters
    ----------
    energies
        Uniform ascending grid, shape (n,), eV.
    values
        DOS, shape (n,), any unit.
    smearing
        Scheme and width.

    Returns
    -------
    NDArray
        Shape (n,), the unit of `values`.

    Raises
    ------
    InputError
        If the width is smaller than the grid step.
    """
    from scipy.signal import fftconvolve

    n = len(energies)
    step = float((energies[-1] - energies[0]) / (n - 1))
    check_resolution(step, smearing)
    lags = np.arange(-(n - 1), n) * step
    # sum over j of g_j delta(e_j - E_i) is a correlation: the kernel is reversed
    kernel = np.asarray(smearing.delta(-lags), dtype=float)
    ends = values.copy()
    ends[[0, -1]] *= 0.5  # trapezoidal rule
    smeared: NDArray[np.float64] = fftconvolve(ends, kernel, mode="full")[n - 1 : 2 * n - 1] * step
    return smeared


def mean_absolute_slope(
    energies: NDArray[np.float64], values: NDArray[np.float64], window: tuple[float, float]
) -> float:
    """Mean of |dn/dE| over a window: the total variation of n there divided by the window's length.

    Parameters
    ----------
    energies, values
        Ascending grid and curve, shape (n,).
    window
        (low, high) in eV; the curve is interpolated linearly at both ends.

    Returns
    -------
    float
        Unit of `values` per eV. It does not depend on the grid once the curve is resolved.

    Raises
    ------
    InputError
        If the grid does not cover the window.
    """
    low, high = window
    if energies[0] > low or energies[-1] < high:
        raise InputError(
            f"the DOS grid ({energies[0]:g} to {energies[-1]:g} eV) does not cover the window "
            f"({low:g}, {high:g}) eV: let the engine write a wider grid or choose a smaller window"
        )
    inside = energies[(energies > low) & (energies < high)]
    curve = np.interp(np.concatenate([[low], inside, [high]]), energies, values)
    return float(np.abs(np.diff(curve)).sum() / (high - low))


def mean_absolute_curvature(
    energies: NDArray[np.float64], values: NDArray[np.float64], window: tuple[float, float]
) -> float:
    """Mean of |d^2 n/dE^2| over a window, as `mean_absolute_slope` of the slope.

    Parameters
    ----------
    energies, values, window
        As in `mean_absolute_slope`; the slope is that of central differences.

    Returns
    -------
    float
        Unit of `values` per eV^2.

    Raises
    ------
    InputError
        If the grid does not cover the window.
    """
    return mean_absolute_slope(energies, np.gradient(values, energies), window)


def check_resolution(step: float, smearing: Smearing) -> None:
    """Refuse a grid that cannot show a smearing.

    Raises
    ------
    InputError
        If the width is smaller than the grid step (eV).
    """
    if smearing.width < step:
        raise InputError(
            f"the DOS grid step {step:g} eV is coarser than the smearing width "
            f"{smearing.width:g} eV: let the engine write a finer grid"
        )
