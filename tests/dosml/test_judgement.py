"""A force field that is worse than none is named, whichever learner made it."""

from __future__ import annotations

import ase.io
import numpy as np
import pytest
from ase.build import bulk

import dosml
from dosml.learners.base import Prediction
from dosml.learners.judgement import with_judgement, worse_than_nothing
from dosml.relabel.dataset import LabelSet

RNG = np.random.default_rng(0)
FORCES = [RNG.normal(size=(4, 3)) for _ in range(4)]
ENERGIES = np.array([-16.0, -15.9, -15.8, -15.5])
STRESSES = RNG.normal(size=(4, 6)) * 0.01


def labels(**given):
    return LabelSet(
        **{"energies": ENERGIES, "forces": FORCES, "stresses": STRESSES, "name": "a", **given}
    )


def said(*, forces=1.0, energy=0.0, stress=1.0):
    """A model whose forces and stresses are so many times the labels, off by an energy (eV)."""
    return Prediction(
        energies=ENERGIES + energy,
        forces=[forces * one for one in FORCES],
        stresses=stress * STRESSES,
    )


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({}, ()),
        ({"forces": 0.05, "stress": 0.05}, ()),  # zero is no worse than zero
        ({"forces": -0.2}, ("forces are worse than zero",)),
        ({"forces": 2.5, "stress": -0.5}, ("forces", "stresses are worse than zero")),
        ({"energy": 0.1}, ()),
        ({"energy": -1.0}, ("energies are worse than their mean", "250 meV/atom")),
        ({"stress": np.nan}, ()),  # it predicts none
    ],
)
def test_what_is_worse_than_nothing(answer, words):
    text = worse_than_nothing(said(**answer), labels())
    assert all(word in text for word in words)
    assert bool(text) == bool(words)


def test_labels_that_say_nothing():
    zero = [np.zeros((4, 3))] * 4
    same = labels(forces=zero, energies=np.full(4, -16.0), stresses=None)
    # energies that do not scatter are no measure of an error below a meV
    text = worse_than_nothing(
        Prediction(energies=np.full(4, -16.0001), forces=zero, stresses=STRESSES), same
    )
    assert text.startswith("all forces of the held-out frames are zero")
    assert "energies" not in text
    few = labels(forces=FORCES[:1], energies=ENERGIES[:1], stresses=None)
    one = Prediction(energies=ENERGIES[:1] + 9, forces=FORCES[:1], stresses=STRESSES[:1])
    assert not worse_than_nothing(one, few)


def test_it_stands_behind_the_model_s_own_warning():
    own = {"warning": "half of the data was left out", "epochs": 3}
    assert with_judgement(own, said(), labels()) == own
    both = with_judgement(own, said(forces=-1), labels())["warning"]
    assert both.startswith("half of the data was left out; the forces are worse")
    assert with_judgement({"epochs": 3}, said(), labels()) == {"epochs": 3}


def test_a_training_says_so_everywhere(tmp_path):
    """Of three frames of nonsense nothing can be learnt: terminal, log, table and report tell."""
    frames = []
    for seed in range(8):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=seed)
        atoms.info["REF_energy"] = float(RNG.normal())
        atoms.arrays["REF_forces"] = RNG.normal(size=(4, 3))
        atoms.arrays["REF_forces"] -= atoms.arrays["REF_forces"].mean(axis=0)
        frames.append(atoms)
    ase.io.write(tmp_path / "odd.extxyz", frames, format="extxyz")
    given = {
        "out": str(tmp_path / "out"),
        "hold_out": 0.6,
        "inducing": 20,
        "learner_options": {"sgp": {"max_iterations": 0, "force_noise": 1e-4}},
    }
    with pytest.warns(UserWarning, match="forces are worse than zero"):
        done = dosml.train(tmp_path / "odd.extxyz", **given)
    assert "worse than zero" in done.table["warning"][0]
    assert "worse than zero" in (done.folder / "dosml.log").read_text(encoding="utf-8")
    assert "worse than zero" in (done.folder / "report.html").read_text(encoding="utf-8")
