"""Force variance against the predictive variance of energy differences."""

import numpy as np
import pytest
from helpers.sgp_data import alloy, rattled, toy_labels
from helpers.sgp_dense import Dense, fit


def difference_variance(dense, hypers, plus, minus):
    """Predictive variance of the energy of one frame less that of another, by dense DTC."""
    shared = dense.shared
    builder, descriptor = shared.pair_builder(), shared.descriptor()
    numbers = np.concatenate([plus.numbers, minus.numbers])
    p = np.concatenate(
        [descriptor.environments(builder.build([f])).values.numpy() for f in (plus, minus)]
    )
    signs = np.repeat([1.0, -1.0], len(plus))
    same = numbers[:, None] == numbers[None, :]
    prior = signs @ np.where(same, (p @ p.T) ** shared.settings.zeta, 0) @ signs
    row = dense.atom_rows(plus).sum(axis=0) - dense.atom_rows(minus).sum(axis=0)
    s = hypers.signal**2
    known = row @ np.linalg.solve(dense.gram, row)
    return s * (prior - known) + s**2 * row @ dense.posterior_covariance(hypers) @ row


@pytest.mark.parametrize("zeta", [1, 2, 3])
@pytest.mark.parametrize("system", ["copper", "alloy", "small cell"])
def test_force_variance_is_that_of_an_energy_difference(zeta, system):
    if system == "copper":
        frames = [rattled(seed=n, stdev=0.15)[: 9 + n] for n in range(3)]
        atoms = rattled(seed=9, stdev=0.15)[:9]
    elif system == "alloy":
        frames, atoms = [alloy(n)[:9] for n in range(3)], alloy(5)[:9]
    else:
        frames = [rattled("Cu", 1, 0.1, n)[[0, 1, 2]] for n in range(3)]
        atoms = rattled("Cu", 1, 0.1, 7)[[0, 1, 2]]
    labels = toy_labels(frames)
    models = fit(frames, [labels], zeta=zeta, n_inducing=12, max_iterations=10, jitter=1e-6)
    model = models.models[0]
    dense = Dense(models)
    dense.training(frames, labels, model.baseline.numpy())
    got = models.predict([atoms], force_uncertainties=True)[0].force_uncertainties[0]
    h = 2e-4
    for a, x in ((0, 0), (2, 1)):
        plus, minus = atoms.copy(), atoms.copy()
        plus.positions[a, x] += h
        minus.positions[a, x] -= h
        numeric = difference_variance(dense, model.hyperparameters, plus, minus) / (2 * h) ** 2
        assert got[a, x] ** 2 == pytest.approx(numeric, rel=1e-3)
