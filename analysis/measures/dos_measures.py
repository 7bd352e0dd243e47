"""Numbers read from a d density of states, every window stated.

`bare` is the DOS as the engine wrote it (with the engine's fixed broadening only); `smeared` is the
same DOS convolved with the scan's own -df/de, which is what a calculation smeared with that sigma
prints. The smeared one falls with sigma by construction: the two are always given side by side.

E_F is the chemical potential of the setting. In a band that is not symmetric about it, smearing
moves it (GFN1-xTB copper: by several eV at sigma = 2 eV), and with it everything measured from it.
Values at the *unsmeared* Fermi level, to which the same electrons would fill the same levels
sharply, are free of that: they change only where levels change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dosml.errors import InputError
from dosml.theory.dband import d_band
from dosml.theory.fermi_level import dos_chemical_potential, dos_electrons
from dosml.theory.response_index import response_index
from dosml.theory.smearing import Smearing

if TYPE_CHECKING:
    from numpy.typing import NDArray

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


@dataclass(frozen=True)
class DosMeasures:
    """What `dos_measures` reads from one DOS.

    Attributes
    ----------
    center, width
        First moment and root of the second central moment of the bare d-DOS in the moments window,
        eV relative to E_F.
    filling
        Share of the d weight in the moments window that the scan's f(e) occupies.
    electrons, holes
        The occupied and the empty d weight in that window, per atom.
    response, response_unsmeared
        Pair integral of `dosml.theory.response_index` over that window, (states/atom)^2/eV, with
        the scan's smearing and without any at the unsmeared Fermi level; chi_l is w_l times it.
    n_fermi, n_fermi_bare, n_fermi_unsmeared
        d-DOS at E_F, smeared and bare, and bare at the unsmeared Fermi level, states/eV/atom.
    fermi_shift
        E_F minus the unsmeared Fermi level of the same total DOS, eV.
    sharpness, sharpness_bare
        Mean |dn_d/dE| over the sharpness window, smeared and bare, states/eV^2/atom.
    curvature, curvature_bare
        Mean |d^2 n_d/dE^2| over the same window, smeared and bare, states/eV^3/atom.
    covered
        Share of -df/de that lies on the energy grid; below 1 the smeared values are too small.
    """

    center: float
    width: float
    filling: float
    electrons: float
    holes: float
    response: float
    response_unsmeared: float
    n_fermi: float
    n_fermi_bare: float
    n_fermi_unsmeared: float
    fermi_shift: float
    sharpness: float
    sharpness_bare: float
    curvature: float
    curvature_bare: float
    covered: float


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
    _check_resolution(step, smearing)
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


def dos_measures(dos: ElectronicDos, smearing: Smearing, windows: DosWindows) -> DosMeasures:
    """Read all measures from a (mean) DOS.

    Parameters
    ----------
    dos
        Best the mean over frames: a sum of a few narrow levels at the Gamma point is jagged, and
        its slope measures the number of frames.
    smearing
        The scan's own smearing, centred at E_F = 0.
    windows
        Where to look.

    Raises
    ------
    InputError
        If the grid does not cover a window, or is coarser than the smearing width.
    """
    energies, step = dos.energies, dos.step
    _check_resolution(step, smearing)
    try:
        moments = d_band(dos, windows.moments, smearing=smearing)
        response = response_index(dos, smearing, window=windows.moments)
        electrons = dos_electrons(energies, dos.total, smearing, 0.0)
        # a Gaussian of one grid step is as sharp as the grid can tell
        sharp = Smearing("gaussian", step)
        unsmeared = dos_chemical_potential(energies, dos.total, electrons, sharp)
        frozen = response_index(dos, None, fermi_level=unsmeared, window=windows.moments)
    except ValueError as error:
        raise InputError(f"the d band cannot be measured: {error}") from error
    weight = np.full(len(energies), step)
    weight[[0, -1]] *= 0.5  # trapezoidal rule
    delta = np.asarray(smearing.delta(energies), dtype=float)
    smeared = smeared_dos(energies, dos.d, smearing)
    return DosMeasures(
        center=moments.centre,
        width=moments.width,
        filling=moments.filling,
        electrons=moments.electrons,
        holes=moments.states - moments.electrons,
        response=response.pair_integral,
        response_unsmeared=frozen.pair_integral,
        n_fermi=float((dos.d * delta * weight).sum()),
        n_fermi_bare=float(np.interp(0.0, energies, dos.d)),
        n_fermi_unsmeared=float(np.interp(unsmeared, energies, dos.d)),
        fermi_shift=-unsmeared,
        sharpness=mean_absolute_slope(energies, smeared, windows.sharpness),
        sharpness_bare=mean_absolute_slope(energies, dos.d, windows.sharpness),
        curvature=mean_absolute_curvature(energies, smeared, windows.sharpness),
        curvature_bare=mean_absolute_curvature(energies, dos.d, windows.sharpness),
        covered=float((delta * weight).sum()),
    )


def _check_resolution(step: float, smearing: Smearing) -> None:
    if smearing.width < step:
        raise InputError(
            f"the DOS grid step {step:g} eV is coarser than the smearing width "
            f"{smearing.width:g} eV: let the engine write a finer grid"
        )
