"""One model across sigma: on tb's labels, against models trained at the held-out sigma."""

import numpy as np
import pytest
from ase.build import bulk
from helpers.sgp_data import rattled, toy_labels

import dosml
from dosml.errors import InputError, LearnerError
from dosml.learners.sgp.across import AcrossSigma
from dosml.learners.sgp.learner import SgpLearner
from dosml.learners.sgp.settings import SgpSettings
from dosml.learners.sgp.sigma_kernel import SOFT, SigmaKernel
from dosml.relabel.dataset import LabelSet
from dosml.relabel.engines.registry import make_engine
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

NODES, BETWEEN = (0.2, 0.3, 0.7, 2.0), (0.5, 1.0)
STEP = 0.01
#: sigma of the labels whose difference is the entropy of tb.
BESIDE = tuple(width + sign * STEP for width in BETWEEN for sign in (-1, 1))
N_TRAIN = 14


@pytest.fixture(scope="module")
def molybdenum():
    """Frames and tb's labels of molybdenum at every sigma, one diagonalisation a frame."""
    rng = np.random.default_rng(0)
    engine = make_engine("tb", {"kpoints": (3, 3, 3)})
    widths = (*NODES, *BETWEEN, *BESIDE)
    settings = [ElectronicSetting(Smearing("fermi-dirac", width)) for width in widths]
    frames, labels = [], []
    for _ in range(N_TRAIN + 5):
        atoms = bulk("Mo", cubic=True) * (2, 2, 1)
        strain = np.eye(3) + 0.02 * rng.normal(size=(3, 3))
        atoms.set_cell(atoms.cell.array @ strain, scale_atoms=True)
        atoms.positions += 0.15 * rng.normal(size=atoms.positions.shape)
        frames.append(atoms)
        labels.append(dict(engine.label_ladder(atoms, settings, (), "nowhere")))
    sets = {
        setting.smearing.width: LabelSet(
            [one[setting].free_energy for one in labels],
            [one[setting].forces for one in labels],
            [one[setting].stress for one in labels],
            setting,
        )
        for setting in settings
    }
    return frames, sets


def part(labels, where):
    return LabelSet(labels.energies[where], labels.forces[where], labels.stresses[where])


@pytest.fixture(scope="module")
def models(molybdenum):
    frames, sets = molybdenum
    train = slice(0, N_TRAIN)
    fit = SgpLearner(SgpSettings()).fit
    fitted = fit(frames[train], [part(sets[w], train) for w in (*NODES, *BETWEEN)])
    own = fitted.models[len(NODES) :]
    across = AcrossSigma.join(fitted.shared, fitted.models[: len(NODES)], NODES, "fermi-dirac")
    return across, type(fitted)(fitted.shared, own)


def force_error(said, labels):
    return np.abs(np.concatenate(said.forces) - np.concatenate(labels.forces)).mean()


def test_held_out_sigma_within_a_tenth_of_a_model_trained_there(molybdenum, models):
    frames, sets = molybdenum
    across, own = models
    test = slice(N_TRAIN, None)
    for width, there in zip(BETWEEN, own.predict(frames[test]), strict=True):
        labels = part(sets[width], test)
        said = across.predict(frames[test], width)
        assert force_error(said, labels) < 1.1 * force_error(there, labels), width


def test_entropy_is_that_of_the_labels(molybdenum, models):
    """-dF/dsigma of tb at fixed frames; for Fermi-Dirac smearing (E - F) / k_B T."""
    frames, sets = molybdenum
    test = slice(N_TRAIN, None)
    for width in BETWEEN:
        said = models[0].predict(frames[test], width).entropies
        low, high = (sets[width + sign * STEP].energies[test] for sign in (-1, 1))
        np.testing.assert_allclose(said, -(high - low) / (2 * STEP), rtol=0.05)


def test_at_the_nodes_it_is_the_model_of_the_label_set(molybdenum, models):
    frames, _ = molybdenum
    across = models[0]
    for number, width in enumerate(NODES):
        said = across.predict(frames[-2:], width)
        single = type(models[1])(across.shared, [across.models[number]]).predict(frames[-2:])[0]
        np.testing.assert_allclose(said.energies, single.energies, atol=1e-4)
        np.testing.assert_allclose(said.forces[0], single.forces[0], atol=1e-5)


def test_calculator_takes_sigma_and_is_consistent(molybdenum, models, tmp_path):
    frames, _ = molybdenum
    path = tmp_path / "across.npz"
    models[0].save(path)
    calc = dosml.load_model(path)
    atoms = frames[-1].copy()
    atoms.calc = calc
    calc.set(sigma=0.5)
    said = models[0].predict([atoms], 0.5)
    free = atoms.get_potential_energy()
    assert free == pytest.approx(said.energies[0], abs=1e-8)
    np.testing.assert_allclose(atoms.get_forces(), said.forces[0], atol=1e-8)
    np.testing.assert_allclose(atoms.get_stress(), said.stresses[0], atol=1e-10)
    entropy = calc.get_property("entropy", atoms)
    assert calc.get_property("internal_energy", atoms) == pytest.approx(free + 0.5 * entropy)
    h = 1e-4
    around = []
    for sigma in (0.5 + h, 0.5 - h):
        calc.set(sigma=sigma)
        around.append(atoms.get_potential_energy())
    assert entropy == pytest.approx(-(around[0] - around[1]) / (2 * h), rel=1e-5)
    with pytest.raises(InputError, match=r"outside the labels of this model, 0\.2 to 2 eV"):
        calc.set(sigma=2.5)


def test_shares_of_the_nodes():
    """They add up to 1, and give back a baseline of their own form, and its slope."""
    kernel = SigmaKernel(np.array(NODES))

    def soft(sigma):
        return 3 - 2 * np.sqrt(np.square(sigma) + SOFT**2)

    for sigma in (0.25, 0.5, 1.7):
        shares, slopes = kernel.weights(sigma)
        assert shares.sum() == pytest.approx(1)
        assert slopes.sum() == pytest.approx(0, abs=1e-9)
        shares, slopes = kernel.baseline_weights(sigma)
        assert shares @ soft(kernel.nodes) == pytest.approx(soft(sigma), abs=1e-9)
        slope = (soft(sigma + 1e-6) - soft(sigma - 1e-6)) / 2e-6
        assert slopes @ soft(kernel.nodes) == pytest.approx(slope, abs=1e-6)


def test_refusals(tmp_path):
    frames = [rattled(seed=n)[:8] for n in range(3)]
    labels = toy_labels(frames, stress=False)
    options = SgpSettings(cutoff=4.0, n_max=3, l_max=1)
    fitted = SgpLearner(options).fit(frames, [labels, labels, labels])
    with pytest.raises(InputError, match="3 smearings at least, each once: got 0.2, 1 eV"):
        AcrossSigma.join(fitted.shared, fitted.models[:2], (0.2, 1.0), "cold")
    with pytest.raises(InputError, match="got 0.2, 1, 1 eV"):
        AcrossSigma.join(fitted.shared, fitted.models, (0.2, 1.0, 1.0), "cold")
    others = SgpLearner(options).fit([rattled(seed=9)[:8]], [toy_labels([rattled(seed=9)[:8]])])
    paths = [tmp_path / "a.npz", tmp_path / "b.npz", tmp_path / "c.npz"]
    for path, models in zip(paths, (fitted, fitted, others), strict=True):
        models.save(path, 0)
    with pytest.raises(LearnerError, match="trained together"):
        AcrossSigma.join_files(paths, (0.2, 0.5, 1.0), "cold")
    with pytest.raises(LearnerError, match="holds format"):
        AcrossSigma.load(paths[0])
