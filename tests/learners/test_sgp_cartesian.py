"""Descriptors of Cartesian moments against sums over neighbours, harmonics, differences."""

from itertools import product

import numpy as np
import pytest
import torch
from ase.calculators.emt import EMT
from helpers.sgp_data import alloy, molecule, rattled

from dosml.errors import InputError
from dosml.learners.registry import make_learner
from dosml.learners.sgp.cartesian import CartesianDescriptor, CartesianPairs, CartesianProducts
from dosml.learners.sgp.descriptor import Descriptor
from dosml.learners.sgp.geometry import PairBuilder
from dosml.learners.sgp.learner import SgpLearner
from dosml.learners.sgp.settings import SgpSettings
from dosml.relabel.dataset import LabelSet
from dosml.theory.cartesian import pair_map
from dosml.theory.multigraphs import irreducible_multigraphs

CPU = torch.device("cpu")
CUTOFF = 4.0


def build(frames, species, *, nu=4, n_max=3, l_max=2, decay=0.6):
    descriptor = CartesianDescriptor(CUTOFF, n_max, l_max, len(species), nu=nu, degree_decay=decay)
    batch = PairBuilder(CUTOFF, 0, species, device=CPU).build(frames)
    return descriptor, batch, descriptor.environments(batch)


CASES = {
    "periodic": (rattled(seed=1), [29]),
    "two elements": (alloy(), [22, 29]),
    "molecule": (molecule(), [29]),
}


@pytest.mark.parametrize("name", CASES)
def test_pairs_are_the_spherical_ones_through_the_map(name):
    """B2 of Cartesian moments is the triangular map of the spherical B2, channel by channel."""
    atoms, species = CASES[name]
    batch = PairBuilder(CUTOFF, 4, species, device=CPU).build([atoms])
    ours = CartesianPairs(CUTOFF, 3, 4, len(species), degree_decay=1.0)
    theirs = Descriptor("B2", CUTOFF, 3, 4, len(species))
    raw = []
    for one in (ours, theirs):
        envs = one.environments(batch)
        raw.append((envs.values * envs.norms[:, None]).numpy().reshape(len(atoms), -1, 5))
    mapped = raw[1] @ pair_map(4).T
    np.testing.assert_allclose(raw[0], mapped, rtol=1e-10, atol=1e-10 * np.abs(mapped).max())


def test_products_are_sums_over_neighbours():
    """Oracle: the definition of the multigraphs, by loops over all triples of neighbours."""
    atoms = molecule()
    batch = PairBuilder(CUTOFF, 0, [29], device=CPU).build([atoms])
    ours = CartesianProducts(CUTOFF, 2, 2, 1, nu=3, degree_decay=1.0)
    envs = ours.environments(batch)
    raw = (envs.values * envs.norms[:, None]).numpy().reshape(len(atoms), 2, -1)
    centre = batch.centre.numpy()
    unit = (batch.vectors / batch.distances[:, None]).numpy()
    graphs = irreducible_multigraphs(3, 2)
    # degree -> (channel in the product, channel of the moment)
    mixing = [ours._mixing[:, :, m].numpy() for m in (0, 1, 4)]
    for i in range(len(atoms)):
        mine = np.flatnonzero(centre == i)
        dots = unit[mine] @ unit[mine].T
        radial = [envs.radial[mine].numpy() @ one.T for one in mixing]
        for k, g in product(range(2), range(len(graphs))):
            degrees, total = graphs[g].degrees, 0.0
            for at in product(range(len(mine)), repeat=3):
                term = np.prod([radial[d][j, k] for d, j in zip(degrees, at, strict=True)])
                for (a, b), times in graphs[g].joined.items():
                    term *= dots[at[a], at[b]] ** times
                total += term
            assert raw[i, k, g] == pytest.approx(total, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("nu", [2, 3, 4, 5])
@pytest.mark.parametrize("name", CASES)
def test_pair_gradients_by_finite_differences(name, nu):
    atoms, species = CASES[name]
    descriptor, batch, envs = build([atoms], species, nu=nu, l_max=3 if nu == 5 else 2)
    gradient = descriptor.pair_gradients(batch, envs, slice(None))
    assert gradient.shape[2] == descriptor.n_features
    a, x, h = 1, 2, 1e-5
    exact = np.zeros((len(atoms), descriptor.n_features))
    for p in range(len(batch.centre)):
        i, j = int(batch.centre[p]), int(batch.neighbour[p])
        exact[i] += ((j == a) * 1.0 - (i == a) * 1.0) * gradient[p, x].numpy()
    shifted = []
    for sign in (1, -1):
        moved = atoms.copy()
        moved.positions[a, x] += sign * h
        batch_moved = PairBuilder(CUTOFF, 0, species, device=CPU).build([moved])
        shifted.append(descriptor.environments(batch_moved).values.numpy())
    np.testing.assert_allclose(exact, (shifted[0] - shifted[1]) / (2 * h), atol=5e-8)


def test_pull_back_is_the_transpose_of_pair_gradients():
    descriptor, batch, envs = build([alloy(1), rattled(seed=2)], [22, 29])
    rng = np.random.default_rng(5)
    slope = torch.as_tensor(rng.normal(size=(2, batch.n_atoms, descriptor.n_features)))
    gradient = descriptor.pair_gradients(batch, envs, slice(None))
    expected = torch.einsum("pxd,kpd->kpx", gradient, slope[:, batch.centre])
    torch.testing.assert_close(descriptor.pull_back(batch, envs, slope), expected)


def test_a_turned_frame_has_the_same_descriptors():
    atoms = rattled(seed=3)
    turned = atoms.copy()
    turned.rotate(37, (1, 2, 3), rotate_cell=True)
    one, other = (build([frame], [29], nu=4, l_max=3)[2].values for frame in (atoms, turned))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


def test_orders_without_a_multigraph_are_left_out_and_large_ones_refused():
    assert build([rattled()], [29], nu=5, l_max=1)[0].n_features == 3 + 6 * 2
    with pytest.raises(InputError, match="nu 4 reaches to l_max 4, got 5"):
        make_learner("sgp", {"descriptor": "cace", "nu": 4, "l_max": 5})


def labels(frames):
    """Of effective medium theory, which a pair of bodies and the density make up."""
    energies, forces = [], []
    for frame in frames:
        atoms = frame.copy()
        atoms.calc = EMT()
        energies.append(atoms.get_potential_energy())
        forces.append(atoms.get_forces())
    return LabelSet(np.array(energies), forces)


def test_a_model_is_trained_and_kept(tmp_path):
    frames, test = ([rattled(seed=n) for n in range(*part)] for part in ((8,), (8, 9)))
    settings = SgpSettings(descriptor="cace", nu=3, cutoff=CUTOFF, n_max=3, l_max=2, n_inducing=30)
    models = SgpLearner(settings).fit(frames, [labels(frames)])
    models.save(tmp_path / "model.npz")
    again = type(models).load(tmp_path / "model.npz")
    one, other = (m.predict(test)[0] for m in (models, again))
    np.testing.assert_allclose(one.forces[0], other.forces[0], atol=1e-12)
    wanted = labels(test).forces[0]
    assert np.abs(one.forces[0] - wanted).mean() < 0.1 * np.abs(wanted).mean()
    fingerprints = [
        SgpLearner(SgpSettings(descriptor=kind, nu=nu)).fingerprint()
        for kind in ("B2", "cace")
        for nu in (2, 3)
    ]
    assert fingerprints[0] == fingerprints[1]
    assert fingerprints[2] != fingerprints[3]
