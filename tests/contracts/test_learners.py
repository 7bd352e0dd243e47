"""What every learner promises, ours and anybody's: one suite over all of them.

A new learner is tested here by being in the registry; give it a `Case` only if the defaults do not
suit it. Peers run where their environments were made; a stand-in goes the same way everywhere.
"""

from __future__ import annotations

import json
import pickle
from dataclasses import dataclass, field, replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.stress import voigt_6_to_full_3x3_stress

from dosml.errors import EnvironmentMissingError, InputError, LearnerError
from dosml.learners.base import COSTS, KeepsTrainings
from dosml.learners.registry import learner_entry, learner_names, load_model, make_learner
from dosml.relabel.dataset import LabelSet


@dataclass(frozen=True)
class Case:
    """What a learner is tested with.

    Attributes
    ----------
    options
        Of the learner.
    other
        Options with which its models are others.
    force, stress
        Tolerances of finite differences: eV/Å, eV/Å^3.
    turned
        Tolerance (eV/Å) where a frame is moved, turned or shuffled.
    again
        Relative tolerance of energies, absolute of forces (eV/Å), where a frame is asked twice.
    turns
        Whether its energy is the same for a turned frame by construction.
    """

    options: dict[str, Any] = field(default_factory=dict)
    other: dict[str, Any] = field(default_factory=dict)
    force: float = 1e-3
    stress: float = 1e-4
    turned: float = 1e-6
    again: float = 1e-9
    turns: bool = True


ASE = "ase:my_contract:learner"
STAND_IN = "emt-peer"
QUICK = {"preset": "quick", "epochs": 2, "device": "cpu"}
PEER = Case(options=QUICK, other={"cutoff": 4.0}, force=2e-2, stress=2e-3, turned=1e-3)
AS_IT_IS = {"preset": "quick", "device": "cpu"}
TINY = {"epochs": 4, "n_max": 4, "channels": 4, "cutoff": 4.0}
CASES = {
    "sgp": Case(options={"n_max": 4, "l_max": 2, "n_inducing": 40}, other={"zeta": 1}),
    "cace": Case(options={**TINY, "l_max": 2, "layers": 1}, other={"nu": 2}),
    "ictp": Case(options={**TINY, "rank": 2, "correlation": 2}, other={"layers": 1}),
    "pet": replace(PEER, turns=False),
    # CHGNet works in single precision, and sums in another order for another batch
    "chgnet": replace(PEER, options=AS_IT_IS, other={"weights": "0.2.0"}, again=1e-5),
    "sevennet": replace(PEER, options=AS_IT_IS, other={"weights": "7net-l3i5"}, again=1e-5),
    "chgnet-rf": replace(
        PEER,
        options={**AS_IT_IS, "directions": 60, "features": 64},
        other={"features": 48},
    ),
    ASE: Case(),
    STAND_IN: Case(options={"epochs": 1}, other={"epochs": 2}),
}
#: They need no environment of their own.
IN_PROCESS = ("sgp", "cace", "ictp", ASE, STAND_IN)


@pytest.fixture(
    params=[
        pytest.param(name, marks=[] if name in IN_PROCESS else [pytest.mark.peer])
        for name in (*learner_names(), ASE, STAND_IN)
    ]
)
def name(request, my_module) -> str:  # noqa: ARG001 - runs in its folder
    if request.param == STAND_IN:
        request.getfixturevalue("emt_peer")
    return request.param


@pytest.fixture
def case(name) -> Case:
    return CASES.get(name, PEER)


@pytest.fixture
def make(name, case, tmp_path):
    def give(**options):
        try:
            learner = make_learner(name, {**case.options, **options})
        except EnvironmentMissingError as error:
            pytest.skip(str(error))
        return learner.at(tmp_path / "kept") if isinstance(learner, KeepsTrainings) else learner

    return give


@cache
def _data():
    frames, energies, forces, stresses = [], [], [], []
    for seed in range(9):
        atoms = bulk("Cu", cubic=True) * (2, 1, 1)
        atoms.rattle(0.12, seed=seed)
        atoms.calc = EMT()
        energies.append(atoms.get_potential_energy())
        forces.append(atoms.get_forces())
        stresses.append(atoms.get_stress())
        atoms.calc = None
        frames.append(atoms)
    return frames, LabelSet(np.array(energies), forces, np.array(stresses), name="one")


@pytest.fixture
def data():
    """Training frames, two label sets that differ by a constant energy, and other frames."""
    frames, labels = _data()
    mine = labels.take(range(6))
    shifted = replace(mine, energies=mine.energies - 8.0, name="other")
    return [f.copy() for f in frames[:6]], [mine, shifted], [f.copy() for f in frames[6:]]


#: Models and the calculator of the first by learner: peers take seconds to start.
TRAINED: dict[Any, Any] = {}


@pytest.fixture
def models(name, make, data, tmp_path_factory):
    if name not in TRAINED:
        learner = make()
        if isinstance(learner, KeepsTrainings):
            learner = learner.at(tmp_path_factory.mktemp("trained"))
        TRAINED[name] = learner.fit(*data[:2])
    return TRAINED[name]


@pytest.fixture
def calculator(name, models, tmp_path):
    if (name, "calculator") not in TRAINED:
        path = tmp_path / f"model{models.suffix}"
        models.save(path, 0)
        TRAINED[name, "calculator"] = load_model(path)
    return TRAINED[name, "calculator"]


def test_it_says_what_it_is(name, make) -> None:
    entry = learner_entry(name)
    assert entry.name == name
    assert make().name == name
    assert "\n" not in entry.help
    assert not entry.help.endswith(".")
    for option, about in entry.options.model_fields.items():
        assert about.description, f"{option} has no description"
    assert entry.options.model_config["extra"] == "forbid"
    with pytest.raises(InputError, match=f"no option warp_factor of the learner {name}"):
        make(warp_factor=9)


def test_one_prediction_for_each_label_set(models, data) -> None:
    _, _, others = data
    first, second = models.predict(others)
    for one in (first, second):
        assert one.energies.shape == (3,)
        assert [forces.shape for forces in one.forces] == [(8, 3)] * 3
        assert one.stresses.shape == (3, 6)
        assert np.isfinite(one.energies).all()
        assert all(np.isfinite(forces).all() for forces in one.forces)
    # 8 eV less in every label of the second set: the model of the first would be off by that
    assert np.mean(second.energies - first.energies) == pytest.approx(-8.0, abs=0.5)


def test_costs_are_the_standard_ones(models) -> None:
    facts = models.facts()
    assert len(facts) == 2
    for one in facts:
        json.dumps(dict(one), allow_nan=False)
        for cost in COSTS:
            if cost == "device":
                assert isinstance(one[cost], str)
                assert one[cost]
            else:
                assert np.isfinite(float(one[cost])), cost
        assert one["seconds_training"] >= 0
        assert 10 < one["peak_memory_mib"] < 1e6
        assert one["n_parameters"] >= 1


def test_progress_counts_to_the_end(make, data) -> None:
    frames, sets, _ = data
    told: list[tuple[str, int, int]] = []
    make().fit(frames, sets, progress=lambda *words: told.append(words))
    assert told
    assert all(0 <= done <= total for _, done, total in told)
    stage, done, total = told[-1]
    assert stage
    assert done == total


def test_a_saved_model_predicts_the_same(case, models, data, calculator, tmp_path) -> None:
    _, _, others = data
    both = models.predict(others)
    predicted = both[0]
    for number, frame in enumerate(others):
        frame.calc = calculator
        energy = pytest.approx(predicted.energies[number], rel=case.again)
        assert frame.get_potential_energy() == energy
        np.testing.assert_allclose(frame.get_forces(), predicted.forces[number], atol=case.again)
        np.testing.assert_allclose(frame.get_stress(), predicted.stresses[number], atol=case.again)
    second = tmp_path / f"second{models.suffix}"
    models.save(second, 1)
    frame.calc = load_model(second)
    assert frame.get_potential_energy() == pytest.approx(both[1].energies[-1], rel=case.again)


def test_forces_are_minus_the_gradient_of_the_energy(case, data, calculator) -> None:
    frame = data[2][0]
    way = np.random.default_rng(1).normal(size=(len(frame), 3))
    way /= np.linalg.norm(way)
    step, energies = 0.005, []
    frame.calc = calculator
    slope = (frame.get_forces() * way).sum()
    for sign in (1, -1):
        moved = frame.copy()
        moved.positions += sign * step * way
        moved.calc = calculator
        energies.append(moved.get_potential_energy())
    assert -(energies[0] - energies[1]) / (2 * step) == pytest.approx(slope, abs=case.force)


def test_stress_is_the_strain_derivative_of_the_energy(case, data, calculator) -> None:
    frame = data[2][0]
    way = np.random.default_rng(2).normal(size=(3, 3))
    way = (way + way.T) / np.linalg.norm(way + way.T)
    step, energies = 0.001, []
    frame.calc = calculator
    slope = (voigt_6_to_full_3x3_stress(frame.get_stress()) * way).sum()
    for sign in (1, -1):
        strained = frame.copy()
        strained.set_cell(frame.cell @ (np.eye(3) + sign * step * way), scale_atoms=True)
        strained.calc = calculator
        energies.append(strained.get_potential_energy())
    numeric = (energies[0] - energies[1]) / (2 * step * frame.cell.volume)
    assert numeric == pytest.approx(slope, abs=case.stress)


@pytest.mark.parametrize("change", ["moved", "turned", "shuffled"])
def test_the_choice_of_axes_and_names_does_not_matter(case, data, calculator, change) -> None:
    frame = data[2][0]
    frame.calc = calculator
    energy, forces = frame.get_potential_energy(), frame.get_forces()
    other = frame.copy()
    if change == "moved":
        other.positions += [0.31, -1.7, 0.9]
        other.wrap()
    elif change == "turned":
        if not case.turns:
            pytest.skip("not the same for a turned frame by construction")
        turn = np.linalg.qr(np.random.default_rng(3).normal(size=(3, 3)))[0]
        turn *= np.sign(np.linalg.det(turn))
        other.set_cell(frame.cell @ turn.T, scale_atoms=True)
        forces = forces @ turn.T
    else:
        order = np.random.default_rng(4).permutation(len(frame))
        other, forces = frame[order], forces[order]
    other.calc = calculator
    assert other.get_potential_energy() == pytest.approx(energy, abs=10 * case.turned)
    np.testing.assert_allclose(other.get_forces(), forces, atol=case.turned)


def test_the_same_again_is_the_same(make, data, tmp_path) -> None:
    frames, sets, others = data
    learner = make()
    one = learner.fit(frames, sets).predict(others)
    if isinstance(learner, KeepsTrainings):  # what it kept would be read again
        learner = learner.at(tmp_path / "elsewhere")
    again = learner.fit(frames, sets).predict(others)
    for left, right in zip(one, again, strict=True):
        np.testing.assert_allclose(left.energies, right.energies, rtol=1e-9)
        for a, b in zip(left.forces, right.forces, strict=True):
            np.testing.assert_allclose(a, b, atol=1e-6)


def test_its_fingerprint_is_plain_stable_and_tells_options_apart(case, make) -> None:
    text = json.dumps(make().fingerprint(), sort_keys=True, allow_nan=False)
    assert json.dumps(make().fingerprint(), sort_keys=True) == text
    if case.other:
        assert json.dumps(make(**case.other).fingerprint(), sort_keys=True) != text


def test_a_training_can_run_in_another_process(make, data) -> None:
    frames, sets, others = data
    learner = make()
    there = pickle.loads(pickle.dumps(learner))
    assert there.fingerprint() == learner.fingerprint()
    np.testing.assert_allclose(
        there.fit(frames, sets).predict(others)[0].energies,
        learner.fit(frames, sets).predict(others)[0].energies,
        rtol=1e-9,
    )


def test_bad_training_data_are_refused(make, data) -> None:
    frames, (labels, other), _ = data
    nan = replace(labels, energies=np.where(np.arange(6) == 2, np.nan, labels.energies))
    flat = replace(labels, forces=[forces[:-1] for forces in labels.forces])
    for bad_frames, bad_sets, says in [
        ([], [labels], "at least one training frame"),
        (frames, [], "at least one label set"),
        (frames[:5], [labels], "expected"),
        (frames, [nan], "frame 2: a label is not finite"),
        (frames, [flat], r"expected \(8, 3\)"),
        (frames, [labels, replace(other, stresses=None)], "give them to all sets or to none"),
    ]:
        with pytest.raises(LearnerError, match=says):
            make().fit(bad_frames, bad_sets)


def test_labels_without_stress_are_enough(make, data) -> None:
    frames, (labels, _), others = data
    fitted = make().fit(frames, [replace(labels, stresses=None)])
    assert np.isfinite(fitted.predict(others)[0].energies).all()


@pytest.mark.usefixtures("my_module")
def test_a_model_that_is_none_is_named(tmp_path) -> None:
    with pytest.raises(LearnerError, match=r"no file .*none\.npz"):
        load_model(tmp_path / "none.npz")
    for suffix in (".npz", ".zip", ".json", ".safetensors"):
        (tmp_path / f"broken{suffix}").write_text("{}")
        with pytest.raises(LearnerError, match=f"broken{suffix}"):
            load_model(tmp_path / f"broken{suffix}")
    (tmp_path / "model.pt").write_text("")
    with pytest.raises(LearnerError, match=r"end in \.json, \.npz, \.safetensors, \.zip"):
        load_model(tmp_path / "model.pt")


def test_energies_of_a_finished_force_field_are_moved_by_element(my_module, tmp_path) -> None:
    """Oracle: the labels are the calculator's own energies plus -3 eV on Cu and 5 eV on Au."""
    (my_module / "emts.py").write_text("from ase.calculators.emt import EMT as make\n")
    frames, energies, forces = [], [], []
    for n_gold in (0, 1, 3, 4):
        atoms = bulk("Cu", cubic=True)
        atoms.symbols[:n_gold] = "Au"
        atoms.rattle(0.05, seed=n_gold)
        atoms.calc = EMT()
        energies.append(atoms.get_potential_energy() - 3.0 * (4 - n_gold) + 5.0 * n_gold)
        forces.append(atoms.get_forces())
        frames.append(atoms)
    fitted = make_learner("ase:emts:make").fit(frames, [LabelSet(np.array(energies), forces)])
    facts = fitted.facts()[0]
    assert facts["energy_offset_Cu_ev"] == pytest.approx(-3.0)
    assert facts["energy_offset_Au_ev"] == pytest.approx(5.0)
    assert facts["energy_misfit_ev_per_atom"] == pytest.approx(0.0, abs=1e-7)
    assert facts["n_parameters"] == 2
    predicted = fitted.predict(frames)[0]
    np.testing.assert_allclose(predicted.energies, energies, atol=1e-6)
    np.testing.assert_allclose(predicted.forces[1], forces[1], atol=1e-12)
    fitted.save(tmp_path / "model.json", 0)
    silver = bulk("Ag", cubic=True)
    silver.calc = load_model(tmp_path / "model.json")
    with pytest.raises(LearnerError, match="holds Ag, the training frames held Au, Cu"):
        silver.get_potential_energy()


def test_a_calculator_that_fails_says_so(my_module) -> None:
    (my_module / "sad.py").write_text(
        "from ase.calculators.emt import EMT\n"
        "def asks(what):\n    return EMT()\n"
        "def make():\n    return EMT()\n"
    )
    frames = [bulk("Fe")]
    labels = LabelSet(np.zeros(1), [np.zeros((1, 3))])
    with pytest.raises(LearnerError, match="ase:sad:asks: .*called without arguments"):
        make_learner("ase:sad:asks").fit(frames, [labels])
    with pytest.raises(LearnerError, match="ase:sad:make: NotImplementedError: .*Fe"):
        make_learner("ase:sad:make").fit(frames, [labels])
