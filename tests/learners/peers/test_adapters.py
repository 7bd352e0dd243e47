"""What is written for each peer: the paper's settings, stresses only where there are labels."""

from __future__ import annotations

import json

import pytest

from dosml.learners.peers.adapters import ADAPTERS
from dosml.learners.peers.base import TrainingData

DATA = TrainingData(species=("Ti",), n_train=20, n_valid=2, mean_atoms=35.0, stress=True)


def configuration(name, data=DATA, **options):
    adapter = ADAPTERS[name]
    (text,) = adapter.configure(adapter.make_settings(options), data).values()
    return json.loads(text)


def test_nequip_as_in_the_paper() -> None:
    config = configuration("nequip", preset="paper", l_max=3)
    module = config["training_module"]
    assert module["loss"]["coeffs"] == {"total_energy": 1, "forces": 1, "stress": 1}
    assert module["loss"]["per_atom_energy"] is True
    scheduler = module["lr_scheduler"]["scheduler"]
    assert scheduler["factor"] == pytest.approx(0.2)  # reduced by 80 %
    assert scheduler["patience"] == 100
    stops = [one["stopping_threshold"] for one in config["trainer"]["callbacks"]
             if "stopping_threshold" in one]  # fmt: skip
    assert stops == [1e-5]
    assert module["model"]["l_max"] == 3
    assert ADAPTERS["nequip"].make_settings({"preset": "paper"}).validation == 0.1


def test_flare_as_in_the_paper() -> None:
    config = configuration("flare", preset="paper")
    assert config["energy_noise_per_atom"] == 0.001
    assert config["force_noise"] == 0.05
    assert config["stress_noise"] == 0.005
    assert config["signal"] == 2.0
    assert config["gradient_tolerance"] == 1e-4
    assert config["epochs"] == 200
    assert config["species"] == [22]


@pytest.mark.parametrize("name", ["mace", "nequip", "pet", "soap-bpnn"])
def test_stress_is_asked_for_only_with_labels(name) -> None:
    without = TrainingData(species=("Ti",), n_train=20, n_valid=2, mean_atoms=35.0, stress=False)
    assert "REF_stress" in json.dumps(configuration(name))
    config = json.dumps(configuration(name, without))
    assert "strain" not in config
    assert "stress_weight" not in config
    assert "stress_rmse" not in config


def test_metatrain_weighs_the_virial_per_atom() -> None:
    loss = configuration("pet")["architecture"]["training"]["loss"]["energy"]
    # metatrain ignores other names without a word
    assert set(loss["gradients"]) == {"positions", "strain"}
    assert loss["gradients"]["strain"]["weight"] == pytest.approx(1 / 35**2)


def test_mace_ends_with_a_stage_for_energies() -> None:
    config = configuration("mace", epochs=40)
    assert (config["swa"], config["start_swa"]) == (True, 30)
    assert config["swa_energy_weight"] > config["energy_weight"]
    assert "swa" not in configuration("mace", epochs=1)


@pytest.mark.parametrize("name", list(ADAPTERS))
def test_every_preset_is_valid(name) -> None:
    for preset in ("default", *ADAPTERS[name].presets):
        assert configuration(name, preset=preset)
