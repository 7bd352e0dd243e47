"""Errors of forces to expect: frames set apart, their weights, and z on held-out frames."""

import numpy as np
import pytest
from helpers.sgp_data import rattled, toy_labels

from dosml.learners.sgp.calculator import SgpCalculator
from dosml.learners.sgp.learner import SgpLearner
from dosml.learners.sgp.settings import SgpSettings
from dosml.learners.sgp.targets import held_frames
from dosml.relabel.dataset import LabelSet, load_files

SMALL = {"cutoff": 4.0, "n_max": 4, "l_max": 2, "n_inducing": 60}


def sizes(labels):
    return np.array([np.sqrt(np.mean(np.square(force))) for force in labels.forces])


def z_of(models, frames, labels, *, noise):
    said = models.predict(frames, force_uncertainties=True, noise=noise)[0]
    misses = np.concatenate(said.forces) - np.concatenate(labels.forces)
    return misses / np.concatenate(said.force_uncertainties)


@pytest.fixture(scope="module")
def trained():
    """Cold and hot frames: the misfit of a small model grows with the forces."""
    frames = [rattled(seed=n, stdev=0.04 + 0.12 * (n % 2))[:20] for n in range(40)]
    labels = toy_labels(frames, stress=False)
    train = LabelSet(labels.energies[:28], labels.forces[:28], None)
    test = LabelSet(labels.energies[28:], labels.forces[28:], None)
    return SgpLearner(SgpSettings(**SMALL)).fit(frames[:28], [train]), frames, train, test


def test_expected_errors_are_those_of_held_out_frames(trained):
    models, frames, _, test = trained
    z = z_of(models, frames[28:], test, noise=True)
    assert 0.8 < np.sqrt(np.mean(z**2)) < 1.2
    # cold and hot frames alike, which a noise of one size cannot give
    by_frame = np.sqrt([np.mean(part**2) for part in np.split(z, 12)])
    assert 0.5 < by_frame[::2].mean() < 1.5
    assert 0.5 < by_frame[1::2].mean() < 1.5
    bare = z_of(models, frames[28:], test, noise=False)
    assert np.sqrt(np.mean(bare**2)) > 1.5


def test_frames_set_apart_are_left_out(trained):
    """The scale by training again without them, at the same hyperparameters."""
    models, frames, train, _ = trained
    model = models.models[0]
    hypers, errors = model.hyperparameters, model.force_errors
    held = held_frames(sizes(train))
    assert held.sum() == 6
    rest = np.flatnonzero(~held)
    without = SgpLearner(
        SgpSettings(
            **SMALL,
            max_iterations=0,
            signal=hypers.signal,
            energy_noise=hypers.energy_noise,
            force_noise=hypers.force_noise,
        )
    ).fit(
        [frames[k] for k in rest],
        [LabelSet(train.energies[rest], [train.forces[k] for k in rest], None)],
    )
    apart = np.flatnonzero(held)
    said = without.predict([frames[k] for k in apart], force_uncertainties=True)[0]
    squares = []
    for k, force, spread in zip(apart, said.forces, said.force_uncertainties, strict=True):
        share = errors.flat + (1 - errors.flat) * np.mean(train.forces[k] ** 2) / errors.mean_square
        expected = spread**2 + hypers.force_noise**2 * share
        squares.append(((force - train.forces[k]) ** 2 / expected)[:: len(force) // 8][:8])
    # other inducing environments and baselines, so not to rounding
    assert errors.scale == pytest.approx(np.sqrt(np.mean(squares)), rel=0.15)


def test_few_frames_are_not_set_apart():
    assert not held_frames(np.ones(9)).any()
    assert held_frames(np.arange(10.0)).sum() == 2
    # hot frames too, wherever they stand
    forces = np.array([3.0] * 10 + [0.1] * 40)
    assert held_frames(forces)[:10].sum() == 2


def test_calculator_gives_the_expected_error(trained, tmp_path):
    models, frames, _, _ = trained
    models.save(tmp_path / "model.npz")
    calc = SgpCalculator.from_file(tmp_path / "model.npz")
    atoms = frames[30].copy()
    wanted = models.predict([atoms], force_uncertainties=True, noise=True)[0]
    np.testing.assert_allclose(
        calc.get_property("forces_expected_error", atoms),
        wanted.force_uncertainties[0],
        rtol=1e-6,
    )


@pytest.mark.reference_data
@pytest.mark.parametrize("metal", ["Mo", "Ni"])
def test_calibrated_on_dft(reference_data, metal):
    """Two of the five metals of docs/sgp.md, small."""
    folder = reference_data / "mlff"
    names = {"Mo": ("maml_Mo_AIMD", "maml_Mo_Test"), "Ni": ("zuo2020_Ni_train", "zuo2020_Ni_test")}
    train, test = (load_files([folder / f"{name}.extxyz"]) for name in names[metal])
    train = train.take(
        sorted(np.random.default_rng(0).permutation(len(train.frames))[:60].tolist())
    )
    test = test.take(list(range(0, len(test.frames), 3)))
    models = SgpLearner(SgpSettings(n_inducing=300, l_max=4)).fit(train.frames, train.label_sets)
    z = z_of(models, test.frames, test.label_sets[0], noise=True)
    # forces that vanish by symmetry have neither error nor variance
    z = z[np.abs(np.concatenate(test.label_sets[0].forces)) > 1e-6]
    assert 0.8 < np.sqrt(np.mean(z**2)) < 1.3
