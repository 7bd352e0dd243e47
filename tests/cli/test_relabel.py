"""`dosml relabel` and `dosml dos` as a user types them."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

import ase.io
import numpy as np
import pandas as pd
import pytest
from helpers.vasp_files import vasprun
from helpers.vasp_study import ZVAL, rattled, run_stand_in

from dosml.relabel.vasp.jobs import find_jobs

FE = "emmet_Fe_bcc_CompleteDos.json.gz"


@dataclass
class Done:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def dosml(tmp_path, monkeypatch, capsys):
    """Run the command line in this process, in the test's own folder."""
    from dosml.cli import main

    def run(*arguments) -> Done:
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(sys, "argv", ["dosml", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as stop:
            code = int(stop.code or 0)
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture
def frames(tmp_path):
    path = tmp_path / "frames.extxyz"
    ase.io.write(path, rattled("Ti", 2), format="extxyz")
    return path


@pytest.mark.usefixtures("no_potcars")
def test_from_frames_to_label_sets(tmp_path, frames, dosml, request):
    """Inputs without POTCARs, resolved later, run by hand, collected."""
    study = tmp_path / "study"
    options = ("--sigma", "0.2,2.0", "--electrons=-3,0", "--incar", "NEDOS=301", "--out", study)
    done = dosml("relabel", frames, "--engine", "vasp", "--noise-frames", "1", *options)
    assert done.returncode == 0, done.stderr
    assert "12 input folders written" in done.stdout
    assert "NELECT and NBANDS are open" in done.stdout.replace("\n", " ")
    assert done.stderr == ""
    refused = dosml("relabel", "resolve", study)
    assert refused.returncode == 2
    assert "PMG_VASP_PSP_DIR is not set" in refused.stderr
    request.getfixturevalue("potcars")
    done = dosml("relabel", "resolve", study)
    assert done.returncode == 0, done.stderr
    for job in find_jobs(study):
        run_stand_in(job.folder)
    done = dosml("relabel", "collect", study, "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert "8 labels; 0 jobs refused" in done.stdout
    assert "label noise of sigma_2_electrons_-3: " in done.stdout
    assert "(1 frames against one more k-point in every direction)" in done.stdout.replace("\n", "")
    assert f"next: dosml smear-scan --labels {study}" in done.stdout.replace("\n", "")
    names = {path.name for path in (study / "collected").glob("*.extxyz")}
    assert names == {
        f"sigma_{width}{shift}.extxyz" for width in ("0.2", "2") for shift in ("", "_electrons_-3")
    }
    for name in names:
        read = ase.io.read(study / "collected" / name, index=":")
        assert len(read) == 2
        assert all(np.isfinite(atoms.info["REF_energy"]) for atoms in read)


def test_an_alloy_goes_from_frames_to_a_report(tmp_path, dosml, request):
    """Atoms in any order: every run of equal atoms has its data set, forces keep their atoms."""
    request.getfixturevalue("potcars")
    frames = []
    for seed in range(5):
        atoms = rattled("Cu", 1, (2, 2, 1))[0]
        atoms.symbols = ["Cu", "Au", "Au", "Cu"]
        atoms.rattle(0.05, seed=seed)
        frames.append(atoms)
    ase.io.write(tmp_path / "cuau.extxyz", frames, format="extxyz")
    options = ("--sigma", "0.5,2.0", "--incar", "NEDOS=301", "--out", "study")
    done = dosml("relabel", "cuau.extxyz", *options)
    assert done.returncode == 0, done.stderr
    study = tmp_path / "study"
    jobs = find_jobs(study)
    for job in jobs:
        potcar = (job.folder / "POTCAR").read_text()
        titels = [line.split()[3] for line in potcar.splitlines() if "TITEL" in line]
        assert titels == ["Cu_pv", "Au", "Cu_pv"]
        assert (job.folder / "POSCAR").read_text().splitlines()[5].split() == ["Cu", "Au", "Cu"]
        incar = (job.folder / "INCAR").read_text()
        assert f"NELECT = {2 * ZVAL['Cu_pv'] + 2 * ZVAL['Au']}.0" in incar
        run_stand_in(job.folder)
    assert len({(job.folder / "POTCAR").resolve() for job in jobs}) == 1  # one copy for all
    done = dosml("relabel", "collect", "study", "--workers", "1")
    assert done.returncode == 0, done.stderr
    assert "10 labels; 0 jobs refused" in done.stdout
    again = ase.io.read(study / "collected" / "sigma_2.extxyz", index=":")
    assert [list(one.symbols) for one in again] == [list(one.symbols) for one in frames]
    small = ("--cutoff", "4", "--n-max", "3", "--l-max", "1")
    done = dosml("smear-scan", "--labels", "study", *small, "--out", "scan")
    assert done.returncode == 0, done.stderr
    # the stand-in gives every atom the same d band
    bands = pd.read_csv(tmp_path / "scan" / "element_bands.csv")
    assert list(bands["element"]) == ["Au", "Au", "Cu", "Cu"]
    report = (tmp_path / "scan" / "report.html").read_text(encoding="utf-8")
    assert "d bands by element" in report
    assert "POTCAR Cu_pv Au Cu_pv" in report


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("frames.extxyz", "--incar", "ISMEAR=-5"), "refused for labels"),
        (("frames.extxyz", "--scheme", "tetrahedron"), "unknown smearing scheme"),
        (("frames.extxyz", "--scheme", "cold"), "no cold smearing"),
        (("frames.extxyz", "--sigma", "0.2,x"), "takes numbers"),
        (("frames.extxyz", "--electrons=1,1"), "give each value once"),
        (("frames.extxyz", "--engine", "castep"), "--engine castep"),
        (("frames.extxyz", "--incar", "ENCUT"), "write NAME=VALUE"),
        (("frames.extxyz", "--kspacing", "Ti=wide"), "--kspacing"),
        (("frames.extxyz", "--sigma", "0.2,,2"), "takes numbers"),
        (("frames.extxyz", "--electrons=nan"), "--electrons 'nan'"),
        (("frames.extxyz", "--electrons=inf"), "--electrons 'inf'"),
        (("frames.extxyz", "--sigma", "nan"), "--sigma"),
        (("frames.extxyz", "--incar", "ALGO=Fast; NSW=100"), "holds ;"),
        (("frames.extxyz", "--incar", "ALGO=Fast\nNSW=100"), "control characters"),
        (("frames.extxyz", "--incar", "ENCUT=nan"), "no number"),
        (("frames.extxyz", "--incar", "ENCUTT=500"), "did you mean ENCUT?"),
        (("frames.extxyz", "--incar", "ISMEAR=-2"), "fixed occupations (ISMEAR = -2)"),
        (("frames.extxyz", "--incar", "ISMEAR=-3"), "a loop over several smearings"),
        (("frames.extxyz", "--potcar", "Xx=Xx"), "names no element"),
        (("frames.extxyz", "--kspacing", "Xx=0.2"), "Xx is no element"),
        (("frames.extxyz", "--potcar-functional", "NOPE"), "choose one of PBE"),
        (("frames.extxyz", "--potcar", "Ti=Os"), "Os is a POTCAR of Os, not of Ti"),
        (("absent.extxyz",), "no frame file"),
        (("collect", "."), "write them first"),
        (("collect", "absent"), "absent does not exist"),
        (("run", "absent"), "absent does not exist"),
        (("status", "absent"), "absent does not exist"),
        (("script", "absent"), "absent"),
        (("resolve", "absent"), "absent does not exist"),
        (("work", "absent", "--part", "5", "--parts", "0"), "--part 5 --parts 0"),
        (("sample", "absent.xml"), "no file absent.xml"),
    ],
)
@pytest.mark.usefixtures("frames", "no_potcars")
def test_errors_are_one_line(dosml, arguments, words):
    done = dosml("relabel", *arguments)
    assert done.returncode == 2
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.usefixtures("frames", "no_potcars")
def test_a_tag_on_no_list_can_be_forced(tmp_path, dosml):
    options = ("--incar", "MYTAG=3", "--sigma", "0.2", "--out", "study")
    assert dosml("relabel", "frames.extxyz", *options).returncode == 2
    done = dosml("relabel", "frames.extxyz", *options, "--force-incar")
    assert done.returncode == 0, done.stderr
    job = find_jobs(tmp_path / "study")[0]
    assert "MYTAG = 3" in (job.folder / "INCAR.unresolved").read_text()


def test_dos_says_what_overflowed_and_goes_on(tmp_path, dosml):
    text = vasprun()
    row = next(line for line in text.splitlines() if line.count(" 0.5642") == 5)
    (tmp_path / "vasprun.xml").write_text(text.replace(row, row.replace("   0.5642", "*" * 9, 1)))
    done = dosml("dos", "vasprun.xml", "--json", "--sigma", "1")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert found["d_band_center_ev"] is None
    assert "the d part is left out: a number of it overflowed (asterisks)" in found["note"]
    total = next(line for line in text.splitlines() if line.startswith("<r>   -1.5000"))
    (tmp_path / "vasprun.xml").write_text(text.replace(total, total[:13] + "*" * 11 + total[24:]))
    done = dosml("dos", "vasprun.xml", "--json", "--sigma", "1")
    assert done.returncode == 0, done.stderr
    (found,) = json.loads(done.stdout)
    assert found["d_band_center_ev"] == pytest.approx(-2, abs=0.01)
    assert "the total DOS is left out" in found["note"]


@pytest.mark.parametrize(("ismear", "words"), [(-2, "fixed occupations"), (-3, "a loop over")])
def test_dos_names_occupations_that_are_no_tetrahedra(tmp_path, dosml, ismear, words):
    (tmp_path / "run.txt").write_text(vasprun(ismear=ismear))
    done = dosml("dos", "run.txt")
    assert done.returncode == 0, done.stderr
    assert words in done.stdout
    assert "tetrahedra" not in done.stdout


@pytest.mark.reference_data
def test_dos_of_iron_and_palladium(reference_data, tmp_path, dosml):
    data = reference_data / "dos"
    files = (data / FE, data / "quacc_Na12Pd4_vasprun.xml.gz")
    done = dosml("dos", *files, "--window", "-10", "5", "--json", "--plot", "d.png")
    assert done.returncode == 0, done.stderr
    iron, palladium = json.loads(done.stdout)
    assert iron["d_band_center_ev"] == pytest.approx(-0.60, abs=0.01)
    assert iron["window_ev"] == [-10, 5]
    assert 0 < iron["d_band_filling"] < 1
    chi = [iron[f"chi_{rank}_states2_per_ev_atom2"] for rank in (0, 2)]
    assert chi[1] == pytest.approx(chi[0] * 2 / 7)  # (2 2 2)^2 / (2 2 0)^2
    assert palladium["smeared_in_file"] == "gaussian 0.05 eV"
    assert (tmp_path / "d.png").stat().st_size > 10_000
    assert palladium["note"].startswith("holds Na, Pd: --element Na,Pd")
    table = dosml("dos", data / FE, "--window", "-10", "5", "--m-resolved")
    assert "-0.604" in table.stdout
    assert "-10 to 5" in table.stdout
    assert "dx2-y2 centre" in table.stdout


@pytest.mark.reference_data
def test_dos_of_several_files_and_elements(reference_data, dosml, tmp_path):
    data = reference_data / "dos"
    files = (data / "quacc_Na12Pd4_vasprun.xml.gz", data / "custodian_Ag4_vasprun.xml.gz")
    done = dosml("dos", *files, "--element", "Na,Pd,Ag", "--json", "--plot", "d.svg")
    assert done.returncode == 0, done.stderr
    sodium, palladium, silver = json.loads(done.stdout)
    assert [one["element"] for one in (sodium, palladium, silver)] == ["Na", "Pd", "Ag"]
    assert sodium["d_band_center_ev"] is None
    assert "no d states here" in sodium["note"]
    # 4 of 16 atoms hold the d band: its centre is that of the cell, n_d four times as large
    (cell,) = json.loads(dosml("dos", files[0], "--json").stdout)
    name = "n_d_fermi_bare_states_per_ev_atom"
    assert palladium[name] > 3 * cell[name]
    drawn = (tmp_path / "d.svg").read_text()
    titles = ["total", "s", "p", "d", "t2g: dxy + dyz + dxz", "eg: dz2 + dx2-y2"]
    assert all(f"<!-- {title} -->" in drawn for title in titles)
    done = dosml("dos", *files, "--element", "Na,W")
    assert done.returncode == 2
    assert "--element Na,W: " in done.stderr  # of the file without either
    assert "--element W: no file holds it" in done.stderr


@pytest.mark.reference_data
def test_dos_names_what_is_wrong_and_does_the_rest(reference_data, tmp_path, dosml):
    (tmp_path / "bad.xml").write_text("<modeling>\n<calculation>")
    aluminium = reference_data / "dos" / "pymatgen_Al_ismear2_vasprun.xml.gz"
    done = dosml("dos", "bad.xml", aluminium)
    assert done.returncode == 2
    assert "bad.xml is cut off" in done.stderr
    assert "no d shell in Al" in done.stdout
    done = dosml("dos", reference_data / "dos" / FE, "--window", "-100", "5")
    assert done.returncode == 2
    assert "narrow the window" in done.stderr
