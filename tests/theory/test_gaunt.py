"""Exact Gaunt coefficients against sympy, quadrature, sphericart, published tables, identities."""

# l is the notation of the field.
# ruff: noqa: E741

from __future__ import annotations

import csv
from fractions import Fraction
from math import pi, sqrt
from pathlib import Path

import mpmath
import numpy as np
import pytest
import sphericart
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import sph_harm_y
from sympy.physics import wigner

import dosml.theory
from dosml.theory.gaunt import (
    LARGEST_L,
    ck,
    coupling,
    exact,
    exact_ck,
    gaunt,
    real_gaunt,
    three_j_zero_squared,
)
from dosml.theory.surd import INVERSE_FOUR_PI, INVERSE_FOUR_PI_BITS

FOLDER = Path(dosml.theory.__file__).parent


def read_table(name: str) -> list[dict[str, str]]:
    with (FOLDER / name).open(encoding="utf-8") as handle:
        return list(csv.DictReader(line for line in handle if not line.startswith("#")))


@st.composite
def numbers(draw, l_max: int = 6, *, conserving: bool = True) -> tuple[int, ...]:
    """(l1, m1, l2, m2, l3, m3), mostly with non-zero integrals."""
    l1, l2 = draw(st.integers(0, l_max)), draw(st.integers(0, l_max))
    m1, m2 = draw(st.integers(-l1, l1)), draw(st.integers(-l2, l2))
    if not conserving:
        l3 = draw(st.integers(0, l_max))
        return l1, m1, l2, m2, l3, draw(st.integers(-l3, l3))
    low = max(abs(l1 - l2), abs(m1 + m2))
    low += (l1 + l2 + low) % 2
    l3 = draw(st.sampled_from(range(low, l1 + l2 + 1, 2) or [abs(m1 + m2)]))
    return l1, m1, l2, m2, l3, -m1 - m2


def by_sympy(function, n: tuple[int, ...]) -> sp.Expr:
    return function(*n[::2], *n[1::2])


@settings(deadline=None, max_examples=150)
@given(n=numbers())
def test_complex_is_sympys(n: tuple[int, ...]) -> None:
    assert gaunt(*n) == by_sympy(wigner.gaunt, n)


@settings(deadline=None, max_examples=60)
@given(n=numbers(l_max=4), signs=st.tuples(*[st.sampled_from([-1, 1])] * 3))
def test_real_is_sympys(n: tuple[int, ...], signs: tuple[int, ...]) -> None:
    flipped = tuple(
        x * s
        for pair, s in zip(zip(n[::2], n[1::2], strict=True), signs, strict=True)
        for x, s in zip(pair, (1, s), strict=True)
    )
    assert real_gaunt(*flipped) == by_sympy(wigner.real_gaunt, flipped)


@settings(deadline=None, max_examples=60)
@given(n=numbers(l_max=8, conserving=False))
def test_anything_is_sympys(n: tuple[int, ...]) -> None:
    assert gaunt(*n) == by_sympy(wigner.gaunt, n)


def sphere(order: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Gauss-Legendre in cos θ times uniform in φ: exact for harmonics up to 2 * order - 1."""
    z, w = np.polynomial.legendre.leggauss(order)
    phi = 2 * pi * np.arange(2 * order) / (2 * order)
    theta = np.repeat(np.arccos(z), 2 * order)
    return theta, np.tile(phi, order), np.repeat(w, 2 * order) * pi / order


@settings(deadline=None, max_examples=100)
@given(n=numbers(l_max=6))
def test_quadrature_of_scipys_harmonics(n: tuple[int, ...]) -> None:
    theta, phi, w = sphere(14)
    l1, m1, l2, m2, l3, m3 = n
    a, b, c = (sph_harm_y(l, m, theta, phi) for l, m in ((l1, m1), (l2, m2), (l3, m3)))
    assert float(exact(*n)) == pytest.approx((w @ (a * b * c)).real, abs=1e-12)
    conjugated = (w @ (a.conj() * b * c)).real
    assert float(exact(*n, kind="coupling")) == pytest.approx(conjugated, abs=1e-12)
    assert float(exact(l1, -m1, l2, m2, l3, m3, kind="coupling")) == pytest.approx(
        (w @ (sph_harm_y(l1, -m1, theta, phi).conj() * b * c)).real, abs=1e-12
    )


def test_quadrature_of_sphericarts_real_harmonics() -> None:
    theta, phi, w = sphere(10)
    points = np.stack(
        [np.sin(theta) * np.cos(phi), np.sin(theta) * np.sin(phi), np.cos(theta)], axis=1
    )
    harmonics = sphericart.SphericalHarmonics(6).compute(points)
    lm = [(l, m) for l in range(7) for m in range(-l, l + 1)]
    few = [n for n, (l, _) in enumerate(lm) if l <= 3]
    integrals = np.einsum(
        "p,pa,pb,pc->abc", w, harmonics[:, few], harmonics[:, few], harmonics, optimize=True
    )
    ours = np.array(
        [[[float(exact(*lm[a], *lm[b], *c, kind="real")) for c in lm] for b in few] for a in few]
    )
    np.testing.assert_allclose(ours, integrals, atol=1e-12)


def test_table_of_ck() -> None:
    expected = {}
    for row in read_table("gaunt_ck.csv"):
        key = tuple(int(row[name]) for name in ("k", "l", "m", "lp", "mp"))
        signed, denominator = int(row["signed_numerator_under_sqrt"]), int(row["denominator"])
        root = sp.sqrt(sp.Rational(abs(signed), denominator))
        expected[key] = sp.sign(signed) * root
        assert float(exact_ck(*key)) == pytest.approx(float(row["value"]), rel=1e-15)
    found = {
        (k, l, m, lp, mp): ck(k, l, m, lp, mp)
        for l in range(4)
        for lp in range(l, 4)
        for k in range(7)
        for m in range(-l, l + 1)
        for mp in range(-lp, lp + 1)
    }
    assert {key: value for key, value in found.items() if value != 0} == expected


def test_condon_and_shortleys_own_values() -> None:
    """Table 1^6 of The Theory of Atomic Spectra, as every textbook prints it (d-d, k = 4)."""
    assert ck(4, 2, 2, 2, 2) == sp.Rational(1, 21)
    assert ck(4, 2, 2, 2, -2) == sp.sqrt(70) / 21
    assert ck(2, 2, 0, 2, 0) == sp.Rational(2, 7)
    assert ck(2, 1, 1, 1, -1) == -sp.sqrt(6) / 5
    assert ck(1, 0, 0, 1, 0) == 1 / sp.sqrt(3)


def test_table_of_real_coefficients() -> None:
    expected = {}
    for row in read_table("gaunt_real.csv"):
        key = tuple(int(row[name]) for name in ("l1", "m1", "l2", "m2", "l3", "m3"))
        signed, denominator = int(row["signed_numerator_under_sqrt"]), int(row["denominator"])
        expected[key] = (1 if signed > 0 else -1, Fraction(abs(signed), denominator))
        assert float(exact(*key, kind="real")) == pytest.approx(float(row["value"]), rel=1e-15)
    lm = [(l, m) for l in range(7) for m in range(-l, l + 1)]
    found = {}
    for a in lm[:16]:
        for b in lm[:16]:
            for c in lm:
                value = exact(*a, *b, *c, kind="real")
                if value.factor and b >= a:
                    found[*a, *b, *c] = (1 if value.factor > 0 else -1, value.square())
    assert found == expected


def test_table_of_sum_rules() -> None:
    """Closed shells: the sum over m, m' is the same for every M, in both bases."""
    for row in read_table("gaunt_sum_rules.csv"):
        l1, l2, l3 = (int(row[name]) for name in ("l1", "l2", "l3"))
        expected = Fraction(int(row["numerator"]), int(row["denominator"]))
        assert (2 * l1 + 1) * (2 * l2 + 1) * three_j_zero_squared(l1, l2, l3) == expected
        for kind in ("coupling", "real"):
            for m3 in range(-l3, l3 + 1):
                total = sum(
                    exact(l1, m1, l3, m3, l2, m2, kind=kind).square()
                    for m1 in range(-l1, l1 + 1)
                    for m2 in range(-l2, l2 + 1)
                )
                assert total == expected


@settings(deadline=None)
@given(n=numbers(l_max=12, conserving=False))
def test_selection_rules(n: tuple[int, ...]) -> None:
    l1, m1, l2, m2, l3, m3 = n
    allowed = (l1 + l2 + l3) % 2 == 0 and abs(l1 - l2) <= l3 <= l1 + l2
    assert allowed or not exact(*n).factor
    assert (allowed and m1 + m2 + m3 == 0) or not exact(*n).factor
    assert (allowed and m1 == m2 + m3) or not exact(*n, kind="coupling").factor
    largest = max(map(abs, (m1, m2, m3)))
    fits = 2 * largest == abs(m1) + abs(m2) + abs(m3) and (m1 < 0) ^ (m2 < 0) ^ (m3 < 0) == 0
    assert (allowed and fits) or not exact(*n, kind="real").factor


@settings(deadline=None)
@given(n=numbers(l_max=10), order=st.permutations(range(3)))
def test_symmetries(n: tuple[int, ...], order: list[int]) -> None:
    pairs = list(zip(n[::2], n[1::2], strict=True))
    permuted = [number for k in order for number in pairs[k]]
    flipped = [number for l, m in pairs for number in (l, -m)]
    for kind in ("complex", "real"):
        assert exact(*n, kind=kind) == exact(*permuted, kind=kind)
    assert exact(*n) == exact(*flipped)


@settings(deadline=None, max_examples=40)
@given(l1=st.integers(0, 5), l2=st.integers(0, 5), data=st.data())
@pytest.mark.parametrize("kind", ["complex", "real"])
def test_completeness(kind: str, l1: int, l2: int, data) -> None:
    """∫ |Y_1|^2 |Y_2|^2 from expanding Y_1 Y_2 in harmonics, and from |Y_1|^2 and |Y_2|^2."""
    m1, m2 = data.draw(st.integers(-l1, l1)), data.draw(st.integers(-l2, l2))
    kind_inner = "coupling" if kind == "complex" else "real"
    product = sum(
        float(exact(l, m, l1, m1, l2, m2, kind=kind_inner)) ** 2
        for l in range(l1 + l2 + 1)
        for m in range(-l, l + 1)
    )
    squares = sum(
        float(exact(l1, m1, l, m, l1, m1, kind=kind_inner))
        * float(exact(l2, m2, l, m, l2, m2, kind=kind_inner))
        for l in range(2 * max(l1, l2) + 1)
        for m in range(-l, l + 1)
    )
    assert product == pytest.approx(squares, rel=1e-12)


@pytest.mark.parametrize("kind", ["coupling", "real"])
@pytest.mark.parametrize("l", range(7))
def test_unsoeld(kind: str, l: int) -> None:
    """A full shell is spherical: sum_m |Y_lm|^2 has no part with L > 0."""
    for big in range(2 * l + 1):
        for m3 in range(-big, big + 1):
            total = sum(float(exact(l, m, big, m3, l, m, kind=kind)) for m in range(-l, l + 1))
            expected = (2 * l + 1) / sqrt(4 * pi) if big == 0 else 0
            assert total == pytest.approx(expected, abs=1e-13)


@settings(deadline=None, max_examples=50)
@given(n=numbers(l_max=30))
def test_floats_are_correctly_rounded(n: tuple[int, ...]) -> None:
    number = exact(*n)
    value = float(number)
    with mpmath.workprec(400):
        square = number.square()
        true = mpmath.sqrt(mpmath.mpf(square.numerator) / square.denominator / (4 * mpmath.pi))
        error = abs(abs(mpmath.mpf(value)) - true)
        assert error <= mpmath.mpf(float(np.spacing(abs(value)))) / 2
    assert (value > 0) == (number.factor > 0)


def test_stored_constant() -> None:
    with mpmath.workprec(500):
        assert int(mpmath.floor(mpmath.mpf(2) ** INVERSE_FOUR_PI_BITS / (4 * mpmath.pi))) == (
            INVERSE_FOUR_PI
        )


def test_large_l() -> None:
    """A triangle with one l zero is a Kronecker delta, at any l."""
    assert gaunt(500, 17, 500, -17, 0, 0) == -1 / sp.sqrt(4 * sp.pi)
    assert float(exact(120, 3, 100, 7, 60, -10)) == pytest.approx(
        float(sp.N(by_sympy(wigner.gaunt, (120, 3, 100, 7, 60, -10)), 20)), rel=1e-14
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((1, 2, 1, 0, 1, 0), r"\|m\| must not exceed l, got l = 1, m = 2"),
        ((1, 0, 1, -2, 1, 0), r"\|m\|"),
        ((-1, 0, 1, 0, 1, 0), "between 0 and"),
        ((LARGEST_L + 1, 0, 1, 0, 1, 0), "between 0 and"),
        ((1.0, 0, 1, 0, 1, 0), "integers"),
        ((1, 0.5, 1, 0, 1, 0), "integers"),
        (("1", 0, 1, 0, 1, 0), "integers"),
        ((None, 0, 1, 0, 1, 0), "integers"),
    ],
)
@pytest.mark.parametrize("function", [gaunt, real_gaunt, coupling])
def test_bad_numbers_are_refused(function, arguments: tuple, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        function(*arguments)


def test_bad_numbers_are_refused_by_ck_too() -> None:
    with pytest.raises(ValueError, match="between 0 and"):
        ck(-1, 0, 0, 0, 0)
    with pytest.raises(ValueError, match=r"\|m\|"):
        ck(1, 0, 1, 0, 0)
    with pytest.raises(ValueError, match="unknown kind"):
        exact(0, 0, 0, 0, 0, 0, kind="reel")
    assert ck(0, 2, 2, 2, -2) == 0


def test_integers_of_other_libraries_are_welcome() -> None:
    n = np.array([2, 0, 2, 0, 4, 0])
    assert gaunt(*n) == gaunt(*map(sp.Integer, n.tolist())) == 3 / (7 * sp.sqrt(sp.pi))
