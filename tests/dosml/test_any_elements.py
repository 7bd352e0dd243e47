"""Frames of any elements: alloys and compounds through labelling, learning and the report."""

from __future__ import annotations

import ase.io
import numpy as np
import pandas as pd
import pytest
from ase.build import bulk
from typer.testing import CliRunner

from dosml.cli import app
from dosml.relabel.bands import band_count
from dosml.relabel.elements import has_d_shell, valence_electrons
from dosml.relabel.engines.registry import default_engine
from dosml.theory.smearing import Smearing

SMALL = [
    "--train",
    "3",
    "--test",
    "2",
    "--sigma",
    "0.5,2",
    "--cutoff",
    "4",
    "--n-max",
    "3",
    "--l-max",
    "1",
]


def frames(path, atoms, count=5):
    made = []
    for seed in range(count):
        frame = atoms.copy()
        frame.rattle(0.08, seed=seed)
        made.append(frame)
    ase.io.write(path, made)
    return path


def alloy(one, other, a):
    atoms = bulk(one, "fcc", a=a, cubic=True)
    atoms.symbols[:2] = other
    return atoms


def scan(*options):
    return CliRunner().invoke(app, ["smear-scan", *map(str, options), *SMALL])


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_alloy_is_labelled_trained_and_reported(here):
    path = frames(here / "cuau.extxyz", alloy("Cu", "Au", 3.85))
    done = scan(path, "--engine", "xtb", "--out", "alloy")
    assert done.exit_code == 0, done.output
    table = pd.read_csv("alloy/results.csv")
    assert np.isfinite(table["force_percent_error"]).all()
    assert table["d_band_center_ev"].notna().all()
    species = pd.read_csv("alloy/errors_by_element.csv")
    assert list(species["element"]) == ["Au", "Cu"]
    report = (here / "alloy" / "report.html").read_text(encoding="utf-8")
    assert "Errors by element" in report
    # the two d bands: gold's is wider, and half of each makes that of the cell
    bands = pd.read_csv("alloy/element_bands.csv")
    assert list(bands["element"]) == ["Au", "Au", "Cu", "Cu"]
    gold, _, copper, _ = bands["d_band_width_ev"]
    assert gold > copper
    name = "n_d_fermi_bare_states_per_ev_atom"
    cell = table[name].to_numpy()
    np.testing.assert_allclose(bands[name].to_numpy().reshape(2, 2).mean(axis=0), cell, rtol=1e-3)
    assert "d bands by element" in report
    assert "d density of states by element" in report
    assert "AuCu" in report
    assert len(ase.io.read("alloy/worst.extxyz", index=":")) == 2


@pytest.mark.slow
def test_without_d_electrons_there_are_no_d_states(here):
    """Of an engine's own labels; tests/integration/test_without_d_states.py has the fast twin."""
    path = frames(here / "si.extxyz", bulk("Si"))
    done = scan(path, "--engine", "xtb", "--out", "silicon")
    assert done.exit_code == 0, done.output
    assert "no d states here" in done.output
    # GFN1 gives silicon polarisation functions of l = 2: they are no d band
    table = pd.read_csv("silicon/results.csv")
    assert table["d_band_center_ev"].isna().all()
    assert table["n_total_fermi_bare_states_per_ev_atom"].notna().all()
    report = (here / "silicon" / "report.html").read_text(encoding="utf-8")
    assert "no d states here" in report
    assert "d-band" not in report.split('id="columns"')[0]


def test_a_refusal_is_the_same_before_and_leaves_no_folder(here):
    path = frames(here / "tial.extxyz", alloy("Al", "Ti", 4.05))
    said = []
    for more in (["--dry-run"], []):
        done = scan(path, "--engine", "tb", "--out", "refused", *more)
        assert done.exit_code != 0
        said.append(str(done.exception))
    assert said[0] == said[1]
    assert "labels frames of one element, this one holds Al, Ti" in said[0]
    assert not (here / "refused").exists()


def test_the_default_engine_of_an_alloy_takes_several_elements():
    assert default_engine(["Cu", "Au"]).name == "tb"  # two metals that are compared
    assert default_engine(["Cu", "Au"], mixed=True).name != "tb"
    assert "one element" in default_engine(["Cu", "Au"], mixed=True).reason


@pytest.mark.parametrize(
    ("symbol", "has"), [("Ti", 1), ("Zn", 1), ("Os", 1), ("La", 1), ("Si", 0), ("Ga", 0), ("Na", 0)]
)
def test_which_elements_have_a_d_shell(symbol, has):
    assert has_d_shell(symbol) == bool(has)


def test_electrons_of_an_atom_outside_the_table_are_all_valence():
    assert valence_electrons("Ti", 12) == 4
    assert valence_electrons("Al", 3) == 3


def test_bands_of_an_alloy_lie_between_those_of_its_parts():
    def bands(zval, valence):
        return band_count(
            n_atoms=8,
            n_electrons=8 * zval,
            zval=zval,
            valence_electrons=valence,
            volume=130.0,
            smearing=Smearing("methfessel-paxton-1", 0.2),
        )

    counts = [bands(3, 3), bands(7.5, 3.5), bands(12, 4)]
    assert counts == sorted(counts)
    assert np.diff(counts).min() > 0
