"""Energies are not given up in silence: starts, bounds, warnings, and baselines of odd sets."""

import numpy as np
import pytest
import torch
from ase import Atoms
from helpers.sgp_data import rattled, toy_labels
from helpers.sgp_dense import fit

from dosml.learners.sgp.accumulate import Evidence
from dosml.learners.sgp.calculator import SgpCalculator
from dosml.learners.sgp.evidence_maximum import choose_hyperparameters
from dosml.learners.sgp.hyperparameters import Hyperparameters
from dosml.learners.sgp.likelihood import dense_likelihood, maximise, posterior, spread, start
from dosml.learners.sgp.settings import SgpSettings, with_cutoff
from dosml.learners.sgp.targets import baselines
from dosml.relabel.dataset import LabelSet, load_files

NOTHING_GIVEN = dict.fromkeys(("signal", "energy_noise", "force_noise", "stress_noise"))


def made_evidence(energy_rows, energies, force_rows, forces):
    """Evidence of plain design matrices, rows (n_labels, M)."""
    pairs = {"energy": (energy_rows, energies), "force": (force_rows, forces)}
    return Evidence(
        phi={kind: torch.as_tensor(rows.T @ rows) for kind, (rows, _) in pairs.items()},
        rhs={kind: torch.as_tensor(rows.T @ y) for kind, (rows, y) in pairs.items()},
        squares={kind: float(y @ y) for kind, (_, y) in pairs.items()},
        counts={kind: len(y) for kind, (_, y) in pairs.items()},
    )


def bargain():
    """Forces that are fitted twice as well if the energies are taken for noise.

    Energies say that the first weight is 1, forces say, in a small part of them, that it is 0: as
    where a model of short reach cannot have both.
    """
    rng = np.random.default_rng(1)
    energy_rows = np.zeros((30, 6))
    energy_rows[:, 0] = rng.normal(size=30)
    energies = energy_rows[:, 0] + 0.01 * rng.normal(size=30)
    force_rows = rng.normal(size=(2000, 6))
    force_rows[:, 0] *= 0.035
    forces = force_rows[:, 1:] @ [1.0, -1.0, 0.5, 0.3, 2.0] + 0.02 * rng.normal(size=2000)
    return made_evidence(energy_rows, energies, force_rows, forces)


def test_evidence_that_gives_energies_up_is_overruled():
    evidence = bargain()
    hypers, value, _ = maximise(evidence, start(evidence, NOTHING_GIVEN), 60)
    assert hypers.energy_noise > 0.9 * spread(evidence, "energy")
    choice = choose_hyperparameters(evidence, NOTHING_GIVEN, 60)
    # the evidence is lower by a thousand, the energies are better by a factor of fifty
    assert choice.log_likelihood < value - 1000
    alone, chosen = (
        dense_likelihood(evidence, one).held_out for one in (hypers, choice.hyperparameters)
    )
    assert chosen["energy"] < 0.02 * alone["energy"]
    assert chosen["force"] < 2.5 * alone["force"]
    assert choice.bounded == ("energy",)
    assert choice.ignored == ()


def test_higher_of_two_maxima_is_found():
    """The first start alone ends in the lower one: found among 100 such problems."""
    rng = np.random.default_rng(99)
    k, n_energies, amplitude = rng.integers(1, 4), rng.choice([20, 40, 60]), rng.uniform(-2.5, -1)
    energy_rows = np.zeros((n_energies, 6))
    energy_rows[:, :k] = rng.normal(size=(n_energies, k)) * 10 ** rng.uniform(-1, 1, size=k)
    weights = rng.normal(size=k)
    noise = 10 ** rng.uniform(-3, -1) * rng.normal(size=n_energies)
    force_rows = rng.normal(size=(2000, 6))
    force_rows[:, :k] *= 10**amplitude
    forces = force_rows[:, k:] @ rng.normal(size=6 - k)
    forces += 10 ** rng.uniform(-3, -1) * rng.normal(size=2000)
    evidence = made_evidence(energy_rows, energy_rows[:, :k] @ weights + noise, force_rows, forces)
    ends = [
        maximise(evidence, start(evidence, NOTHING_GIVEN, share), 60)[1] for share in (0.1, 0.002)
    ]
    assert ends[1] > ends[0] + 50
    choice = choose_hyperparameters(evidence, NOTHING_GIVEN, 60)
    assert choice.log_likelihood == pytest.approx(ends[1], abs=1e-3)


def test_energies_without_sense_are_named():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 6))
    force_rows = rng.normal(size=(600, 6))
    evidence = made_evidence(
        rows, rng.normal(size=60), force_rows, force_rows @ np.ones(6) + 0.1 * rng.normal(size=600)
    )
    choice = choose_hyperparameters(evidence, NOTHING_GIVEN, 60)
    assert choice.ignored == ("energy",)
    assert choice.hyperparameters.force_noise == pytest.approx(0.1, rel=0.1)


def test_given_noise_is_the_only_start():
    evidence = bargain()
    given = {**NOTHING_GIVEN, "energy_noise": 0.5}
    kept = choose_hyperparameters(evidence, given, 0)
    assert kept.hyperparameters.energy_noise == 0.5
    assert kept.evaluations == 1


def test_expected_error_of_left_out_labels():
    """Generalised cross-validation against really leaving labels out, one by one."""
    rng = np.random.default_rng(5)
    rows, force_rows = rng.normal(size=(40, 6)), rng.normal(size=(300, 6))
    truth = rng.normal(size=6)
    energies = rows @ truth + 0.1 * rng.normal(size=40)
    forces = force_rows @ truth + 0.1 * rng.normal(size=300)
    hypers = Hyperparameters(2.0, 0.1, 0.1, 1.0)
    evidence = made_evidence(rows, energies, force_rows, forces)
    got = dense_likelihood(evidence, hypers).held_out["energy"]
    misses = []
    for k in range(40):
        kept = np.arange(40) != k
        part = made_evidence(rows[kept], energies[kept], force_rows, forces)
        weights = hypers.signal**2 * posterior(part, hypers).solution.numpy()
        misses.append(rows[k] @ weights - energies[k])
    assert got == pytest.approx(np.sqrt(np.mean(np.square(misses))), rel=0.02)


def test_baseline_of_isolated_atoms_is_their_own():
    """An isolated atom changes nothing of the rest, and is predicted as labelled."""
    frames = [rattled(seed=n, stdev=0.1)[: 16 - n] for n in range(6)]
    alone = Atoms("Cu", positions=[[0, 0, 0]], cell=np.eye(3) * 14, pbc=True)
    labels = toy_labels(frames, stress=False)
    with_alone = LabelSet(
        np.append(labels.energies, -0.25), [*labels.forces, np.zeros((1, 3))], None
    )
    without = fit(frames, [labels])
    models = fit([*frames, alone], [with_alone])
    test = [rattled(seed=9, stdev=0.1)[:14], alone]
    got = models.predict(test)[0]
    assert got.energies[1] == pytest.approx(-0.25, abs=1e-6)
    assert got.energies[0] == pytest.approx(without.predict(test[:1])[0].energies[0], abs=1e-6)
    assert models.facts()[0]["force_noise_ev_per_angstrom"] == pytest.approx(
        without.facts()[0]["force_noise_ev_per_angstrom"], rel=1e-6
    )


def test_isolated_atoms_survive_saving(tmp_path):
    frames = [rattled(seed=n, stdev=0.1)[:12] for n in range(3)]
    alone = Atoms("Cu", positions=[[0, 0, 0]], cell=np.eye(3) * 14, pbc=True)
    labels = toy_labels(frames, stress=False)
    labels = LabelSet(np.append(labels.energies, 1.5), [*labels.forces, np.zeros((1, 3))], None)
    fit([*frames, alone], [labels]).save(tmp_path / "model.npz")
    alone.calc = SgpCalculator.from_file(tmp_path / "model.npz")
    assert alone.get_potential_energy() == pytest.approx(1.5, abs=1e-6)


def test_isolated_atom_does_not_decide_the_cutoff():
    frames = [rattled(seed=n) for n in range(3)]
    boxes = [
        Atoms("Cu", positions=[[0, 0, 0]], cell=np.eye(3) * 20, pbc=True),
        Atoms("Cu", positions=[[0, 0, 0]]),
    ]
    alone = with_cutoff(SgpSettings(), frames).cutoff
    assert with_cutoff(SgpSettings(), [*frames, *boxes]).cutoff == alone


def test_baseline_by_composition():
    counts = np.array([[8, 4], [10, 2], [6, 6], [9, 3]])
    nobody = np.zeros_like(counts)
    energies = (counts @ [-3.0, -5.0])[:, None]
    (found,) = baselines(counts, nobody, energies)
    np.testing.assert_allclose(found.bound, [-3.0, -5.0], atol=2e-3)
    np.testing.assert_array_equal(found.alone, found.bound)


def test_baseline_of_one_stoichiometry_is_the_same_for_all_species():
    """Compositions that do not tell species apart: a minimum-norm solution would give 3 : 1."""
    counts = np.array([[3, 1], [6, 2], [9, 3]])
    energies = np.array([[-16.0], [-32.0], [-48.0]])
    (found,) = baselines(counts, np.zeros_like(counts), energies)
    np.testing.assert_allclose(found.bound, [-4.0, -4.0], atol=1e-9)


def test_one_odd_composition_does_not_throw_a_baseline_off():
    """Compositions that hardly differ: an error of 1 eV must not become 100 eV per atom."""
    counts = np.array([[100, 1], [100, 1], [99, 1]])
    energies = (counts @ [-3.0, -3.0])[:, None] + [[0.5], [-0.5], [1.0]]
    (found,) = baselines(counts, np.zeros_like(counts), energies)
    np.testing.assert_allclose(found.bound, [-3.0, -3.0], atol=1.0)
    plain = np.linalg.lstsq(counts, energies[:, 0], rcond=None)[0]
    assert np.abs(plain + 3.0).max() > 50


@pytest.mark.reference_data
@pytest.mark.parametrize("name", ["no-stress", "with-stress", "isolated-atom"])
def test_energies_of_sets_that_were_given_up(reference_data, name):
    """49 and 63 meV/atom before."""
    data = load_files([reference_data / "inputs" / f"{name}.extxyz"])
    train = data.take(data.train)
    test = data.take(data.test)
    models = fit(train.frames, train.label_sets, cutoff=None, n_max=8, l_max=3, n_inducing=300)
    labels = test.label_sets[0]
    misses = (models.predict(test.frames)[0].energies - labels.energies) / [
        len(frame) for frame in test.frames
    ]
    assert np.abs(misses).mean() < 1e-3
    forces = np.concatenate(models.predict(test.frames)[0].forces)
    assert (
        np.abs(forces - np.concatenate(labels.forces)).mean()
        < 0.02 * np.abs(np.concatenate(labels.forces)).mean()
    )
