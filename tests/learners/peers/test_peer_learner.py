"""Trainings in other processes: kept, resumed after a kill, ended with their parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import zipfile
from dataclasses import replace
from pathlib import Path

import ase.io
import numpy as np
import pytest

from dosml.errors import InputError, LearnerError
from dosml.learners.base import KeepsTrainings
from dosml.learners.peers.calculator import PeerCalculator
from dosml.learners.peers.learner import PeerLearner


def make(fake, folder, **options):
    return PeerLearner(fake, fake.make_settings(options), folder=folder)


def test_fits_each_label_set_and_predicts(fake, data, tmp_path) -> None:
    frames, labels = data
    other = replace(labels, energies=labels.energies - 4)
    learner = make(fake, tmp_path)
    assert isinstance(learner, KeepsTrainings)
    seen = []
    models = learner.fit(frames, [labels, other], progress=lambda *told: seen.append(told))
    first, second = models.predict(frames[:2])
    per_atom = 0.5 * np.sum(frames[0].positions ** 2)
    assert first.energies[0] == pytest.approx(-8.0 + per_atom)
    assert second.energies[0] == pytest.approx(-12.0 + per_atom)
    np.testing.assert_allclose(first.forces[1], -frames[1].positions)
    np.testing.assert_allclose(first.stresses[0], [0.3, 0.3, 0.3, 0, 0, 0])
    assert seen[0] == ("fake", 0, 6)
    assert seen[-1] == ("fake", 6, 6)
    # the second time nothing is left to do, and that is what the bar says
    again = []
    learner.fit(frames, [labels, other], progress=lambda *told: again.append(told))
    assert set(again) == {("fake", 6, 6)}
    facts = models.facts()[0]
    assert facts["n_parameters"] == 2
    assert facts["attempts"] == 1
    assert facts["peak_memory_mib"] > 10
    assert facts["versions"] == {"numpy": np.__version__}


def test_watched_frames_are_not_trained_on_and_the_same_for_all_sets(fake, data, tmp_path) -> None:
    frames, labels = data
    models = make(fake, tmp_path, validation=0.34).fit(
        frames, [labels, replace(labels, energies=labels.energies - 4)]
    )
    folders = [tmp_path / one["training"] for one in models.facts()]
    records = [json.loads((folder / "job.json").read_text()) for folder in folders]
    assert records[0]["validated_on"] == records[1]["validated_on"]
    assert sorted(records[0]["validated_on"] + records[0]["trained_on"]) == list(range(6))
    assert len(records[0]["validated_on"]) == 2
    train = ase.io.read(folders[0] / "train.extxyz", ":")
    valid = ase.io.read(folders[0] / "valid.extxyz", ":")
    assert len(train) == 4
    np.testing.assert_allclose(
        valid[0].positions, frames[records[0]["validated_on"][0]].positions, atol=1e-7
    )


def test_a_training_is_done_once_per_content(fake, data, tmp_path) -> None:
    frames, labels = data
    make(fake, tmp_path).fit(frames, [labels])
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")}
    make(fake, tmp_path).fit(frames, [labels])
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("result.json")} == before
    make(fake, tmp_path, cutoff=6.0).fit(frames, [labels])
    assert len(list(tmp_path.rglob("result.json"))) == 2


def test_a_failing_training_says_why(fake, data, tmp_path) -> None:
    frames, labels = data
    with pytest.raises(LearnerError, match=r"the fake peer was asked to fail.*train\.log"):
        make(fake, tmp_path, fail=True).fit(frames, [labels])


def test_unknown_options_and_presets_are_named(fake) -> None:
    with pytest.raises(InputError, match="no option layers of the learner fake: the options are"):
        fake.make_settings({"layers": 3})
    with pytest.raises(InputError, match="no option epoch of.*did you mean epochs?"):
        fake.make_settings({"epoch": 3})
    with pytest.raises(InputError, match="option validation of the learner fake cannot be 2"):
        fake.make_settings({"validation": 2})
    with pytest.raises(
        InputError,
        match="option preset of the learner fake cannot be 'best': choose one of default, paper",
    ):
        fake.make_settings({"preset": "best"})
    assert fake.make_settings({"preset": "paper"}).epochs == 7
    assert fake.make_settings({"preset": "paper", "epochs": 2}).epochs == 2


#: Trains as the tests do, in a process that can be killed.
DRIVER = """
import sys, pickle
from pathlib import Path
sys.path[:0] = [{here!r}, {tests!r}]
import conftest
from dosml.learners.peers import environments, learner, process
frames, labels, environment = pickle.loads(Path(sys.argv[1]).read_bytes())
environments.find = lambda name: environment
environments.ENVIRONMENT_OF["fake"] = "fake"
learner.worker_path = process.worker_path = lambda name: Path({here!r}) / name
settings = conftest.FAKE.make_settings({{"epochs": 30, "seconds": 0.2}})
learner.PeerLearner(conftest.FAKE, settings, folder=Path(sys.argv[2])).fit(frames, [labels])
"""


def _alive(folder: Path) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if str(folder).encode() in b" ".join(words) and b"fake_worker.py" in b" ".join(words):
                found.append(int(entry.name))
    return found


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_killed_driver_takes_its_worker_along_and_the_next_run_resumes(
    fake, data, tmp_path
) -> None:
    import pickle

    from dosml.learners.peers import environments

    frames, labels = data
    (tmp_path / "data").write_bytes(pickle.dumps((frames, labels, environments.find("fake"))))
    folder = tmp_path / "work"
    driver = subprocess.Popen(
        [
            sys.executable,
            "-c",
            DRIVER.format(here=str(Path(__file__).parent), tests=str(Path(__file__).parents[2])),
            str(tmp_path / "data"),
            str(folder),
        ]
    )
    deadline = time.monotonic() + 60
    while not list(folder.glob("*/epochs.txt")):
        assert driver.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert _alive(folder)
    os.kill(driver.pid, signal.SIGKILL)
    driver.wait()
    deadline = time.monotonic() + 20
    while _alive(folder):
        assert time.monotonic() < deadline, "the worker outlived its driver"
        time.sleep(0.05)
    (place,) = folder.iterdir()
    done = int((place / "epochs.txt").read_text())
    assert 0 < done < 30
    (place / "config.json").write_text(
        (place / "config.json").read_text().replace('"seconds": 0.2', '"seconds": 0.0')
    )
    models = make(fake, folder, epochs=30, seconds=0.2).fit(frames, [labels])
    assert models.facts()[0]["attempts"] == 2
    visited = (place / "visited.txt").read_text().split()
    # at most the epoch that the kill cut short was begun twice
    assert len(visited) <= 31
    assert visited[-1] == "29"


def test_saved_model_is_a_calculator_and_says_what_went_wrong(fake, data, tmp_path) -> None:
    frames, labels = data
    models = make(fake, tmp_path / "work").fit(frames, [labels])
    path = tmp_path / f"model{models.suffix}"
    models.save(path, 0)
    calculator = PeerCalculator(path)
    atoms = frames[0].copy()
    atoms.calc = calculator
    (predicted,) = models.predict(frames[:1])
    np.testing.assert_array_equal(atoms.get_forces(), predicted.forces[0])
    assert atoms.get_potential_energy() == predicted.energies[0]
    np.testing.assert_array_equal(atoms.get_stress(), predicted.stresses[0])
    unlucky = frames[0].repeat((4, 1, 1))[:13]
    unlucky.calc = calculator
    with pytest.raises(LearnerError, match="thirteen atoms"):
        unlucky.get_forces()
    assert np.isfinite(atoms.get_potential_energy())  # the process lives on
    deadly = frames[0].repeat((5, 1, 1))[:17]
    deadly.calc = calculator
    with pytest.raises(LearnerError, match="ended with code 3"):
        deadly.get_forces()
    calculator.close()
    (tmp_path / "other.zip").write_text("no model")
    with pytest.raises(LearnerError, match="is not a model that a peer learner"):
        PeerCalculator(tmp_path / "other.zip")


@pytest.mark.parametrize("damage", ["model", "no model", "result", "input"])
def test_a_damaged_training_is_done_again(fake, data, tmp_path, damage) -> None:
    frames, labels = data
    models = make(fake, tmp_path).fit(frames, [labels])
    (wanted,) = models.predict(frames[:1])
    folder = tmp_path / models.facts()[0]["training"]
    model = folder / "fake.json"
    if damage == "model":
        model.write_text(model.read_text().replace("8", "7"))
    elif damage == "no model":
        model.unlink()
    elif damage == "result":
        (folder / "result.json").write_text("{}")
    else:
        text = (folder / "train.extxyz").read_text().splitlines(keepends=True)
        (folder / "train.extxyz").write_text("".join(text[: len(text) // 2]))
    (again,) = make(fake, tmp_path).fit(frames, [labels]).predict(frames[:1])
    assert again.energies == wanted.energies


def test_a_model_that_answers_nan_is_told(fake, data, tmp_path) -> None:
    frames, labels = data
    models = make(fake, tmp_path / "trainings").fit(frames, [labels])
    models.save(tmp_path / "model.zip", 0)
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        card = archive.read("dosml.json")
    with zipfile.ZipFile(tmp_path / "nan.zip", "w") as archive:
        archive.writestr("dosml.json", card)
        archive.writestr("fake.json", '{"energy": NaN, "pressure": 0.0}')
    frames[0].calc = PeerCalculator(tmp_path / "nan.zip")
    with pytest.raises(LearnerError, match="not finite"):
        frames[0].get_forces()


@pytest.mark.parametrize("content", [b"", b"text", "cut", {"dosml.json": "{}"}, {"a": "b"}])
def test_what_is_no_saved_model_is_named(fake, data, tmp_path, content) -> None:
    path = tmp_path / "model.zip"
    if content == "cut":
        frames, labels = data
        make(fake, tmp_path / "trainings").fit(frames, [labels]).save(path, 0)
        path.write_bytes(path.read_bytes()[:-30])
    elif isinstance(content, dict):
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in content.items():
                archive.writestr(name, text)
    else:
        path.write_bytes(content)
    with pytest.raises(LearnerError, match="is not a model that a peer learner of dosml saved"):
        PeerCalculator(path)
