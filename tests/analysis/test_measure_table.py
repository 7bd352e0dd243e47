"""The one table of DOS measures: a measure that is put into it is everywhere."""

from __future__ import annotations

import html
import json
from pathlib import Path

import numpy as np
import pytest
from helpers.made_up_campaigns import METALS, write_campaign
from typer.testing import CliRunner

from dosml.analysis.measures.columns import result_columns
from dosml.analysis.measures.measure import Measure
from dosml.analysis.measures.reading import DosWindows
from dosml.analysis.measures.survey_columns import describe
from dosml.analysis.measures.table import (
    MEASURES,
    measure_all,
    measure_markdown,
    ranked,
)
from dosml.analysis.report.scan_report import write_report
from dosml.analysis.report.survey_report import write_survey_report
from dosml.analysis.statistics.campaigns import read_campaign
from dosml.analysis.statistics.scan import summarise
from dosml.analysis.statistics.survey import SurveyData
from dosml.cli import app
from dosml.theory.dos import ElectronicDos
from dosml.theory.response_index import response_index
from dosml.theory.smearing import Smearing

DOCS = Path(__file__).parents[2] / "docs" / "findings.md"
GRID = np.linspace(-12, 12, 1201)
NEW = Measure(
    "d_made_up_states_per_atom",
    "made-up states",
    "states/atom",
    "d states on the whole grid.",
    lambda read: float(np.trapezoid(read.dos.d, read.dos.energies)),
    digits=5,
    expected_sign=1,
)


@pytest.fixture
def added(monkeypatch):
    monkeypatch.setitem(MEASURES, NEW.name, NEW)


def bell(centre, width, states):
    shape = np.exp(-0.5 * ((GRID - centre) / width) ** 2) / (width * np.sqrt(2 * np.pi))
    return states * shape


def doscar(path, d, total):
    """DOSCAR of one atom with s, p and d; E_F at 1.5 eV."""
    frame = f" {GRID[-1] + 1.5:.4f} {GRID[0] + 1.5:.4f} {len(GRID)} 1.5 1.0"
    head = ["   1   1   1   1", "  0.1E+02", "  1.0E-004", "  CAR ", " made up", frame]
    whole = [f"{e + 1.5:.4f} {n:.8f} 0.0" for e, n in zip(GRID, total, strict=True)]
    parts = [f"{e + 1.5:.4f} 0.0 0.0 {n:.8f}" for e, n in zip(GRID, d, strict=True)]
    path.write_text("\n".join([*head, *whole, frame, *parts]) + "\n")


@pytest.mark.usefixtures("added", "words_only")
def test_a_new_measure_is_in_results_report_and_ranking(make_scan, tmp_path):
    scan = make_scan(sigmas=(0.2, 2.0), train=6, test=6)
    table = summarise(scan)
    for value, setting in zip(table[NEW.name], scan.settings, strict=True):
        assert value == pytest.approx(np.trapezoid(setting.dos.d, setting.dos.energies))
    write_report(tmp_path / "report.html", scan, table, [])
    text = html.unescape((tmp_path / "report.html").read_text("utf-8"))
    assert NEW.definition in text
    assert f">{table[NEW.name].iloc[0]:.5f}<" in text
    for metal in METALS:
        write_campaign(tmp_path / metal, metal)
    survey = SurveyData([read_campaign(tmp_path / metal) for metal in METALS])
    assert NEW.name in set(survey.ranking["measure"])
    assert len(survey.ranking) == len(ranked()) == 15
    _, report = write_survey_report(tmp_path / "survey", survey)
    assert NEW.heading in report.read_text("utf-8")
    assert NEW.name in measure_markdown()


@pytest.mark.usefixtures("added")
def test_a_new_measure_is_printed_for_files(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    d = bell(-2.0, 1.5, 9.5)
    doscar(Path("DOSCAR"), d, d + 0.3)
    done = CliRunner().invoke(app, ["dos", "DOSCAR", "--json"])
    assert done.exit_code == 0, done.output
    (row,) = json.loads(done.stdout)
    assert row[NEW.name] == pytest.approx(9.5, rel=1e-4)
    done = CliRunner().invoke(app, ["dos", "DOSCAR"])
    assert NEW.heading in done.stdout
    assert NEW.unit in done.stdout


def test_files_and_scans_give_the_same_numbers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    d = bell(-2.0, 1.5, 9.5)
    doscar(Path("DOSCAR"), d, d + 0.3)
    line = ["dos", "DOSCAR", "--json", "--sigma", "0.4", "--scheme", "gaussian"]
    (row,) = json.loads(CliRunner().invoke(app, line).stdout)
    dos = ElectronicDos(GRID, d + 0.3, d)
    expected = measure_all(dos, Smearing("gaussian", 0.4), DosWindows())
    for name in MEASURES:
        if name == "d_orbital_spread_per_atom":  # a DOSCAR of LORBIT = 10 tells no orbitals apart
            assert row[name] is None
            continue
        assert row[name] == pytest.approx(expected[name], rel=1e-4, abs=1e-4), name
    # without a smearing nothing is smeared, and levels are filled sharply
    (row,) = json.loads(CliRunner().invoke(app, line[:3]).stdout)
    for name, one in MEASURES.items():
        assert (row[name] is None) == (one.smeared or name == "d_orbital_spread_per_atom"), name
    below = bell(-2.0, 1.5, 9.5)[(GRID >= -10) & (GRID <= 0)]
    electrons = np.trapezoid(below, GRID[(GRID >= -10) & (GRID <= 0)])
    assert row["d_electrons_per_atom"] == pytest.approx(electrons, rel=1e-4)
    # a smearing that the grid cannot show is said
    (row,) = json.loads(CliRunner().invoke(app, [*line[:3], "--sigma", "0.005"]).stdout)
    assert row["n_d_fermi_states_per_ev_atom"] is None
    assert "grid finer than 0.02 eV" in row["note"]


def test_many_files_stand_in_tables_side_by_side(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    d = bell(-2.0, 1.5, 9.5)
    names = [f"DOSCAR.{k}" for k in range(8)]
    for name in names:
        doscar(Path(name), d, d)
    done = CliRunner().invoke(app, ["dos", *names])
    assert done.stdout.count("d-band centre") == 2  # five files fit beside each other
    assert max(len(line) for line in done.stdout.splitlines() if "window:" not in line) <= 160
    for name in names:
        assert done.stdout.count(name) == 1


def test_chi_is_the_response_times_its_weight():
    dos = ElectronicDos(GRID, bell(-1, 1, 10), bell(-1, 1, 10))
    smearing = Smearing("fermi-dirac", 0.3)
    found = measure_all(dos, smearing, DosWindows())
    chi = response_index(dos, smearing, window=(-10, 10)).chi
    for rank, value in chi.items():
        assert found[f"chi_{rank}_states2_per_ev_atom2"] == value


def test_dos_of_all_states_at_the_fermi_level():
    dos = ElectronicDos(GRID, np.full(len(GRID), 2.0), bell(-1, 1, 10))
    found = measure_all(dos, Smearing("gaussian", 0.5), DosWindows())
    assert found["n_total_fermi_states_per_ev_atom"] == pytest.approx(2)
    assert found["n_total_fermi_bare_states_per_ev_atom"] == 2


def test_every_entry_is_complete():
    for name, one in MEASURES.items():
        assert name == one.name
        assert one.definition.endswith(".")
        assert describe(name) == one.column == result_columns()[name]
        # a name carries its unit, except pure numbers
        assert one.unit or not name.endswith(("_ev", "_atom", "_atom2"))


def test_the_documentation_holds_the_table():
    text = DOCS.read_text("utf-8")
    assert measure_markdown() in text
    assert f"| {len(ranked())} measures of the d band" in text
