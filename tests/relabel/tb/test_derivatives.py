"""Forces, stress and parameter gradients against finite differences of energies."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk
from helpers.tb_point import FitPoint

from dosml.relabel.engines.tb.engine import TbEngine
from dosml.relabel.engines.tb.hamiltonian import Structure
from dosml.relabel.engines.tb.kpoints import gamma_grid
from dosml.relabel.engines.tb.model import parameter_names
from dosml.relabel.engines.tb.options import TbOptions
from dosml.relabel.engines.tb.overlap_guard import SMALLEST
from dosml.relabel.engines.tb.radial import radial_functions
from dosml.relabel.engines.tb.solve import solve
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

SCHEMES = ("fermi-dirac", "gaussian", "methfessel-paxton-1", "cold")
STEP = 1e-4
VOIGT = ((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))


def force(engine, frame, setting, atom: int, axis: int) -> float:
    energies = []
    for sign in (1, -1):
        moved = frame.copy()
        moved.positions[atom, axis] += sign * STEP
        energies.append(engine.label(moved, setting).free_energy)
    return -(energies[0] - energies[1]) / (2 * STEP)


def stress(engine, frame, setting, i: int, j: int) -> float:
    energies = []
    for sign in (1, -1):
        strain = np.eye(3)
        strain[i, j] += sign * STEP / 2
        strain[j, i] += sign * STEP / 2
        moved = frame.copy()
        moved.set_cell(np.asarray(frame.cell) @ strain, scale_atoms=True)
        energies.append(engine.label(moved, setting).free_energy)
    return (energies[0] - energies[1]) / (2 * STEP) / frame.cell.volume


@pytest.mark.parametrize("shift", [0.0, -1.5, 2.0])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_forces_and_stress_are_derivatives_of_the_free_energy(engine, frame, scheme, shift) -> None:
    setting = ElectronicSetting(Smearing(scheme, 0.3), shift)
    label = engine.label(frame, setting)
    assert np.abs(label.forces).max() > 0.1
    for atom, axis in ((0, 0), (2, 1), (3, 2)):
        expected = force(engine, frame, setting, atom, axis)
        assert label.forces[atom, axis] == pytest.approx(expected, abs=1e-6)
    for place, (i, j) in enumerate(VOIGT):
        assert label.stress[place] == pytest.approx(stress(engine, frame, setting, i, j), abs=1e-6)
    np.testing.assert_allclose(label.forces.sum(axis=0), 0, atol=1e-10)


ZERO = (2.0, 0.5, -3.0, 4.0, 30.0, -60.0)


@pytest.fixture
def engine_with_zero(parameters, tmp_path) -> TbEngine:
    """The made-up metal with a zero of its levels that moves by electron volts."""
    path = tmp_path / "zero.json"
    path.write_text(json.dumps(replace(parameters, level_zero=ZERO).to_json()))
    return TbEngine(TbOptions(parameters=path, kpoints=(2, 3, 2)))


def test_the_zero_of_the_levels_has_exact_derivatives(engine_with_zero, engine, frame) -> None:
    setting = ElectronicSetting(Smearing("gaussian", 0.3), -1.5)
    label = engine_with_zero.label(frame, setting)
    assert np.abs(label.forces - engine.label(frame, setting).forces).max() > 0.1
    for atom, axis in ((0, 0), (2, 1)):
        expected = force(engine_with_zero, frame, setting, atom, axis)
        assert label.forces[atom, axis] == pytest.approx(expected, abs=1e-6)
    for place, (i, j) in enumerate(VOIGT):
        expected = stress(engine_with_zero, frame, setting, i, j)
        assert label.stress[place] == pytest.approx(expected, abs=1e-6)


def test_the_zero_of_the_levels_is_nothing_to_a_neutral_cell(
    engine_with_zero, engine, frame
) -> None:
    setting = ElectronicSetting(Smearing("cold", 0.4))
    one, other = (chosen.label(frame, setting) for chosen in (engine_with_zero, engine))
    assert one.free_energy == other.free_energy
    np.testing.assert_array_equal(one.forces, other.forces)
    np.testing.assert_array_equal(one.stress, other.stress)


def test_the_free_energy_falls_by_the_fermi_level_less_the_zero(engine_with_zero, frame) -> None:
    """dF/dn = E_F of the model - z, with z by hand."""
    smearing, step = Smearing("fermi-dirac", 0.3), 1e-3
    ends = [
        engine_with_zero.label(frame, ElectronicSetting(smearing, sign * step)).free_energy
        for sign in (1, -1)
    ]
    slope = (ends[0] - ends[1]) / (2 * step * len(frame))
    density = Structure.of(frame, engine_with_zero.parameters_of(frame)).onsite.density
    powers = sum(c * density**p for c, p in zip(ZERO[1:], (0, 1 / 3, 2 / 3, 4 / 3, 2), strict=True))
    zero = ZERO[0] * np.log(frame.cell.volume / len(frame)) + powers.mean()
    fermi_level = engine_with_zero.label(frame, ElectronicSetting(smearing)).fermi_level
    assert slope == pytest.approx(fermi_level - zero, abs=1e-6)


@pytest.mark.parametrize("share", [0.8, 0.6, 0.4, 0.1])
def test_forces_hold_where_atoms_are_squeezed(engine, share) -> None:
    """The continuation of the radial functions and the guard of the overlap matrix."""
    frame = bulk("Ti", "fcc", a=4.0, cubic=True)
    frame.rattle(0.05, seed=1)
    vector = frame.get_distance(0, 1, mic=True, vector=True)
    frame.positions[1] = frame.positions[0] + share * vector
    setting = ElectronicSetting(Smearing("methfessel-paxton-1", 0.5))
    label = engine.label(frame, setting)
    for axis in range(3):
        expected = force(engine, frame, setting, 1, axis)
        # where the guard is at work the energy bends on the scale of hundredths of an Å
        assert label.forces[1, axis] == pytest.approx(expected, rel=1e-5, abs=2e-5)


def test_the_guard_is_met_and_all_is_smooth_across_it(engine) -> None:
    """From no guard to guard: energies and forces as functions of a strain have no step."""
    frame = bulk("Ti", "fcc", a=4.0)
    setting = ElectronicSetting(Smearing("methfessel-paxton-1", 0.5))
    scales = np.linspace(1.0, 0.5, 120)
    guarded, energies, pressures = [], [], []
    for scale in scales:
        small = frame.copy()
        small.set_cell(scale * np.asarray(frame.cell), scale_atoms=True)
        bands = engine.bands(small)
        guarded.append(any(guard is not None for guard in bands.guards))
        label = engine.label(small, setting)
        energies.append(label.free_energy)
        pressures.append(label.stress[:3].sum() * small.cell.volume / scale)
    assert not guarded[0]
    assert guarded[-1]
    steps = np.diff(energies)
    integral = 0.5 * (np.array(pressures)[1:] + pressures[:-1]) * np.diff(scales)
    np.testing.assert_allclose(steps, integral, atol=0.02 * np.abs(steps).max())


def test_radial_functions_end_and_begin_smoothly(parameters) -> None:
    bohr = np.linspace(0.2, 10.0, 4001)
    from ase.units import Bohr

    radial = radial_functions(parameters, bohr * Bohr)
    for value, slope in (
        (radial.hopping, radial.hopping_slope),
        (radial.overlap, radial.overlap_slope),
        (radial.density[:, None], radial.density_slope[:, None]),
        (radial.repulsion[:, None], radial.repulsion_slope[:, None]),
    ):
        numeric = np.gradient(value, bohr * Bohr, axis=0)
        scale = np.abs(slope).max(axis=0)
        assert (np.abs(numeric - slope)[1:-1] < 1e-4 * scale).all()
        assert (value[bohr >= parameters.cutoff_radius] == 0).all()
    inner, outer = parameters.short_range
    assert 0 < inner < outer < 4.5
    still = bohr < inner
    assert still.any()
    assert (np.abs(radial.hopping_slope[still]) == 0).all()


def test_a_published_step_at_the_cutoff_is_gone(parameters) -> None:
    from ase.units import Bohr

    edge = parameters.cutoff_radius * Bohr
    almost, beyond = radial_functions(parameters, edge + np.array([-1e-4, 1e-4])).hopping
    assert np.abs(almost).max() < 1e-10
    assert (beyond == 0).all()


@pytest.mark.parametrize("crowded", [False, True])
def test_gradients_by_every_parameter(parameters, crowded) -> None:
    frame = bulk("Ti", "hcp", a=2.9, c=4.7)
    frame.rattle(0.1, seed=3)
    if crowded:  # an eigenvalue of the overlap matrix between 0 and the guard's threshold
        frame.set_cell(0.8 * np.asarray(frame.cell), scale_atoms=True)
        parameters = replace(parameters, overlap=parameters.overlap * [1.7, 1.7, 1.7, 1.7, 1])
    kpoints, smearing = gamma_grid((1, 3, 1)), Smearing("cold", 0.4)
    structure = Structure.of(frame, parameters)
    bands = solve(structure, kpoints)
    assert any(guard is not None for guard in bands.guards) == crowded
    one_level = np.zeros_like(bands.energies)
    one_level[1, 7] = 1.0
    electrons = 5.0 * len(frame)
    of_energy = bands.parameter_gradient(bands.free_energy(electrons, smearing).by_levels)
    of_level = bands.parameter_gradient(one_level)
    vector = parameters.to_vector()
    assert len(parameter_names()) == len(vector) == len(of_energy)
    for i, name in list(enumerate(parameter_names()))[:: 7 if crowded else 2]:
        h = 1e-5 * abs(vector[i])
        energies, levels = [], []
        for sign in (1, -1):
            moved = vector.copy()
            moved[i] += sign * h
            other = solve(
                Structure.of_bonds(structure.bonds, parameters.with_vector(moved)), kpoints
            )
            energies.append(other.free_energy(electrons, smearing).value)
            levels.append(other.energies[1, 7])
        # per relative change of the parameter, in eV
        tolerance = 1e-4 if crowded else 1e-6
        for found, pair in ((of_energy, energies), (of_level, levels)):
            slope = (pair[0] - pair[1]) / 2e-5
            assert found[i] * abs(vector[i]) == pytest.approx(slope, abs=tolerance, rel=1e-6), name


def test_an_atom_alone_has_the_levels_of_the_free_atom(parameters) -> None:
    from ase import Atoms
    from ase.units import Rydberg

    alone = Atoms("Ti", cell=[20, 20, 20], pbc=True)
    bands = solve(Structure.of(alone, parameters), gamma_grid((1, 1, 1)))
    s, p, d = Rydberg * parameters.onsite[:, 0]
    np.testing.assert_allclose(bands.energies[0], sorted([s, *[p] * 3, *[d] * 5]), atol=1e-12)
    free = bands.free_energy(5.0, Smearing("gaussian", 0.1))
    assert (bands.vector_gradient(free) == 0).all()


def test_the_threshold_of_the_guard_is_below_usual_eigenvalues(parameters, frame) -> None:
    structure = Structure.of(frame, replace(parameters, electrons=3.0))
    overlap = structure.matrices(gamma_grid((2, 2, 2)).points, real=True)[1]
    assert np.linalg.eigvalsh(overlap).min() > 2 * SMALLEST


def test_a_fit_point_has_the_labels_of_the_engine(engine, parameters, frame) -> None:
    settings = [ElectronicSetting(Smearing("cold", width), -0.5) for width in (0.2, 1.0)]
    point = FitPoint.of(frame, gamma_grid((2, 3, 2)), parameters)
    (one, _), (other, slope) = point.free_energies(parameters, settings)
    assert one == pytest.approx(engine.label(frame, settings[0]).free_energy, abs=1e-9)
    assert other == pytest.approx(engine.label(frame, settings[1]).free_energy, abs=1e-9)
    vector = parameters.to_vector()
    along = 1e-6 * vector * np.random.default_rng(0).normal(size=len(vector))
    up, down = (
        point.free_energies(parameters.with_vector(vector + sign * along), settings)[1][0]
        for sign in (1, -1)
    )
    assert slope @ along == pytest.approx((up - down) / 2, rel=1e-5)
