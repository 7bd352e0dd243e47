"""Chemical potential and band energies: definitions, the choice among roots, thermodynamics."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from dosml.theory.fermi_level import (
    band_energy,
    chemical_potential,
    dos_chemical_potential,
    dos_electrons,
)
from dosml.theory.smearing import Smearing

SCHEMES = ("fermi-dirac", "gaussian", "methfessel-paxton-1", "methfessel-paxton-3", "cold")


@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=30, deadline=None)
@given(
    levels=st.lists(st.floats(-5, 5), min_size=1, max_size=8),
    share=st.floats(0.01, 0.99),
    width=st.floats(1e-3, 2),
)
def test_the_electron_number_is_held(
    scheme: str, levels: list[float], share: float, width: float
) -> None:
    smearing = Smearing(scheme, width)
    electrons = 2 * share * len(levels)
    mu = chemical_potential(levels, electrons, smearing)
    held = band_energy(levels, mu, smearing).electrons
    assert held == pytest.approx(electrons, abs=1e-9 * len(levels))


def test_a_wide_flat_gap() -> None:
    """Levels 7 widths apart: Brent's method gives up after 100 steps on this count."""
    levels, smearing = [-4.0, 3.0, 3.0], Smearing("methfessel-paxton-3", 1.0)
    mu = chemical_potential(levels, 2.0, smearing)
    assert band_energy(levels, mu, smearing).electrons == pytest.approx(2.0, abs=1e-10)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_forces_are_derivatives_of_the_free_energy(scheme: str) -> None:
    """dF/de_i at fixed electron number is the occupation of level i: F is variational."""
    levels = np.array([-1.0, -0.4, 0.1, 0.3, 1.2])
    smearing = Smearing(scheme, 0.3)

    def free_energy(shift: float) -> float:
        moved = levels + shift * np.eye(5)[2]
        mu = chemical_potential(moved, 5.0, smearing)
        return band_energy(moved, mu, smearing).free_energy

    mu = chemical_potential(levels, 5.0, smearing)
    h = 1e-4
    slope = (free_energy(h) - free_energy(-h)) / (2 * h)
    assert slope == pytest.approx(2 * float(smearing.occupation(levels[2] - mu)), abs=1e-7)
    # dF/dsigma = -sum s
    by_width = [
        band_energy(
            levels, chemical_potential(levels, 5.0, Smearing(scheme, w)), Smearing(scheme, w)
        ).free_energy
        for w in (0.3 - h, 0.3 + h)
    ]
    entropy = band_energy(levels, mu, smearing).entropy
    assert (by_width[1] - by_width[0]) / (2 * h) == pytest.approx(-entropy, abs=1e-6)


def test_several_roots_have_a_defined_choice() -> None:
    """Two clusters of levels: the number at mu between them is not monotonic for MP."""
    levels = np.concatenate([np.full(5, -0.5), np.full(5, 0.5)])
    smearing = Smearing("methfessel-paxton-1", 0.25)
    grid = np.linspace(-1.5, 1.5, 6001)
    # Just above the number that full lower levels hold: the overshoot f > 1 reaches it as well.
    target = 10.05
    excess = np.array([2 * smearing.occupation(levels - mu).sum() - target for mu in grid])
    roots = grid[:-1][np.sign(excess[:-1]) != np.sign(excess[1:])]
    assert len(roots) == 3
    guide = chemical_potential(levels, target, Smearing("gaussian", 0.25))
    nearest = roots[np.argmin(np.abs(roots - guide))]
    assert chemical_potential(levels, target, smearing) == pytest.approx(nearest, abs=6e-4)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_in_a_gap_it_is_the_middle(scheme: str) -> None:
    mu = chemical_potential([0.0, 1.0, 5.0, 6.0], 4, Smearing(scheme, 0.02))
    assert mu == pytest.approx(3.0, abs=0.05)


def test_k_point_weights_and_shapes() -> None:
    rng = np.random.default_rng(3)
    eigenvalues = rng.normal(size=(4, 6))
    weights = np.array([0.1, 0.2, 0.3, 0.4])[:, None]
    smearing = Smearing("fermi-dirac", 0.1)
    mu = chemical_potential(eigenvalues, 5.5, smearing, weights=weights)
    total = 2 * (weights * smearing.occupation(eigenvalues - mu)).sum()
    assert total == pytest.approx(5.5, abs=1e-10)
    with pytest.raises(ValueError, match="as a column"):
        chemical_potential(eigenvalues, 5.5, smearing, weights=weights[:, 0])


@pytest.mark.parametrize("electrons", [0, 8, 9, -1, float("nan")])
def test_electrons_must_fit(electrons: float) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        chemical_potential([0, 1, 2, 3], electrons, Smearing("gaussian", 0.1))


@pytest.mark.parametrize(
    ("levels", "keywords", "message"),
    [
        ([], {}, "finite numbers"),
        ([np.nan], {}, "finite numbers"),
        ([0.0, 1.0], {"weights": [1.0, -1.0]}, "not negative"),
        ([0.0, 1.0], {"degeneracy": 0}, "degeneracy"),
    ],
)
def test_bad_levels_are_refused(levels: list, keywords: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        chemical_potential(levels, 1, Smearing("gaussian", 0.1), **keywords)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [0.001, 0.05, 0.8])
def test_a_dos_is_filled_exactly(scheme: str, width: float) -> None:
    """Against quadrature of the piecewise linear DOS."""
    energies = np.linspace(-3, 3, 31)
    density = np.random.default_rng(1).uniform(0, 4, 31)
    smearing = Smearing(scheme, width)
    mu = 0.234
    edges = np.unique([*energies, *(mu + width * np.linspace(-8, 8, 33)).clip(-3, 3)])
    expected = sum(
        quad(
            lambda e: np.interp(e, energies, density) * float(smearing.occupation(e - mu)),
            a,
            b,
            epsabs=1e-13,
        )[0]
        for a, b in itertools.pairwise(edges)
    )
    assert dos_electrons(energies, density, smearing, mu) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_dos_chemical_potential(scheme: str) -> None:
    energies = np.linspace(-4, 4, 401)
    density = 10 * np.exp(-(energies**2))
    for width in (1e-6, 0.1, 0.9):
        mu = dos_chemical_potential(energies, density, 6.0, Smearing(scheme, width))
        held = dos_electrons(energies, density, Smearing(scheme, width), mu)
        assert held == pytest.approx(6.0, abs=1e-9)
    with pytest.raises(ValueError, match="do not fit"):
        dos_chemical_potential(energies, density, 60.0, Smearing(scheme, 0.1))
    with pytest.raises(ValueError, match="finite"):
        dos_electrons(energies, density[1:], None, 0.0)
