"""Clusters in vacuum: drawn at random, cut from crystals."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

from dosml.errors import InputError
from dosml.relabel.clusters import draw_clusters, environment, in_vacuum, is_isolated


def distances(atoms: Atoms) -> np.ndarray:
    return np.linalg.norm(atoms.positions[:, None] - atoms.positions, axis=2)[
        np.triu_indices(len(atoms), 1)
    ]


def test_hydrogen_is_drawn_in_its_sphere_and_not_too_close():
    drawn = draw_clusters((2, 5, 8), 60, density=0.1, shortest=0.7, seed=1)
    assert [len(one) for one in drawn[:4]] == [2, 5, 8, 2]
    for one in drawn:
        radius = (3 * len(one) / 0.1 / (4 * np.pi)) ** (1 / 3)
        assert np.linalg.norm(one.positions, axis=1).max() <= radius
        assert distances(one).min() >= 0.7
    again = draw_clusters((2, 5, 8), 60, density=0.1, shortest=0.7, seed=1)
    np.testing.assert_array_equal(again[-1].positions, drawn[-1].positions)
    # evenly in the volume: half the atoms of many pairs lie beyond 0.79 of the radius
    many = draw_clusters((2,), 2000, density=1e-4, shortest=0.0, seed=0)
    far = np.concatenate([np.linalg.norm(one.positions, axis=1) for one in many])
    radius = (3 * 2 / 1e-4 / (4 * np.pi)) ** (1 / 3)
    assert np.mean(far > 0.5 ** (1 / 3) * radius) == pytest.approx(0.5, abs=0.03)


def test_a_density_that_leaves_no_room_is_refused(monkeypatch):
    monkeypatch.setattr("dosml.relabel.clusters._DRAWS", 50)
    with pytest.raises(InputError, match="take a lower density"):
        draw_clusters((8,), 1, density=5.0, shortest=0.7, seed=0)


def test_an_environment_is_an_atom_with_its_nearest_neighbours():
    crystal = bulk("Cu", cubic=True)  # four atoms: most neighbours are images
    cut = environment(crystal, 2, 13)
    nearest = np.sort(np.linalg.norm(cut.positions[1:] - cut.positions[0], axis=1))
    np.testing.assert_allclose(nearest, 3.61 / np.sqrt(2), atol=1e-6)
    assert not cut.pbc.any()
    smaller = environment(crystal, 2, 5)
    np.testing.assert_allclose(smaller.positions, cut.positions[:5])
    assert len(environment(crystal, 0, 60)) == 60  # beyond the first reach


def test_an_environment_needs_neighbours():
    with pytest.raises(InputError, match="ask for a smaller --size"):
        environment(Atoms("Cu", cell=[60, 60, 60], pbc=True), 0, 2)


def test_images_of_a_cluster_are_apart():
    cut = in_vacuum(environment(bulk("Cu", cubic=True), 0, 6), 15.0)
    assert is_isolated(cut)
    assert not is_isolated(bulk("Cu", cubic=True))
    gap = np.diag(np.asarray(cut.cell)) - np.ptp(cut.positions, axis=0)
    np.testing.assert_allclose(gap, 15.0, atol=1e-6)
    np.testing.assert_allclose(
        distances(cut), distances(environment(bulk("Cu", cubic=True), 0, 6)), atol=1e-7
    )
