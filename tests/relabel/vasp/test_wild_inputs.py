"""What becomes of odd frames, values, names and records before VASP sees them."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io.vasp import read_vasp
from helpers.vasp_study import run_stand_in, settings
from pydantic import ValidationError

from dosml.errors import FrameError, InputError
from dosml.relabel.execution.arrays import write_array
from dosml.relabel.execution.lock import DriverLock
from dosml.relabel.execution.settings import RunSettings, load_run_settings
from dosml.relabel.frames import canonical, frame_id, read_frames
from dosml.relabel.label import Label
from dosml.relabel.structures import right_handed
from dosml.relabel.vasp.aimd import write_aimd
from dosml.relabel.vasp.collect import collect
from dosml.relabel.vasp.drive import study_status, work_part
from dosml.relabel.vasp.incar_tags import check_tags
from dosml.relabel.vasp.jobs import find_jobs, write_jobs
from dosml.relabel.vasp.labels import ensure_label, read_label
from dosml.relabel.vasp.poscar import poscar_text
from dosml.relabel.vasp.protocol import VaspProtocol
from dosml.relabel.vasp.run import JobResult, job_state, run_task, tasks_of

quiet = {"on_progress": lambda _: None}


def left_handed(symbol: str = "Ti") -> Atoms:
    """A low-symmetry cell, so that mirroring it makes another one."""
    atoms = bulk(symbol).repeat((2, 1, 2))
    atoms.rattle(0.1, seed=3)
    atoms.set_cell(atoms.cell[[0, 2, 1]], scale_atoms=False)
    assert atoms.cell.handedness == -1
    return canonical(atoms)


def same_crystal(one: Atoms, other: Atoms) -> bool:
    """Whether every atom of one lies on one of the other, in one lattice."""
    lattice = np.asarray(one.cell) @ np.linalg.inv(np.asarray(other.cell))
    if np.abs(lattice - np.rint(lattice)).max() > 1e-8 or len(one) != len(other):
        return False
    apart = (one.positions[:, None] - other.positions[None]) @ np.linalg.inv(np.asarray(one.cell))
    return bool((np.abs(apart - np.rint(apart)).max(axis=2).min(axis=1) < 1e-8).all())


def test_a_left_handed_frame_is_the_same_crystal_in_its_poscar(tmp_path):
    frame = left_handed()
    path = tmp_path / "POSCAR"
    path.write_text(poscar_text(frame))
    read = read_vasp(path)
    assert read.cell.handedness == 1
    np.testing.assert_allclose(read.positions, frame.positions, atol=1e-10)
    assert same_crystal(read, frame)
    assert not same_crystal(Atoms(frame.symbols, -frame.positions, cell=frame.cell), frame)
    assert right_handed(read) is read


@pytest.mark.usefixtures("potcars")
def test_labels_of_a_left_handed_frame(tmp_path):
    """From inputs over a run to a label of the frame, with the forces of its right-handed twin."""
    frame = left_handed()
    twin = canonical(right_handed(frame))
    protocol = VaspProtocol(incar={"NEDOS": 601})
    write_jobs(tmp_path, [frame, twin], settings(0.2), protocol, **quiet)
    labels = {}
    for job in find_jobs(tmp_path):
        run_stand_in(job.folder)
        labels[job.frame_id] = read_label(job)
    assert set(labels) == {frame_id(frame), frame_id(twin)}
    one, other = (labels[frame_id(atoms)] for atoms in (frame, twin))
    assert isinstance(one, Label)
    assert one.free_energy == other.free_energy
    np.testing.assert_allclose(one.forces, other.forces)
    np.testing.assert_allclose(one.stress, other.stress)


@pytest.mark.reference_data
@pytest.mark.parametrize("name", ["left-handed.extxyz", "cu-left.extxyz"])
@pytest.mark.usefixtures("no_potcars")
def test_left_handed_frames_of_the_reference_data(reference_data, tmp_path, name):
    (frame,) = read_frames(reference_data / "inputs" / name)
    write_jobs(tmp_path / "study", [frame], settings(0.2), VaspProtocol(), **quiet)
    (job,) = find_jobs(tmp_path / "study")
    assert same_crystal(read_vasp(job.folder / "POSCAR"), frame)
    for folder in write_aimd(frame, tmp_path / "aimd", VaspProtocol()).values():
        assert same_crystal(read_vasp(folder / "POSCAR"), frame)


@pytest.mark.usefixtures("no_potcars")
def test_a_poscar_that_is_not_the_frame_is_not_written(tmp_path, monkeypatch):
    """As pymatgen would write it: turned around, which mirrors the atoms."""
    monkeypatch.setattr("dosml.relabel.vasp.poscar.right_handed", lambda frame: frame)
    with pytest.raises(FrameError, match="cannot be written as a POSCAR"):
        write_jobs(tmp_path, [left_handed()], settings(0.2), VaspProtocol(), **quiet)
    assert not list(tmp_path.glob("jobs/*/*/job.json"))


def test_phonons_of_a_left_handed_cell(tmp_path):
    from ase.calculators.emt import EMT

    from dosml.analysis.statistics.phonons import phonon_bands
    from dosml.studies.force_source import read_structure

    pytest.importorskip("phonopy")
    path = tmp_path / "cu.extxyz"
    cu = bulk("Cu")
    left = cu.copy()
    left.set_cell(cu.cell[[1, 0, 2]], scale_atoms=False)
    left.write(path)

    def forces(cells):
        for cell in cells:
            cell.calc = EMT()
        return [cell.get_forces() for cell in cells]

    found = [
        phonon_bands(crystal, (2, 2, 2), forces, points=12)
        for crystal in (read_structure(str(path)), cu)
    ]
    highest = [bands.frequencies.max() for bands in found]
    assert highest[0] == pytest.approx(highest[1], abs=1e-3)
    assert highest[0] > 5


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("Fast; NSW = 100", "holds ;"),
        ("Fast\nNSW = 100", "no text"),
        ("Fast\x07", "no text"),
        ("Fast ! comment", "holds !"),
        (float("nan"), "no number"),
    ],
)
def test_values_that_are_more_than_one_value_are_refused(value, words):
    with pytest.raises(ValidationError, match=words):
        VaspProtocol(incar={"ALGO": value})


def test_tags_that_vasp_does_not_know():
    assert check_tags(["ENCUT", "LASPH", "ML_LMLFF", "NCSHMEM", "LH5"]) == ""
    assert "no tag ENCUTT: did you mean ENCUT? " in check_tags(["ENCUT", "ENCUTT"])


@pytest.mark.parametrize("name", ["Os", "Ti_sv/../../x", "../Ti", "Ti sv"])
def test_a_potcar_of_another_element_is_refused(name):
    with pytest.raises(ValidationError, match="--potcar Ti="):
        VaspProtocol(potcars={"Ti": name})
    assert VaspProtocol(potcars={"Ti": "Ti_sv_GW"}).potcar_symbol("Ti") == "Ti_sv_GW"


def test_a_potcar_whose_content_is_of_another_element_is_refused(tmp_path, potcars):
    library = potcars / "POT_GGA_PAW_PBE_54"
    shutil.copy(library / "POTCAR.Os", library / "POTCAR.Ti_pv")
    with pytest.raises(InputError, match="is one of Os"):
        write_jobs(tmp_path / "s", [canonical(bulk("Ti"))], settings(0.2), VaspProtocol(), **quiet)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("job.json", ""),
        ("job.json", "[]"),
        ("job.json", '{"frame_id": 3}'),
        ("job.json", None),
        ("potcars.json", '{"PBE_54/Ti_pv": 7}'),
    ],
)
def test_damaged_records_are_named(study, file, content):
    job = find_jobs(study)[0]
    path = job.folder / file if file == "job.json" else study / file
    if content is None:
        record = json.loads(path.read_text())
        content = json.dumps({**record, "setting": {**record["setting"], "width_ev": -1}})
    path.write_text(content)
    with pytest.raises(InputError, match=file):
        study_status(study)
        tasks_of(study, find_jobs(study), RunSettings())
        write_jobs(study, [canonical(bulk("Ti"))], settings(0.2), VaspProtocol(), **quiet)


@pytest.mark.parametrize("content", ["[1, 2]", '{"interchange_pid": "x"}', "", "{"])
def test_a_damaged_record_of_the_last_run_is_named(study, content):
    (study / "run.json").write_text(content)
    with (
        DriverLock(study) as lock,
        pytest.raises(InputError, match=r"run.json is not the record of a run"),
    ):
        lock.recover(uses_slurm=False)


@pytest.mark.parametrize("content", ["[]", '{"status": ["done"]}', '{"status": "done"}', "3"])
def test_a_damaged_result_is_none(finished, content):
    job = find_jobs(finished)[0]
    (job.folder / "result.json").write_text(content)
    assert job_state(job.folder) is None


def test_a_study_that_is_not_there(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        find_jobs(tmp_path / "absent")
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="is a file"):
        find_jobs(tmp_path / "file")


@pytest.mark.parametrize(("part", "parts"), [(5, 0), (0, 0), (3, 3), (-1, 2)])
def test_parts_that_are_none_are_refused(study, part, parts):
    with pytest.raises(InputError, match=f"--part {part} --parts {parts}"):
        work_part(study, RunSettings(), part=part, parts=parts)


def test_a_copied_study_is_done(finished, tmp_path):
    """What an output holds counts, not when it was written."""
    for job in find_jobs(finished):
        task = tasks_of(finished, [job], RunSettings())[0]
        assert run_task(task).status == "done"
    copy = tmp_path / "copy"
    shutil.copytree(finished, copy, symlinks=True, copy_function=shutil.copyfile)
    jobs = find_jobs(copy)
    first = jobs[0].folder / "vasprun.xml"
    own = find_jobs(finished)[0].folder / "vasprun.xml"
    assert first.stat().st_mtime_ns != own.stat().st_mtime_ns
    assert study_status(copy) == {"done": len(jobs)}
    assert tasks_of(copy, jobs, RunSettings()) == []
    labels = {path: path.stat().st_mtime_ns for path in copy.glob("labels/*/*.npz")}
    assert all(ensure_label(copy, job) is None for job in jobs)
    assert {path: path.stat().st_mtime_ns for path in copy.glob("labels/*/*.npz")} == labels
    # other content of the same length, with the old time stamp: the job is open again
    before = first.stat()
    first.write_bytes(first.read_bytes().replace(b"stand", b"STAND").replace(b"0.1", b"0.2"))
    os.utime(first, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert first.stat().st_size == before.st_size
    assert study_status(copy) == {"done": len(jobs) - 1, "to do": 1}


def test_a_label_that_lost_its_stress_is_a_label(finished):
    path = find_jobs(finished)[0].folder / "vasprun.xml"
    begin, stress = path.read_text().split('<varray name="stress" >', 1)
    stress = re.sub(r"<v> *\S+", "<v>" + 17 * "*", stress, count=1)
    path.write_text(f'{begin}<varray name="stress" >{stress}')
    found = collect(finished, unpaired=False, workers=1, on_progress=lambda _: None)
    assert found.refused == ()
    ((job, words),) = found.lost
    assert path.parent == finished / job
    assert "stress is left out" in words


def test_the_result_of_a_job_is_what_was_kept(finished):
    job = find_jobs(finished)[0]
    result = run_task(tasks_of(finished, [job], RunSettings())[0])
    assert isinstance(result, JobResult)
    assert job_state(job.folder) == result


NAMES = ["a study", "it's 100%", 'quo"te', "$(touch hacked)", "a;b", "#x", "ü"]


@pytest.mark.parametrize("name", NAMES)
def test_batch_scripts_quote_every_name(tmp_path, name):
    study = tmp_path / name
    config = tmp_path / f"{name}.toml"
    config.write_text('[slurm]\npartition = "a b"\n')
    study.mkdir()
    script = write_array(study, load_run_settings(config), [config], name="dosml-array-1", parts=2)
    lines = script.read_text().splitlines()
    options = [shlex.split(line.removeprefix("#SBATCH "), comments=True) for line in lines[1:-2]]
    assert ["--partition=a b"] in options
    assert [f"--output={str(study).replace('%', '%%')}/slurm/%A_%a.out"] in options
    # what the shell makes of the last line: python is replaced by something that shows its words
    shown = lines[-1].replace(shlex.quote(sys.executable), "printf '%s\\n'", 1)
    done = subprocess.run(
        ["bash", "-c", shown], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    words = done.stdout.splitlines()
    assert words[:5] == ["-m", "dosml", "relabel", "work", str(study)]
    assert words[6] == str(config)
    assert not (tmp_path / "hacked").exists()


@pytest.mark.parametrize("name", ["two\nlines", "back\\slash", "bell\x07"])
def test_names_that_cannot_stand_in_a_batch_script_are_refused(tmp_path, name):
    study = tmp_path / name
    study.mkdir()
    with pytest.raises(InputError, match="rename the folder"):
        write_array(study, RunSettings(), (), name="dosml-array-1", parts=2)
    assert not list(study.iterdir())


@pytest.mark.parametrize("key", ["partition", "account", "qos", "constraint"])
def test_settings_of_slurm_are_one_line_each(tmp_path, key):
    path = tmp_path / "cluster.toml"
    path.write_text(f'[slurm]\n{key} = "a\\n#SBATCH --uid=0"\n')
    with pytest.raises(InputError, match="one line of text"):
        load_run_settings(path)
    path.write_text('[slurm]\nsbatch = ["--mail-user=x\\ntouch y"]\n')
    with pytest.raises(InputError, match="one line of text"):
        load_run_settings(path)
