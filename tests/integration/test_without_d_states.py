"""Silicon and rock salt in every command that takes frames: one rule where there are no d states.

The labels are made up and bring a density of states with something projected on d, as codes do it
there: polarisation, no d band.
"""

from __future__ import annotations

import re
from dataclasses import replace

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.lj import LennardJones
from typer.testing import CliRunner

from dosml.cli import app
from dosml.relabel.dataset import Dataset, LabelSet, save
from dosml.relabel.frames import canonical
from dosml.relabel.own_d import no_d_words, own_d
from dosml.theory.dos import ElectronicDos
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

CELLS = {"Si": bulk("Si", cubic=True), "NaCl": bulk("NaCl", "rocksalt", a=5.64)}
SMALL = ["--cutoff", "4", "--n-max", "3", "--l-max", "1", "--inducing", "20", "--workers", "1"]
GRID = ["--cutoff", "4,5", "--n-max", "3", "--l-max", "1", "--zeta", "2", "--inducing", "20"]
NEED = ["--l-max", "0,1", "--cutoff", "4", "--n-max", "3", "--inducing", "20", "--workers", "1"]
#: Command -> what stands behind the labels. Those of the d band say that there is none.
ON_LABELS = {
    "train": SMALL,
    "grid": [*GRID, "--label-sets", "sigma_0.5", "--workers", "1"],
    "learning-curve": ["--sizes", "3,6", *SMALL],
    "transfer": SMALL,
    "recommend-smearing": [],
    "evaluate": ["--model", "ase:ase.calculators.lj:LennardJones"],
    "angular-need": NEED,
    "benchmark": SMALL,
}
SAYS_IT = {"angular-need", "benchmark"}
#: What no report of these frames holds outside its limits and its source.
OF_THE_D_BAND = re.compile(r"d-band|d band|d-DOS|n<sub>d</sub>|χ<sub>|d density")


def dos(elements):
    grid = np.linspace(-10, 10, 201)
    total = np.exp(-((grid + 4) ** 2)) + np.exp(-((grid - 4) ** 2))
    return ElectronicDos(
        grid, total, 0.1 * total, d_by_element=dict.fromkeys(elements, 0.1 * total), broadening=0.1
    )


@pytest.fixture(params=["Si", pytest.param("NaCl", marks=pytest.mark.slow)])
def material(request, tmp_path, monkeypatch):
    """Folder `labels` with two label sets, and frames.extxyz, in the working folder."""
    monkeypatch.chdir(tmp_path)
    frames = []
    for seed in range(9):
        atoms = CELLS[request.param].copy()
        atoms.rattle(0.05, seed=seed)
        atoms.info |= {"tier": ("cold", "melt")[seed % 2], "split": "test" if seed > 5 else "train"}
        frames.append(atoms)
    ase.io.write("frames.extxyz", frames)
    made = []
    for atoms in frames:
        atoms.calc = LennardJones(sigma=2.0, epsilon=0.3, rc=5.0)
        made.append((atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()))
        atoms.calc = None
    energies, forces, stresses = zip(*made, strict=True)
    one = LabelSet(np.array(energies), list(forces), np.array(stresses))
    elements = sorted(set(frames[0].symbols))
    sets = [
        replace(
            one,
            setting=ElectronicSetting(Smearing("gaussian", width)),
            name="",
            dos=dos(elements),
            forces=[(1 - 0.1 * width) * force for force in forces],
        )
        for width in (0.5, 2.0)
    ]
    save(Dataset.of([canonical(atoms) for atoms in frames], sets), tmp_path / "labels")
    return request.param


def run(*words):
    return CliRunner().invoke(app, list(map(str, words)))


def check_report(path, *, says):
    """No number of a d band stands in the report, and the reason does where one would stand."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(
        r"<script.*?</script>|<style.*?</style>|data:image[^\"]*", "", text, flags=re.DOTALL
    )
    assert ("no d states here" in text) == says
    # limits quote the engine; the source is the title of a paper
    shown = text.split('<details class="part" id="limits"')[0]
    shown = shown.replace(
        "There are no d states here: columns, figures and sentences on the d band", ""
    )
    assert not OF_THE_D_BAND.findall(shown)


@pytest.mark.parametrize("command", ON_LABELS)
@pytest.mark.usefixtures("material")
def test_studies_of_labels(command, tmp_path):
    done = run(command, "labels", *ON_LABELS[command], "--out", "out")
    assert done.exit_code == 0, done.output + repr(done.exception)
    check_report(tmp_path / "out" / "report.html", says=command in SAYS_IT)


@pytest.mark.slow
@pytest.mark.usefixtures("material")
def test_a_scan_of_labels(tmp_path):
    done = run("smear-scan", "--labels", "labels", *SMALL, "--out", "out")
    assert done.exit_code == 0, done.output + repr(done.exception)
    assert "no d states here" in done.output
    check_report(tmp_path / "out" / "report.html", says=True)


@pytest.mark.slow
@pytest.mark.usefixtures("material")
def test_a_survey_of_labels(tmp_path):
    """It asks for the d-DOS, and what is published of metals stays: no figure of ours is on it."""
    done = run("survey", "--labels", "labels", *SMALL, "--out", "out")
    assert done.exit_code == 0, done.output + repr(done.exception)
    assert "no d states here" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    drawn = {path.stem for path in (tmp_path / "out" / "figures").glob("*.png")}
    assert drawn == {"error_by_metal", "error_against_setting"}


def test_a_prediction_from_the_dos_says_it():
    done = run("predict-learnability", "--metal", "Si")
    assert done.exit_code == 2
    assert "no d states here: no d shell in Si" in done.output


#: Command, why it cannot be: what is known before any work.
REFUSED = {
    "unknown engine": ["smear-scan", "frames.extxyz", "--engine", "tb"],
    "no element": ["electron-series", "frames.extxyz", "--engine", "xtb"],
    "electrons": ["nelect-scan", "frames.extxyz", "--engine", "tb"],
    "map": ["map", "frames.extxyz", "--engine", "tb"],
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.usefixtures("material")
def test_refusals_are_the_same_before_and_leave_no_folder(case, tmp_path):
    said = []
    for more in (["--dry-run"], []):
        done = run(*REFUSED[case], "--out", "out", *more)
        assert done.exit_code != 0
        said.append(f"{done.output} {done.exception}")
    assert said[0] == said[1]
    assert not (tmp_path / "out").exists()


#: Commands without --dry-run: they refuse before their folder is made.
REFUSED_AT_ONCE = {
    "evaluate": ["evaluate", "labels", "--model", "absent.npz"],
    "recommend-smearing": ["recommend-smearing", "labels", "--metal", "Cu"],
    "train": ["train", "labels", "--label-sets", "sigma_7"],
    "grid": ["grid", "labels", "--zeta", "0"],
    "learning-curve": ["learning-curve", "labels", "--sizes", "3,100"],
    "transfer": ["transfer", "labels", "--train-on", "hot"],
    "structures": ["structures", "Si2", "--engine", "tb"],
    "validate": ["validate", "absent.npz"],
    "phonons": ["phonons", "absent.npz", "--structure", "Si"],
    "label-more": ["label-more", "labels", "--add", "2"],
    "body-order": ["body-order", "absent", "--frames", "frames.extxyz"],
    "angular-need": ["angular-need", "absent"],
    "benchmark": ["benchmark", "labels", "--metals", "Cu"],
}


@pytest.mark.parametrize("command", REFUSED_AT_ONCE)
@pytest.mark.usefixtures("material")
def test_refusals_leave_no_folder(command, tmp_path):
    done = run(*REFUSED_AT_ONCE[command], "--out", "out")
    assert done.exit_code != 0, done.output
    assert not (tmp_path / "out").exists(), sorted((tmp_path / "out").rglob("*"))


def test_the_rule():
    mixed = dos(["Cl", "Ti"])
    assert not own_d(mixed, ["Cl"]).d.any()
    kept = own_d(mixed, ["Cl", "Ti"])
    assert set(kept.d_by_element) == {"Ti"}
    assert kept.d is mixed.d
    assert own_d(None, ["Ti"]) is None
    assert no_d_words(["Ti", "Cl"]) == ""
    assert no_d_words(["Na", "Cl"]) == "no d states here: no d shell in Cl, Na"
