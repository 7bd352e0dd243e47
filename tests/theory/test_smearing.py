"""Smearing schemes against definitions, a table from mpmath, and other packages."""

from __future__ import annotations

import csv
import itertools
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

import dosml.theory
from dosml.theory.smearing import Smearing, delta, entropy, occupation
from dosml.theory.smearing_integrals import cell_occupations, first_integral, second_integral
from dosml.theory.smearing_symbolic import symbolic_smearing
from dosml.theory.smearing_widths import (
    SmearingWidthWarning,
    electronic_temperature,
    equivalent_width,
    from_vasp,
    full_width_at_half_maximum,
    leading_power,
    second_moment,
    to_vasp,
    vasp_energy_zero,
    zero_width_energy,
)

SCHEMES = (
    "fermi-dirac",
    "gaussian",
    "methfessel-paxton-1",
    "methfessel-paxton-2",
    "methfessel-paxton-7",
    "cold",
)
TABLE = Path(dosml.theory.__file__).parent / "smearing_reference.csv"


def read_table() -> list[dict[str, str]]:
    with TABLE.open(encoding="utf-8") as handle:
        return list(csv.DictReader(line for line in handle if not line.startswith("#")))


@pytest.mark.parametrize("scheme", sorted({row["scheme"] for row in read_table()}))
def test_reference_table(scheme: str) -> None:
    rows = [row for row in read_table() if row["scheme"] == scheme]
    assert len(rows) == 15
    x = np.array([float(row["x"]) for row in rows])
    for name, function in (("occupation", occupation), ("delta", delta), ("entropy", entropy)):
        expected = [float(row[name]) for row in rows]
        np.testing.assert_allclose(function(x, scheme), expected, rtol=3e-13, atol=1e-15)


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(deadline=None)
@given(x=st.floats(-30, 30))
def test_derivatives(scheme: str, x: float) -> None:
    h = 1e-5
    slope = (occupation(x + h, scheme) - occupation(x - h, scheme)) / (2 * h)
    assert slope == pytest.approx(-delta(x, scheme), abs=1e-8)
    # ds/dx = x df/dx makes F = E - sigma sum s variational in the occupations.
    rise = (entropy(x + h, scheme) - entropy(x - h, scheme)) / (2 * h)
    assert rise == pytest.approx(-x * delta(x, scheme), abs=1e-7)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_moments_of_delta(scheme: str) -> None:
    def moment(k: int) -> float:
        return quad(lambda x: x**k * delta(x, scheme), -60, 60, points=[-3, 0, 3], limit=200)[0]

    assert moment(0) == pytest.approx(1, abs=1e-10)
    for k in range(1, leading_power(scheme)):
        assert moment(k) == pytest.approx(0, abs=1e-8)
    assert abs(moment(leading_power(scheme))) > 0.1
    assert moment(2) == pytest.approx(second_moment(scheme), abs=1e-8)


@pytest.mark.parametrize("scheme", [*SCHEMES, "methfessel-paxton-100"])
def test_far_from_the_fermi_level(scheme: str) -> None:
    x = np.array([-np.inf, -1e200, -1e4, -701.0, 701.0, 1e4, 1e200, np.inf])
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        f, d, s = occupation(x, scheme), delta(x, scheme), entropy(x, scheme)
    np.testing.assert_array_equal(f[:4], 1)
    np.testing.assert_allclose(f[4:], 0, atol=1e-300)
    np.testing.assert_allclose(d, 0, atol=1e-300)
    np.testing.assert_allclose(s, 0, atol=1e-300)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_symbolic_agrees_and_is_consistent(scheme: str) -> None:
    sp = pytest.importorskip("sympy")
    x, f, d, s = symbolic_smearing(scheme)
    assert sp.simplify(sp.diff(f, x) + d) == 0
    assert sp.simplify(sp.diff(s, x) - x * sp.diff(f, x)) == 0
    for value in (-1.7, 0.0, 0.3, 2.1):
        for expression, function in ((f, occupation), (d, delta), (s, entropy)):
            exact = float(expression.subs(x, sp.Rational(str(value))).evalf(30))
            assert function(value, scheme) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("x", [-9.0, -1.3, 0.0, 0.4, 3.0])
def test_integrals_of_the_occupation(scheme: str, x: float) -> None:
    nodes = [x, *(t for t in (-6, -4, -2, 0, 2, 4, 6, 10, 20) if t > x), 60]

    def integrate(function) -> float:
        pieces = itertools.pairwise(nodes)
        return sum(quad(lambda t: float(function(t, scheme)), a, b)[0] for a, b in pieces)

    one, two = integrate(occupation), integrate(first_integral)
    assert first_integral(x, scheme) == pytest.approx(one, abs=1e-12)
    assert second_integral(x, scheme) == pytest.approx(two, abs=1e-11)


def test_second_integral_far_out() -> None:
    for scheme in SCHEMES:
        np.testing.assert_allclose(second_integral(-1e6, scheme), 5e11, rtol=1e-10)
        assert second_integral(1e6, scheme) == 0


@pytest.mark.parametrize("smearing", [None, *(Smearing(s, 1e-7) for s in SCHEMES)])
def test_cell_occupations_are_sharp_at_tiny_width(smearing: Smearing | None) -> None:
    energies = np.linspace(-1, 1, 5)
    zeroth, first = cell_occupations(energies, smearing, 0.2)
    np.testing.assert_allclose(zeroth, [0.5, 0.5, 0.2, 0], atol=1e-6)
    np.testing.assert_allclose(first, [0.125, 0.125, 0.02, 0], atol=1e-6)


def test_gpaw_functions_agree() -> None:
    gpaw = pytest.importorskip("gpaw.occupations", reason="GPAW is not installed")
    energies, mu, width = np.linspace(-3, 3, 41), 0.2, 0.4
    for scheme, theirs in (
        ("fermi-dirac", gpaw.fermi_dirac(energies, mu, width)),
        ("cold", gpaw.marzari_vanderbilt(energies, mu, width)),
        ("gaussian", gpaw.methfessel_paxton(energies, mu, width, 0)),
        ("methfessel-paxton-2", gpaw.methfessel_paxton(energies, mu, width, 2)),
    ):
        ours = Smearing(scheme, width)
        f, slope, minus_entropy = theirs
        np.testing.assert_allclose(ours.occupation(energies - mu), f, atol=1e-12)
        np.testing.assert_allclose(ours.delta(energies - mu), slope, atol=1e-12)
        np.testing.assert_allclose(ours.entropy(energies - mu), -minus_entropy / width, atol=1e-12)


def test_pymatgen_fermi_function_agrees() -> None:
    dos = pytest.importorskip("pymatgen.electronic_structure.dos")
    smearing = Smearing("fermi-dirac", 0.05)
    temperature = electronic_temperature(smearing)
    assert temperature == pytest.approx(580.226, abs=1e-3)
    for energy in (-0.2, 0.01, 0.3):
        assert smearing.occupation(energy) == pytest.approx(
            dos.f0(energy, 0.0, temperature), rel=1e-6
        )


@pytest.mark.parametrize(
    ("scheme", "message"),
    [
        ("Gaussian", "unknown smearing scheme"),
        ("methfessel-paxton-0", "write 'gaussian'"),
        ("methfessel-paxton--1", "unknown"),
        ("methfessel-paxton-1.5", "unknown"),
        ("methfessel-paxton-101", "above 100"),
        ("", "known are"),
    ],
)
def test_unknown_schemes_are_refused(scheme: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Smearing(scheme, 0.1)


@pytest.mark.parametrize("width", [0, -0.1, math.nan, math.inf, None])
def test_bad_widths_are_refused(width: float) -> None:
    with pytest.raises(ValueError, match="positive number in eV"):
        Smearing("gaussian", width)


def test_a_smearing_is_a_value() -> None:
    short, spelled = Smearing("methfessel-paxton", 1), Smearing("methfessel-paxton-1", 1.0)
    assert short == spelled
    assert hash(short) == hash(spelled)
    assert short.order == 1
    assert Smearing("cold", 0.2).order == 0
    assert short.occupation(np.zeros((2, 3))).shape == (2, 3)


def test_widths_of_the_delta_function() -> None:
    for scheme in SCHEMES:
        width = full_width_at_half_maximum(scheme)
        x = np.linspace(-4, 4, 800_001)
        values = delta(x, scheme)
        above = x[values > values.max() / 2]
        assert above[-1] - above[0] == pytest.approx(width, abs=3e-5)


def test_equivalent_widths_warn() -> None:
    start = Smearing("fermi-dirac", 0.1)
    with pytest.warns(SmearingWidthWarning, match="not interchangeable"):
        by_height = equivalent_width(start, "gaussian")
    assert by_height.width == pytest.approx(0.1 * math.acosh(3) / math.sqrt(math.log(2)))
    with pytest.warns(SmearingWidthWarning):
        by_moment = equivalent_width(start, "gaussian", measure="second-moment")
    assert by_moment.width == pytest.approx(0.1 * math.pi * math.sqrt(2 / 3))
    with pytest.raises(ValueError, match="no second moment"):
        equivalent_width(start, "cold", measure="second-moment")
    with pytest.raises(ValueError, match="unknown measure"):
        equivalent_width(start, "cold", measure="height")


@pytest.mark.filterwarnings("error")
def test_same_scheme_does_not_warn() -> None:
    assert equivalent_width(Smearing("cold", 0.3), "cold") == Smearing("cold", 0.3)


def test_vasp_parameters() -> None:
    assert to_vasp(Smearing("fermi-dirac", 0.2)) == {"ISMEAR": -1, "SIGMA": 0.2}
    assert to_vasp(Smearing("gaussian", 0.2)) == {"ISMEAR": 0, "SIGMA": 0.2}
    assert to_vasp(Smearing("methfessel-paxton-3", 0.2)) == {"ISMEAR": 3, "SIGMA": 0.2}
    for scheme in ("fermi-dirac", "gaussian", "methfessel-paxton-2"):
        tags = to_vasp(Smearing(scheme, 0.15))
        assert from_vasp(tags["ISMEAR"], tags["SIGMA"]) == Smearing(scheme, 0.15)
    with pytest.raises(ValueError, match="no cold smearing"):
        to_vasp(Smearing("cold", 0.2))
    for ismear in (-4, -5, -14, -15):
        with pytest.raises(ValueError, match="tetrahedron"):
            from_vasp(ismear, 0.2)
    for ismear in (-2, -3, 1.5):
        with pytest.raises(ValueError, match="does not name"):
            from_vasp(ismear, 0.2)
    for ismear, sigma in (("1", 0.2), (float("nan"), 0.2), (None, 0.2), (True, 0.2)):
        with pytest.raises(ValueError, match="ISMEAR = .* expected a finite number"):
            from_vasp(ismear, sigma)
    for sigma in ("0.2", None, float("inf"), float("nan")):
        with pytest.raises(ValueError, match="SIGMA = .* expected a finite number"):
            from_vasp(1, sigma)
    with pytest.raises(ValueError, match="above 0"):
        from_vasp(1, -0.2)
    with pytest.raises(ValueError, match="not a temperature"):
        electronic_temperature(Smearing("gaussian", 0.1))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_zero_width_energy(scheme: str) -> None:
    """At fixed mu = 0 on a smooth DOS, relative to zero width (so the truth is 0)."""
    smearing = Smearing(scheme, 0.2)
    reach = 8.0 if scheme == "fermi-dirac" else 1.8

    def integrate(function) -> float:
        nodes = np.linspace(-reach, reach, 41)
        return sum(
            quad(lambda e: math.exp(e / 3) * function(e), a, b, epsabs=1e-15)[0]
            for a, b in itertools.pairwise(nodes)
        )

    energy = integrate(lambda e: e * (float(smearing.occupation(e)) - (e < 0)))
    free = energy - smearing.width * integrate(lambda e: float(smearing.entropy(e)))
    extrapolated = zero_width_energy(free, energy, smearing)
    assert abs(extrapolated) < max(0.05 * abs(free), 1e-13)
    if second_moment(scheme):
        assert vasp_energy_zero(free, energy, smearing) == pytest.approx(extrapolated, abs=1e-15)


def test_vasp_extrapolation_formula() -> None:
    assert vasp_energy_zero(-3.0, -2.0, Smearing("methfessel-paxton-1", 0.1)) == pytest.approx(
        (2 * -3 + -2) / 3
    )
    with pytest.raises(ValueError, match="no cold"):
        vasp_energy_zero(-3.0, -2.0, Smearing("cold", 0.1))
