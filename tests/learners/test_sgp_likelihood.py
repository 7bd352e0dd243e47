"""Likelihood: exact gradient, smoothness, and the choice of inducing environments."""

import numpy as np
import pytest
import torch
from helpers.sgp_data import rattled, toy_labels
from scipy.linalg import cholesky

from dosml.errors import LearnerError
from dosml.learners.sgp.accumulate import Evidence, NormalEquations
from dosml.learners.sgp.block_likelihood import block_likelihood
from dosml.learners.sgp.fitting import SgpFitting
from dosml.learners.sgp.hyperparameters import Hyperparameters
from dosml.learners.sgp.inducing import greedy_environments, shares
from dosml.learners.sgp.kernel import KernelRows
from dosml.learners.sgp.learner import SgpLearner
from dosml.learners.sgp.likelihood import dense_likelihood, maximise, posterior, start
from dosml.learners.sgp.settings import SgpSettings


@pytest.fixture(scope="module")
def evidence():
    """Of a realistic, nearly singular problem: every environment is an inducing one."""
    caught = []
    frames = [rattled(seed=n, stdev=0.15)[: 32 - n] for n in range(6)]

    class Catching(SgpFitting):
        def _solve(self, one, *rest):
            caught.append(one)
            return super()._solve(one, *rest)

    settings = SgpSettings(cutoff=4.5, n_max=6, l_max=3, max_iterations=0)
    Catching(settings).fit(frames, [toy_labels(frames, noise=0.01)])
    return caught[0]


def at(values):
    return Hyperparameters(*np.exp(values))


POINTS = {
    "start": np.log([1.0, 0.1, 0.1, 0.01]),
    "sharp": np.log([50.0, 0.01, 0.01, 0.001]),
    "flat": np.log([0.05, 2.0, 1.0, 0.1]),
}


@pytest.mark.parametrize("point", POINTS)
def test_gradient_by_finite_differences(evidence, point):
    x = POINTS[point]
    exact = dense_likelihood(evidence, at(x)).gradient
    h = 1e-4
    for k in range(4):
        step = h * np.eye(4)[k]
        plus, minus = (dense_likelihood(evidence, at(x + sign * step)).value for sign in (1, -1))
        numeric = (plus - minus) / (2 * h)
        assert exact[k] == pytest.approx(numeric, rel=1e-5, abs=1e-3)


@pytest.mark.parametrize("point", POINTS)
def test_block_form_is_the_dense_one(evidence, point):
    """Energies and stresses are few here, so both ways of evaluating exist."""
    assert evidence.leading == 6 * 7
    hypers = at(POINTS[point])
    dense = dense_likelihood(evidence, hypers)
    value, gradient = block_likelihood(evidence, hypers)
    assert value == pytest.approx(dense.value, rel=1e-9)
    np.testing.assert_allclose(gradient, dense.gradient, rtol=1e-6, atol=1e-6 * evidence.leading)


def test_block_gradient_is_smooth_in_the_energy_noise(evidence):
    x = POINTS["sharp"]
    steps = np.linspace(-1e-3, 1e-3, 41)
    values = [block_likelihood(evidence, at(x + s * np.eye(4)[1]))[1][1] for s in steps]
    curve = np.polyval(np.polyfit(steps, values, 3), steps)
    assert np.abs(values - curve).max() < 1e-6 * np.abs(values).max()


def test_gradient_is_smooth_in_the_energy_noise(evidence):
    """FLARE's gradient flips sign by 1e4 between neighbouring points here; ours is a curve."""
    x = POINTS["sharp"]
    steps = np.linspace(-1e-3, 1e-3, 41)
    values = [dense_likelihood(evidence, at(x + s * np.eye(4)[1])).gradient[1] for s in steps]
    curve = np.polyval(np.polyfit(steps, values, 3), steps)
    assert np.abs(values - curve).max() < 1e-6 * np.abs(values).max()


def test_maximum_is_found_from_far_away(evidence):
    options = dict.fromkeys(("signal", "energy_noise", "force_noise", "stress_noise"))
    best = []
    for given in (options, {**options, "signal": 1e-2}, {**options, "force_noise": 5.0}):
        hypers, value, _ = maximise(evidence, start(evidence, given), 200)
        best.append(value)
        there = dense_likelihood(evidence, hypers)
        assert there.value == pytest.approx(value, rel=1e-9)
        assert np.abs(there.gradient).max() < 0.1
        assert 0.009 < hypers.force_noise < 0.06  # 0.01 was added; the rest is misfit
    np.testing.assert_allclose(best, best[0], atol=1e-2)
    at_start = dense_likelihood(evidence, start(evidence, options)).value
    assert best[0] > at_start + 100


def test_given_hyperparameters_are_kept():
    frames = [rattled(seed=n)[:8] for n in range(2)]
    settings = SgpSettings(
        cutoff=4.0,
        n_max=3,
        l_max=1,
        max_iterations=0,
        signal=1.5,
        energy_noise=0.2,
        force_noise=0.3,
        stress_noise=0.04,
    )
    model = SgpLearner(settings).fit(frames, [toy_labels(frames)]).models[0]
    assert model.hyperparameters == Hyperparameters(1.5, 0.2, 0.3, 0.04)


def test_streaming_equals_one_block():
    """Evidence does not depend on how the rows are cut into batches."""
    rng = np.random.default_rng(2)
    m, n_sets = 6, 2
    root = rng.normal(size=(m, m))
    gram = torch.as_tensor(root @ root.T)
    rows = rng.normal(size=(30, m))
    labels = rng.normal(size=(30, n_sets))

    def run(cuts, limit):
        equations = NormalEquations(gram, 1e-8, n_sets, rows_per_flush=limit)
        for part in np.split(np.arange(30), cuts):
            block, y = torch.as_tensor(rows[part]), torch.as_tensor(labels[part])
            equations.add(KernelRows(block[:1], block, None), {"energy": y[:1], "force": y})
        return equations.finish()

    one, q_one = run([], 10)
    many, q_many = run([3, 11, 12, 20], 7)
    lower = cholesky(root @ root.T + 1e-8 * np.eye(m), lower=True)
    white = np.linalg.solve(lower, rows.T)
    for evidence, rotation in ((one, q_one), (many, q_many)):
        q = rotation.numpy()
        np.testing.assert_allclose(q @ q.T, np.eye(m), atol=1e-12)
        np.testing.assert_allclose(
            q @ evidence[1].phi["force"].numpy() @ q.T, white @ white.T, rtol=1e-8, atol=1e-8
        )
        np.testing.assert_allclose(
            q @ evidence[1].rhs["force"].numpy(), white @ labels[:, 1], rtol=1e-8, atol=1e-8
        )
        assert evidence[1].squares["force"] == pytest.approx(float((labels[:, 1] ** 2).sum()))
        assert evidence[0].counts["force"] == 30
    assert one[0].counts["energy"] == 1
    assert many[0].counts["energy"] == 5


def test_greedy_choice_is_pivoted_cholesky():
    """Each pick has nearly the largest residual variance (exactly: within its pool)."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 12)) * 0.7 ** np.arange(12)
    x /= np.linalg.norm(x, axis=1)[:, None]
    picks = greedy_environments(torch.as_tensor(x), 2, 60, 0.0).tolist()
    assert len(set(picks)) == 60
    kernel = (x @ x.T) ** 2
    for count in range(1, 59):
        chosen = picks[:count]
        solve = np.linalg.solve(kernel[np.ix_(chosen, chosen)], kernel[chosen])
        residual = np.diag(kernel) - np.einsum("un,un->n", kernel[chosen], solve)
        assert residual[picks[count]] >= 0.7 * residual.max()


def test_greedy_choice_beats_the_first_atoms():
    rng = np.random.default_rng(1)
    x = rng.normal(size=(500, 30)) * 0.8 ** np.arange(30)
    x /= np.linalg.norm(x, axis=1)[:, None]
    kernel = (x @ x.T) ** 2

    def left(chosen):
        block = kernel[np.ix_(chosen, chosen)] + 1e-12 * np.eye(len(chosen))
        solve = np.linalg.solve(block, kernel[chosen])
        return np.max(np.diag(kernel) - np.einsum("un,un->n", kernel[chosen], solve))

    greedy = greedy_environments(torch.as_tensor(x), 2, 80, 0.0).tolist()
    assert left(greedy) < 0.5 * left(list(range(80)))


def test_greedy_choice_stops_at_the_tolerance_and_skips_the_empty():
    x = torch.eye(4, dtype=torch.float64)[[0, 0, 1, 1, 2, 3, 3]]
    x = torch.cat([x, torch.zeros((2, 4), dtype=torch.float64)])
    picks = greedy_environments(x, 2, 9, 1e-9).tolist()
    assert sorted(picks) == [0, 2, 4, 5]


def test_shares():
    assert shares([10, 20], 60) == [10, 20]
    assert shares([100, 300], 40) == [10, 30]
    assert shares([1000, 1], 10) == [9, 1]
    assert shares([0, 50], 10) == [0, 10]
    assert sum(shares([33, 33, 34], 10)) == 10


def test_singular_systems_are_refused():
    broken = torch.full((2, 2), float("nan"), dtype=torch.float64)
    with pytest.raises(LearnerError, match="not positive definite"):
        NormalEquations(broken, 1e-8, 1)
    phi = torch.tensor([[1.0, 0.0], [0.0, -1.0]], dtype=torch.float64)
    bad = Evidence(
        {"force": phi}, {"force": torch.zeros(2, dtype=torch.float64)}, {"force": 1.0}, {"force": 2}
    )
    with pytest.raises(LearnerError, match="noise hyperparameter"):
        posterior(bad, Hyperparameters(10.0, 1.0, 1.0, 1.0))


def test_twins_need_more_jitter_and_say_so():
    twin = torch.ones((3, 3), dtype=torch.float64)
    equations = NormalEquations(twin, 1e-18, 1)
    assert equations.jitter > 1e-17
    gram = torch.eye(3, dtype=torch.float64)
    assert NormalEquations(gram, 1e-9, 1).jitter == 1e-9
