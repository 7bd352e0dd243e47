"""A stand-in peer, run by this Python, with everything real but the physics."""

import json
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from helpers.stand_in_peer import install

from dosml.learners.peers import base, calculator
from dosml.relabel.dataset import LabelSet

HERE = Path(__file__).parent


class FakeSettings(base.PeerSettings):
    epochs: int = 3
    seconds: float = 0.0
    fail: bool = False


def _configure(settings, data):
    content = settings.model_dump(include={"epochs", "seconds", "fail", "cutoff"})
    return {"config.json": json.dumps({**content, "species": data.species})}


FAKE = base.Adapter(
    name="fake",
    help="a stand-in",
    settings=FakeSettings,
    presets={"paper": {"epochs": 7, "cutoff": 6.0}},
    packages=("numpy",),
    worker="fake_worker.py",
    model_file="fake.json",
    configure=_configure,
    epochs_done=lambda folder: int((folder / "epochs.txt").read_text()),
)


@pytest.fixture
def fake(monkeypatch):
    """The adapter of the stand-in peer; this Python is its environment."""
    install(monkeypatch, FAKE, HERE)
    assert calculator.adapter("fake") is FAKE
    return FAKE


@pytest.fixture
def data():
    """Six rattled cells of copper and labels that are easy to recognise."""
    frames = []
    for seed in range(6):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=seed)
        frames.append(atoms)
    return frames, LabelSet(
        energies=np.full(6, -8.0),
        forces=[-atoms.positions for atoms in frames],
        stresses=np.tile([0.3, 0.3, 0.3, 0.0, 0.0, 0.0], (6, 1)),
    )
