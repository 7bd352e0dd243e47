r"""Gaunt coefficients: integrals of three spherical harmonics, exact.

Conventions. Y_lm are the complex spherical harmonics with the Condon-Shortley phase, orthonormal on
the sphere. R_lm are the real ones without that phase: m > 0 is sqrt(2) (-1)^m Re Y_lm (cosine),
m < 0 is sqrt(2) (-1)^m Im Y_l|m| (sine), so that (R_1-1, R_10, R_11) ∝ (y, z, x).

==================================  ======================================================
`gaunt(l1,m1, l2,m2, l3,m3)`        ∫ Y_l1m1 Y_l2m2 Y_l3m3 dΩ, no conjugate; m1 + m2 + m3 = 0
`real_gaunt(l1,m1, l2,m2, l3,m3)`   ∫ R_l1m1 R_l2m2 R_l3m3 dΩ
`coupling(l1,m1, l2,m2, l3,m3)`     C_{L1 L2 L3} = ∫ Y*_l1m1 Y_l2m2 Y_l3m3 dΩ; m1 = m2 + m3
                                    (Owen et al., npj Comput. Mater. 10, 92 (2024), eq. 13)
`ck(k, l,m, lp,mp)`                 c^k(lm, l'm') = sqrt(4π/(2k+1)) ∫ Y*_lm Y_k,m-m' Y_l'm' dΩ
                                    (Condon and Shortley, The Theory of Atomic Spectra, 8^6 11)
==================================  ======================================================

Formula. With J = l1 + l2 + l3 = 2g even, a = l1 + l2 - l3, b = l1 - l2 + l3, c = -l1 + l2 + l3,

    gaunt = (-1)^(g + l1 - l2 - m3) / sqrt(4π) · g! / [(g-l1)! (g-l2)! (g-l3)! (J+1)!]
            · Π_i sqrt[(2 l_i + 1) (l_i + m_i)! (l_i - m_i)!]
            · Σ_k (-1)^k C(a, k) C(b, l1 - m1 - k) C(c, l2 + m2 - k),

the product of two Wigner 3j symbols in Racah's form (Gaunt, Phil. Trans. R. Soc. A 228, 151 (1929);
Edmonds, Angular Momentum in Quantum Mechanics, eqs. 3.6.11, 3.7.17, 4.6.3), where the square roots
that the two symbols share have become rational. Only integers enter.
"""

# l is the notation of the field.
# ruff: noqa: E741

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from functools import lru_cache
from math import comb, factorial, gcd
from operator import index
from typing import TYPE_CHECKING, Literal

from dosml.theory.surd import ZERO, Surd

if TYPE_CHECKING:
    import sympy

Kind = Literal["complex", "real", "coupling"]

#: Largest angular momentum; exact integers beyond it are correct but take minutes.
LARGEST_L = 2000


def _check(*pairs: tuple[int, int]) -> list[tuple[int, int]]:
    """Return (l, m) pairs as plain integers.

    Raises
    ------
    ValueError
        If a number is not an integer, l is negative or too large, or |m| > l.
    """
    checked = []
    for pair in pairs:
        try:
            l, m = (index(number) for number in pair)
        except TypeError as error:
            raise ValueError(
                f"l and m must be integers, got l = {pair[0]}, m = {pair[1]}"
            ) from error
        if not 0 <= l <= LARGEST_L:
            raise ValueError(f"l must lie between 0 and {LARGEST_L}, got l = {l}")
        if abs(m) > l:
            raise ValueError(f"|m| must not exceed l, got l = {l}, m = {m}")
        checked.append((l, m))
    return checked


@lru_cache(maxsize=64)
def _primes(limit: int) -> tuple[int, ...]:
    """All primes up to a limit."""
    return tuple(n for n in range(2, limit + 1) if all(n % p for p in range(2, int(n**0.5) + 1)))


def _square_free(factorials: Counter[int], factors: Counter[int]) -> tuple[int, int]:
    """Split Π n! Π f = s^2 n into s and a square-free n, by Legendre's formula."""
    largest = max([*factorials, *factors, 1])
    outside, inside = 1, 1
    for p in _primes(largest):
        exponent = 0
        for n, times in factorials.items():
            power = p
            while power <= n:
                exponent += times * (n // power)
                power *= p
        for n, times in factors.items():
            rest = n
            while rest % p == 0:
                exponent += times
                rest //= p
        outside *= p ** (exponent // 2)
        inside *= p ** (exponent % 2)
    return outside, inside


def triple_factor(l1: int, l2: int, l3: int) -> tuple[int, int]:
    """Return g! and (g-l1)! (g-l2)! (g-l3)! (J+1)! of the formula above (J = 2g)."""
    g = (l1 + l2 + l3) // 2
    below = factorial(g - l1) * factorial(g - l2) * factorial(g - l3)
    return factorial(g), below * factorial(2 * g + 1)


def three_j_zero_squared(l1: int, l2: int, l3: int) -> Fraction:
    """Square of the Wigner 3j symbol (l1 l2 l3; 0 0 0), a fraction (Edmonds, eq. 3.7.17).

    Parameters
    ----------
    l1, l2, l3
        Angular momenta.

    Raises
    ------
    ValueError
        If one is negative or no integer.
    """
    (l1, _), (l2, _), (l3, _) = _check((l1, 0), (l2, 0), (l3, 0))
    if (l1 + l2 + l3) % 2 or not abs(l1 - l2) <= l3 <= l1 + l2:
        return Fraction(0)
    total = factorial(l1 + l2 - l3) * factorial(l1 - l2 + l3) * factorial(-l1 + l2 + l3)
    return Fraction(*triple_factor(l1, l2, l3)) ** 2 * total * factorial(l1 + l2 + l3 + 1)


@lru_cache(maxsize=4096)
def _complex(l1: int, m1: int, l2: int, m2: int, l3: int, m3: int) -> Surd:
    """Gaunt integral of complex harmonics; arguments are valid."""
    if m1 + m2 + m3 or (l1 + l2 + l3) % 2 or not abs(l1 - l2) <= l3 <= l1 + l2:
        return ZERO
    a, b, c = l1 + l2 - l3, l1 - l2 + l3, -l1 + l2 + l3
    total = sum(
        (-1) ** k * comb(a, k) * comb(b, l1 - m1 - k) * comb(c, l2 + m2 - k)
        for k in range(max(0, l1 - m1 - b, l2 + m2 - c), min(a, l1 - m1, l2 + m2) + 1)
    )
    if not total:
        return ZERO
    g = (l1 + l2 + l3) // 2
    sign = -1 if (g + l1 - l2 - m3) % 2 else 1
    pairs = ((l1, m1), (l2, m2), (l3, m3))
    outside, inside = _square_free(
        Counter(n for l, m in pairs for n in (l + m, l - m)),
        Counter(2 * l + 1 for l, _ in pairs),
    )
    factor = Fraction(*triple_factor(l1, l2, l3)) * (sign * total * outside)
    return Surd(factor, inside, spherical=True)


def _real(l1: int, m1: int, l2: int, m2: int, l3: int, m3: int) -> Surd:
    """Gaunt integral of real harmonics; arguments are valid.

    The integral over the azimuth of three sines or cosines leaves one complex coefficient, with
    m = (p, q, -(p + q)): the largest |m| is the sum of the other two. It keeps a factor 1/sqrt(2)
    if no m is zero, and changes sign if the two sines are the two smaller ones.
    """
    (lp, p), (lq, q), (lr, r) = sorted(
        ((l1, m1), (l2, m2), (l3, m3)), key=lambda pair: abs(pair[1])
    )
    sines = sum(m < 0 for m in (p, q, r))
    if abs(p) + abs(q) != abs(r) or sines not in {0, 2}:
        return ZERO
    value = _complex(lp, abs(p), lq, abs(q), lr, -abs(r))
    if (r % 2 == 1) != (sines == 2 and r > 0):
        value = -value
    if p == 0 or not value.factor:
        return value
    if value.radicand % 2:
        return Surd(value.factor / 2, value.radicand * 2, spherical=True)
    return Surd(value.factor, value.radicand // 2, spherical=True)


def exact(l1: int, m1: int, l2: int, m2: int, l3: int, m3: int, *, kind: Kind = "complex") -> Surd:
    """Coefficient as an exact `Surd`, which converts to a correctly rounded float.

    Parameters
    ----------
    l1, m1, l2, m2, l3, m3
        Angular momenta.
    kind
        "complex" (`gaunt`), "real" (`real_gaunt`) or "coupling".

    Raises
    ------
    ValueError
        If an l or m is not valid, or the kind is unknown.
    """
    (l1, m1), (l2, m2), (l3, m3) = _check((l1, m1), (l2, m2), (l3, m3))
    if kind == "real":
        return _real(l1, m1, l2, m2, l3, m3)
    if kind == "complex":
        return _complex(l1, m1, l2, m2, l3, m3)
    if kind == "coupling":
        # Y*_lm = (-1)^m Y_l-m
        value = _complex(l1, -m1, l2, m2, l3, m3)
        return -value if m1 % 2 else value
    raise ValueError(f"unknown kind {kind!r}: use 'complex', 'real' or 'coupling'")


def exact_ck(k: int, l: int, m: int, lp: int, mp: int) -> Surd:
    """c^k(lm, l'm') as an exact `Surd`; parameters and errors as `ck`."""
    (l, m), (lp, mp), (k, _) = _check((l, m), (lp, mp), (k, 0))
    if abs(m - mp) > k:
        return ZERO
    value = exact(l, m, k, m - mp, lp, mp, kind="coupling")
    # Divide by sqrt(2k+1) and drop 1/sqrt(4π); both radicands are square-free.
    outside, inside = _square_free(Counter(), Counter([2 * k + 1]))
    common = gcd(value.radicand, inside)
    return Surd(
        value.factor * Fraction(outside * common, 2 * k + 1),
        value.radicand * inside // common**2,
        spherical=False,
    )


def gaunt(l1: int, m1: int, l2: int, m2: int, l3: int, m3: int) -> sympy.Expr:
    """Gaunt integral ∫ Y_l1m1 Y_l2m2 Y_l3m3 dΩ of complex spherical harmonics.

    Parameters
    ----------
    l1, m1, l2, m2, l3, m3
        Angular momenta. Zero unless m1 + m2 + m3 = 0, l1 + l2 + l3 is even and the l form a
        triangle.

    Returns
    -------
    value
        Exact sympy number, as `sympy.physics.wigner.gaunt`.

    Raises
    ------
    ValueError
        If an l or m is no integer, l is negative, or |m| > l.
    """
    return exact(l1, m1, l2, m2, l3, m3).sympy()


def real_gaunt(l1: int, m1: int, l2: int, m2: int, l3: int, m3: int) -> sympy.Expr:
    """Gaunt integral ∫ R_l1m1 R_l2m2 R_l3m3 dΩ of real spherical harmonics.

    Parameters
    ----------
    l1, m1, l2, m2, l3, m3
        Angular momenta; m > 0 is the cosine, m < 0 the sine, no Condon-Shortley phase.

    Returns
    -------
    value
        Exact sympy number, as `sympy.physics.wigner.real_gaunt`.

    Raises
    ------
    ValueError
        If an l or m is no integer, l is negative, or |m| > l.
    """
    return exact(l1, m1, l2, m2, l3, m3, kind="real").sympy()


def coupling(l1: int, m1: int, l2: int, m2: int, l3: int, m3: int) -> sympy.Expr:
    """Coupling C_{L1 L2 L3} = ∫ Y*_l1m1 Y_l2m2 Y_l3m3 dΩ of Owen et al. (2024), eq. 13.

    It equals (-1)^m1 gaunt(l1, -m1, l2, m2, l3, m3): zero unless m1 = m2 + m3.

    Parameters
    ----------
    l1, m1, l2, m2, l3, m3
        Angular momenta; the first harmonic is conjugated.

    Returns
    -------
    value
        Exact sympy number.

    Raises
    ------
    ValueError
        If an l or m is no integer, l is negative, or |m| > l.
    """
    return exact(l1, m1, l2, m2, l3, m3, kind="coupling").sympy()


def ck(k: int, l: int, m: int, lp: int, mp: int) -> sympy.Expr:
    """Condon and Shortley's c^k(lm, l'm') = sqrt(4π/(2k+1)) ∫ Y*_lm Y_k,m-m' Y_l'm' dΩ.

    Parameters
    ----------
    k
        Angular momentum of the operator.
    l, m, lp, mp
        Angular momenta of the two states.

    Returns
    -------
    value
        Exact sympy number, the square root of a fraction with a sign.

    Raises
    ------
    ValueError
        If a number is no integer, k or an l is negative, or |m| > l.
    """
    return exact_ck(k, l, m, lp, mp).sympy()
