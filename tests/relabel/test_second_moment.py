"""The second-moment potential and its calibration, through nothing but energies and forces."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress

from dosml.errors import UnknownElementError
from dosml.relabel.calibration import calibrate
from dosml.relabel.elements import ELEMENTS, element
from dosml.relabel.second_moment import (
    SecondMomentCalculator,
    SecondMomentParameters,
    core_repulsion,
    switched_exponential,
)
from dosml.relabel.structures import build_structure, unit_cell

#: Debye temperatures (K), Kittel, Introduction to Solid State Physics, 8th ed., ch. 5, table 1.
DEBYE = {"Ti": 420, "Cu": 343, "W": 400, "Au": 165, "Os": 500, "Nb": 275, "Cd": 209}


def _with_potential(atoms: Atoms, prototype: str | None = None) -> Atoms:
    atoms.calc = SecondMomentCalculator(calibrate(atoms.get_chemical_symbols()[0], prototype))
    return atoms


def _by_hand(atoms: Atoms, par: SecondMomentParameters) -> float:
    """Energy straight from the formula, image by image."""
    images = [np.array(n) @ np.asarray(atoms.cell) for n in itertools.product((-1, 0, 1), repeat=3)]
    energy = 0.0
    for i, here in enumerate(atoms.positions):
        repulsion = moment = 0.0
        for j, there in enumerate(atoms.positions):
            for image in images:
                r = float(np.linalg.norm(there + image - here))
                if (i == j and r < 1e-9) or r >= par.cutoff:
                    continue
                x = max((r - par.switch_start) / (par.cutoff - par.switch_start), 0.0)
                w = 1 - 10 * x**3 + 15 * x**4 - 6 * x**5
                repulsion += par.repulsion * np.exp(-par.p * (r / par.r0 - 1)) * w
                repulsion += 0.5 * _core_by_hand(r, par)
                moment += par.hopping**2 * np.exp(-2 * par.q * (r / par.r0 - 1)) * w
        energy += repulsion - np.sqrt(moment)
    return energy


def _core_by_hand(r: float, par: SecondMomentParameters) -> float:
    """Z^2 e^2 / r phi(r/a), switched off from 0.60 to 0.85 r0."""
    if par.core_charge == 0 or r >= 0.85 * par.r0:
        return 0.0
    x = r * 2 * par.core_charge**0.23 / (0.8854 * 0.5291772105638411)
    phi = 0.18175 * np.exp(-3.1998 * x) + 0.50986 * np.exp(-0.94229 * x)
    phi += 0.28022 * np.exp(-0.4029 * x) + 0.02817 * np.exp(-0.20162 * x)
    t = max((r / par.r0 - 0.60) / 0.25, 0.0)
    return par.core_charge**2 * 14.399645 / r * phi * (1 - 10 * t**3 + 15 * t**4 - 6 * t**5)


def _hessian(atoms: Atoms, step: float = 1e-3) -> np.ndarray:
    rows = []
    for index, axis in itertools.product(range(len(atoms)), range(3)):
        pair = []
        for sign in (1, -1):
            atoms.positions[index, axis] += sign * step
            pair.append(atoms.get_forces().ravel().copy())
            atoms.positions[index, axis] -= sign * step
        rows.append((pair[1] - pair[0]) / (2 * step))
    matrix = np.array(rows)
    return 0.5 * (matrix + matrix.T)


@pytest.mark.parametrize(
    ("symbol", "prototype"), [("Ti", None), ("Cu", None), ("W", None), ("Ti", "omega")]
)
def test_forces_and_stress_are_derivatives_of_the_energy(symbol, prototype):
    atoms = build_structure(symbol, prototype=prototype, min_length=5.0)
    deformation = np.array([[1.02, 0.03, 0.0], [0.0, 0.99, 0.02], [0.0, 0.0, 1.0]])
    atoms.set_cell(atoms.cell.array @ deformation, scale_atoms=True)
    atoms.rattle(0.15, seed=1)
    _with_potential(atoms, prototype)
    forces = calculate_numerical_forces(atoms, eps=1e-4)
    np.testing.assert_allclose(atoms.get_forces(), forces, atol=2e-6)
    stress = calculate_numerical_stress(atoms, eps=1e-5)
    np.testing.assert_allclose(atoms.get_stress(), stress, atol=1e-7)
    assert np.abs(atoms.get_forces().sum(axis=0)).max() < 1e-10


@pytest.mark.parametrize("symbol", ["Zn", "Fe"])
def test_energy_is_the_formula(symbol):
    atoms = build_structure(symbol, min_length=5.5)
    atoms.rattle(0.2, seed=2)
    _with_potential(atoms)
    assert atoms.get_potential_energy() == pytest.approx(
        _by_hand(atoms, calibrate(symbol)), rel=1e-8
    )


def test_dimer_and_atom_in_open_space():
    par = SecondMomentParameters(0.1, 1.2, 10.0, 2.5, 2.5, switch_start=2.6, cutoff=3.5)
    dimer = Atoms("Cu2", [(0, 0, 0), (0, 0, 2.5)])
    dimer.calc = SecondMomentCalculator(par)
    # at r0 both exponentials are one
    assert dimer.get_potential_energy() == pytest.approx(2 * (0.1 - 1.2))
    slope = 2 * (-0.1 * 10.0 / 2.5 + 1.2 * 2.5 / 2.5)
    assert dimer.get_forces()[1] == pytest.approx([0, 0, -slope])
    dimer.positions[1, 2] = 4.0
    assert dimer.get_potential_energy() == 0.0
    assert not dimer.get_forces().any()


def test_core_repulsion_is_that_of_the_published_potential():
    par = calibrate("Nb")
    for r in (1.5, 2.0, 2.3, 0.85 * par.r0):
        energy, _ = core_repulsion(np.array([r]), par.core_charge, par.r0)
        assert energy == pytest.approx(_core_by_hand(r, par), rel=1e-6)


def test_forces_of_a_crowd_are_derivatives_with_the_core_repulsion():
    atoms = build_structure("Nb", min_length=5.0)
    atoms.set_cell(atoms.cell * 0.85, scale_atoms=True)
    atoms.rattle(0.1, seed=3)
    _with_potential(atoms)
    assert calibrate("Nb").core_charge == 41
    np.testing.assert_allclose(
        atoms.get_forces(), calculate_numerical_forces(atoms, eps=1e-5), atol=2e-5
    )


def test_switch_is_smooth_to_second_order():
    def shape(r):
        return switched_exponential(np.asarray(r), 5.0, 2.5, 2.6, 3.5)

    r = np.linspace(2.3, 3.7, 200)
    h = 1e-5
    value, slope, curvature = shape(r)
    np.testing.assert_allclose(slope, (shape(r + h)[0] - shape(r - h)[0]) / (2 * h), atol=1e-7)
    np.testing.assert_allclose(curvature, (shape(r + h)[1] - shape(r - h)[1]) / (2 * h), atol=2e-4)
    for edge in (2.6, 3.5):
        below, above = shape(edge - 1e-9), shape(edge + 1e-9)
        np.testing.assert_allclose(below, above, atol=1e-6)
    assert (value[r >= 3.5] == 0).all()


def test_a_long_walk_with_one_calculator_equals_fresh_ones():
    """The pair list is renewed in time, and on any change of cell, boundary or size."""
    atoms = _with_potential(build_structure("Ti"))
    rng = np.random.default_rng(0)
    for step in range(40):
        atoms.positions += rng.normal(scale=0.05, size=atoms.positions.shape)
        if step == 20:
            atoms.set_cell(atoms.cell * 1.03, scale_atoms=True)
        if step == 25:
            del atoms[3]
        if step == 30:
            atoms.pbc = (True, True, False)
        fresh = _with_potential(atoms.copy())
        assert atoms.get_potential_energy() == pytest.approx(fresh.get_potential_energy())
        np.testing.assert_allclose(atoms.get_forces(), fresh.get_forces(), atol=1e-10)


@pytest.mark.parametrize("symbol", ELEMENTS)
def test_lattice_constant_cohesive_energy_and_bulk_modulus(symbol):
    """Equation of state of the crystal, fitted as if it came from any calculator."""
    metal, cell = element(symbol), unit_cell(symbol)
    _with_potential(cell)
    n_atoms, volume = len(cell), cell.get_volume() / len(cell)
    assert cell.get_potential_energy() / n_atoms == pytest.approx(-metal.cohesive_energy, rel=1e-10)
    scales = np.linspace(0.99, 1.01, 21)
    reference, energies = cell.copy(), []
    for scale in scales:
        cell.set_cell(reference.cell * scale, scale_atoms=True)
        energies.append(cell.get_potential_energy() / n_atoms)
    fit = np.polynomial.Polynomial.fit(scales, energies, 6)
    (minimum,) = [
        root.real for root in fit.deriv().roots() if abs(root.imag) < 1e-12 and 0.99 < root < 1.01
    ]
    assert minimum == pytest.approx(1.0, abs=1e-6)
    bulk_modulus = fit.deriv(2)(1.0) / (9 * volume) / units.GPa
    assert bulk_modulus == pytest.approx(metal.bulk_modulus, rel=1e-4)


@pytest.mark.parametrize(
    ("symbol", "prototype"),
    [(symbol, None) for symbol in ELEMENTS if symbol != "Mn"] + [("Ti", "omega"), ("Zr", "omega")],
)
def test_crystals_are_stable_against_every_displacement(symbol, prototype):
    atoms = build_structure(symbol, prototype=prototype, vacancy=False)
    _with_potential(atoms, prototype)
    assert np.abs(atoms.get_forces()).max() < 1e-8
    eigenvalues = np.linalg.eigvalsh(_hessian(atoms))
    stiffest = eigenvalues[-1]
    assert np.abs(np.sort(np.abs(eigenvalues))[:3]).max() < 1e-6 * stiffest  # translations
    assert (eigenvalues > 0.005 * stiffest).sum() == len(eigenvalues) - 3


def test_alpha_manganese_relaxes_to_itself():
    """Its free internal coordinates settle close to the measured ones."""
    from ase.optimize import BFGS

    atoms = _with_potential(build_structure("Mn", vacancy=False))
    start = atoms.positions.copy()
    BFGS(atoms, logfile=None).run(fmax=1e-3, steps=200)
    assert np.linalg.norm(atoms.positions - start, axis=1).max() < 0.25
    eigenvalues = np.linalg.eigvalsh(_hessian(atoms))
    assert (eigenvalues > 0.005 * eigenvalues[-1]).sum() == len(eigenvalues) - 3


@pytest.mark.parametrize("symbol", DEBYE)
def test_phonons_have_the_right_scale(symbol):
    """Mean square frequency against Debye's, 3/5 of the cut-off squared."""
    atoms = _with_potential(build_structure(symbol, vacancy=False))
    mean_square = np.trace(_hessian(atoms)) / (3 * len(atoms)) / atoms.get_masses()[0]
    hbar = units._hbar * units.J * units.s
    debye = hbar * np.sqrt(5 / 3 * mean_square) / units.kB
    assert 0.6 < debye / DEBYE[symbol] < 1.4


def test_a_vacancy_costs_a_third_of_the_cohesive_energy():
    for symbol in ("Ti", "Cu", "W", "Zn", "Au"):
        perfect = _with_potential(build_structure(symbol, vacancy=False))
        defect = _with_potential(build_structure(symbol))
        per_atom = perfect.get_potential_energy() / len(perfect)
        cost = defect.get_potential_energy() - len(defect) * per_atom
        assert cost / element(symbol).cohesive_energy == pytest.approx(1 / 3, abs=0.06), symbol


def test_calibration_of_an_unknown_metal():
    with pytest.raises(UnknownElementError):
        calibrate("Al")
