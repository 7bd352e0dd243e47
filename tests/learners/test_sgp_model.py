"""The whole model against a dense DTC in plain numpy, finite differences and symmetries."""

import numpy as np
import pytest
from helpers.sgp_data import alloy, molecule, rattled, toy_labels
from helpers.sgp_dense import SMALL, VOIGT, Dense, fit, strained
from scipy.spatial.transform import Rotation

from dosml.errors import InputError, LearnerError
from dosml.learners.base import Learner
from dosml.learners.registry import make_learner
from dosml.learners.sgp.hyperparameters import Hyperparameters
from dosml.learners.sgp.learner import SgpLearner
from dosml.learners.sgp.settings import SgpSettings
from dosml.relabel.dataset import LabelSet


def copper(count=4, size=14):
    return [rattled(seed=n, stdev=0.15)[: size + n] for n in range(count)]


@pytest.mark.parametrize(
    ("zeta", "descriptor", "system", "stress"),
    [
        (2, "B2", "copper", True),
        (1, "B2", "alloy", True),
        (3, "B2", "alloy", False),
        (2, "B1", "alloy", True),
        (2, "B1+B2", "copper", True),
    ],
)
def test_agrees_with_dense_dtc(zeta, descriptor, system, stress):
    frames = copper(3, 8) if system == "copper" else [alloy(n)[:9] for n in range(3)]
    labels = toy_labels(frames, stress=stress)
    models = fit(
        frames,
        [labels],
        zeta=zeta,
        descriptor=descriptor,
        jitter=1e-6,
        n_inducing=12,
        max_iterations=0,
        signal=2.0,
        energy_noise=0.05,
        force_noise=0.03,
        stress_noise=0.002,
    )
    model = models.models[0]
    hypers = model.hyperparameters
    dense = Dense(models)
    dense.training(frames, labels, model.baseline.numpy())
    assert model.facts["log_likelihood"] == pytest.approx(dense.log_likelihood(hypers), rel=1e-6)

    test = rattled(seed=11, stdev=0.12)[:10] if system == "copper" else alloy(9)[:10]
    energy, force, stretch = dense.rows(test, stress=True)
    weights = dense.weights(hypers)
    ours = models.predict([test], uncertainties=True)[0]
    offset = sum(
        b * np.sum(test.numbers == z)
        for b, z in zip(model.baseline.numpy(), models.shared.species, strict=True)
    )
    assert ours.energies[0] == pytest.approx(energy[0] @ weights + offset, abs=1e-6)
    np.testing.assert_allclose(ours.forces[0].ravel(), np.array(force) @ weights, atol=1e-6)
    np.testing.assert_allclose(ours.stresses[0], np.array(stretch) @ weights, atol=1e-8)
    np.testing.assert_allclose(
        ours.uncertainties[0] ** 2,
        dense.atom_variance(test, hypers),
        rtol=1e-4,
        atol=1e-7 * hypers.signal**2,
    )


@pytest.mark.parametrize("zeta", [1, 2, 4])
@pytest.mark.parametrize("system", ["copper", "alloy", "small cell"])
def test_forces_and_stress_are_derivatives_of_the_energy(zeta, system):
    if system == "small cell":
        frames = [rattled("Cu", 1, 0.1, n)[[0, 1]] for n in range(5)]
    else:
        frames = copper() if system == "copper" else [alloy(n) for n in range(4)]
    models = fit(frames, zeta=zeta)
    atoms = frames[1].copy()
    atoms.positions += 0.05 * np.random.default_rng(3).normal(size=atoms.positions.shape)
    exact = models.predict([atoms])[0]

    def energy(frame):
        return models.predict([frame])[0].energies[0]

    h = 1e-4
    for a in (0, len(atoms) - 1):
        for x in range(3):
            plus, minus = atoms.copy(), atoms.copy()
            plus.positions[a, x] += h
            minus.positions[a, x] -= h
            numeric = -(energy(plus) - energy(minus)) / (2 * h)
            assert exact.forces[0][a, x] == pytest.approx(numeric, abs=2e-6)
    for v, (a, b) in enumerate(VOIGT):
        strain = np.zeros((3, 3))
        strain[a, b] += h / 2
        strain[b, a] += h / 2
        numeric = (energy(strained(atoms, strain)) - energy(strained(atoms, -strain))) / (2 * h)
        assert exact.stresses[0, v] == pytest.approx(numeric / atoms.cell.volume, abs=2e-7)
    np.testing.assert_allclose(exact.forces[0].sum(axis=0), 0, atol=1e-9)


def test_symmetries():
    frames = [alloy(n) for n in range(4)]
    models = fit(frames)
    atoms = alloy(7)
    base = models.predict([atoms], uncertainties=True)[0]

    moved = atoms.copy()
    moved.positions += [0.3, -1.7, 2.2]
    moved.wrap()
    order = np.random.default_rng(1).permutation(len(atoms))
    shuffled = atoms[order]
    turn = Rotation.from_rotvec([0.3, -1.1, 0.7]).as_matrix() @ np.diag([1, 1, -1])
    turned = atoms.copy()
    turned.set_cell(atoms.cell.array @ turn.T)
    turned.positions = atoms.positions @ turn.T
    doubled = atoms.repeat((2, 1, 1))
    got = models.predict([moved, shuffled, turned, doubled], uncertainties=True)[0]

    np.testing.assert_allclose(got.energies[:3], base.energies[0], atol=1e-8)
    np.testing.assert_allclose(got.energies[3], 2 * base.energies[0], atol=1e-8)
    np.testing.assert_allclose(got.forces[0], base.forces[0], atol=1e-8)
    np.testing.assert_allclose(got.forces[1], base.forces[0][order], atol=1e-8)
    np.testing.assert_allclose(got.forces[2], base.forces[0] @ turn.T, atol=1e-8)
    np.testing.assert_allclose(got.forces[3], np.tile(base.forces[0], (2, 1)), atol=1e-8)
    full = np.zeros((3, 3))
    for value, (a, b) in zip(base.stresses[0], VOIGT, strict=True):
        full[a, b] = full[b, a] = value
    rotated = turn @ full @ turn.T
    np.testing.assert_allclose(got.stresses[2], [rotated[a, b] for a, b in VOIGT], atol=1e-9)
    np.testing.assert_allclose(got.stresses[3], base.stresses[0], atol=1e-9)
    np.testing.assert_allclose(
        got.uncertainties[1], base.uncertainties[0][order], rtol=1e-5, atol=1e-7
    )


def test_label_sets_share_one_kernel_and_do_not_mix():
    frames = copper()
    one, two = toy_labels(frames), toy_labels(frames, scale=0.4, noise=0.02)
    both = fit(frames, [one, two], max_iterations=5)
    test = [rattled(seed=20)]
    predictions = both.predict(test)
    assert len(predictions) == 2
    for labels, got in zip((one, two), predictions, strict=True):
        alone = fit(frames, [labels], max_iterations=5).predict(test)[0]
        np.testing.assert_allclose(got.forces[0], alone.forces[0], atol=1e-7)
        np.testing.assert_allclose(got.energies, alone.energies, rtol=1e-8)
    facts = both.facts()
    assert facts[0]["log_likelihood"] != pytest.approx(facts[1]["log_likelihood"])
    assert facts[0]["n_inducing"] == facts[1]["n_inducing"] == 20
    for one in facts:
        parts = [one[f"seconds_{part}"] for part in ("inducing", "kernel", "likelihood")]
        assert one["seconds_training"] == pytest.approx(sum(parts))
        assert 0 < one["cpu_seconds"] < 1000 * one["seconds_training"]
        assert one["n_parameters"] == 20
        assert one["epochs"] == 2


def test_learns_and_errors_shrink_with_data():
    train = [rattled(seed=n, stdev=0.15)[: 32 - n % 3] for n in range(12)]
    test = [rattled(seed=100 + n, stdev=0.15)[:31] for n in range(2)]
    truth = toy_labels(test)
    spread = np.abs(np.concatenate(truth.forces)).mean()
    errors = []
    for count in (2, 12):
        options = {"cutoff": 5.0, "n_max": 6, "l_max": 3, "n_inducing": 300}
        models = fit(train[:count], [toy_labels(train[:count])], **options)
        got = models.predict(test)[0]
        difference = np.concatenate(got.forces) - np.concatenate(truth.forces)
        errors.append(np.abs(difference).mean() / spread)
        if count == 12:
            assert np.abs(got.energies - truth.energies).max() / 31 < 0.01
            np.testing.assert_allclose(got.stresses, truth.stresses, atol=2e-3)
    assert errors[1] < 0.6 * errors[0]
    assert errors[1] < 0.13


def test_same_seed_same_model_bit_for_bit():
    frames = copper()
    first, second = (fit(frames, max_candidates=30, seed=4) for _ in range(2))
    for a, b in zip(first.predict(frames)[0].forces, second.predict(frames)[0].forces, strict=True):
        np.testing.assert_array_equal(a, b)
    other = fit(frames, max_candidates=30, seed=5)
    assert not np.array_equal(
        first.shared.inducing.descriptors[0], other.shared.inducing.descriptors[0]
    )


def test_molecules_without_stress():
    frames = []
    rng = np.random.default_rng(0)
    for _ in range(6):
        frames.append(molecule())
        frames[-1].positions += 0.1 * rng.normal(size=(4, 3))
    models = fit(frames, [toy_labels(frames, stress=False)])
    got = models.predict([molecule()])[0]
    truth = toy_labels([molecule()], stress=False)
    assert np.isnan(got.stresses).all()
    np.testing.assert_allclose(got.forces[0], truth.forces[0], atol=0.15)
    with pytest.raises(LearnerError, match="stresses=None"):
        fit(frames, [toy_labels(frames)])


def test_atom_far_from_all_others_keeps_its_baseline():
    frames = copper()
    models = fit(frames)
    lone = molecule()[:1]
    got = models.predict([lone], uncertainties=True)[0]
    assert got.energies[0] == pytest.approx(float(models.models[0].baseline[0]))
    np.testing.assert_array_equal(got.forces[0], 0)
    assert got.uncertainties[0][0] == 0


def test_uncertainty_tells_seen_from_unseen():
    frames = copper(4, 28)
    models = fit(frames, n_inducing=100)
    seen = models.predict(frames[:1], uncertainties=True)[0].uncertainties[0]
    strange = rattled(seed=50, stdev=0.5)
    unseen = models.predict([strange], uncertainties=True)[0].uncertainties[0]
    assert unseen.mean() > 3 * seen.mean()


def test_bad_training_data_is_refused():
    frames = copper()
    good = toy_labels(frames)
    cases = {
        "at least one training frame": ([], [good]),
        "at least one label set": (frames, []),
        "energies have shape": (frames, [LabelSet(good.energies[:2], good.forces)]),
        "forces of 2 frames": (frames, [LabelSet(good.energies, good.forces[:2])]),
        "frame 0: forces have shape": (
            frames,
            [LabelSet(good.energies, [f[:3] for f in good.forces])],
        ),
        "a label is not finite": (frames, [LabelSet(good.energies * np.nan, good.forces)]),
        "ase's Voigt order": (
            frames,
            [LabelSet(good.energies, good.forces, np.zeros((2, 6)))],
        ),
        "to all sets or to none": (
            frames,
            [good, LabelSet(good.energies, good.forces)],
        ),
    }
    for message, (some, labels) in cases.items():
        with pytest.raises(LearnerError, match=message):
            SgpLearner(SgpSettings(**SMALL)).fit(some, labels)
    with pytest.raises(LearnerError, match="raise cutoff"):
        fit([molecule()[:1]], [LabelSet(np.zeros(1), [np.zeros((1, 3))])])


def test_registry():
    learner: Learner = make_learner("sgp", {"cutoff": 4.5})
    assert learner.name == "sgp"
    assert learner.settings.cutoff == 4.5
    with pytest.raises(InputError, match="no learner named 'gap'"):
        make_learner("gap")
    with pytest.raises(InputError, match="cutof"):
        make_learner("sgp", {"cutof": 4.5})
    with pytest.raises(InputError, match="zeta"):
        make_learner("sgp", {"zeta": 0})
    with pytest.raises(InputError, match="device"):
        make_learner("sgp", {"device": "abacus"})
    with pytest.raises(InputError, match="device 'meta' has no double precision"):
        make_learner("sgp", {"device": "meta"})


def test_progress_reaches_the_end():
    frames = copper()
    seen = []
    labels = [toy_labels(frames)]
    SgpLearner(SgpSettings(**SMALL)).fit(frames, labels, progress=lambda *args: seen.append(args))
    for stage, total in (("descriptors", 4), ("kernel", 4), ("likelihood", 1)):
        assert (stage, 0, total) in seen
        assert (stage, total, total) in seen


def test_hyperparameters_by_kind():
    hypers = Hyperparameters(1.0, 2.0, 3.0, 4.0)
    assert [hypers.noise(k) for k in ("energy", "force", "stress")] == [2.0, 3.0, 4.0]


def test_default_cutoff_follows_the_density():
    frames = copper()
    options = {"n_max": 3, "l_max": 1, "max_iterations": 0}
    labels = [toy_labels(frames)]
    models = SgpLearner(SgpSettings(**options)).fit(frames, labels)
    volume = sum(f.cell.volume for f in frames) / sum(map(len, frames))
    assert models.shared.cutoff == pytest.approx(1.9 * volume ** (1 / 3), abs=0.006)
    assert models.facts()[0]["cutoff_angstrom"] == models.shared.cutoff
    assert fit(frames, labels).shared.cutoff == 4.0
    with pytest.raises(LearnerError, match="give a cutoff"):
        SgpLearner(SgpSettings(**options)).fit(
            [molecule()], [toy_labels([molecule()], stress=False)]
        )


def test_single_precision_is_close_and_coarser():
    frames = copper()
    options = {"max_iterations": 0, "signal": 1.0, "energy_noise": 0.1, "force_noise": 0.05}
    test = [rattled(seed=20)]
    double = fit(frames, **options, jitter=1e-6).predict(test)[0]
    single = fit(frames, **options, jitter=1e-6, dtype="float32").predict(test)[0]
    difference = np.abs(double.forces[0] - single.forces[0]).max()
    assert 1e-9 < difference < 1e-3 * np.abs(double.forces[0]).max()
    assert single.energies[0] == pytest.approx(double.energies[0], abs=1e-3)
    assert single.forces[0].dtype == np.float64
