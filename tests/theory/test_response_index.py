"""The response index against closed forms and brute-force double integrals."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from dosml.theory.dos import ElectronicDos
from dosml.theory.model_bands import RectangularBand, SemiEllipticBand
from dosml.theory.perturbation import response_matrix
from dosml.theory.response_index import (
    fermi_level_curve,
    orbital_response_index,
    pair_integrals,
    response_index,
)
from dosml.theory.smearing import Smearing

SCHEMES = ("fermi-dirac", "gaussian", "methfessel-paxton-1", "methfessel-paxton-2", "cold")


def as_dos(energies: np.ndarray, d: np.ndarray, d_m: np.ndarray | None = None) -> ElectronicDos:
    return ElectronicDos(energies, d, d, d_m)


@pytest.mark.parametrize("electrons", [0, 1, 2.5, 5, 7, 9.9, 10])
def test_rectangular_band_at_zero_smearing(electrons: float) -> None:
    """(100/W) H(N/10), exactly on the grid; weights (2 2 l; 0 0 0)^2."""
    width = 5.0
    energies = np.linspace(-2.5, 2.5, 2001)
    band = RectangularBand(width)
    x = electrons / 10
    entropy = -sum(p * np.log(p) for p in (x, 1 - x) if p > 0)
    assert band.pair_integral(electrons) == pytest.approx(100 / width * entropy, rel=1e-14)
    index = response_index(
        as_dos(energies, band.dos(energies)), None, fermi_level=band.fermi_level(electrons)
    )
    assert index.pair_integral == pytest.approx(100 / width * entropy, rel=1e-11, abs=1e-10)
    for degree, weight in ((0, 1 / 5), (2, 2 / 35), (4, 2 / 35)):
        assert index.chi[degree] == pytest.approx(weight * index.pair_integral)


@pytest.mark.parametrize("step", [1.0, 0.5, 0.1])
@pytest.mark.parametrize("smearing", [None, Smearing("methfessel-paxton-1", 0.2)])
def test_the_grid_of_a_dos_of_straight_lines_does_not_matter(step, smearing) -> None:
    """Without cutting coarse cells the index is 4 % off on a step of 1 eV."""
    coarse = np.arange(-6, 6 + step / 2, step)
    rippled = SemiEllipticBand(8.0).dos(coarse) * (1 + np.sin(1.3 * coarse) / 2)
    fine = np.linspace(coarse[0], coarse[-1], 24001)
    found, expected = (
        response_index(as_dos(grid, values), smearing, fermi_level=0.37).pair_integral
        for grid, values in ((coarse, rippled), (fine, np.interp(fine, coarse, rippled)))
    )
    assert found == pytest.approx(expected, rel=2e-5)


@settings(deadline=None, max_examples=20)
@given(electrons=st.floats(0.1, 9.9))
def test_semi_elliptic_band_at_zero_smearing(electrons: float) -> None:
    energies = np.linspace(-4, 4, 2001)
    band = SemiEllipticBand(6.0)
    index = response_index(
        as_dos(energies, band.dos(energies)), None, fermi_level=band.fermi_level(electrons)
    )
    scale = band.pair_integral(5)
    assert index.pair_integral == pytest.approx(band.pair_integral(electrons), abs=3e-4 * scale)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [1e-6, 0.003, 0.1, 0.7])
def test_rectangular_band_with_smearing(scheme: str, width: float) -> None:
    """chi is the zero-smearing curve averaged with the delta function: one closed integral."""
    band = RectangularBand(4.0)
    energies = np.linspace(-2, 2, 2001)
    smearing = Smearing(scheme, width)
    mu = 0.3137
    points = np.linspace(-2, 2, 201)
    expected = 0.0
    nodes = np.unique(np.concatenate([points, (mu + width * np.linspace(-9, 9, 37)).clip(-2, 2)]))
    for a, b in itertools.pairwise(nodes):
        if abs(a - mu) < 40 * width or abs(b - mu) < 40 * width:
            expected += quad(
                lambda t: float(smearing.delta(t - mu)) * band.pair_integral(2.5 * (t + 2)),
                a,
                b,
                epsabs=1e-12,
            )[0]
    ours = pair_integrals(energies, band.dos(energies)[None], smearing, fermi_level=mu)[0, 0]
    assert ours == pytest.approx(expected, rel=5e-6)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [0.1, 0.5])
def test_brute_force_double_integral(scheme: str, width: float) -> None:
    """The definition, with -f' on the diagonal, for two smooth densities."""
    energies = np.linspace(-7, 7, 1401)
    densities = np.array(
        [5 * np.exp(-((energies - 0.3) ** 2)), 2 * np.exp(-((energies + 1) ** 2) / 0.5)]
    )
    smearing = Smearing(scheme, width)
    f = smearing.occupation(energies)
    rise = energies[None, :] - energies[:, None]
    np.fill_diagonal(rise, 1.0)
    kernel = (f[:, None] - f[None, :]) / rise
    np.fill_diagonal(kernel, smearing.delta(energies))
    expected = densities @ kernel @ densities.T * 0.01**2 / 2
    ours = pair_integrals(energies, densities, smearing)
    np.testing.assert_allclose(ours, expected, atol=6e-5 * expected.max())
    np.testing.assert_array_equal(ours, ours.T)


@pytest.mark.parametrize("scheme", ["fermi-dirac", "gaussian"])
@pytest.mark.parametrize("band", [RectangularBand(5.0), SemiEllipticBand(5.0)])
def test_smearing_damps_a_half_filled_band(
    scheme: str, band: RectangularBand | SemiEllipticBand
) -> None:
    energies = np.linspace(-2.5, 2.5, 2001)
    dos = as_dos(energies, band.dos(energies))
    widths = [0.01, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0]
    values = [response_index(dos, None).chi[4]]
    values += [response_index(dos, Smearing(scheme, width)).chi[4] for width in widths]
    assert (np.diff(values) < 0).all()


def test_fermi_level_curve() -> None:
    energies = np.linspace(-3, 3, 1201)
    density = np.exp(-(energies**2)) * (1 + 0.5 * np.sin(3 * energies))
    curve = fermi_level_curve(energies, density)
    for k in (0, 300, 601, 1200):
        direct = pair_integrals(energies, density[None], None, fermi_level=energies[k])[0, 0]
        assert curve[k] == pytest.approx(direct, abs=1e-12)
    assert curve[-1] == pytest.approx(0, abs=1e-11)
    assert (curve[1:-1] > 0).all()


def test_equal_orbitals_give_the_total_index() -> None:
    energies = np.linspace(-4, 4, 801)
    orbital = np.exp(-((energies - 0.2) ** 2))
    dos = as_dos(energies, 5 * orbital, np.tile(orbital, (5, 1)))
    smearing = Smearing("cold", 0.3)
    total, resolved = response_index(dos, smearing), orbital_response_index(dos, smearing)
    assert resolved.orbital_pairs.sum() == pytest.approx(total.pair_integral)
    assert set(resolved.channels) == {(n, m) for n in (0, 2, 4) for m in range(-n, n + 1)}
    for degree, value in total.chi.items():
        assert resolved.chi[degree] == pytest.approx(value)
        for m in range(-degree, degree + 1):
            assert resolved.channels[degree, m] == pytest.approx(value)


def test_sharp_orbitals_give_the_response_of_levels() -> None:
    """Orbitals as narrow Gaussians at five levels: chi_LM is 4π times P[L, L] of the levels."""
    energies = np.linspace(-4, 4, 8001)
    levels = np.array([-2.0, -1.1, 0.3, 1.0, 2.2])
    orbitals = np.exp(-((energies - levels[:, None]) ** 2) / (2 * 0.02**2)) / (
        0.02 * np.sqrt(2 * np.pi)
    )
    dos = as_dos(energies, orbitals.sum(axis=0), orbitals)
    index = orbital_response_index(dos, None, fermi_level=-0.4)
    # Exclude what is within one orbital: full or empty, it has no pair across the Fermi level.
    from dosml.theory.gaunt_tables import shell_couplings
    from dosml.theory.perturbation import level_kernel

    labels, couplings = shell_couplings((2,))
    p = response_matrix(couplings, level_kernel(levels, levels < -0.4))
    for a, label in enumerate(labels):
        if label[0] % 2 == 0:
            assert index.channels[label] == pytest.approx(4 * np.pi * p[a, a], rel=2e-3, abs=1e-9)


def test_window() -> None:
    energies = np.linspace(-6, 6, 1201)
    density = np.exp(-(energies**2))
    inside = np.abs(energies) <= 2 + 1e-9
    cut = pair_integrals(energies[inside], density[None, inside], None)[0, 0]
    dos = as_dos(energies, density)
    assert response_index(dos, None, window=(-2, 2)).pair_integral == pytest.approx(cut)
    assert cut < response_index(dos, None).pair_integral
    with pytest.raises(ValueError, match="fewer than two"):
        response_index(dos, None, window=(0.001, 0.002))


def test_two_points_are_a_grid() -> None:
    """A flat band of one state from 0 to 1 eV, half full: H(1/2) = ln 2."""
    found = pair_integrals([0.0, 1.0], [[1.0, 1.0]], None, fermi_level=0.5)[0, 0]
    assert found == pytest.approx(np.log(2), rel=1e-6)


def test_bad_input_is_refused() -> None:
    energies = np.linspace(-1, 1, 11)
    with pytest.raises(ValueError, match="no m-resolved"):
        orbital_response_index(as_dos(energies, np.ones(11)), None)
    with pytest.raises(ValueError, match="shape"):
        pair_integrals(energies, np.ones(11), None)
    with pytest.raises(ValueError, match="finite"):
        pair_integrals(energies, np.full((1, 11), np.nan), None)
    with pytest.raises(ValueError, match="finite"):
        pair_integrals(energies, np.ones((1, 11)), None, fermi_level=float("nan"))
    with pytest.raises(ValueError, match="uniform"):
        pair_integrals(energies**3, np.ones((1, 11)), None)
