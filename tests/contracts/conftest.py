"""Modules and a peer that the contract tests put into the place of other people's."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from helpers.stand_in_peer import install
from pydantic import Field

from dosml.learners.peers import base, catalogue
from dosml.learners.registry import LEARNERS

HERE = Path(__file__).parent

#: A user's own module: an engine is called with the electronic setting, a learner without it.
MY_MODULE = """
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones


def engine(setting):
    if setting.electrons_per_atom_shift:
        raise ValueError("effective medium theory counts no electrons: use --engine xtb")
    return EMT()


def learner():
    return LennardJones(epsilon=0.4, sigma=2.3, rc=5.0, smooth=True)
"""


@pytest.fixture
def my_module(tmp_path, monkeypatch) -> Path:
    """A folder with `my_contract.py` in it, in which the test runs."""
    (tmp_path / "my_contract.py").write_text(MY_MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "my_contract", raising=False)
    return tmp_path


class EmtSettings(base.PeerSettings):
    """Settings of the stand-in peer."""

    epochs: int = Field(default=2, description="passes over the data that are said to be made")


def configure(settings, data):
    """Write what the worker reads."""
    return {"config.json": json.dumps({"epochs": settings.epochs, "species": data.species})}


def epochs_done(_folder):
    """Count nothing: it is done at once."""
    return 0


EMT_PEER = base.Adapter(
    name="emt-peer",
    help="effective medium theory in a process of its own",
    settings=EmtSettings,
    presets={"quick": {"epochs": 1}},
    packages=("numpy",),
    worker="emt_worker.py",
    model_file="emt.json",
    configure=configure,
    epochs_done=epochs_done,
)


@pytest.fixture
def emt_peer(monkeypatch) -> str:
    """A peer with everything real but the training; this Python is its environment."""
    install(monkeypatch, EMT_PEER, HERE)
    monkeypatch.setitem(LEARNERS._own, EMT_PEER.name, catalogue.entry(EMT_PEER))
    return EMT_PEER.name
