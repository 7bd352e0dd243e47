"""What must not change a label: where the cell is, how it turns, how its atoms are counted."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk
from scipy.spatial.transform import Rotation

from dosml.relabel.engines.base import broaden
from dosml.relabel.engines.tb.engine import TbEngine
from dosml.relabel.engines.tb.hamiltonian import Structure
from dosml.relabel.engines.tb.kpoints import gamma_grid, grid_by_spacing
from dosml.relabel.engines.tb.labels import density_of_states
from dosml.relabel.engines.tb.options import TbOptions
from dosml.relabel.engines.tb.solve import solve
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

SETTING = ElectronicSetting(Smearing("methfessel-paxton-1", 0.3), -0.5)


def test_rotation(engine, frame) -> None:
    turn = Rotation.random(random_state=2).as_matrix()
    turned = frame.copy()
    turned.set_cell(np.asarray(frame.cell) @ turn.T, scale_atoms=True)
    one, other = (engine.label(atoms, SETTING) for atoms in (frame, turned))
    assert other.free_energy == pytest.approx(one.free_energy, abs=1e-9)
    np.testing.assert_allclose(other.forces, one.forces @ turn.T, atol=1e-9)
    np.testing.assert_allclose(other.dos.d, one.dos.d, atol=1e-8)
    full = [label.stress[[0, 5, 4, 5, 1, 3, 4, 3, 2]].reshape(3, 3) for label in (one, other)]
    np.testing.assert_allclose(full[1], turn @ full[0] @ turn.T, atol=1e-9)


def test_translation_wrapping_and_permutation(engine, frame) -> None:
    order = [2, 0, 3, 1]
    moved = frame[order]
    moved.positions += [0.3, -0.2, 7.7]
    moved.positions[1] += 2 * np.asarray(moved.cell)[0] - np.asarray(moved.cell)[2]
    one, other = (engine.label(atoms, SETTING) for atoms in (frame, moved))
    assert other.free_energy == pytest.approx(one.free_energy, abs=1e-9)
    np.testing.assert_allclose(other.forces, one.forces[order], atol=1e-9)
    np.testing.assert_allclose(other.stress, one.stress, atol=1e-9)


def test_a_supercell_is_the_primitive_cell_on_the_folded_grid(parameter_file) -> None:
    primitive = bulk("Ti", "hcp", a=2.9, c=4.7)
    primitive.rattle(0.1, seed=0)
    repeats = (2, 1, 3)
    small = TbEngine(TbOptions(parameters=parameter_file, kpoints=(4, 2, 6)))
    large = TbEngine(TbOptions(parameters=parameter_file, kpoints=(2, 2, 2)))
    one = small.label(primitive, SETTING)
    other = large.label(primitive * repeats, SETTING)
    assert other.free_energy / 6 == pytest.approx(one.free_energy, abs=1e-9)
    assert other.fermi_level == pytest.approx(one.fermi_level, abs=1e-9)
    np.testing.assert_allclose(other.forces, np.tile(one.forces, (6, 1)), atol=1e-9)
    np.testing.assert_allclose(other.stress, one.stress, atol=1e-9)
    np.testing.assert_allclose(other.dos.d_m, one.dos.d_m, atol=1e-8)


@pytest.mark.parametrize("size", [(1, 1, 1), (2, 2, 2), (3, 2, 1), (4, 3, 5)])
def test_time_reversal_halves_the_grid_and_changes_nothing(parameters, frame, size) -> None:
    reduced, full = gamma_grid(size), gamma_grid(size, time_reversal=False)
    assert len(full.points) == np.prod(size)
    assert reduced.weights.sum() == pytest.approx(1)
    own = np.prod([2 - number % 2 for number in size])
    assert len(reduced.points) == (np.prod(size) + own) // 2
    assert reduced.real.sum() == own
    structure = Structure.of(frame, parameters)
    one, other = solve(structure, reduced), solve(structure, full)
    filled = [bands.free_energy(17.3, SETTING.smearing) for bands in (one, other)]
    assert filled[0].value == pytest.approx(filled[1].value, abs=1e-9)
    forces = [bands.vector_gradient(free) for bands, free in zip((one, other), filled, strict=True)]
    np.testing.assert_allclose(forces[0], forces[1], atol=1e-9)


def test_real_and_complex_arithmetic_agree(parameters, frame) -> None:
    structure, points = Structure.of(frame, parameters), gamma_grid((2, 2, 2)).points
    for real, full in zip(
        structure.matrices(points, real=True), structure.matrices(points, real=False), strict=True
    ):
        assert real.dtype == np.float64
        np.testing.assert_allclose(real, full, atol=1e-12)
        np.testing.assert_allclose(full, full.conj().transpose(0, 2, 1), atol=1e-12)


def test_matrices_are_the_sums_over_neighbours_of_the_textbook(parameters, frame) -> None:
    """One element after the other, with a neighbour search of nested loops."""
    from ase.units import Bohr

    from dosml.relabel.engines.tb.radial import onsite_energies, radial_functions
    from dosml.relabel.engines.tb.slater_koster import SHELL_OF_ORBITAL, blocks, directions

    point = np.array([0.2, 0.4, -0.1])
    hamiltonian, overlap = (
        part[0] for part in Structure.of(frame, parameters).matrices(point[None], real=False)
    )
    n = 9 * len(frame)
    expected, norm = np.zeros((2, n, n), dtype=complex)
    density = np.zeros(len(frame))
    span = range(-4, 5)
    for i in range(len(frame)):
        for j in range(len(frame)):
            for cell in ((a, b, c) for a in span for b in span for c in span):
                vector = frame.positions[j] + cell @ np.asarray(frame.cell) - frame.positions[i]
                distance = np.linalg.norm(vector)
                if not 0 < distance < parameters.cutoff_radius * Bohr:
                    continue
                radial = radial_functions(parameters, np.array([distance]))
                density[i] += radial.density[0]
                bond = directions(vector[None] / distance)
                phase = np.exp(2j * np.pi * (point @ cell))
                at = np.ix_(range(9 * i, 9 * i + 9), range(9 * j, 9 * j + 9))
                expected[at] += phase * blocks(radial.hopping, bond)[0]
                norm[at] += phase * blocks(radial.overlap, bond)[0]
    levels = onsite_energies(parameters, density).energies[:, SHELL_OF_ORBITAL].ravel()
    np.testing.assert_allclose(hamiltonian, expected + np.diag(levels), atol=1e-10)
    np.testing.assert_allclose(overlap, norm + np.eye(n), atol=1e-10)


def test_the_density_of_states_counts_the_electrons(engine, frame) -> None:
    label = engine.label(frame, ElectronicSetting(Smearing("gaussian", 0.05)))
    dos = label.dos
    inside = dos.energies <= 0
    assert dos.total[inside].sum() * dos.step == pytest.approx(5.0, abs=0.1)
    assert label.n_electrons == 20
    assert dos.d_m is not None
    np.testing.assert_allclose(dos.d_m.sum(axis=0), dos.d)


def test_the_density_of_states_is_broadened_as_in_other_engines(engine, frame) -> None:
    bands = engine.bands(frame)
    found = density_of_states(bands, 1.234)
    share = np.broadcast_to(2 / len(frame) * bands.kpoints.weights[:, None], bands.energies.shape)
    levels = bands.energies.ravel() - 1.234
    energies, (total,) = broaden(levels, share.reshape(1, -1))
    np.testing.assert_array_equal(found.energies, energies)
    np.testing.assert_allclose(found.total, total, atol=1e-6)
    d = (share[:, None] * bands.d_weights).transpose(1, 0, 2).reshape(5, -1)
    np.testing.assert_allclose(found.d_m, broaden(levels, d)[1], atol=1e-6)


def test_populations_of_all_orbitals_are_one(parameters, frame) -> None:
    """Mulliken's d weights of all levels together are five an atom at every k-point."""
    bands = solve(Structure.of(frame, parameters), gamma_grid((1, 1, 3)))
    np.testing.assert_allclose(bands.d_weights.sum(axis=2), len(frame), atol=1e-10)


def test_grid_by_spacing() -> None:
    frame = bulk("Cu", "fcc", a=7.0, cubic=True)
    assert grid_by_spacing(frame, 0.45) == (2, 2, 2)
    assert grid_by_spacing(frame, 0.2) == (5, 5, 5)
    assert grid_by_spacing(frame * (1, 2, 3), 0.45) == (2, 1, 1)
