"""The store of trainings: done once, kept whole, read from other stores, run in other processes."""

from __future__ import annotations

import io

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from rich.console import Console

from dosml.errors import LearnerError
from dosml.learners.base import Prediction
from dosml.learners.registry import make_learner
from dosml.progress import Reporter
from dosml.relabel.dataset import Dataset, LabelSet
from dosml.relabel.execution.runner import open_runner
from dosml.relabel.execution.settings import RunSettings
from dosml.relabel.frames import canonical
from dosml.trainings import Training, TrainingStore

OPTIONS = {"cutoff": 4.0, "n_max": 3, "l_max": 1, "n_inducing": 20, "max_iterations": 3}


@pytest.fixture(scope="module")
def data() -> Dataset:
    frames, energies, forces, stresses = [], [], [], []
    for seed in range(6):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=seed)
        frame = canonical(atoms)
        frame.info["split"] = "test" if seed < 2 else "train"
        atoms = frame.copy()
        atoms.calc = EMT()
        frames.append(frame)
        energies.append(atoms.get_potential_energy())
        forces.append(atoms.get_forces())
        stresses.append(atoms.get_stress())
    one = LabelSet(np.array(energies), forces, np.array(stresses), name="one")
    half = [0.5 * force for force in forces]
    two = LabelSet(0.5 * np.array(energies), half, 0.5 * np.array(stresses), name="two")
    return Dataset.of(frames, [one, two])


def quiet() -> Reporter:
    return Reporter(Console(file=io.StringIO()))


def get(store: TrainingStore, data: Dataset, train=None, **options: object) -> Training:
    learner = make_learner("sgp", {**OPTIONS, **options})
    return store.get(
        learner, data, data.train if train is None else train, data.test, reporter=quiet(),
        models=True,
    )  # fmt: skip


def test_a_training_is_done_once_and_read_whole(tmp_path, data) -> None:
    store = TrainingStore(tmp_path)
    first = get(store, data)
    assert not first.before
    assert set(first.models) == {"one", "two"}
    again = get(store, data)
    assert again.before
    for a, b in zip(first.predictions, again.predictions, strict=True):
        np.testing.assert_array_equal(np.concatenate(a.forces), np.concatenate(b.forces))
    assert get(store, data, n_max=2).folder != first.folder
    assert get(store, data, train=data.train[:3]).folder != first.folder
    held = again.held_out(data, data.test)
    np.testing.assert_array_equal(held[1].forces[0], data.label_sets[1].forces[0])


@pytest.mark.parametrize(
    "damage", ["cut", "empty", "a bit", "nan", "model", "cut model", "other model"]
)
def test_what_cannot_be_read_whole_is_trained_again(tmp_path, data, damage: str) -> None:
    store = TrainingStore(tmp_path)
    first = get(store, data)
    kept = first.folder / "predictions.npz"
    if damage == "cut":
        kept.write_bytes(kept.read_bytes()[:-200])
    elif damage == "empty":
        kept.write_bytes(b"")
    elif damage == "nan":
        with np.load(kept) as arrays:
            values = dict(arrays)
        values["forces_0"][0] = np.nan
        np.savez(kept, **values)
    elif damage == "a bit":
        content = bytearray(kept.read_bytes())
        content[content.index(b"forces_0") + 60] ^= 1
        kept.write_bytes(content)
    elif damage == "model":
        first.models["two"].unlink()
    elif damage == "cut model":
        path = first.models["two"]
        path.write_bytes(path.read_bytes()[:-40])
    else:
        with np.load(first.models["two"]) as arrays:
            values = dict(arrays)
        values["weights"][0] = np.nan
        np.savez(first.models["two"], **values)
    again = get(store, data)
    assert not again.before
    assert set(again.models) == {"one", "two"}
    np.testing.assert_allclose(
        np.concatenate(again.predictions[0].forces), np.concatenate(first.predictions[0].forces)
    )


def test_another_store_is_read(tmp_path, data) -> None:
    made = get(TrainingStore(tmp_path / "scan"), data)
    store = TrainingStore(tmp_path / "study", also=[tmp_path / "scan"])
    found = get(store, data)
    assert found.before
    assert found.folder == made.folder
    assert not (tmp_path / "study").exists()


def test_many_on_workers_with_one_that_is_impossible(tmp_path, data) -> None:
    store = TrainingStore(tmp_path / "models")
    learners = [
        make_learner("sgp", {**OPTIONS, "cutoff": cutoff}) for cutoff in (3.5, 0.5, 4.0, 4.5, 5.0)
    ]
    tasks = [store.task(one, data, data.train, data.test) for one in [*learners, learners[0]]]
    done: list[int] = []
    with open_runner(RunSettings(), tmp_path, workers=2) as runner:
        made = store.get_all(tasks, runner=runner, on_progress=done.append)
    assert isinstance(made[1], LearnerError)
    assert "raise cutoff" in str(made[1])
    good = [one for one in made if isinstance(one, Training)]
    assert len(good) == 5
    assert made[5].folder == made[0].folder
    assert done[0] == 0
    assert done[-1] == 6
    # the same numbers as in this process
    here = get(TrainingStore(tmp_path / "here"), data, cutoff=4.5)
    np.testing.assert_allclose(
        np.concatenate(good[2].predictions[1].forces),
        np.concatenate(here.predictions[1].forces),
        atol=1e-9,
    )


def test_the_cutoff_that_is_left_open_is_settled(tmp_path, data) -> None:
    store = TrainingStore(tmp_path)
    open_one = {name: value for name, value in OPTIONS.items() if name != "cutoff"}
    learner = make_learner("sgp", open_one)
    task = store.task(learner, data, data.train, data.test)
    cutoff = task.learner.fingerprint()["settings"]["cutoff"]
    assert cutoff is not None
    same = store.task(
        make_learner("sgp", {**open_one, "cutoff": cutoff}), data, data.train, data.test
    )
    assert same.place == task.place


class Nonsense:
    """A learner whose models predict NaN."""

    name = "nonsense"

    def fingerprint(self):
        return {"learner": self.name}

    def fit(self, frames, label_sets, *, progress=None):  # noqa: ARG002 - the protocol's
        return self

    suffix = ".npz"

    def predict(self, frames):
        forces = [np.zeros((len(frame), 3)) for frame in frames]
        forces[1][0, 0] = np.nan
        return [Prediction(np.zeros(len(frames)), forces, np.zeros((len(frames), 6)))] * 2

    def facts(self):
        return [{}, {}]


def test_predictions_that_are_no_numbers_are_told(tmp_path, data) -> None:
    store = TrainingStore(tmp_path)
    with pytest.raises(
        LearnerError, match=r"nonsense, trained on one: .* frame 1 are not finite .*1 of 2 frames"
    ):
        store.get(Nonsense(), data, data.train, data.test, reporter=quiet(), models=True)
    assert not list(tmp_path.rglob("*.npz"))
