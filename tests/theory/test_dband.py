"""Moments of a d band against closed forms, pymatgen, and published values."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad

from dosml.theory.dband import band_moments, d_band
from dosml.theory.dos import ElectronicDos
from dosml.theory.model_bands import RectangularBand, SemiEllipticBand, friedel_bond_energy
from dosml.theory.principal_value import hilbert_transform
from dosml.theory.smearing import Smearing


@given(electrons=st.floats(0, 10), width=st.floats(0.5, 20), centre=st.floats(-5, 5))
def test_rectangular_band(electrons: float, width: float, centre: float) -> None:
    """Friedel: E_bond = -(W/20) N (10 - N), e_d - E_F = W (1/2 - N/10)."""
    band = RectangularBand(width, centre)
    fermi = band.fermi_level(electrons)
    assert centre - fermi == pytest.approx(width * (0.5 - electrons / 10), abs=1e-12)
    assert friedel_bond_energy(width, electrons) == pytest.approx(
        -width / 20 * electrons * (10 - electrons), abs=1e-12
    )
    energy = 10 / width * ((fermi - centre) ** 2 - (width / 2) ** 2) / 2
    assert band.bond_energy(electrons) == pytest.approx(energy, abs=1e-9)


@settings(deadline=None, max_examples=30)
@given(electrons=st.floats(0, 10), width=st.floats(0.5, 20), centre=st.floats(-5, 5))
def test_semi_elliptic_band(electrons: float, width: float, centre: float) -> None:
    band = SemiEllipticBand(width, centre)
    fermi = band.fermi_level(electrons)
    assert band.electrons(fermi) == pytest.approx(electrons, abs=1e-9)
    low = centre - width / 2
    count = quad(lambda e: float(band.dos(e)), low, fermi, epsabs=1e-10)[0]
    energy = quad(lambda e: (e - centre) * float(band.dos(e)), low, fermi, epsabs=1e-10)[0]
    assert count == pytest.approx(electrons, abs=1e-6)
    assert band.bond_energy(electrons) == pytest.approx(energy, abs=1e-6 * width)


@pytest.mark.parametrize("band", [RectangularBand(6, 1.0), SemiEllipticBand(6, 1.0)])
def test_moments_of_model_bands(band: RectangularBand | SemiEllipticBand) -> None:
    energies = np.linspace(-2, 4, 6001)
    electrons = 4.0
    shift = band.fermi_level(electrons)
    moments = band_moments(energies, band.dos(energies), (-2 - shift, 4 - shift), fermi_level=shift)
    assert moments.states == pytest.approx(10, abs=1e-3)
    assert moments.electrons == pytest.approx(electrons, abs=1e-3)
    assert moments.filling == pytest.approx(0.4, abs=1e-4)
    assert moments.centre == pytest.approx(1.0 - shift, abs=1e-3)
    assert moments.width == pytest.approx(band.rms_width, abs=1e-3)
    assert moments.skewness == pytest.approx(0, abs=1e-3)
    # Uniform: 9/5; semicircle: 2.
    expected = 1.8 if isinstance(band, RectangularBand) else 2.0
    assert moments.kurtosis == pytest.approx(expected, abs=2e-3)
    assert moments.window == (-2 - shift, 4 - shift)


def test_skewed_band() -> None:
    """A triangle rising to its upper edge: centre 2/3, variance 1/18, skewness -2 sqrt(2)/5."""
    energies = np.linspace(0, 1, 4001)
    moments = band_moments(energies, 2 * energies, (0, 1), fermi_level=0.0)
    assert moments.centre == pytest.approx(2 / 3, abs=1e-6)
    assert moments.width == pytest.approx(18**-0.5, abs=1e-6)
    assert moments.skewness == pytest.approx(-2 * 2**0.5 / 5, abs=1e-5)
    assert moments.kurtosis == pytest.approx(2.4, abs=1e-5)


def test_hilbert_transform_of_half_an_ellipse() -> None:
    """Linear within the band; outside it closes with a square root (n = 10, R = 3)."""
    energies = np.linspace(-12, 12, 4801)
    band = SemiEllipticBand(6.0)
    transform = hilbert_transform(energies, band.dos(energies))
    inside = np.abs(energies) < 2.5
    expected = 20 * energies / 9 / np.pi
    np.testing.assert_allclose(transform[inside], expected[inside], atol=2e-3)
    outside = energies > 3.5
    e = energies[outside]
    np.testing.assert_allclose(
        transform[outside], 20 / 9 / np.pi * (e - np.sqrt(e * e - 9)), atol=2e-3
    )


def test_hilbert_transform_of_a_gaussian_is_dawsons_integral() -> None:
    from scipy.special import dawsn

    energies = np.linspace(-9, 9, 3601)
    transform = hilbert_transform(energies, np.exp(-(energies**2)))
    np.testing.assert_allclose(transform, 2 / np.sqrt(np.pi) * dawsn(energies), atol=1e-5)


def test_upper_edge_is_the_upper_edge() -> None:
    energies = np.linspace(-8, 8, 3201)
    for band in (RectangularBand(4, -1.0), SemiEllipticBand(4, -1.0)):
        moments = band_moments(energies, band.dos(energies), (-6, 6))
        assert moments.upper_edge == pytest.approx(1.0, abs=0.01)


def test_smearing_changes_the_filling_only() -> None:
    energies = np.linspace(-6, 6, 1201)
    dos = ElectronicDos(energies, np.exp(-(energies**2)), np.exp(-((energies - 0.5) ** 2)))
    sharp = d_band(dos, (-5, 5))
    smeared = d_band(dos, (-5, 5), smearing=Smearing("fermi-dirac", 0.5))
    assert smeared.centre == sharp.centre
    expected = np.trapezoid(dos.d / (1 + np.exp(energies / 0.5)), energies)
    assert smeared.electrons == pytest.approx(expected, rel=1e-5)
    assert smeared.filling > sharp.filling


@pytest.fixture(scope="module")
def iron(reference_data: Path):
    pymatgen = pytest.importorskip("pymatgen.electronic_structure.dos")
    with gzip.open(reference_data / "dos/emmet_Fe_bcc_CompleteDos.json.gz") as handle:
        return pymatgen.CompleteDos.from_dict(json.load(handle))


@pytest.mark.reference_data
def test_pymatgen_agrees_on_iron(iron) -> None:
    """The same moments from CompleteDos, window and all."""
    from pymatgen.electronic_structure.core import OrbitalType

    spd = iron.get_spd_dos()[OrbitalType.d]
    density = sum(spd.densities.values())
    for window in ((-10.0, 5.0), (-6.0, 2.0)):
        ours = band_moments(iron.energies, density, window, fermi_level=iron.efermi)
        assert ours.centre == pytest.approx(iron.get_band_center(erange=window), rel=1e-10)
        assert ours.width == pytest.approx(iron.get_band_width(erange=window), rel=1e-10)
        assert ours.skewness == pytest.approx(iron.get_band_skewness(erange=window), rel=1e-9)
        assert ours.kurtosis == pytest.approx(iron.get_band_kurtosis(erange=window), rel=1e-9)
        # pymatgen's transform is periodic in the 273 eV of this DOS, ours is not.
        step = iron.energies[1] - iron.energies[0]
        edge = iron.get_upper_band_edge(erange=window)
        assert ours.upper_edge == pytest.approx(edge, abs=1.01 * step)


@pytest.mark.reference_data
def test_pymatgen_filling_on_iron(iron) -> None:
    """pymatgen drops the cell that holds the Fermi level: put it on a grid point."""
    from pymatgen.electronic_structure.core import OrbitalType

    spd = iron.get_spd_dos()[OrbitalType.d]
    density = sum(spd.densities.values())
    below = iron.energies[iron.energies < iron.efermi][-1]
    whole = (iron.energies[0] - below, iron.energies[-1] - below)
    ours = band_moments(iron.energies, density, whole, fermi_level=below)
    assert ours.filling == pytest.approx(iron.get_band_filling(), rel=1e-10)


@pytest.mark.reference_data
def test_why_a_window_is_mandatory(iron) -> None:
    assert iron.get_band_center() > 70
    assert -3 < iron.get_band_center(erange=(-10, 5)) < 0


@pytest.mark.parametrize(
    ("window", "message"),
    [
        ((-5.0, 2.0), "reaches beyond"),
        ((-1.0, 20.0), "reaches beyond"),
        ((1.0, -1.0), "must rise"),
        ((float("nan"), 1.0), "must rise"),
        ((0.001, 0.002), "fewer than 3"),
        ((2.0, 3.0), "no states"),
    ],
)
def test_bad_windows_are_refused(window: tuple[float, float], message: str) -> None:
    energies = np.linspace(-3, 3, 61)
    with pytest.raises(ValueError, match=message):
        band_moments(energies, RectangularBand(2).dos(energies), window)


def test_bad_dos_is_refused() -> None:
    energies = np.linspace(-3, 3, 61)
    with pytest.raises(ValueError, match="shape"):
        band_moments(energies, np.ones(60), (-1, 1))
    with pytest.raises(ValueError, match="uniform"):
        band_moments(energies**3, np.ones(61), (-1, 1))
    with pytest.raises(ValueError, match="not positive"):
        band_moments(energies, 1 - 0.4 * energies**2, (-2.5, 2.5))
    with pytest.raises(ValueError, match="shape"):
        hilbert_transform(energies, np.ones(60))


@pytest.mark.parametrize("band", [RectangularBand, SemiEllipticBand])
def test_bad_bands_are_refused(band) -> None:
    with pytest.raises(ValueError, match="width must be a positive"):
        band(0)
    with pytest.raises(ValueError, match="positive number of states"):
        band(1, states=0)
    with pytest.raises(ValueError, match="centre must be"):
        band(1, float("nan"))
    with pytest.raises(ValueError, match="0 to 10 electrons"):
        band(1).fermi_level(11)
