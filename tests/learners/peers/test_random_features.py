"""The closed-form regression on features, with features that are written down here."""

from __future__ import annotations

import importlib.util
import sys
from types import ModuleType
from typing import ClassVar

import numpy as np
import pytest
from ase import Atoms

from dosml.learners.peers.jobs import worker_path

#: Two features of an atom at r: sines along these directions.
WAVES = np.array([[1.0, 0.3, -0.5], [0.2, -0.8, 0.6]])
CONFIG = {
    "weights": "none",
    "features": 200,
    "directions": 10_000,
    "lengths": (1.0, 4.0),
    "noises": (1e-10, 1e-6, 1e-2),
    "energy_weights": (1.0,),
    "chosen_on": 0.2,
    "seed": 0,
}


class Sines:
    """Stands in for CHGNet's features."""

    n_parameters = 0
    asked: ClassVar[list[Atoms]] = []

    def __init__(self, *_: object) -> None:
        pass

    def derivatives(self, atoms, directions):
        self.asked.append(atoms)
        angles = atoms.positions @ WAVES.T
        return np.sin(angles), np.cos(angles) * (directions @ WAVES.T)


@pytest.fixture
def module(monkeypatch):
    """The worker's module, without the packages of its environment."""
    for name, held in (("chgnet", ()), ("chgnet.model", ("CHGNet",)),
                       ("chgnet.model.model", ("BatchedGraph",))):  # fmt: skip
        stand_in = ModuleType(name)
        for one in held:
            setattr(stand_in, one, None)
        monkeypatch.setitem(sys.modules, name, stand_in)
    spec = importlib.util.spec_from_file_location(
        "random_features", worker_path("random_features.py")
    )
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    monkeypatch.setattr(made, "Features", Sines)
    monkeypatch.setattr(made, "version", lambda _: "0")
    return made


def frames(count=20, seed=0):
    """Atoms in an energy that is a smooth function of the features, of two elements."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(count):
        atoms = Atoms("Cu2AgCu", positions=rng.uniform(-2, 2, (4, 3)), cell=np.eye(3) * 9, pbc=True)
        if rng.random() < 0.5:
            atoms.symbols[0] = "Ag"
        angles = atoms.positions @ WAVES.T
        h = np.sin(angles)
        silver = list(atoms.symbols).count("Ag")
        energy = (h[:, 0] ** 2 + 0.5 * np.cos(h[:, 1])).sum() + 3.0 * silver - 7.0 * (4 - silver)
        slope = np.stack([2 * h[:, 0], -0.5 * np.sin(h[:, 1])], axis=1) * np.cos(angles)
        atoms.info["REF_energy"] = float(energy)
        atoms.arrays["REF_forces"] = -slope @ WAVES
        made.append(atoms)
    return made


def test_a_smooth_energy_is_learnt_with_its_forces(module, tmp_path) -> None:
    facts, arrays = module.fit(frames(), CONFIG, "cpu", tmp_path)
    assert facts["force_percent_error_chosen_on"] < 1.0
    assert facts["force_directions"] == 20 * 12  # as many as coordinates
    assert facts["n_parameters"] == 202
    held = frames(5, seed=1)
    for one in held:
        energy, forces = predicted(arrays, one)
        assert energy == pytest.approx(one.info["REF_energy"], abs=0.02)
        np.testing.assert_allclose(forces, one.arrays["REF_forces"], atol=0.05)


def predicted(arrays, atoms):
    """Energy and forces of a model, written out."""
    scale = np.sqrt(2 / len(arrays["theta"]))

    def energy(positions):
        h = (np.sin(positions @ WAVES.T) - arrays["mean"]) / arrays["spread"]
        return scale * (np.cos(h @ arrays["waves"].T + arrays["phases"]) @ arrays["theta"]).sum()

    forces = np.zeros_like(atoms.positions)
    for place in np.ndindex(*forces.shape):
        step = np.zeros_like(forces)
        step[place] = 1e-5
        ahead, behind = energy(atoms.positions + step), energy(atoms.positions - step)
        forces[place] = -(ahead - behind) / 2e-5
    constants = dict(zip(arrays["numbers"].tolist(), arrays["offsets"].tolist(), strict=True))
    return energy(atoms.positions) + sum(constants[int(z)] for z in atoms.numbers), forces


def test_few_directions_are_spread_over_the_frames(module, tmp_path) -> None:
    facts, _ = module.fit(frames(), {**CONFIG, "directions": 60}, "cpu", tmp_path)
    assert facts["force_directions"] == 60
    facts, _ = module.fit(frames(), {**CONFIG, "directions": 1}, "cpu", tmp_path)
    assert facts["force_directions"] == 20  # one of each frame


def test_the_same_seed_gives_the_same_model(module, tmp_path) -> None:
    made = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        made.append(module.fit(frames(8), CONFIG, "cpu", tmp_path / name))
    (_, one), (_, two) = made
    np.testing.assert_array_equal(one["theta"], two["theta"])


def test_other_labels_of_the_same_frames_find_the_features(module, tmp_path) -> None:
    given = frames(6)
    Sines.asked.clear()
    _, one = module.fit(given, CONFIG, "cpu", tmp_path)
    assert len(Sines.asked) == 6
    twice = [atoms.copy() for atoms in given]
    for atoms in twice:
        atoms.info["REF_energy"] *= 2
        atoms.arrays["REF_forces"] = 2 * atoms.arrays["REF_forces"]
    _, two = module.fit(twice, CONFIG, "cpu", tmp_path)
    assert len(Sines.asked) == 6
    np.testing.assert_allclose(two["theta"], 2 * one["theta"], rtol=1e-9)
    (kept,) = tmp_path.glob("chgnet-features-*.npz")
    kept.write_bytes(kept.read_bytes()[:100])  # cut off
    _, again = module.fit(given, CONFIG, "cpu", tmp_path)
    assert len(Sines.asked) == 12
    np.testing.assert_array_equal(again["theta"], one["theta"])
    twice[0].positions += 0.01
    module.fit(twice, CONFIG, "cpu", tmp_path)
    assert len(Sines.asked) == 18
