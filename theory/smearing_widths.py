"""Widths of smearing schemes side by side, VASP's parameters, and energies at zero width.

The width of a scheme is a name, not a length: Fermi-Dirac 0.2 eV spreads the occupation more than
twice as far as Gaussian 0.2 eV, and Methfessel-Paxton and cold smearing have no second moment at
all (that is their purpose). `equivalent_width` therefore always warns.
"""

from __future__ import annotations

import math
import warnings
from numbers import Real
from typing import TYPE_CHECKING, Literal

from scipy.optimize import brentq, minimize_scalar

from dosml.theory.smearing import Smearing, delta, parse_scheme

if TYPE_CHECKING:
    from collections.abc import Callable

#: CODATA 2018, exact: Boltzmann constant in eV/K.
BOLTZMANN_EV_PER_K = 8.617333262e-5

_TETRAHEDRON = {-4, -5, -14, -15}
#: Other negative values of ISMEAR.
_NO_SMEARING = {
    -2: "fixed occupations (ISMEAR = -2)",
    -3: "a loop over several smearings (ISMEAR = -3)",
}


class SmearingWidthWarning(UserWarning):
    """Widths of different schemes were compared."""


def full_width_at_half_maximum(scheme: str) -> float:
    """Width of the main peak of δ(x) at half its height, in units of σ.

    Parameters
    ----------
    scheme
        Name of the scheme: 2 arccosh(3) = 3.53 for Fermi-Dirac, 2 sqrt(ln 2) = 1.67 for Gaussian.

    Raises
    ------
    ValueError
        If the scheme is unknown.
    """
    family, order = parse_scheme(scheme)
    if family == "fermi-dirac":
        return 2 * math.acosh(3)
    if family == "gaussian":
        return 2 * math.sqrt(math.log(2))

    def value(x: float) -> float:
        return float(delta(x, scheme))

    # The main peak is half a wavelength of the highest Hermite polynomial wide.
    reach = 1.0 / math.sqrt(order + 1)
    peak = 0.0
    if family == "cold":
        peak = float(
            minimize_scalar(lambda x: -value(x), bounds=(-1, 0), options={"xatol": 1e-12}).x
        )
    half = value(peak) / 2
    edges = [_first_crossing(value, half, peak, side * reach / 64) for side in (-1, 1)]
    return edges[1] - edges[0]


def _first_crossing(
    value: Callable[[float], float], level: float, start: float, step: float
) -> float:
    """Walk from a peak until the curve is below the level, and refine."""
    x = start
    while value(x + step) > level:
        x += step
    return float(brentq(lambda t: value(t) - level, x, x + step, xtol=1e-14))


def second_moment(scheme: str) -> float:
    """∫ x^2 δ(x) dx of a scheme, in units of σ^2: π^2/3, 1/2, or exactly zero.

    Parameters
    ----------
    scheme
        Name of the scheme.

    Raises
    ------
    ValueError
        If the scheme is unknown.
    """
    family, _ = parse_scheme(scheme)
    return {"fermi-dirac": math.pi**2 / 3, "gaussian": 0.5}.get(family, 0.0)


def equivalent_width(
    smearing: Smearing, scheme: str, *, measure: Literal["fwhm", "second-moment"] = "fwhm"
) -> Smearing:
    """Width at which another scheme has the same spread by one measure.

    Parameters
    ----------
    smearing
        The setting to translate.
    scheme
        The scheme to translate it to.
    measure
        "fwhm" (any scheme) or "second-moment" (Fermi-Dirac and Gaussian only).

    Returns
    -------
    smearing
        The other scheme with its width in eV.

    Raises
    ------
    ValueError
        If a scheme has no second moment, or a name is unknown.

    Warns
    -----
    SmearingWidthWarning
        Always when the schemes differ: equal spread by one measure is not equal by another, and
        free energies, forces and occupations of different schemes do not agree at any width.
    """
    source, target = smearing.scheme, Smearing(scheme, 1.0).scheme
    if measure == "fwhm":
        ratio = full_width_at_half_maximum(source) / full_width_at_half_maximum(target)
    elif measure == "second-moment":
        moments = second_moment(source), second_moment(target)
        if min(moments) == 0:
            raise ValueError(
                f"{source if moments[0] == 0 else target} smearing has no second moment "
                "(its delta function removes it): compare by 'fwhm'"
            )
        ratio = math.sqrt(moments[0] / moments[1])
    else:
        raise ValueError(f"unknown measure {measure!r}: use 'fwhm' or 'second-moment'")
    if source != target:
        warnings.warn(
            f"{source} and {target} widths made equal by {measure}: the schemes are not "
            "interchangeable, and another measure gives another width",
            SmearingWidthWarning,
            stacklevel=2,
        )
    return Smearing(target, smearing.width * ratio)


def electronic_temperature(smearing: Smearing) -> float:
    """Electronic temperature in K of Fermi-Dirac smearing (σ = k_B T).

    Raises
    ------
    ValueError
        For every other scheme: their width is not a temperature.
    """
    if smearing.scheme != "fermi-dirac":
        raise ValueError(f"the width of {smearing.scheme} smearing is not a temperature")
    return smearing.width / BOLTZMANN_EV_PER_K


def to_vasp(smearing: Smearing) -> dict[str, int | float]:
    """VASP's ISMEAR and SIGMA of a smearing.

    Returns
    -------
    parameters
        {"ISMEAR": -1 (Fermi-Dirac), 0 (Gaussian) or N (Methfessel-Paxton), "SIGMA": width in eV}.

    Raises
    ------
    ValueError
        For cold smearing, which VASP does not have.
    """
    if smearing.scheme == "cold":
        raise ValueError("VASP has no cold smearing: use methfessel-paxton-1 or gaussian")
    ismear = -1 if smearing.scheme == "fermi-dirac" else smearing.order
    return {"ISMEAR": ismear, "SIGMA": smearing.width}


def from_vasp(ismear: int, sigma: float) -> Smearing:
    """Smearing of VASP's ISMEAR and SIGMA.

    Parameters
    ----------
    ismear
        -1 (Fermi-Dirac), 0 (Gaussian) or N > 0 (Methfessel-Paxton of order N). VASP's defaults
        (1 and 0.2 eV) are not filled in: both numbers must be stated.
    sigma
        SIGMA, eV.

    Raises
    ------
    ValueError
        If ISMEAR is a tetrahedron method (no smearing; forces wrong in metals), another negative
        number (occupations from a file, a loop over settings) or no integer, or the width is not
        a positive number. Whatever is given: text, nan and None are refused in the same way.
    """
    for name, value in (("ISMEAR", ismear), ("SIGMA", sigma)):
        if isinstance(value, bool) or not (isinstance(value, Real) and math.isfinite(value)):
            raise ValueError(f"{name} = {value!r}: expected a finite number, as VASP reads it")
    if sigma <= 0:
        raise ValueError(f"SIGMA = {sigma:g} eV is no width of a smearing: it must be above 0")
    if ismear in _TETRAHEDRON:
        raise ValueError(
            f"ISMEAR = {ismear} is a tetrahedron method, not a smearing; its forces are wrong by "
            "5-10 % in metals: use ISMEAR >= -1"
        )
    if ismear < -1 or ismear != int(ismear):
        what = _NO_SMEARING.get(ismear)
        raise ValueError(
            f"ISMEAR = {ismear} does not name a smearing scheme" + (f": {what}" if what else "")
        )
    scheme = {-1: "fermi-dirac", 0: "gaussian"}.get(ismear, f"methfessel-paxton-{int(ismear)}")
    return Smearing(scheme, sigma)


def vasp_occupations(ismear: int, sigma: float) -> str:
    """Say in words how VASP fills the levels with its ISMEAR and SIGMA (eV)."""
    if ismear in _NO_SMEARING:
        return _NO_SMEARING[ismear]
    if ismear in _TETRAHEDRON:
        smeared = f" with Fermi-Dirac smearing of {sigma:g} eV" if ismear < -5 else ""
        return f"tetrahedra{smeared}"
    try:
        smearing = from_vasp(ismear, sigma)
    except ValueError:
        return f"unknown, ISMEAR = {ismear}"
    return f"{smearing.scheme} {smearing.width:g} eV"


def leading_power(scheme: str) -> int:
    """Power p of the leading width dependence F(σ) = E_0 + c σ^p.

    The free energy is an average of the zero-width curve with δ, so p is the first moment of δ
    that does not vanish: 2 for Fermi-Dirac and Gaussian, 2N + 2 for Methfessel-Paxton of order N,
    3 for cold smearing.

    Raises
    ------
    ValueError
        If the scheme is unknown.
    """
    family, order = parse_scheme(scheme)
    return 3 if family == "cold" else 2 * order + 2


def zero_width_energy(free_energy: float, energy: float, smearing: Smearing) -> float:
    """Extrapolate to zero width: E_0 = ((p - 1) F + E) / p with p of `leading_power`.

    From F = E_0 + c σ^p and E = F - σ dF/dσ (because dF/dσ = -Σ s). For p = 2 this is the usual
    (F + E)/2.

    Parameters
    ----------
    free_energy, energy
        F and E, eV.
    smearing
        The setting both were computed with.

    Returns
    -------
    energy_zero
        eV. Not a label: forces are derivatives of F, not of this.
    """
    p = leading_power(smearing.scheme)
    return ((p - 1) * free_energy + energy) / p


def vasp_energy_zero(free_energy: float, energy: float, smearing: Smearing) -> float:
    """VASP's "energy(sigma->0)": ((N+1) F + E)/(N+2), N the order (0 if none).

    It agrees with `zero_width_energy` for Fermi-Dirac and Gaussian smearing only: for
    Methfessel-Paxton, VASP takes the power N + 2 where the leading one is 2N + 2.

    Parameters
    ----------
    free_energy, energy
        F and E, eV.
    smearing
        The setting both were computed with.

    Returns
    -------
    energy_zero
        eV.

    Raises
    ------
    ValueError
        For cold smearing, which VASP does not have.
    """
    to_vasp(smearing)
    n = smearing.order
    return ((n + 1) * free_energy + energy) / (n + 2)
