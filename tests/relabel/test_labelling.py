"""Labelling on a runner, with the real engine on small cells."""

from __future__ import annotations

import multiprocessing
import signal
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from ase.build import bulk

from dosml.errors import LabelError, WorkerLostError
from dosml.relabel import labelling
from dosml.relabel.engines.base import LabelFailure
from dosml.relabel.engines.xtb import XtbEngine
from dosml.relabel.execution.runner import open_runner
from dosml.relabel.execution.settings import RunSettings
from dosml.relabel.frames import canonical, frame_id
from dosml.relabel.label import Label
from dosml.relabel.labelling import LadderReport, label_frames, missing
from dosml.relabel.store import LabelStore
from dosml.theory.dos import ElectronicDos
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

SETTINGS = [ElectronicSetting(Smearing("fermi-dirac", width)) for width in (0.5, 2.0)]


def frames(count: int):
    out = []
    for seed in range(count):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=seed)
        out.append(canonical(atoms))
    return out


def label(n_atoms: int) -> Label:
    grid = np.linspace(-1, 1, 3)
    dos = ElectronicDos(grid, np.ones(3), np.zeros(3), None, 0.1)
    return Label(-1.0, np.zeros((n_atoms, 3)), np.zeros(6), 0.0, 11.0, 0.0, dos)


class Engine:
    """Labels at once; counts how often it is asked for a label."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    def label_ladder(self, frame, settings, done, restart_folder):  # noqa: ARG002 - the protocol's
        for setting in settings:
            if setting not in done:
                self.asked.append((frame_id(frame), setting.name))
                failed = setting is settings[1] and frame.info.get("fails")
                yield setting, LabelFailure("no") if failed else label(len(frame))


class Here:
    """A runner that works in this process, and looks between the tasks."""

    def run(self, function, tasks, *, on_poll):
        for task in tasks:
            outcome = function(task)
            on_poll()
            yield task, outcome


@contextmanager
def processes(folder, workers):
    with open_runner(RunSettings(), folder, workers=workers) as runner:
        yield runner


def test_progress_counts_what_is_on_disk(tmp_path) -> None:
    listed = frames(4)
    listed[1].info["fails"] = True
    listed.append(listed[0].copy())  # a trajectory that holds a frame twice
    engine = Engine()
    store = LabelStore(tmp_path / "labels", {"engine": "x"})
    store.put(frame_id(listed[2]), SETTINGS[0], label(4))
    seen: list[int] = []
    reports = list(
        label_frames(engine, store, listed, SETTINGS, runner=Here(), on_progress=seen.append)
    )
    assert len(reports) == 4
    assert [one.failures for one in reports if one.failures] == [{SETTINGS[1].name: "no"}]
    assert (seen[0], seen[-1]) == (1, 10)
    assert seen == sorted(seen)
    assert len(engine.asked) == 7
    assert len(set(engine.asked)) == 7
    assert not missing(store, listed, SETTINGS)


def test_a_look_costs_nothing_where_nothing_is_being_made(tmp_path, monkeypatch) -> None:
    """Labels that are there are looked at once, however often progress is asked for."""
    store = LabelStore(tmp_path / "labels", {"engine": "x"})
    listed = frames(30)
    for frame in listed[1:]:
        for setting in SETTINGS:
            store.put(frame_id(frame), setting, label(4))
    store = LabelStore(store.folder, store.fingerprint)  # a new run
    asked = []
    has = LabelStore.has

    def counted(self, identity, setting, n_atoms):
        asked.append(identity)
        return has(self, identity, setting, n_atoms)

    class Patient(Here):
        def run(self, function, tasks, *, on_poll):
            for task in tasks:
                for _ in range(100):
                    on_poll()
                yield task, function(task)

    monkeypatch.setattr(LabelStore, "has", counted)
    told: list[int] = []
    list(label_frames(Engine(), store, listed, SETTINGS, runner=Patient(), on_progress=told.append))
    assert told[-1] == 60
    assert set(asked[60:]) == {frame_id(listed[0])}
    assert len([one for one in asked if one == frame_id(listed[1])]) == len(SETTINGS)


@pytest.mark.parametrize(
    "damage",
    ["cut off", "a bit", "other members", "other shape", "fewer atoms", "not finite", "no file"],
)
def test_a_damaged_label_is_made_again(tmp_path, damage) -> None:
    listed = frames(2)
    engine = Engine()
    store = LabelStore(tmp_path / "labels", {"engine": "x"})
    list(label_frames(engine, store, listed, SETTINGS, runner=Here(), on_progress=lambda _: None))
    path = store.label_path(frame_id(listed[1]), SETTINGS[1])
    content = bytearray(path.read_bytes())
    if damage == "cut off":
        path.write_bytes(content[:-30])
    elif damage == "a bit":
        content[content.index(b"forces.npy") + 60] ^= 1
        path.write_bytes(content)
    elif damage == "other members":
        np.savez(path, forces=np.zeros((4, 3)))
    elif damage == "other shape":
        np.savez(path, **{**label(4).to_arrays(), "stress": np.zeros((3, 3))})
    elif damage == "fewer atoms":
        np.savez(path, **label(3).to_arrays())
    elif damage == "not finite":
        np.savez(path, **{**label(4).to_arrays(), "forces": np.full((4, 3), np.nan)})
    else:
        path.unlink()
    store = LabelStore(store.folder, store.fingerprint)  # a new run
    assert missing(store, listed, SETTINGS) == [listed[1]]
    engine = Engine()
    told: list[int] = []
    list(label_frames(engine, store, listed, SETTINGS, runner=Here(), on_progress=told.append))
    assert engine.asked == [(frame_id(listed[1]), SETTINGS[1].name)]
    assert (told[0], told[-1]) == (3, 4)
    assert isinstance(store.get(frame_id(listed[1]), SETTINGS[1]), Label)


def test_labels_that_nobody_here_can_see_are_an_error(tmp_path, monkeypatch) -> None:
    """Workers on a node whose disk is not this one's."""
    monkeypatch.setattr(labelling, "SIGHT_SECONDS", 0.0)

    class OtherDisk:
        def run(self, function, tasks, *, on_poll):  # noqa: ARG002 - the runner's signature
            for task in tasks:
                names = tuple(setting.name for setting in task.settings)
                yield task, LadderReport(frame_id(task.frame), names, {})

    store = LabelStore(tmp_path / "labels", {"engine": "x"})
    with pytest.raises(LabelError, match="4 labels were made and cannot be seen.*all nodes share"):
        list(
            label_frames(
                Engine(), store, frames(2), SETTINGS, runner=OtherDisk(), on_progress=lambda _: None
            )
        )


def test_labels_that_come_into_sight_late_are_waited_for(tmp_path, monkeypatch) -> None:
    store = LabelStore(tmp_path / "labels", {"engine": "x"})
    waiting: list[tuple[str, ElectronicSetting]] = []

    class LateDisk:
        def run(self, function, tasks, *, on_poll):  # noqa: ARG002 - the runner's signature
            for task in tasks:
                waiting.extend((frame_id(task.frame), setting) for setting in task.settings)
                names = tuple(setting.name for setting in task.settings)
                yield task, LadderReport(frame_id(task.frame), names, {})

    def appear(_seconds: float) -> None:
        store.put(*waiting.pop(), label(4))

    monkeypatch.setattr(labelling.time, "sleep", appear)
    list(
        label_frames(
            Engine(), store, frames(2), SETTINGS, runner=LateDisk(), on_progress=lambda _: None
        )
    )
    assert not waiting


def test_all_labels_are_made_once_and_the_same_by_any_number_of_workers(tmp_path) -> None:
    engine = XtbEngine()
    listed = frames(3)
    stores = {}
    for workers in (1, 2):
        store = stores[workers] = LabelStore(tmp_path / str(workers), engine.fingerprint())
        seen: list[int] = []
        with processes(tmp_path, workers) as runner:
            reports = list(
                label_frames(
                    engine, store, listed, SETTINGS, runner=runner, on_progress=seen.append
                )
            )
        assert sorted(report.frame_id for report in reports) == sorted(map(frame_id, listed))
        assert all(len(report.made) == 2 and not report.failures for report in reports)
        assert seen[0] == 0
        assert seen[-1] == 6
        assert not missing(store, listed, SETTINGS)
        # a second run has nothing to do
        with processes(tmp_path, workers) as runner:
            again = label_frames(
                engine, store, listed, SETTINGS, runner=runner, on_progress=seen.append
            )
            assert list(again) == []
            assert runner._executor is None  # no process was started for it
        assert seen[-1] == 6
    for frame in listed:
        for setting in SETTINGS:
            one, two = (stores[workers].get(frame_id(frame), setting) for workers in (1, 2))
            assert isinstance(one, Label)
            assert isinstance(two, Label)
            np.testing.assert_allclose(one.forces, two.forces, rtol=0, atol=1e-11)


def test_a_killed_worker_is_one_clear_error_and_the_rest_is_kept(tmp_path) -> None:
    engine = XtbEngine()
    store = LabelStore(tmp_path, engine.fingerprint())
    listed = frames(6)

    def kill_after_first(done: int) -> None:
        if done:
            for worker in multiprocessing.active_children():
                worker.kill()

    with (
        pytest.raises(WorkerLostError, match="a worker process was killed"),
        processes(tmp_path, 1) as runner,
    ):
        list(
            label_frames(
                engine, store, listed, SETTINGS, runner=runner, on_progress=kill_after_first
            )
        )
    kept = sum(store.has(frame_id(frame), setting) for frame in listed for setting in SETTINGS)
    assert 1 <= kept < 12


DRIVER = """
import sys
from pathlib import Path
import ase.io
from dosml.relabel.engines.xtb import XtbEngine
from dosml.relabel.execution.runner import open_runner
from dosml.relabel.execution.settings import RunSettings
from dosml.relabel.frames import canonical
from dosml.relabel.labelling import label_frames
from dosml.relabel.store import LabelStore
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

if __name__ == "__main__":
    engine = XtbEngine()
    settings = [ElectronicSetting(Smearing("fermi-dirac", one)) for one in (0.5, 2.0)]
    frames = [canonical(one) for one in ase.io.read("frames.extxyz", ":")]
    store = LabelStore(Path("labels"), engine.fingerprint())
    with open_runner(RunSettings(workers=2), Path()) as runner:
        for report in label_frames(
            engine, store, frames, settings, runner=runner, on_progress=lambda done: None
        ):
            print(report.frame_id, *report.made, flush=True)
"""


def test_a_driver_that_is_killed_loses_nothing(tmp_path) -> None:
    import ase.io

    ase.io.write(tmp_path / "frames.extxyz", frames(12))
    (tmp_path / "driver.py").write_text(DRIVER)
    command = [sys.executable, "driver.py"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        driver.stdout.readline()
        driver.send_signal(signal.SIGKILL)
        driver.wait()
        driver.stdout.read()  # ends when the last worker has: they hold the pipe too
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("labels/sigma*/[!.]*.npz")}
    assert 2 <= len(before) < 24
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert sum(len(line.split()) - 1 for line in done.stdout.splitlines()) == 24 - len(before)
    after = {path: path.stat().st_mtime_ns for path in tmp_path.glob("labels/sigma*/[!.]*.npz")}
    assert len(after) == 24
    assert {path: after[path] for path in before} == before


def test_what_is_no_label_is_kept_as_a_failure(tmp_path) -> None:
    class Wrong(Engine):
        def label_ladder(self, frame, settings, done, restart_folder):
            for setting, made in super().label_ladder(frame, settings, done, restart_folder):
                yield setting, replace(made, forces=made.forces + np.nan)

    store = LabelStore(tmp_path / "labels", {"engine": "x"})
    (report,) = label_frames(
        Wrong(), store, frames(1), SETTINGS, runner=Here(), on_progress=lambda _: None
    )
    assert set(report.failures) == {one.name for one in SETTINGS}
    assert "forces: not all values are finite" in report.failures[SETTINGS[0].name]
