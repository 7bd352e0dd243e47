"""Electronic smearing: occupation, delta function and entropy of each scheme.

Everything follows from one function, the approximate delta δ(x) of the scheme, with
x = (e - μ)/σ:

    occupation   f(x) = ∫_x^∞ δ(t) dt
    entropy      s(x) = ∫_x^∞ t δ(t) dt,   so that ds/dx = x df/dx
    free energy  F = E - σ Σ s,            so that dF/df at fixed N is e - μ: F is variational

Sources: Mermin, Phys. Rev. 137, A1441 (1965) for Fermi-Dirac; Fu and Ho, Phys. Rev. B 28, 5480
(1983) for Gaussian; Methfessel and Paxton, Phys. Rev. B 40, 3616 (1989), eqs. 13-19; Marzari,
Vanderbilt, De Vita and Payne, Phys. Rev. Lett. 82, 3296 (1999) for cold smearing (their
a = -0.5634 replaced by the closed form that removes the second moment, as in Quantum ESPRESSO).

Widths of different schemes are not interchangeable: see `dosml.theory.smearing_widths`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import erfc, expit

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

#: Names a `Smearing` accepts; N is an order of one or more.
SCHEMES = ("fermi-dirac", "gaussian", "methfessel-paxton-N", "cold")

SQRT_PI = math.sqrt(math.pi)
COLD_SHIFT = math.sqrt(0.5)
# exp(-x^2) is exactly zero in doubles from |x| = 27.3 on; polynomials are evaluated no further.
_GAUSSIAN_REACH = 30.0
_METHFESSEL_PAXTON = re.compile(r"methfessel-paxton(?:-(\d+))?")
_LARGEST_ORDER = 100


def parse_scheme(scheme: str) -> tuple[str, int]:
    """Split a scheme's name into its family and Methfessel-Paxton order.

    Parameters
    ----------
    scheme
        "fermi-dirac", "gaussian", "methfessel-paxton" (order 1), "methfessel-paxton-N", "cold".

    Returns
    -------
    family, order
        The order is 0 for every other family.

    Raises
    ------
    ValueError
        If the name is unknown or the order is outside 1 ... 100.
    """
    if scheme in {"fermi-dirac", "gaussian", "cold"}:
        return scheme, 0
    match = _METHFESSEL_PAXTON.fullmatch(scheme)
    if match is None:
        raise ValueError(f"unknown smearing scheme {scheme!r}; known are: {', '.join(SCHEMES)}")
    order = int(match[1]) if match[1] else 1
    if order == 0:
        raise ValueError("'methfessel-paxton-0' is Gaussian smearing: write 'gaussian'")
    if order > _LARGEST_ORDER:
        raise ValueError(f"Methfessel-Paxton order {order} is above {_LARGEST_ORDER}")
    return "methfessel-paxton", order


def hermite_gaussians(x: NDArray[np.float64], count: int) -> list[NDArray[np.float64]]:
    """Orthonormal Hermite polynomials times exp(-x^2): H_k(x) exp(-x^2) / sqrt(2^k k!).

    The normalised recurrence stays finite at any order and any x.
    """
    x = np.clip(x, -_GAUSSIAN_REACH, _GAUSSIAN_REACH)
    functions = [np.exp(-x * x)]
    if count > 1:
        functions.append(math.sqrt(2.0) * x * functions[0])
    for k in range(1, count - 1):
        functions.append(
            math.sqrt(2.0 / (k + 1)) * x * functions[k] - math.sqrt(k / (k + 1)) * functions[k - 1]
        )
    return functions


def methfessel_paxton_weight(n: int, fewer: int = 0) -> float:
    """Return A_n sqrt(2^k k!) for k = 2n - fewer, with A_n = (-1)^n / (n! 4^n sqrt(pi)).

    This is the factor of the k-th normalised Hermite function; it never overflows.
    """
    square = Fraction(math.comb(2 * n, n), 4**n)
    for i in range(fewer):
        square /= 2 * (2 * n - i)
    return float((-1) ** n * math.sqrt(square) / SQRT_PI)


def occupation(x: ArrayLike, scheme: str) -> NDArray[np.float64]:
    """Occupation f(x) of one scheme.

    Parameters
    ----------
    x
        (e - μ)/σ, any shape, any size (infinities included).
    scheme
        Name of the scheme, see `SCHEMES`.

    Returns
    -------
    f
        Same shape as `x`; between 0 and 1 only for Fermi-Dirac and Gaussian smearing.

    Raises
    ------
    ValueError
        If the scheme is unknown.
    """
    family, order = parse_scheme(scheme)
    x = np.asarray(x, dtype=np.float64)
    if family == "fermi-dirac":
        return np.asarray(expit(-x))
    if family == "cold":
        u = x + COLD_SHIFT
        (gaussian,) = hermite_gaussians(u, 1)
        return np.asarray(0.5 * erfc(u) + gaussian / math.sqrt(2 * math.pi))
    f = np.asarray(0.5 * erfc(x))
    if order:
        hermite = hermite_gaussians(x, 2 * order)
        for n in range(1, order + 1):
            f = f + methfessel_paxton_weight(n, fewer=1) * hermite[2 * n - 1]
    return f


def delta(x: ArrayLike, scheme: str) -> NDArray[np.float64]:
    """Approximate delta function δ(x) = -df/dx of one scheme.

    Parameters
    ----------
    x
        (e - μ)/σ, any shape.
    scheme
        Name of the scheme.

    Returns
    -------
    δ
        Dimensionless, same shape; negative in places for Methfessel-Paxton and cold smearing.

    Raises
    ------
    ValueError
        If the scheme is unknown.
    """
    family, order = parse_scheme(scheme)
    x = np.asarray(x, dtype=np.float64)
    if family == "fermi-dirac":
        return np.asarray(expit(x) * expit(-x))
    if family == "cold":
        u = np.clip(x + COLD_SHIFT, -_GAUSSIAN_REACH, _GAUSSIAN_REACH)
        return np.asarray(np.exp(-u * u) * (1 + math.sqrt(2) * u) / SQRT_PI)
    hermite = hermite_gaussians(x, 2 * order + 1)
    return np.asarray(sum(methfessel_paxton_weight(n) * hermite[2 * n] for n in range(order + 1)))


def entropy(x: ArrayLike, scheme: str) -> NDArray[np.float64]:
    """Entropy function s(x) of one scheme, in F = E - σ Σ s.

    Parameters
    ----------
    x
        (e - μ)/σ, any shape.
    scheme
        Name of the scheme.

    Returns
    -------
    s
        Dimensionless, same shape; a thermodynamic entropy (in k_B) for Fermi-Dirac only.

    Raises
    ------
    ValueError
        If the scheme is unknown.
    """
    family, order = parse_scheme(scheme)
    x = np.asarray(x, dtype=np.float64)
    if family == "fermi-dirac":
        # -f ln f - (1-f) ln(1-f), written so that neither logarithm meets zero.
        a = np.minimum(np.abs(x), 800.0)
        return np.asarray(np.log1p(np.exp(-a)) + a * expit(-a))
    if family == "cold":
        u = np.clip(x + COLD_SHIFT, -_GAUSSIAN_REACH, _GAUSSIAN_REACH)
        return np.asarray(u * np.exp(-u * u) / math.sqrt(2 * math.pi))
    hermite = hermite_gaussians(x, 2 * order + 1)
    return np.asarray(0.5 * methfessel_paxton_weight(order) * hermite[2 * order])


@dataclass(frozen=True)
class Smearing:
    """A smearing scheme with its width.

    Attributes
    ----------
    scheme
        "fermi-dirac", "gaussian", "methfessel-paxton-N" or "cold"; plain "methfessel-paxton" is
        stored as "methfessel-paxton-1".
    width
        σ in eV (k_B T for Fermi-Dirac). Not comparable between schemes.

    Raises
    ------
    ValueError
        If the scheme is unknown or the width is not a positive finite number.
    """

    scheme: str
    width: float

    def __post_init__(self) -> None:
        """Check both fields and spell out the order."""
        family, order = parse_scheme(self.scheme)
        if order:
            object.__setattr__(self, "scheme", f"{family}-{order}")
        try:
            width = float(self.width)
        except TypeError:
            width = math.nan
        if not (math.isfinite(width) and width > 0):
            raise ValueError(f"smearing width must be a positive number in eV, got {self.width}")
        object.__setattr__(self, "width", width)

    @property
    def order(self) -> int:
        """Methfessel-Paxton order; 0 for every other scheme."""
        return parse_scheme(self.scheme)[1]

    def occupation(self, energy: ArrayLike) -> NDArray[np.float64]:
        """Occupation of levels at `energy` (eV, relative to μ), same shape."""
        return occupation(np.asarray(energy, dtype=np.float64) / self.width, self.scheme)

    def delta(self, energy: ArrayLike) -> NDArray[np.float64]:
        """-df/de in 1/eV at `energy` (eV, relative to μ), same shape."""
        return delta(np.asarray(energy, dtype=np.float64) / self.width, self.scheme) / self.width

    def entropy(self, energy: ArrayLike) -> NDArray[np.float64]:
        """Dimensionless entropy s of levels at `energy` (eV, relative to μ); F = E - σ Σ s."""
        return entropy(np.asarray(energy, dtype=np.float64) / self.width, self.scheme)
