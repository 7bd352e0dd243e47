import numpy as np
import pytest

from dosml.analysis.measures.dos_curves import (
    mean_absolute_curvature,
    mean_absolute_slope,
    smeared_dos,
)
from dosml.analysis.measures.reading import DosWindows
from dosml.analysis.measures.table import measure_all
from dosml.errors import InputError
from dosml.theory.dos import ElectronicDos
from dosml.theory.smearing import Smearing

SCHEMES = ("fermi-dirac", "gaussian", "methfessel-paxton-1", "methfessel-paxton-2", "cold")
# Edges of the rectangle lie midway between grid points, where the trapezoidal rule is exact
# for the area.
ENERGIES = np.linspace(-30, 30, 6001)
LOW, HIGH, HEIGHT = -3.005, 1.005, 2.5
RECTANGLE = np.where((ENERGIES > LOW) & (ENERGIES < HIGH), HEIGHT, 0.0)
WINDOWS = DosWindows(moments=(-10, 10), sharpness=(-2, 2))


def rectangle():
    return ElectronicDos(energies=ENERGIES, total=RECTANGLE, d=RECTANGLE)


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", [0.1, 0.5, 2.0])
def test_smeared_rectangle_is_a_difference_of_occupations(scheme, width):
    smearing = Smearing(scheme, width)
    # n(E) = h ∫_low^high delta(e - E) de = h [f(low - E) - f(high - E)], also for a lopsided delta
    expected = HEIGHT * (smearing.occupation(LOW - ENERGIES) - smearing.occupation(HIGH - ENERGIES))
    smeared = smeared_dos(ENERGIES, RECTANGLE, smearing)
    inside = np.abs(ENERGIES) < 15
    np.testing.assert_allclose(smeared[inside], expected[inside], atol=2e-3)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_n_at_the_fermi_level_is_the_convolution_there(scheme):
    smearing = Smearing(scheme, 0.7)
    measures = measure_all(rectangle(), smearing, WINDOWS)
    expected = HEIGHT * (smearing.occupation(LOW) - smearing.occupation(HIGH))
    assert measures["n_d_fermi_states_per_ev_atom"] == pytest.approx(float(expected), abs=1e-4)
    assert measures["n_d_fermi_bare_states_per_ev_atom"] == HEIGHT
    curve = smeared_dos(ENERGIES, RECTANGLE, smearing)
    assert np.interp(0, ENERGIES, curve) == pytest.approx(
        measures["n_d_fermi_states_per_ev_atom"], abs=1e-9
    )
    assert measures["smearing_weight_on_grid"] == pytest.approx(1, abs=1e-9)


def test_moments_of_a_rectangle():
    measures = measure_all(rectangle(), Smearing("gaussian", 0.05), WINDOWS)
    assert measures["d_band_center_ev"] == pytest.approx(-1.0, abs=1e-3)
    assert measures["d_band_width_ev"] == pytest.approx((HIGH - LOW) / np.sqrt(12), rel=1e-3)
    assert measures["d_band_filling"] == pytest.approx(-LOW / (HIGH - LOW), abs=1e-3)
    assert measures["d_electrons_per_atom"] == pytest.approx(-LOW * HEIGHT, abs=5e-3)
    assert measures["d_holes_per_atom"] == pytest.approx(HIGH * HEIGHT, abs=5e-3)


def test_sharpness_of_one_edge_is_its_height_over_the_window():
    measures = measure_all(rectangle(), Smearing("gaussian", 0.05), WINDOWS)
    # only the upper edge lies in (-2, 2), and the curve passes through all of it
    assert measures["d_sharpness_bare_states_per_ev2_atom"] == pytest.approx(HEIGHT / 4)
    assert measures["d_sharpness_states_per_ev2_atom"] == pytest.approx(HEIGHT / 4, rel=1e-3)


def test_sharpness_smeared_with_fermi_dirac_in_closed_form():
    smearing = Smearing("fermi-dirac", 1.0)
    measures = measure_all(rectangle(), smearing, WINDOWS)

    def curve(e):
        return HEIGHT * float(smearing.occupation(LOW - e) - smearing.occupation(HIGH - e))

    # up to the middle of the rectangle, down after it
    middle = 0.5 * (LOW + HIGH)
    expected = (2 * curve(middle) - curve(-2) - curve(2)) / 4
    assert measures["d_sharpness_states_per_ev2_atom"] == pytest.approx(expected, rel=1e-3)


def test_response_integral_of_a_half_filled_rectangle():
    # width W with ten states filled to N: (100 / W) H(N / 10), H(x) = -x ln x - (1-x) ln(1-x)
    energies = np.linspace(-10, 10, 4001)
    width, filling = 6.0, 0.3
    low = -width * filling
    d = np.where((energies > low) & (energies < low + width), 10 / width, 0.0)
    dos = ElectronicDos(energies=energies, total=d, d=d)
    expected = -100 / width * (filling * np.log(filling) + (1 - filling) * np.log(1 - filling))
    smearing = Smearing("gaussian", 0.01)
    measures = measure_all(dos, smearing, DosWindows((-9, 9)))
    assert measures["d_response_unsmeared_states2_per_ev_atom2"] == pytest.approx(
        expected, rel=5e-3
    )
    assert measures["d_response_states2_per_ev_atom2"] == pytest.approx(expected, rel=5e-3)
    wide = measure_all(dos, Smearing("fermi-dirac", 1.0), DosWindows((-9, 9)))
    assert (
        wide["d_response_states2_per_ev_atom2"]
        < 0.9 * wide["d_response_unsmeared_states2_per_ev_atom2"]
    )


@pytest.mark.parametrize("width", [0.1, 1.0, 2.0])
def test_shift_of_the_fermi_level_of_a_rectangle_in_closed_form(width):
    measures = measure_all(rectangle(), Smearing("fermi-dirac", width), WINDOWS)
    # electrons in the rectangle: h σ [ln(1 + e^(-low/σ)) - ln(1 + e^(-high/σ))]
    electrons = HEIGHT * width * (np.logaddexp(0, -LOW / width) - np.logaddexp(0, -HIGH / width))
    assert measures["fermi_level_shift_ev"] == pytest.approx(-(LOW + electrons / HEIGHT), abs=2e-3)
    assert measures["n_d_unsmeared_fermi_states_per_ev_atom"] == pytest.approx(HEIGHT)


def test_slope_does_not_depend_on_the_grid():
    for n in (401, 4001):
        e = np.linspace(-4, 4, n)
        assert mean_absolute_slope(e, np.sin(e), (-np.pi, np.pi)) == pytest.approx(
            4 / (2 * np.pi), rel=1e-3
        )


def test_curvature_of_a_sine_and_of_a_smeared_edge():
    e = np.linspace(-4, 4, 4001)
    assert mean_absolute_curvature(e, np.sin(e), (-np.pi, np.pi)) == pytest.approx(
        2 / np.pi, rel=1e-3
    )
    # the slope of a smeared edge is the delta itself: up to its peak and down again
    smearing = Smearing("fermi-dirac", 0.1)
    curvature = measure_all(rectangle(), smearing, WINDOWS)["d_curvature_states_per_ev3_atom"]
    assert curvature == pytest.approx(HEIGHT * 2 * float(smearing.delta(0.0)) / 4, rel=0.01)


def test_part_of_the_delta_beyond_the_grid_is_told():
    e = np.linspace(-4, 4, 801)
    dos = ElectronicDos(energies=e, total=np.ones(801), d=np.ones(801))
    smearing = Smearing("fermi-dirac", 2.0)
    measures = measure_all(dos, smearing, DosWindows((-4, 4), (-1, 1)))
    expected = float(smearing.occupation(-4.0) - smearing.occupation(4.0))
    assert measures["smearing_weight_on_grid"] == pytest.approx(expected, rel=1e-4)


def test_windows_and_grids_that_cannot_work_are_refused():
    smearing = Smearing("fermi-dirac", 0.2)
    with pytest.raises(InputError, match="moments window"):
        DosWindows(moments=(1, 5))
    with pytest.raises(InputError, match="sharpness window"):
        DosWindows(sharpness=(-2, -1))
    with pytest.raises(InputError, match="does not cover"):
        measure_all(rectangle(), smearing, DosWindows(sharpness=(-2, 40)))
    with pytest.raises(InputError, match="narrow the window"):
        measure_all(rectangle(), smearing, DosWindows(moments=(-99, 99)))
    with pytest.raises(InputError, match="coarser than the smearing width"):
        measure_all(rectangle(), Smearing("gaussian", 0.001), WINDOWS)
