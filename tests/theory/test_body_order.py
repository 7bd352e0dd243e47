"""The body-order expansion against potentials whose orders are known."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from ase import Atoms

from dosml.learners.sgp.descriptor import Descriptor
from dosml.learners.sgp.geometry import PairBuilder
from dosml.theory.body_order import (
    draw_samples,
    effective_body_order,
    estimate_orders,
    members,
    needed,
    order_sums,
    parts_of,
    sub_clusters,
    term,
    up_to,
)

CUTOFF = 12.0


def cluster(n: int, seed: int = 0) -> np.ndarray:
    """Positions of atoms that all see each other, none closer than 1.2 Å."""
    rng = np.random.default_rng(seed)
    while True:
        positions = rng.uniform(0, 1.4 * n ** (1 / 3), (n, 3))
        distances = np.linalg.norm(positions[:, None] - positions, axis=2)
        if distances[np.triu_indices(n, 1)].min() > 0.8:
            return positions


def pair_energy(positions: np.ndarray) -> float:
    first, second = np.triu_indices(len(positions), 1)
    distances = np.linalg.norm(positions[first] - positions[second], axis=1)
    return float(np.sum(np.exp(-2 * distances) - 0.3 * np.exp(-distances)) - 7.0 * len(positions))


def pair_forces(positions: np.ndarray) -> np.ndarray:
    forces = np.zeros_like(positions)
    for a, b in combinations(range(len(positions)), 2):
        vector = positions[a] - positions[b]
        distance = np.linalg.norm(vector)
        slope = -2 * np.exp(-2 * distance) + 0.3 * np.exp(-distance)
        forces[a] -= slope * vector / distance
        forces[b] += slope * vector / distance
    return forces


def root_energy(positions: np.ndarray) -> float:
    """A square root of a pair sum at every atom, as in the second-moment approximation."""
    distances = np.linalg.norm(positions[:, None] - positions, axis=2)
    np.fill_diagonal(distances, np.inf)
    return float(-np.sqrt(np.exp(-distances).sum(axis=1)).sum())


def density_energy(positions: np.ndarray, *, zeta: int, normalised: bool) -> float:
    """Sum over atoms of (w . B2)^zeta, with dosml's own B2, as long as it comes or normalised."""
    builder = PairBuilder(CUTOFF, 3, [1], device=torch.device("cpu"))
    batch = builder.build([Atoms(f"H{len(positions)}", positions)])
    found = Descriptor("B2", CUTOFF, 3, 3, 1).environments(batch)
    values = found.values if normalised else found.values * found.norms[:, None]
    weights = np.random.default_rng(7).normal(size=values.shape[1])
    return float(np.sum((values.numpy() @ weights * (1 if normalised else 1e-4)) ** zeta))


def energies(function, positions: np.ndarray, order: int | None = None, **options) -> dict:
    n = len(positions)
    return {one: function(positions[list(members(one))], **options) for one in up_to(n, order or n)}


def test_sub_clusters_are_all_there_once():
    assert up_to(3, 3) == [0b001, 0b010, 0b100, 0b011, 0b101, 0b110, 0b111]
    assert [len(sub_clusters(7, k)) for k in range(1, 8)] == [math.comb(7, k) for k in range(1, 8)]
    assert sorted(parts_of(0b1011)) == [1, 2, 3, 8, 9, 10, 11]
    assert members(0b1011) == (0, 1, 3)


@pytest.mark.parametrize("function", [pair_energy, root_energy])
@pytest.mark.parametrize("n", [2, 5, 8])
def test_all_orders_together_are_the_energy(function, n):
    positions = cluster(n)
    orders = order_sums(n, energies(function, positions))
    assert orders.sum() == pytest.approx(function(positions), abs=1e-10)


def test_orders_are_sums_of_the_terms():
    n, values = 6, energies(root_energy, cluster(6))
    orders = order_sums(n, values)
    for k in range(1, n + 1):
        by_terms = sum(float(term(one, values)) for one in sub_clusters(n, k))
        assert orders[k - 1] == pytest.approx(by_terms, abs=1e-12)


def test_single_atoms_of_thousands_of_ev_cost_no_digits():
    n, shift = 8, -27_000.0
    positions = cluster(n)
    values = energies(root_energy, positions)
    heavy = {one: value + shift * one.bit_count() for one, value in values.items()}
    np.testing.assert_allclose(order_sums(n, heavy)[1:], order_sums(n, values)[1:], atol=1e-8)


def test_a_pair_potential_ends_at_two():
    positions = cluster(7)
    orders = order_sums(7, energies(pair_energy, positions))
    assert abs(orders[1]) > 1e-3
    assert np.abs(orders[2:]).max() < 1e-10
    assert effective_body_order(orders) == 2


def test_forces_are_expanded_like_energies():
    positions = cluster(6)
    values = {}
    for one in up_to(6, 6):
        atoms = list(members(one))
        values[one] = np.zeros((6, 3))
        values[one][atoms] = pair_forces(positions[atoms])
    orders = order_sums(6, values)
    np.testing.assert_allclose(orders.sum(axis=0), pair_forces(positions), atol=1e-10)
    np.testing.assert_allclose(orders[1], pair_forces(positions), atol=1e-10)
    assert np.abs(orders[2:]).max() < 1e-10
    assert np.abs(orders[0]).max() == 0  # an atom alone feels nothing


@pytest.mark.parametrize(("zeta", "last"), [(1, 3), (2, 5)])
def test_a_density_model_ends_with_its_power(zeta, last):
    orders = order_sums(7, energies(density_energy, cluster(7), zeta=zeta, normalised=False))
    scale = np.abs(orders).max()
    assert abs(orders[last - 1]) > 1e-6 * scale
    assert np.abs(orders[last:]).max() < 1e-10 * scale


@pytest.mark.parametrize("zeta", [1, 2])
def test_a_normalised_density_model_does_not_end(zeta):
    orders = order_sums(7, energies(density_energy, cluster(7), zeta=zeta, normalised=True))
    # dividing by the length of the descriptor is a root of a five-body sum: all orders come back
    assert np.abs(orders[5:]).min() > 1e-3 * np.abs(orders).max()


def test_a_square_root_of_a_pair_sum_has_all_orders_with_alternating_signs():
    orders = order_sums(7, energies(root_energy, cluster(7)))
    signs = np.sign(orders[1:])
    np.testing.assert_array_equal(signs, [(-1) ** k for k in range(1, 7)])


def test_the_first_orders_need_the_small_parts_only():
    positions = cluster(8)
    whole = order_sums(8, energies(root_energy, positions))
    few = order_sums(8, energies(root_energy, positions, 3), 3)
    np.testing.assert_allclose(few, whole[:3], atol=1e-10)
    with pytest.raises(ValueError, match=r"have no value, that of the atoms \(0, 1, 2, 3\)"):
        order_sums(8, energies(root_energy, positions, 3), 4)
    with pytest.raises(ValueError, match="orders 1 to 8, not 9"):
        order_sums(8, {}, 9)


def test_an_expansion_that_runs_through_the_energy_is_not_converged():
    # up to K = 2 the sum is exact by chance, up to 3 it is not
    orders = np.array([-10.0, -2.0, 1.0, -1.0])
    assert effective_body_order(orders, 0.9) == 4
    assert effective_body_order(np.array([-10.0, -1.0, -0.8, -0.2]), 0.9) == 3
    assert effective_body_order(np.array([-10.0, -1.0, -0.8, -0.2]), 0.95) == 4
    # the same, with the first orders and the energy alone
    assert effective_body_order(np.array([-10.0, -1.0, -0.8]), 0.9, -12.0) == 3
    assert effective_body_order(np.array([-10.0, -1.0, -0.8]), 0.95, -12.0) is None
    with pytest.raises(ValueError, match="does not bind"):
        effective_body_order(np.array([-10.0, 0.0]))
    with pytest.raises(ValueError, match="between 0 and 1"):
        effective_body_order(orders, 1.0)


def test_samples_of_everything_are_exact():
    positions = cluster(6)
    samples = draw_samples(6, 6, 1000, np.random.default_rng(0))
    assert all(sample.complete for sample in samples)
    values = energies(root_energy, positions)
    found = estimate_orders(samples, values)
    np.testing.assert_allclose(found.orders, order_sums(6, values), atol=1e-10)
    assert not found.errors.any()
    np.testing.assert_allclose(found.intervals(), np.stack([found.orders] * 2, axis=1))


def test_standard_errors_cover_the_truth():
    """Intervals of a nominal 95 % hold the true order in 91 to 99 % of 300 draws."""
    n, order = 12, 4
    positions = cluster(n, 3)
    values = energies(root_energy, positions, order)
    truth = order_sums(n, values, order)
    rng = np.random.default_rng(1)
    hits, estimates = np.zeros(order), []
    for _ in range(300):
        samples = draw_samples(n, order, 24, rng)
        found = estimate_orders(samples, values)
        low, high = found.intervals().T
        hits += (low <= truth + 1e-9) & (truth - 1e-9 <= high)
        estimates.append((found.orders, found.sums, found.errors, found.sum_errors))
    share = hits / 300
    assert share[0] == 1  # single atoms are taken whole
    assert (share[1:] > 0.91).all()
    assert (share[1:] < 0.99).all()
    orders, sums, errors, sum_errors = (np.array(one) for one in zip(*estimates, strict=True))
    np.testing.assert_allclose(orders.mean(axis=0), truth, atol=4 * errors.mean() / 300**0.5)
    # errors of sums too: the draws of the orders are independent
    np.testing.assert_allclose(sums[:, 1:].std(axis=0), sum_errors[:, 1:].mean(axis=0), rtol=0.15)


def test_samples_take_what_they_need_and_no_more():
    samples = draw_samples(20, 3, 10, np.random.default_rng(0))
    assert [len(sample.chosen) for sample in samples] == [20, 10, 10]
    wanted = needed(samples)
    assert len(wanted) == len(set(wanted)) <= 20 + 10 + 10 * 4
    assert all(
        part in wanted for sample in samples for one in sample.chosen for part in parts_of(one)
    )
    with pytest.raises(ValueError, match="2 sets of an order"):
        draw_samples(20, 3, 1, np.random.default_rng(0))
    with pytest.raises(ValueError, match="orders 1 to 20"):
        draw_samples(20, 21, 5, np.random.default_rng(0))
