"""Exact labels of hydrogen clusters: the calculators, and the set that ships."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms

from dosml.errors import DamagedFileError, EngineError, InputError
from dosml.relabel.clusters import draw_clusters
from dosml.relabel.hydrogen import (
    DENSITIES,
    EXPANDED,
    N_TEST,
    N_TRAIN,
    PARTS,
    SIZES,
    density_name,
    expanded,
    hydrogen_dataset,
    read_parts,
    write_parts,
)
from dosml.theory.body_order import order_sums, up_to

HARTREE = 27.211386245988


@pytest.fixture
def full_ci():
    pytest.importorskip("pyscf", reason="the hydrogen extra is not installed")
    from dosml.relabel import full_ci

    return full_ci


def energy(make, atoms: Atoms) -> float:
    atoms = atoms.copy()
    atoms.calc = make()
    return atoms.get_potential_energy()


def test_atom_and_molecule_are_those_of_the_textbook(full_ci):
    # Szabo and Ostlund, Modern Quantum Chemistry (1989): H and, at 1.4 Bohr, H2 in STO-3G (full CI)
    assert energy(full_ci.sto_3g, Atoms("H")) / HARTREE == pytest.approx(-0.46658, abs=2e-5)
    molecule = Atoms("H2", [[0, 0, 0], [0, 0, 1.4 * 0.529177]])
    assert energy(full_ci.sto_3g, molecule) / HARTREE == pytest.approx(-1.1373, abs=1e-4)
    # far apart two atoms are two atoms: no spin is fixed, and full CI is size consistent
    apart = Atoms("H2", [[0, 0, 0], [0, 0, 15.0]])
    assert energy(full_ci.sto_3g, apart) == pytest.approx(2 * energy(full_ci.sto_3g, Atoms("H")))
    assert energy(full_ci.cc_pvdz, molecule) < energy(full_ci.six_31g, molecule)


def test_atoms_far_apart_add_up_though_their_ground_state_is_degenerate(full_ci):
    pair = [[0, 0, 0], [0, 0, 0.9]]
    spread = Atoms("H5", [*pair, [0, 9, 0], [9, 0, 0], [0, 0, 10]])
    alone = energy(full_ci.sto_3g, Atoms("H"))
    expected = energy(full_ci.sto_3g, Atoms("H2", pair)) + 3 * alone
    assert energy(full_ci.sto_3g, spread) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(("size", "make"), [(3, "sto_3g"), (4, "sto_3g"), (3, "pbe_sto_3g")])
def test_forces_are_derivatives(full_ci, size, make):
    (cluster,) = draw_clusters((size,), 1, density=0.1, shortest=0.9, seed=2)
    function = getattr(full_ci, make)
    cluster.calc = function()
    forces = cluster.get_forces()
    step, moved = 1e-3, []
    for sign in (1, -1):
        other = cluster.copy()
        other.positions[1, 2] += sign * step
        moved.append(energy(function, other))
    # PBE on a grid that does not move with the atoms
    tolerance = 1e-4 if make == "sto_3g" else 3e-2
    assert forces[1, 2] == pytest.approx(-(moved[0] - moved[1]) / (2 * step), abs=tolerance)


def test_what_cannot_be_computed_is_refused(full_ci):
    with pytest.raises(EngineError, match="this calculator is for hydrogen, the cluster is HLi"):
        energy(full_ci.sto_3g, Atoms("LiH", [[0, 0, 0], [0, 0, 1.6]]))
    many = Atoms("H12", np.arange(36).reshape(12, 3))
    with pytest.raises(EngineError, match="853776 determinants here, at most 70000"):
        energy(full_ci.sto_3g, many)


@pytest.mark.parametrize("density", DENSITIES)
def test_the_set_is_what_its_card_says(density):
    data = hydrogen_dataset(density)
    assert len(data.train) == N_TRAIN
    assert len(data.test) == N_TEST
    for role in (data.train, data.test):
        assert {len(data.frames[n]) for n in role} == set(SIZES)
    parts, some = read_parts(density), expanded(data.frames, data.test)
    assert len(some) == EXPANDED * len(SIZES)
    assert [len(one) for one in parts] == [2 ** len(data.frames[n]) - 1 for n in some]
    (labels,) = data.label_sets
    for n, one in zip(some, parts, strict=True):
        # the whole cluster is a part, and its energy the label
        size = len(data.frames[n])
        assert one[2**size - 1] == pytest.approx(labels.energies[n], abs=1e-6)
        assert labels.forces[n].sum(axis=0) == pytest.approx(0, abs=1e-4)
        alone = [one[1 << a] for a in range(size)]
        assert np.ptp(alone) < 1e-9


def test_orders_have_the_pattern_of_the_published_ones():
    """Two bodies bind, three repel, and so on in turn; the denser, the slower they fall off."""
    means = []
    for density in DENSITIES:
        orders = [order_sums(6, one) for one in read_parts(density) if len(one) == 2**6 - 1]
        mean = np.mean(orders, axis=0)[1:]
        means.append(np.abs(mean))
        assert mean[0] < 0 < mean[1]
        assert abs(mean[-1]) < abs(mean[0])
    dense = np.mean([order_sums(6, p) for p in read_parts(0.3) if len(p) == 63], axis=0)[1:]
    np.testing.assert_array_equal(np.sign(dense), [-1, 1, -1, 1, -1])
    # published for one cluster each, E_4: 0, -0.47, -10.4 eV
    assert means[0][2] < means[1][2] < means[2][2]
    assert 3 < means[2][2] < 60
    # in thin clusters high orders vanish: a part in an excited state would show up here first
    for one in read_parts(0.02):
        last = order_sums(len(one).bit_length(), one)[-1]
        assert abs(last) < 0.05 or len(one) <= 2**4


def test_a_shipped_energy_is_computed_again(full_ci):
    data, parts = hydrogen_dataset(0.1), read_parts(0.1)
    some = expanded(data.frames, data.test)
    n, one = next((n, one) for n, one in zip(some, parts, strict=True) if len(one) == 2**5 - 1)
    frame = data.frames[n]
    for part in (0b11, 0b10110, 0b11111):
        atoms = frame[[a for a in range(5) if part >> a & 1]]
        assert energy(full_ci.sto_3g, atoms) == pytest.approx(one[part], abs=1e-6)


def test_damaged_parts_are_told(tmp_path):
    place = tmp_path / density_name(0.1)
    place.mkdir()
    write_parts(place, [[-1.0] * len(up_to(3, 3)), [-1.0] * len(up_to(2, 2))])
    found = read_parts(0.1, tmp_path)
    assert [list(one) for one in found] == [up_to(3, 3), up_to(2, 2)]
    write_parts(place, [[-1.0] * 6])
    with pytest.raises(DamagedFileError, match="install dosml again"):
        read_parts(0.1, tmp_path)
    (place / PARTS).write_bytes(b"no archive")
    with pytest.raises(DamagedFileError):
        read_parts(0.1, tmp_path)
    with pytest.raises(InputError, match=r"0\.02, 0\.1, 0\.3 atoms/Å\^3, not of 0\.5"):
        hydrogen_dataset(0.5)
