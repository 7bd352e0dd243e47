"""`dosml phonons` from the command line, with a calculator that takes no time."""

import numpy as np
import pandas as pd
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from typer.testing import CliRunner

from dosml.cli import app
from dosml.errors import FrameError, InputError, LearnerError, UnknownElementError
from dosml.relabel.engines.xtb import XtbEngine
from dosml.relabel.execution.runner import open_runner
from dosml.relabel.execution.settings import RunSettings
from dosml.studies.force_source import force_source, read_structure, sigma_of_model
from dosml.studies.phonons import ForceTask, compute_forces


class Counting(EMT):
    computed = 0

    def calculate(self, *arguments, **keywords):
        Counting.computed += 1
        super().calculate(*arguments, **keywords)


@pytest.fixture
def emt(monkeypatch):
    """The engine gives EMT's forces; how often it is asked is counted."""
    pytest.importorskip("phonopy", reason="the phonons extra is not installed")
    Counting.computed = 0
    monkeypatch.setattr(XtbEngine, "calculator", lambda _engine, _setting: Counting())


def run(*arguments):
    return CliRunner().invoke(app, ["phonons", *map(str, arguments)])


@pytest.mark.usefixtures("emt")
def test_bands_are_written_and_forces_are_not_computed_twice(tmp_path):
    out = tmp_path / "bands"
    options = ("xtb", "--structure", "fcc-Cu", "--min-length", 7, "--points", 30, "--out", out)
    result = run(*options)
    assert result.exit_code == 0, result.output
    assert "no imaginary modes" in result.stdout
    assert "pressure" in result.stdout
    table = pd.read_csv(out / "phonons.csv")
    assert len(table) == 30 * 3
    # EMT copper: 7 to 8 THz at the zone boundary, as measured (7.3 THz at L, Svensson 1967)
    assert table["frequency_thz"].max() == pytest.approx(7.5, abs=0.8)
    report = (out / "report.html").read_text(encoding="utf-8")
    assert "is the crystal stable?" in report
    assert "<strong>Yes.</strong>" in report
    assert "no imaginary modes" in report
    for name in ("phonons.png", "phonons.pdf", "phonons.txt"):
        assert (out / name).stat().st_size > 0
    forces = list((out / "forces").glob("*.npy"))
    assert len(forces) == 3  # undisplaced, one displacement of either sign
    computed = Counting.computed
    forces[0].write_bytes(b"damaged")
    assert run(*options).exit_code == 0
    assert Counting.computed == computed + 2  # the damaged one and the pressure
    pd.testing.assert_frame_equal(pd.read_csv(out / "phonons.csv"), table, atol=1e-6)


@pytest.mark.usefixtures("emt")
def test_another_width_has_forces_of_its_own(tmp_path):
    for width in (0.2, 0.4):
        options = ("--structure", "fcc-Cu", "--min-length", 3, "--points", 5, "--sigma", width)
        assert run("xtb", *options, "--out", tmp_path).exit_code == 0
    assert len(list((tmp_path / "forces").glob("*.npy"))) == 6


def test_structures_by_name_and_by_file(tmp_path):
    assert len(read_structure("hcp-Os")) == 2
    assert len(read_structure("Os")) == 2
    assert len(read_structure("fcc-Os")) == 4
    file = tmp_path / "cell.extxyz"
    bulk("Cu", cubic=True).write(file)
    assert np.allclose(read_structure(str(file)).cell.lengths(), 3.61)
    (tmp_path / "bad.cif").write_text("nothing")
    with pytest.raises(FrameError, match="cannot read frames from .*bad.cif"):
        read_structure(str(tmp_path / "bad.cif"))
    with pytest.raises(InputError, match="no prototype 'hpc'"):
        read_structure("hpc-Os")
    with pytest.raises(UnknownElementError):
        read_structure("Xx")


def test_what_is_no_model_is_named(tmp_path):
    with pytest.raises(InputError, match="neither a file nor an engine"):
        force_source("model.npz", sigma=None, scheme="fermi-dirac", device=None)
    file = tmp_path / "sigma_0.5.npz"
    np.savez(file, a=np.zeros(3))
    with pytest.raises(LearnerError, match="is not a model"):
        force_source(str(file), sigma=None, scheme="fermi-dirac", device=None)
    assert sigma_of_model(str(file)) == 0.5
    assert sigma_of_model("xtb") is None


def test_forces_are_the_same_from_another_process(tmp_path):
    """What a worker on a cluster computes is what this process does."""
    atoms = bulk("Cu") * (2, 1, 1)
    atoms.rattle(0.1, seed=1)
    spec = force_source("xtb", sigma=1.0, scheme=None, device=None).spec
    tasks = [ForceTask(spec, atoms, tmp_path / f"{name}.npy") for name in ("here", "there")]
    compute_forces(tasks[0])
    with open_runner(RunSettings(), tmp_path, workers=1) as runner:
        assert len(list(runner.run(compute_forces, tasks[1:]))) == 1
    here, there = (np.load(task.path) for task in tasks)
    assert here.shape == (2, 3)
    np.testing.assert_allclose(here, there, atol=1e-9)
