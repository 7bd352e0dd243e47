"""One job: run, adopted, cut off, repeated; corrections within bounds."""

from __future__ import annotations

import fcntl
import json
import os
from pathlib import Path

import pytest
from helpers.vasp_study import STAND_IN, run_stand_in

from dosml.errors import EngineMissingError, InputError
from dosml.relabel.execution.settings import RunSettings
from dosml.relabel.label import Label
from dosml.relabel.vasp.jobs import find_jobs
from dosml.relabel.vasp.labels import store_of
from dosml.relabel.vasp.run import job_state, run_task, tasks_of

pytest.importorskip("custodian", reason="the cluster extra is not installed")

SETTINGS = RunSettings(command=str(STAND_IN), check_seconds=0.1)


@pytest.fixture
def counter(tmp_path, monkeypatch) -> Path:
    path = tmp_path / "counter"
    monkeypatch.setenv("STAND_IN_COUNTER", str(path))
    path.touch()
    return path


def first(study, settings=SETTINGS):
    return tasks_of(study, find_jobs(study)[:1], settings)


def test_a_job_is_run_once(study, counter):
    (task,) = first(study)
    result = run_task(task)
    assert (result.status, result.ran) == ("done", True)
    assert first(study) == []
    assert counter.read_text().count("start") == 1
    job = find_jobs(study)[0]
    assert isinstance(store_of(study, job).get(job.frame_id, job.setting), Label)
    assert not (job.folder / "vasprun.xml").exists()  # compressed
    assert job_state(job.folder) == result


def test_an_output_that_is_already_there_is_adopted(study, counter):
    """The worker was killed after VASP had ended: no result.json, but a whole output."""
    run_stand_in(find_jobs(study)[0].folder)
    (task,) = first(study)
    result = run_task(task)
    assert (result.status, result.ran) == ("done", False)
    assert counter.read_text().count("start") == 1


def test_an_output_that_was_cut_off_is_run_again(study, counter):
    job = find_jobs(study)[0]
    run_stand_in(job.folder, STAND_IN_FAULT="cut_off")
    (task,) = first(study)
    assert run_task(task).ran
    # and so is one that was damaged after it had been finished
    output = job.folder / "vasprun.xml.gz"
    output.write_bytes(output.read_bytes()[:-100])
    (task,) = first(study)
    assert run_task(task).status == "done"
    assert counter.read_text().count("start") == 3
    assert (job.folder / "attempt-1").is_dir()


def test_the_requested_incar_is_what_runs(study):
    job = find_jobs(study)[0]
    incar = (job.folder / "INCAR").read_text()
    (job.folder / "INCAR").write_text(incar.replace("SIGMA = 0.2", "SIGMA = 0.05"))
    (task,) = first(study)
    assert run_task(task).status == "done"
    assert "SIGMA = 0.2" in (job.folder / "INCAR").read_text()


def test_a_crash_is_a_failure_to_be_tried_again(study, monkeypatch):
    monkeypatch.setenv("STAND_IN_FAULT", "crash")
    (task,) = first(study)
    result = run_task(task)
    assert result.status == "failed"
    assert "ended without a vasprun.xml" in result.reason
    assert "crashed as asked" in result.reason
    assert len(first(study)) == 1
    monkeypatch.delenv("STAND_IN_FAULT")
    assert run_task(first(study)[0]).status == "done"


def test_no_convergence_is_corrected_within_bounds_then_refused(study, counter, monkeypatch):
    monkeypatch.setenv("STAND_IN_FAULT", "unconverged")
    (task,) = first(study)
    result = run_task(task)
    assert (result.status, result.kind) == ("refused", "not converged")
    assert 2 <= counter.read_text().count("start") <= 1 + SETTINGS.corrections
    incar = (find_jobs(study)[0].folder / "INCAR").read_text()
    assert "ALGO = All" in incar or "BMIX" in incar
    for line in ("ISMEAR = 1", "SIGMA = 0.2", "NELECT = 80.0"):
        assert line in incar
    # a refusal stands, unless the user asks
    assert first(study) == []
    monkeypatch.delenv("STAND_IN_FAULT")
    again = SETTINGS.model_copy(update={"retry_refused": True})
    assert run_task(first(study, again)[0]).status == "done"


def test_a_job_that_another_worker_has_is_left_to_it(study):
    (task,) = first(study)
    with (Path(task.folder) / "job.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        assert run_task(task).status == "busy"
    assert run_task(task).status == "done"


def test_a_vasp_that_is_not_there(study):
    (task,) = first(study, SETTINGS.model_copy(update={"command": "no-such-vasp -n 4"}))
    with pytest.raises(EngineMissingError, match="no program no-such-vasp"):
        run_task(task)


def test_unresolved_jobs_are_not_run(study):
    job = find_jobs(study)[0]
    record = json.loads((job.folder / "job.json").read_text())
    (job.folder / "job.json").write_text(json.dumps({**record, "potcar": None}))
    with pytest.raises(InputError, match="dosml relabel resolve"):
        first(study)


def test_custodians_sigma_handler_cannot_touch_sigma(study):
    """The guard around any handler: what goes too far is undone, and the job not correctable."""
    from custodian.custodian import ErrorHandler
    from pymatgen.io.vasp.inputs import Incar

    from dosml.relabel.vasp.handlers import Guarded

    folder = find_jobs(study)[0].folder

    class Reckless(ErrorHandler):
        check = None  # not asked for here

        def correct(self, directory="./"):
            incar = Incar.from_file(f"{directory}/INCAR")
            incar.update({"ISMEAR": 0, "SIGMA": 0.01, "ALGO": "All"})
            incar.write_file(f"{directory}/INCAR")
            Path(directory, "POSCAR").write_text("moved", encoding="utf-8")
            return {"errors": ["x"], "actions": [{"dict": "INCAR"}]}

    before = {name: (folder / name).read_bytes() for name in ("INCAR", "POSCAR", "KPOINTS")}
    result = Guarded(Reckless()).correct(str(folder))
    assert result["actions"] is None
    assert "correction of ISMEAR, SIGMA refused" in result["errors"]
    for name, content in before.items():
        assert (folder / name).read_bytes() == content


@pytest.mark.parametrize(
    "message",
    [
        "Error EDDDAV: Call to ZHEGV failed",
        "WARNING in EDDRMM: call to ZHEGV failed",
        "ERROR EDDIAG: Call to routine ZHEEV failed!",
        "ERROR in EDDIAG: call to ZHEEV/ZHEEVX/DSYEV/DSYEVX failed",
        "EDWAV: internal error, the gradient is not orthogonal",
    ],
)
def test_allowed_corrections_leave_the_label_alone(study, message):
    """custodian's real handler on its real triggers, as often as a run may be corrected."""
    from dosml.relabel.vasp.handlers import allowed_handlers
    from dosml.relabel.vasp.jobs import VaspJob
    from dosml.relabel.vasp.verify import FREE_TAGS

    job: VaspJob = find_jobs(study)[0]
    folder = job.folder
    (folder / "CONTCAR").write_text((folder / "POSCAR").read_text().replace("0.0", "0.1", 1))
    (folder / "vasp.out").write_text(message + "\n")
    poscar = (folder / "POSCAR").read_bytes()
    asked = incar_of(folder)
    handler = allowed_handlers()[0]
    for _ in range(3):
        (folder / "vasp.out").write_text(message + "\n")
        assert handler.check(str(folder))
        handler.correct(str(folder))
        now = incar_of(folder)
        assert {tag for tag in {*asked, *now} if asked.get(tag) != now.get(tag)} <= FREE_TAGS
        assert (folder / "POSCAR").read_bytes() == poscar


@pytest.mark.parametrize("message", ["BRMIX: very serious problems", "ERROR RSPHER", "BZINTS"])
def test_errors_outside_the_list_are_not_corrected(study, message):
    from dosml.relabel.vasp.handlers import allowed_handlers

    folder = find_jobs(study)[0].folder
    (folder / "vasp.out").write_text(message + "\n")
    assert not allowed_handlers()[0].check(str(folder))


def incar_of(folder) -> dict[str, str]:
    lines = (folder / "INCAR").read_text().splitlines()
    return {key.strip(): value.strip() for key, value in (line.split("=") for line in lines)}


def test_stand_in_is_executable():
    assert os.access(STAND_IN, os.X_OK)
