"""Finished potentials as learners: one energy per element is fitted, nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from helpers.stand_in_peer import install

from dosml.errors import LearnerError
from dosml.learners.peers import base, environments, finished
from dosml.learners.peers.calculator import PeerCalculator
from dosml.learners.peers.finished import FinishedLearner
from dosml.learners.peers.universal import ZeroShotSettings
from dosml.learners.registry import learner_entry
from dosml.relabel.dataset import LabelSet


class SpringSettings(ZeroShotSettings):
    weights: str = "soft"


SPRING = base.Adapter(
    name="spring",
    help="a stand-in",
    settings=SpringSettings,
    presets={},
    packages=("numpy",),
    worker="spring_worker.py",
    model_file="model.npz",
    configure=lambda _settings, _data: {},
    epochs_done=lambda _: 0,
    trained=False,
)


@pytest.fixture
def spring(monkeypatch):
    install(monkeypatch, SPRING, Path(__file__).parent)
    monkeypatch.setattr(finished, "require", environments.find)
    return SPRING


def frames(symbols=("Cu", "Cu"), count=4):
    made = []
    for seed in range(count):
        atoms = bulk("Cu", cubic=True)
        atoms.symbols[:2] = symbols[seed % 2]
        atoms.rattle(0.1, seed=seed)
        made.append(atoms)
    return made


def labels(given, energies, name):
    values = [
        0.5 * float((one.positions**2).sum()) + sum(energies[s] for s in one.symbols)
        for one in given
    ]
    forces = [-2.0 * one.positions for one in given]
    return LabelSet(np.array(values), forces, np.zeros((len(given), 6)), name=name)


def test_energies_of_the_elements_are_fitted_to_each_label_set(spring, tmp_path) -> None:
    given = frames(("Ag", "Cu"))
    sets = [labels(given, {"Ag": a, "Cu": c}, n) for a, c, n in ((-1, 2, "a"), (5, 7, "b"))]
    learner = FinishedLearner(spring, SpringSettings())
    models = learner.fit(given, sets)
    predicted = models.predict(given)
    for one, said in zip(sets, predicted, strict=True):
        np.testing.assert_allclose(said.energies, one.energies, atol=1e-9)
        np.testing.assert_allclose(said.forces[0], -given[0].positions)  # its own, not the labels'
        np.testing.assert_allclose(said.stresses, 0.25)
    (first, _) = models.facts()
    assert first["n_parameters"] == 2
    assert first["epochs"] == 0
    assert first["energy_misfit_ev_per_atom"] == pytest.approx(0.0, abs=1e-9)
    models.save(tmp_path / "model.zip", 1)
    calculator = PeerCalculator(tmp_path / "model.zip")
    atoms = given[1].copy()
    atoms.calc = calculator
    assert atoms.get_potential_energy() == pytest.approx(sets[1].energies[1])
    calculator.close()


def test_few_frames_are_evaluated_where_few_are_enough_and_each_once(spring, monkeypatch) -> None:
    given = frames(count=6)
    learner = FinishedLearner(spring, SpringSettings(energy_frames=2))
    asked, evaluated = [], []
    evaluate = finished.ModelProcess.evaluate
    monkeypatch.setattr(
        finished.ModelProcess,
        "evaluate",
        lambda self, frame: evaluated.append(frame) or evaluate(self, frame),
    )
    models = learner.fit(
        given, [labels(given, {"Cu": 1.0}, "a")], progress=lambda *at: asked.append(at)
    )
    assert [one[2] for one in asked] == [2, 2]
    assert models.facts()[0]["energy_frames"] == 2
    models.predict(given)
    assert len(evaluated) == len(given)


def test_an_element_without_an_energy_is_refused(spring) -> None:
    given = frames()
    models = FinishedLearner(spring, SpringSettings()).fit(given, [labels(given, {"Cu": 1}, "a")])
    with pytest.raises(LearnerError, match="a frame holds Ag"):
        models.predict(frames(("Ag", "Ag")))


def test_what_decides_the_predictions_is_in_the_fingerprint(spring) -> None:
    one, other = (
        FinishedLearner(spring, SpringSettings(energy_frames=count)).fingerprint()
        for count in (5, 6)
    )
    assert one != other
    assert one["versions"] == {"numpy": np.__version__}


def test_the_registry_knows_which_learners_are_trained() -> None:
    trained = {name: learner_entry(name).trained for name in ("sgp", "chgnet", "chgnet-rf", "tace")}
    assert trained == {"sgp": True, "chgnet": False, "chgnet-rf": True, "tace": True}
    assert not learner_entry("ase:softened:Soft").trained
