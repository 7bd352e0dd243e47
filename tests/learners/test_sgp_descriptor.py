"""Descriptors against plain loops and finite differences."""

import numpy as np
import pytest
import torch
from helpers.sgp_data import alloy, molecule, naive_descriptor, rattled

from dosml.errors import LearnerError
from dosml.learners.sgp.descriptor import Descriptor, radial_basis
from dosml.learners.sgp.geometry import BatchSource, PairBuilder, frame_slices
from dosml.learners.sgp.joint import JointDescriptor

CPU = torch.device("cpu")


def build(frames, species, kind="B2", *, cutoff=4.0, n_max=4, l_max=3):
    if kind == "B1+B2":
        descriptor = JointDescriptor(
            cutoff, n_max, l_max, len(species), pair_n_max=5, pair_weight=0.3
        )
    else:
        descriptor = Descriptor(kind, cutoff, n_max, l_max, len(species))
    builder = PairBuilder(cutoff, descriptor.l_max, species, device=CPU)
    batch = builder.build(frames)
    return descriptor, batch, descriptor.environments(batch)


def tiny_cell():
    """Two atoms in a cell much shorter than the cutoff: many images, also of itself."""
    return rattled("Cu", 1, 0.1, 3)[[0, 1]]


CASES = {
    "periodic": (rattled(seed=1), [29]),
    "two elements": (alloy(), [22, 29]),
    "small cell": (tiny_cell(), [29]),
    "molecule": (molecule(), [29]),
}


@pytest.mark.parametrize("kind", ["B1", "B2"])
@pytest.mark.parametrize("name", CASES)
def test_matches_plain_loops(name, kind):
    atoms, species = CASES[name]
    descriptor, _, envs = build([atoms], species, kind, l_max=2, n_max=3)
    raw = naive_descriptor(atoms, kind, species, cutoff=4.0, n_max=3, l_max=descriptor.l_max)
    assert raw.shape[1] == descriptor.n_features
    ours = (envs.values * envs.norms[:, None]).numpy()
    np.testing.assert_allclose(ours, raw, rtol=1e-10, atol=1e-10 * np.abs(raw).max())


@pytest.mark.parametrize("name", CASES)
def test_joint_descriptor_holds_both_with_their_weights(name):
    atoms, species = CASES[name]
    descriptor, _, envs = build([atoms], species, "B1+B2", l_max=2, n_max=3)
    pairs = naive_descriptor(atoms, "B1", species, cutoff=4.0, n_max=5, l_max=0)
    triplets = naive_descriptor(atoms, "B2", species, cutoff=4.0, n_max=3, l_max=2)
    unit = [raw / np.linalg.norm(raw, axis=1, keepdims=True) for raw in (pairs, triplets)]
    wanted = np.concatenate([np.sqrt(0.3) * unit[0], np.sqrt(0.7) * unit[1]], axis=1)
    assert descriptor.n_features == wanted.shape[1]
    np.testing.assert_allclose(envs.values.numpy(), wanted, atol=1e-10)


def test_feature_count_is_the_papers():
    """B2 of one species has n_max (n_max + 1) / 2 (l_max + 1) entries (TM23, methods)."""
    assert Descriptor("B2", 5.0, 8, 4, 1).n_features == 8 * 9 // 2 * 5
    assert Descriptor("B2", 5.0, 9, 5, 2).n_features == 18 * 19 // 2 * 6


def test_radial_basis_slope():
    r = torch.linspace(0.5, 3.99, 40, dtype=torch.float64)
    h = 1e-6
    _, slope = radial_basis(r, 4.0, 7)
    numeric = (radial_basis(r + h, 4.0, 7)[0] - radial_basis(r - h, 4.0, 7)[0]) / (2 * h)
    torch.testing.assert_close(slope, numeric, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("kind", ["B1", "B2", "B1+B2"])
@pytest.mark.parametrize("name", CASES)
def test_pair_gradients_by_finite_differences(name, kind):
    atoms, species = CASES[name]
    descriptor, batch, envs = build([atoms], species, kind)
    gradient = descriptor.pair_gradients(batch, envs, slice(None))
    n_atoms, d = len(atoms), descriptor.n_features
    h = 1e-5
    for a, x in ((0, 0), (1, 2)):
        # d(descriptor of every atom)/d(position of a)
        exact = np.zeros((n_atoms, d))
        for p in range(len(batch.centre)):
            i, j = int(batch.centre[p]), int(batch.neighbour[p])
            exact[i] += ((j == a) * 1.0 - (i == a) * 1.0) * gradient[p, x].numpy()
        shifted = []
        for sign in (1, -1):
            moved = atoms.copy()
            moved.positions[a, x] += sign * h
            shifted.append(build([moved], species, kind)[2].values.numpy())
        np.testing.assert_allclose(exact, (shifted[0] - shifted[1]) / (2 * h), atol=2e-8)


@pytest.mark.parametrize("kind", ["B1", "B2", "B1+B2"])
def test_pull_back_is_the_transpose_of_pair_gradients(kind):
    descriptor, batch, envs = build([alloy(1), rattled(seed=2)], [22, 29], kind)
    rng = np.random.default_rng(5)
    slope = torch.as_tensor(rng.normal(size=(2, batch.n_atoms, descriptor.n_features)))
    gradient = descriptor.pair_gradients(batch, envs, slice(None))
    expected = torch.einsum("pxd,kpd->kpx", gradient, slope[:, batch.centre])
    torch.testing.assert_close(descriptor.pull_back(batch, envs, slope), expected)


def test_batching_changes_nothing():
    frames = [rattled(seed=1), tiny_cell(), rattled(seed=2)]
    together = build(frames, [29])[2].values
    apart = torch.cat([build([frame], [29])[2].values for frame in frames])
    torch.testing.assert_close(together, apart, rtol=0, atol=1e-13)


def test_atom_without_neighbours_is_empty():
    atoms = molecule()
    atoms.positions[0] -= 50
    envs = build([atoms], [29])[2]
    assert float(envs.values[0].abs().sum()) == 0
    np.testing.assert_allclose(envs.values[1:].norm(dim=1).numpy(), 1)


def test_broken_frames_are_refused():
    twice = rattled()
    twice.positions[1] = twice.positions[0]
    with pytest.raises(LearnerError, match="same place"):
        build([twice], [29])
    with pytest.raises(LearnerError, match="not trained on Ti"):
        build([alloy()], [29])
    lost = rattled()
    lost.positions[0, 0] = np.nan
    with pytest.raises(LearnerError, match="not finite"):
        build([lost], [29])
    # the number is that of the user's list, also in a later batch
    source = BatchSource(PairBuilder(4.0, 2, [29], device=CPU), [rattled(), rattled(), lost], 32, 0)
    with pytest.raises(LearnerError, match="frame 2: a position"):
        list(source)
    no_cell = molecule()
    no_cell.pbc = True
    with pytest.raises(LearnerError, match="no cell"):
        build([no_cell], [29])


def test_frame_slices_cover_every_frame_once():
    sizes = [5, 5, 30, 1, 1, 1]
    parts = list(frame_slices(sizes, 10))
    assert [n for part in parts for n in range(len(sizes))[part]] == list(range(6))
    assert parts[0] == slice(0, 2)
    assert parts[1] == slice(2, 3)
    assert list(frame_slices([], 10)) == []


def test_batches_are_the_same_in_every_pass_kept_or_not():
    frames = [rattled(seed=n) for n in range(5)]
    builder = PairBuilder(4.0, 2, [29], device=CPU)
    sizes = [batch.size_bytes for _, batch in BatchSource(builder, frames, 70, 0)]
    assert sizes[2] < sizes[0]
    # room for none, for the small last one only, for all
    for room, kept in ((0, 0), (sizes[2], 1), (sum(sizes), 3)):
        source = BatchSource(builder, frames, 70, room)
        assert source.sizes == [32] * 5
        first, second = list(source), list(source)
        assert [part for part, _ in first] == [slice(0, 2), slice(2, 4), slice(4, 5)]
        assert sum(a is b for (_, a), (_, b) in zip(first, second, strict=True)) == kept
        for (_, a), (_, b) in zip(first, second, strict=True):
            torch.testing.assert_close(a.harmonics, b.harmonics, rtol=0, atol=0)
