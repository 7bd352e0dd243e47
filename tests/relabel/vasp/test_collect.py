"""Collecting: every refusal with its own message, paired sets, what is written."""

from __future__ import annotations

import gzip
import json
import shutil
import xml.etree.ElementTree as ET

import ase.io
import numpy as np
import pandas as pd
import pytest
from helpers.vasp_study import rattled, run_stand_in, settings

from dosml.errors import InputError, LabelError
from dosml.relabel.dataset import load
from dosml.relabel.frames import VASP_LABELS, frame_id, read_frames
from dosml.relabel.label import Label
from dosml.relabel.vasp.collect import collect
from dosml.relabel.vasp.jobs import find_jobs, study_frames, write_jobs
from dosml.relabel.vasp.labels import read_label, store_of
from dosml.relabel.vasp.noise import noise_frames
from dosml.relabel.vasp.protocol import VaspProtocol
from dosml.relabel.vasp.vasprun import read_vasprun
from dosml.relabel.vasp.verify import Refusal


def gather(study, *, unpaired=False, workers=1):
    return collect(study, unpaired=unpaired, workers=workers, on_progress=lambda _: None)


def edit(path, *pairs):
    text = path.read_text()
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)


def last_step(folder):
    """Last ionic step in a vasprun.xml, read with Python's own XML parser."""
    return ET.parse(folder / "vasprun.xml").findall("calculation")[-1]


def rows_of(step, place):
    return np.array([row.text.split() for row in step.find(place).iter("v")], dtype=float)


def stress_of(step):
    """xx yy zz yz xz xy of what VASP prints in kB, positive where the cell wants to grow."""
    kbar = rows_of(step, "varray[@name='stress']")
    return -kbar[[0, 1, 2, 1, 0, 0], [0, 1, 2, 2, 2, 1]] / 1602.1766


def refusal(study, number=0) -> Refusal:
    outcome = read_label(find_jobs(study)[number])
    assert isinstance(outcome, Refusal)
    return outcome


def test_label_is_what_vasp_printed(finished):
    job = find_jobs(finished)[0]
    label = read_label(job)
    assert isinstance(label, Label)
    output = read_vasprun(job.folder / "vasprun.xml")
    assert label.free_energy == output.free_energy
    np.testing.assert_array_equal(label.forces, output.forces)
    expected = stress_of(last_step(job.folder))
    assert len(set(np.abs(expected).round(6))) == 6
    np.testing.assert_allclose(label.stress, expected, rtol=1e-6)
    assert label.n_electrons == 10 * 4 * 2
    fermi = float(ET.parse(job.folder / "vasprun.xml").find(".//dos/i[@name='efermi']").text)
    assert label.dos.energies[0] == pytest.approx(-25 - fermi)
    # the stand-in's rectangular d band holds ten states per atom
    assert np.trapezoid(label.dos.d, label.dos.energies) == pytest.approx(10, rel=0.03)
    assert label.dos.d_m is not None


def test_a_denser_grid_tells_the_label_noise_and_is_no_label(tmp_path, potcars):  # noqa: ARG001
    folder = tmp_path / "study"
    protocol = VaspProtocol(incar={"NEDOS": 601})
    frames = rattled("Ti", 4, test=2)
    for frame, tier in zip(frames, ("cold", "cold", "cold", "warm"), strict=True):
        frame.info["tier"] = tier
    assert noise_frames(frames, 3) == frames[2:]
    assert noise_frames(frames, 1) == frames[2:3]
    widths = settings(0.2, 2.0)
    write_jobs(
        folder, frames, widths, protocol, on_progress=lambda _: None, denser=noise_frames(frames, 2)
    )
    jobs = find_jobs(folder)
    assert [job.denser for job in jobs].count(True) == 4
    grids = {job.denser: tuple(job.record["kpoints"]) for job in jobs}
    assert grids[True] == tuple(number + 1 for number in grids[False])
    for job in jobs:
        run_stand_in(job.folder)
    found = gather(folder)
    assert (found.n_labels, found.n_written, found.refused) == (8, 8, ())
    data = load(folder)
    assert data.names == ("sigma_0.2", "sigma_2")
    for labels in data.label_sets:
        noise = labels.noise
        assert [one.frame for one in noise.frames] == [frame_id(frame) for frame in frames[2:]]
        changes = []
        for frame in frames[2:]:
            pair = {
                job.denser: rows_of(last_step(job.folder), "varray[@name='forces']")
                for job in jobs
                if job.frame_id == frame_id(frame) and job.setting == labels.setting
            }
            changes.append(np.abs(pair[True] - pair[False]).mean())
        assert min(changes) > 1e-5
        assert noise.ev_per_angstrom == pytest.approx(np.mean(changes))
        assert found.noise[labels.name] == noise
    assert data.label_sets[0].noise.ev_per_angstrom > data.label_sets[1].noise.ev_per_angstrom
    # one that is refused leaves the labels as they are
    spoilt = next(job for job in jobs if job.denser)
    run_stand_in(spoilt.folder, STAND_IN_FAULT="unconverged")
    again = gather(folder)
    assert (again.n_labels, [one.frame_id for one in again.refused]) == (8, [spoilt.frame_id])
    assert len(load(folder).label_sets[0].noise.frames) == 1


def test_vasp_54_gives_the_same_label(study):
    job = find_jobs(study)[0]
    run_stand_in(job.folder)
    new = read_label(job)
    run_stand_in(job.folder, STAND_IN_VERSION="5.4.4")
    old = read_label(job)
    assert isinstance(new, Label)
    assert isinstance(old, Label)
    assert old.facts["vasp_version"] == "5.4.4"
    assert old.free_energy == new.free_energy
    assert old.facts["energy_sigma_0_ev"] == new.facts["energy_sigma_0_ev"]


def test_the_job_that_has_not_run(study):
    outcome = refusal(study)
    assert outcome.kind == "not run"
    assert "has not run yet" in outcome.reason


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        ("unconverged", "not converged", "did not converge in 200 of at most 200 steps"),
        ("top_band", "top band", "bands still holds 0.028"),
        ("cut_off", "damaged", "cut off"),
        ("crash", "not run", "no vasprun.xml"),
    ],
)
def test_each_fault_has_its_own_message(study, fault, kind, words):
    run_stand_in(find_jobs(study)[0].folder, STAND_IN_FAULT=fault)
    outcome = refusal(study)
    assert outcome.kind == kind
    assert words in outcome.reason


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("SIGMA = 0.2", "SIGMA = 0.05", "SIGMA = 0.05000000 (asked for: 0.2)"),
        ("ISMEAR = 1", "ISMEAR = 0", "ISMEAR = 0 (asked for: 1)"),
        ("ENCUT = 520.0", "ENCUT = 400.0", "ENCUT = 400.00000000 (asked for: 520)"),
        ("NELECT = 80.0", "NELECT = 79.0", "NELECT = 79.00000000 (asked for: 80)"),
        ("LASPH = True", "LASPH = False", "LASPH = F (asked for: True)"),
        ("EDIFF = 1e-06", "EDIFF = 1e-04", "EDIFF"),
        ("PREC = Accurate", "PREC = Low", "PREC = Low"),
        ("ISYM = 0", "ISYM = 0\nIVDW = 11", "IVDW = 11 (not asked for)"),
    ],
)
def test_an_incar_that_was_changed_is_refused(study, old, new, words):
    job = find_jobs(study)[0]
    edit(job.folder / "INCAR", (old, new))
    run_stand_in(job.folder)
    outcome = refusal(study)
    assert outcome.kind == "incar"
    assert words in outcome.reason


def test_fewer_bands_and_other_k_points_are_refused(study):
    job = find_jobs(study)[0]
    asked = job.incar["NBANDS"]
    edit(job.folder / "INCAR", (f"NBANDS = {asked}", f"NBANDS = {asked - 1}"))
    run_stand_in(job.folder)
    assert f"NBANDS = {asked - 1}" in refusal(study).reason
    edit(job.folder / "INCAR", (f"NBANDS = {asked - 1}", f"NBANDS = {asked + 4}"))
    run_stand_in(job.folder)
    assert isinstance(read_label(job), Label)  # VASP rounds up
    edit(job.folder / "KPOINTS", ("Gamma\n", "Gamma\n1"))
    run_stand_in(job.folder)
    assert "k-points" in refusal(study).reason


def test_tags_that_do_not_touch_the_result_may_change(study):
    job = find_jobs(study)[0]
    edit(
        job.folder / "INCAR",
        ("ALGO = Normal", "ALGO = All\nKPAR = 4\nBMIX = 0.001"),
        ("NELM = 200", "NELM = 400"),
    )
    run_stand_in(job.folder)
    assert isinstance(read_label(job), Label)


def test_another_frame_is_refused(finished):
    first, second = find_jobs(finished)[:2]
    output = first.folder / "vasprun.xml"
    own = output.read_text()
    output.write_text((second.folder / "vasprun.xml").read_text())
    outcome = refusal(finished)
    assert outcome.kind == "frame"
    assert "of another frame" in outcome.reason
    output.write_text(own.replace("<c>Ti</c><c>   1</c>", "<c>Zr</c><c>   1</c>"))
    assert "is of 8 Zr, asked for was 8 Ti" in refusal(finished).reason
    output.write_text(own)
    edit(first.folder / "POSCAR", ("0.", "0.1"))
    outcome = refusal(finished)
    assert outcome.kind == "frame"
    assert "POSCAR was changed" in outcome.reason


def test_another_potcar_is_refused(study):
    """NELECT in the INCAR belongs to Ti_pv; the run had a POTCAR of 12 valence electrons."""
    job = find_jobs(study)[0]
    text = (job.folder / "POTCAR").read_text().replace("ZVAL   =   10", "ZVAL   =   12")
    (job.folder / "POTCAR").unlink()
    (job.folder / "POTCAR").write_text(text)
    run_stand_in(job.folder)
    outcome = refusal(study)
    assert outcome.kind == "electrons"
    assert "make 96" in outcome.reason


def test_collect_writes_a_dataset(finished):
    found = gather(finished)
    assert found.folders == (finished / "collected",)
    assert found.n_labels == found.n_written == 6
    assert pd.read_csv(found.refused_table).empty
    data = load(finished)
    assert data.names == ("sigma_0.2", "sigma_2")
    assert data.frame_ids == tuple(study_frames(finished))
    assert data.tiers == ("warm",) * 3
    assert data.roles == ()  # the frames came without a split
    narrow, wide = data.label_sets
    assert data.stress
    assert np.abs(narrow.energies - wide.energies).min() > 0.1
    assert np.abs(narrow.forces[0] - wide.forces[0]).max() > 1e-2
    table = pd.read_csv(finished / "collected" / "labels.csv")
    assert len(table) == 6
    assert set(table["sigma_ev"]) == {0.2, 2.0}
    assert set(table["vasp_version"]) == {"6.4.2"}
    np.testing.assert_allclose(table["free_energy_ev"][:3], narrow.energies)
    assert list(table["job"]) == [
        str(j.folder.relative_to(finished)) for j in jobs_in_order(data, finished)
    ]
    assert {path.name for path in (finished / "collected").iterdir()} == {
        *("dataset.json", "labels.csv", "refused.csv"),
        *(f"sigma_{width}{end}" for width in ("0.2", "2") for end in (".extxyz", ".dos.npz")),
    }


def jobs_in_order(data, study):
    jobs = {(job.setting.name, job.frame_id): job for job in find_jobs(study)}
    return [jobs[name, one] for name in data.names for one in data.frame_ids]


def test_provenance_says_what_the_jobs_were(finished):
    gather(finished)
    provenance = load(finished).provenance
    assert provenance.engine == "vasp"
    assert provenance.versions["vasp"] == "6.4.2"
    assert "preset tm23, plane waves to 520 eV" in provenance.warning
    assert "POTCAR Ti_pv" in provenance.warning
    assert provenance.protocol["vasp"]["incar"] == {"NEDOS": 601}
    assert provenance.protocol["potcars"] == {"Ti_pv": "PAW_PBE Ti_pv 01Jan2000"}
    assert any("smears the density of states" in line for line in provenance.limits)
    assert not any("background" in line for line in provenance.limits)


def test_two_metals_from_frames_to_a_dataset(tmp_path, potcars):  # noqa: ARG001
    """Titanium and copper, four widths, two electron numbers: every number as in the files."""
    study = tmp_path / "study"
    electronic = [*settings(0.2, 0.5, 1.0, 2.0), *settings(0.2, 0.5, 1.0, 2.0, shift=-1.0)]
    frames = [*rattled("Ti", 3, test=1), *rattled("Cu", 3, (2, 1, 1), test=1)]
    ase.io.write(tmp_path / "frames.extxyz", frames, format="extxyz")
    read = read_frames(tmp_path / "frames.extxyz", VASP_LABELS)
    protocol = VaspProtocol(incar={"NEDOS": 1201}, kspacing={"default": 1.0})
    write_jobs(study, read, electronic, protocol, on_progress=lambda _: None)
    jobs = find_jobs(study)
    assert {job.record["potcar_symbol"] for job in jobs} == {"Ti_pv", "Cu_pv"}
    for job in jobs:
        run_stand_in(job.folder)
    found = gather(study)
    assert found.n_labels == 48
    data = load(study)
    assert data.elements == ("Cu", "Ti")
    assert sorted(data.electronic, key=str) == sorted(electronic, key=str)
    assert [frame_id(frame) for frame in frames] == list(data.frame_ids)
    assert data.roles == ("train", "train", "test") * 2
    assert data.tiers == ("warm",) * 6
    assert any("background" in line for line in data.provenance.limits)
    assert {"Ti_pv", "Cu_pv"} == set(data.provenance.protocol["potcars"])
    means = []
    for labels in data.label_sets:
        curves = []
        for n, identity in enumerate(data.frame_ids):
            folder = next(
                job.folder
                for job in jobs
                if (job.frame_id, job.setting) == (identity, labels.setting)
            )
            last = last_step(folder)
            free = float(last.find("energy/i[@name='e_fr_energy']").text)
            assert labels.energies[n] == pytest.approx(free, abs=1e-8)
            np.testing.assert_allclose(
                labels.forces[n], rows_of(last, "varray[@name='forces']"), atol=1e-8
            )
            np.testing.assert_allclose(labels.stresses[n], stress_of(last), rtol=1e-6, atol=1e-9)
            fermi = float(last.find("dos/i[@name='efermi']").text)
            assert labels.facts["fermi_level_ev"][n] == fermi
            zval = {"Ti": 10, "Cu": 17}[data.frames[n].get_chemical_symbols()[0]]
            shift = labels.setting.electrons_per_atom_shift
            assert labels.facts["n_electrons"][n] == len(data.frames[n]) * (zval + shift)
            rows = np.array(
                [row.text.split() for row in last.findall("dos/partial/array/set/set[1]/set[1]/r")],
                dtype=float,
            )
            # the first atom's, and in the stand-in all atoms are alike
            curves.append((np.linspace(-25, 35, 1201) - fermi, rows[:, 5:].sum(axis=1)))
        mean = labels.dos
        by_hand = np.mean([np.interp(mean.energies, *curve) for curve in curves], axis=0)
        np.testing.assert_allclose(mean.d, by_hand, atol=2e-3)
        assert mean.energies[0] < -20
        assert mean.energies[-1] > 20
        means.append(mean)
    # one grid for all, and a d band that smearing and missing electrons both change
    for mean in means[1:]:
        np.testing.assert_array_equal(mean.energies, means[0].energies)
        assert np.abs(mean.d - means[0].d).max() > 0.05
    titanium = load(study, metal="Ti")
    assert (titanium.train, titanium.test) == ((0, 1), (2,))


def test_a_missing_label_takes_its_frame_out_of_every_set_unless_unpaired(finished):
    job = find_jobs(finished)[1]
    (job.folder / "vasprun.xml").unlink()
    found = gather(finished)
    assert (found.n_labels, found.n_written, len(found.dropped)) == (5, 4, 1)
    assert f"frame {job.frame_id} (warm) at sigma_0.2: " in found.dropped[0]
    assert "has not run yet" in found.dropped[0]
    assert load(finished).dropped == found.dropped
    refused = pd.read_csv(found.refused_table)
    assert list(refused["kind"]) == ["not run"]
    assert list(refused["frame_id"]) == [job.frame_id]
    found = gather(finished, unpaired=True)
    assert found.n_written == 5
    assert found.folders == tuple(finished / "unpaired" / name for name in ("sigma_0.2", "sigma_2"))
    assert [len(load(folder).frames) for folder in found.folders] == [2, 3]
    assert load(found.folders[1]).label_sets[0].dos is not None
    assert len(load(finished).frames) == 2  # what was paired before stays


def test_a_setting_that_mostly_failed_is_left_out_as_a_whole(study):
    add = settings(0.5, 1.0)
    frames = list(study_frames(study).values())
    protocol = VaspProtocol(**find_jobs(study)[0].record["protocol"])
    write_jobs(study, frames, add, protocol, on_progress=lambda _: None)
    for job in find_jobs(study):
        if job.setting.smearing.width != 0.5:
            run_stand_in(job.folder)
    found = gather(study)
    assert len(found.dropped_settings) == 1
    assert "sigma_0.5: no label for 3 of 3 frames" in found.dropped_settings[0]
    assert not found.dropped
    assert load(study).names == ("sigma_0.2", "sigma_1", "sigma_2")


def test_what_is_known_of_frames_later_is_kept(study):
    """The same frames with a split: the study's file has it, no job is written anew."""
    frames = rattled("Ti", 3, test=1)
    protocol = VaspProtocol(**find_jobs(study)[0].record["protocol"])
    written = write_jobs(study, frames, settings(0.2, 2.0), protocol, on_progress=lambda _: None)
    assert (written.new, written.kept) == (0, 6)
    splits = [frame.info["split"] for frame in study_frames(study).values()]
    assert splits == ["train", "train", "test"]


def test_an_alloy_has_the_data_sets_of_its_runs_of_atoms(tmp_path, potcars):  # noqa: ARG001
    frame = rattled("Ti", 1)[0]
    frame.symbols[0] = "Cu"
    protocol = VaspProtocol(kspacing={"Ti": 0.3, "Cu": 0.2})
    write_jobs(tmp_path / "s", [frame], settings(0.2), protocol, on_progress=lambda _: None)
    (job,) = find_jobs(tmp_path / "s")
    held = job.record["potcar"]
    assert job.record["potcar_symbol"] == held["symbol"] == "Cu_pv Ti_pv"
    assert held["titel"].count("PAW_PBE") == 2
    assert held["zval"] == pytest.approx((17 + 7 * 10) / 8)
    assert job.incar["NELECT"] == pytest.approx(17 + 7 * 10)
    # the grid is that of the element that asks for the denser one
    alone = VaspProtocol(kspacing={"default": 0.2})
    write_jobs(tmp_path / "t", [frame], settings(0.2), alone, on_progress=lambda _: None)
    assert job.record["kpoints"] == find_jobs(tmp_path / "t")[0].record["kpoints"]
    # a data set that the library lacks is named
    frame.symbols[1] = "Al"
    with pytest.raises(InputError, match="no POTCAR Al of PBE_54"):
        write_jobs(tmp_path / "u", [frame], settings(0.2), protocol, on_progress=lambda _: None)


def test_nothing_to_collect_is_said(study, tmp_path):
    with pytest.raises(LabelError, match="all 6 jobs were refused.*has not run yet"):
        gather(study)
    with pytest.raises(InputError, match="write them first"):
        gather(tmp_path)


def test_processes_give_what_one_process_gives(finished):
    gather(finished)
    files = {path: path.read_bytes() for path in (finished / "collected").iterdir()}
    shutil.rmtree(finished / "labels")
    gather(finished, workers=2)
    assert {path: path.read_bytes() for path in files} == files


def test_labels_are_read_once_and_again_when_the_output_changed(finished):
    first = gather(finished)
    job = find_jobs(finished)[0]
    store = store_of(finished, job)
    path = store.label_path(job.frame_id, job.setting)
    written = path.stat().st_mtime_ns
    gather(finished)
    assert path.stat().st_mtime_ns == written
    # a run that was repeated after its INCAR had been spoilt takes the old label away
    edit(job.folder / "INCAR", ("ENCUT = 520.0", "ENCUT = 400.0"))
    run_stand_in(job.folder)
    again = gather(finished)
    assert first.n_labels == again.n_labels + 1
    assert not path.exists()
    reason = json.loads(store.failure_path(job.frame_id, job.setting).read_text())["reason"]
    assert "ENCUT" in reason


def test_outputs_may_be_compressed_or_gone_after_collecting(finished):
    for job in find_jobs(finished):
        output = job.folder / "vasprun.xml"
        (job.folder / "vasprun.xml.gz").write_bytes(gzip.compress(output.read_bytes()))
        output.unlink()
    assert gather(finished).n_labels == 6
    for job in find_jobs(finished):
        (job.folder / "vasprun.xml.gz").unlink()
    assert gather(finished).n_labels == 6
