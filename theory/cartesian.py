"""Cartesian moments of directions, and what they are in real spherical harmonics.

The moments of weighted unit vectors n_j are

    A_abc = sum_j w_j x_j^a y_j^b z_j^c,      degree l = a + b + c,

the elements of the symmetric tensors sum_j w_j n_j (x) ... (x) n_j. On the unit sphere the
monomials of one degree span the harmonics of l, l - 2, l - 4, ... , so that moments and
A_lm = sum_j w_j Y_lm(n_j) are linear in each other, with coefficients that are rational up to the
normalisation of Y_lm. Harmonics are those of `dosml.theory.real_gaunt`: real, orthonormal, without
the Condon-Shortley phase.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from math import comb, factorial, pi, prod, sqrt
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

#: Powers of x, y, z.
Powers = tuple[int, int, int]


@cache
def monomials(degree: int) -> tuple[Powers, ...]:
    """All powers (a, b, c) of one degree, those of x falling first, then those of y.

    Raises
    ------
    ValueError
        If the degree is negative.
    """
    if degree < 0:
        raise ValueError(f"a degree is 0 or more, got {degree}")
    return tuple(
        (a, b, degree - a - b) for a in range(degree, -1, -1) for b in range(degree - a, -1, -1)
    )


@cache
def monomials_to(l_max: int) -> tuple[Powers, ...]:
    """All powers of the degrees 0 ... l_max, one degree after the other."""
    return tuple(powers for degree in range(l_max + 1) for powers in monomials(degree))


def multinomial(powers: Powers) -> int:
    """Count how often an element stands in its symmetric tensor: (a + b + c)! / (a! b! c!)."""
    return factorial(sum(powers)) // prod(map(factorial, powers))


def sphere_mean(powers: Powers) -> Fraction:
    """Mean of x^a y^b z^c over the unit sphere: (a-1)!! (b-1)!! (c-1)!! / (a+b+c+1)!!, or 0."""
    if any(power % 2 for power in powers):
        return Fraction(0)
    above = prod(_odd_factorial(power - 1) for power in powers)
    return Fraction(above, _odd_factorial(sum(powers) + 1))


def _odd_factorial(n: int) -> int:
    return prod(range(n, 0, -2))


def moments(directions: ArrayLike, weights: ArrayLike, l_max: int) -> NDArray[np.float64]:
    """Moments A_abc of weighted unit vectors.

    Parameters
    ----------
    directions
        Unit vectors, shape (n, 3).
    weights
        Shape (n,).
    l_max
        Largest degree.

    Returns
    -------
    moments
        Shape (number of `monomials_to(l_max)`,), in their order.
    """
    powers = np.array(monomials_to(l_max))
    values = np.prod(np.asarray(directions)[:, None, :] ** powers, axis=2)
    return np.asarray(np.asarray(weights) @ values)


@dataclass(frozen=True)
class SolidHarmonic:
    """r^l Y_lm as a polynomial.

    Attributes
    ----------
    squared_norm
        Y_lm = sqrt(squared_norm / 4 pi) times the polynomial.
    coefficients
        Rational coefficient by the powers of x, y, z, all of degree l.
    """

    squared_norm: Fraction
    coefficients: dict[Powers, Fraction]


@cache
def solid_harmonic(l: int, m: int) -> SolidHarmonic:  # noqa: E741
    """Real solid harmonic: the m-th derivative of P_l(z) times the real or imaginary (x + iy)^m.

    Raises
    ------
    ValueError
        Unless |m| <= l.
    """
    if abs(m) > l:
        raise ValueError(f"there is no harmonic of l = {l}, m = {m}: |m| <= l")
    order = abs(m)
    squared_norm = Fraction((2 * l + 1) * factorial(l - order), factorial(l + order))
    if order:
        squared_norm *= 2
    found: dict[Powers, Fraction] = {}
    for k in range((l - order) // 2 + 1):
        height = l - 2 * k - order
        along = Fraction(
            (-1) ** k * comb(l, k) * comb(2 * l - 2 * k, l) * factorial(l - 2 * k),
            2**l * factorial(height),
        )
        for a, b, c in monomials(k):  # r^2k
            share = along * multinomial((a, b, c))
            for p in range(int(m < 0), order + 1, 2):  # y^p of (x + iy)^order
                sign = (-1) ** (p // 2)
                powers = (2 * a + order - p, 2 * b + p, 2 * c + height)
                found[powers] = found.get(powers, Fraction(0)) + sign * comb(order, p) * share
    return SolidHarmonic(squared_norm, {key: value for key, value in found.items() if value})


@cache
def harmonic_matrix(l: int) -> NDArray[np.float64]:  # noqa: E741
    """C with A_lm = sum_abc C[m, abc] A_abc over the moments of degree l.

    Returns
    -------
    matrix
        Shape (2 l + 1, number of `monomials(l)`), m = -l ... l.
    """
    place = {powers: n for n, powers in enumerate(monomials(l))}
    matrix = np.zeros((2 * l + 1, len(place)))
    for m in range(-l, l + 1):
        harmonic = solid_harmonic(l, m)
        norm = sqrt(harmonic.squared_norm / (4 * pi))
        for powers, value in harmonic.coefficients.items():
            matrix[m + l, place[powers]] = norm * float(value)
    return matrix


@cache
def monomial_matrix(degree: int) -> dict[int, NDArray[np.float64]]:
    """D with A_abc = sum over l = degree, degree - 2, ... and m of D[l][abc, m] A_lm.

    The elements are integrals of a monomial and a harmonic over the sphere, exact up to the last
    rounding.

    Returns
    -------
    matrices
        By l: shape (number of `monomials(degree)`, 2 l + 1).
    """
    out = {}
    for l in range(degree, -1, -2):  # noqa: E741
        matrix = np.zeros((len(monomials(degree)), 2 * l + 1))
        for row, (a, b, c) in enumerate(monomials(degree)):
            for m in range(-l, l + 1):
                harmonic = solid_harmonic(l, m)
                mean = sum(
                    value * sphere_mean((a + p, b + q, c + r))
                    for (p, q, r), value in harmonic.coefficients.items()
                )
                matrix[row, m + l] = sqrt(harmonic.squared_norm * 4 * pi) * float(mean)
        out[l] = matrix
    return out


def power_in_legendre(degree: int) -> dict[int, Fraction]:
    """Coefficients of x^degree = sum_l c_l P_l(x).

    With the addition theorem, sum_m A_lm A'_lm = (2 l + 1)/(4 pi) sum_jk w_j w'_k P_l(n_j.n_k),
    this is all that joins the pair invariants of both worlds: the Cartesian one of degree L is
    sum_jk w_j w'_k (n_j.n_k)^L.
    """
    out = {}
    for l in range(degree, -1, -2):  # noqa: E741
        k = (degree - l) // 2
        out[l] = Fraction(
            (2 * l + 1) * factorial(degree), 2**k * factorial(k) * _odd_factorial(degree + l + 1)
        )
    return out


def pair_map(l_max: int) -> NDArray[np.float64]:
    """T with B2_cartesian[L] = sum_l T[L, l] B2_spherical[l], triangular and so invertible.

    B2_cartesian[L] = sum over abc of degree L of L!/(a! b! c!) A_abc A'_abc, and
    B2_spherical[l] = sum_m A_lm A'_lm as in the sgp's descriptor.

    Returns
    -------
    matrix
        Shape (l_max + 1, l_max + 1).
    """
    matrix = np.zeros((l_max + 1, l_max + 1))
    for degree in range(l_max + 1):
        for l, value in power_in_legendre(degree).items():  # noqa: E741
            matrix[degree, l] = float(value) * 4 * pi / (2 * l + 1)
    return matrix
