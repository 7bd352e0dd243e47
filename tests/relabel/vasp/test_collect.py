"""Collecting: every refusal with its own message, paired sets, what is written."""

from __future__ import annotations

import gzip
import json

import ase.io
import numpy as np
import pandas as pd
import pytest
from helpers.vasp_study import run_stand_in

from dosml.errors import InputError, LabelError
from dosml.relabel.label import Label
from dosml.relabel.vasp.collect import collect
from dosml.relabel.vasp.jobs import find_jobs, study_frames
from dosml.relabel.vasp.labels import read_label, store_of
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
    # 12.5 10 7.5 kB on the diagonal, yz 0.125, xz 0.25, xy 0.5; 1 eV/Å^3 is 1602.1766 kB
    kbar = np.array([12.5, 10.0, 7.5, 0.125, 0.25, 0.5])
    np.testing.assert_allclose(label.stress, -kbar / 1602.1766, rtol=1e-6)
    assert label.n_electrons == 10 * 4 * 2
    assert label.dos.energies[0] == pytest.approx(-26.5)
    # the stand-in's rectangular d band holds ten states per atom
    assert np.trapezoid(label.dos.d, label.dos.energies) == pytest.approx(10, rel=0.03)
    assert label.dos.d_m is not None


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


def test_collect_writes_paired_sets_and_tables(finished):
    found = gather(finished)
    assert [path.name for path in found.files] == ["sigma_0.2.extxyz", "sigma_2.extxyz"]
    assert found.n_labels == found.n_written == 6
    narrow, wide = (ase.io.read(path, index=":") for path in found.files)
    assert len(narrow) == len(wide) == 3
    order = list(study_frames(finished).values())
    for one, two, asked in zip(narrow, wide, order, strict=True):
        np.testing.assert_allclose(one.positions, two.positions)
        np.testing.assert_allclose(one.positions, asked.positions, atol=1e-8)
        assert one.info["REF_energy"] != two.info["REF_energy"]
        # the stand-in's forces shrink by 5 % per eV of smearing
        np.testing.assert_allclose(
            two.arrays["REF_forces"], one.arrays["REF_forces"] * 0.9 / 0.99, atol=2e-8
        )
        assert one.info["REF_stress"].shape == (6,)
        assert one.info["tier"] == "warm"
    table = pd.read_parquet(found.table)
    assert len(table) == 6
    assert set(table["sigma_ev"]) == {0.2, 2.0}
    assert set(table["vasp_version"]) == {"6.4.2"}
    assert pd.read_csv(found.refused_table).empty


def test_a_missing_label_takes_its_frame_out_of_every_set_unless_unpaired(finished):
    job = find_jobs(finished)[1]
    (job.folder / "vasprun.xml").unlink()
    found = gather(finished)
    assert (found.n_labels, found.n_written, found.n_unpaired) == (5, 4, 1)
    refused = pd.read_csv(found.refused_table)
    assert list(refused["kind"]) == ["not run"]
    assert list(refused["frame_id"]) == [job.frame_id]
    found = gather(finished, unpaired=True)
    assert found.n_written == 5
    assert [len(ase.io.read(path, index=":")) for path in found.files] == [2, 3]


def test_nothing_to_collect_is_said(study, tmp_path):
    with pytest.raises(LabelError, match="all 6 jobs were refused.*has not run yet"):
        gather(study)
    with pytest.raises(InputError, match="write them first"):
        gather(tmp_path)


def test_processes_give_what_one_process_gives(finished):
    one = pd.read_parquet(gather(finished).table)
    two = pd.read_parquet(gather(finished, workers=2).table)
    pd.testing.assert_frame_equal(one, two)


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
