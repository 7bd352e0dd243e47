"""A finished study of trainings goes into the campaign whose labels it used."""

import json
import shutil
from io import StringIO
from types import SimpleNamespace

import ase.io
import pandas as pd
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from rich.console import Console
from typer.testing import CliRunner

from dosml.analysis.report.scan_report import CONTENT, write_report
from dosml.analysis.report.study_sections import RECORD, STUDIES
from dosml.analysis.statistics.scan import summarise
from dosml.analysis.statistics.tables import write_tables
from dosml.campaign import Campaign
from dosml.cli import app
from dosml.progress import Reporter
from dosml.studies.attach import attach_study


def labelled(seed):
    frame = bulk("Cu", cubic=True)
    frame.rattle(0.05 if seed % 2 else 0.3, seed=seed)
    frame.calc = EMT()
    frame.info |= {"REF_energy": frame.get_potential_energy()}
    frame.arrays["REF_forces"] = frame.get_forces()
    frame.calc = None
    frame.info |= {"tier": "cold" if seed % 2 else "melt", "split": "train" if seed < 8 else "test"}
    return frame


@pytest.fixture(scope="module")
def scanned(scan, tmp_path_factory):
    """A finished campaign: label sets of copper, a report of made-up numbers."""
    folder = tmp_path_factory.mktemp("scan")
    (folder / "label_sets").mkdir()
    ase.io.write(folder / "label_sets" / "sigma_0.2.extxyz", [labelled(k) for k in range(12)])
    (folder / "campaign.json").write_text('{"dosml": "0", "subject": "Cu", "run": {}}')
    write_report(folder / "report.html", scan, summarise(scan), [])
    return folder


@pytest.fixture
def campaign(scanned, tmp_path):
    return shutil.copytree(scanned, tmp_path / "dosml-smear-scan-Cu")


def reporter():
    """A reporter and what it has said."""
    screen = StringIO()
    return Reporter(Console(file=screen, width=400)), screen


def attach(source, folder):
    """Attach a study of known results; give the files and what was said."""
    table = pd.DataFrame(
        {
            "learner": ["sgp"],
            "label_set": ["sigma_0.2"],
            "trained_on": ["cold"],
            "tested_on": ["melt"],
            "n_test_frames": [2],
            "percent_error": [31.5],
            "percent_error_low": [30.0],
            "percent_error_high": [33.0],
            "change": [float("nan")],
            "change_low": [float("nan")],
            "change_high": [float("nan")],
            "n_train": [4],
        }
    )
    tables = write_tables(table, folder, "transfer")
    settings = SimpleNamespace(command="transfer", seed=0)
    data = SimpleNamespace(names=("sigma_0.2",), tiers=["cold", "melt"], train=(0,), test=(0, 1))
    study = SimpleNamespace(folder=folder, data=data, source=source)
    talk, screen = reporter()
    files = attach_study(settings, study, tables=tables, reporter=talk)
    return files, screen.getvalue()


def test_transfer_on_a_scan_is_in_its_report(campaign, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = (campaign / "report.html").read_text("utf-8")
    line = ["transfer", "Cu", "--cutoff", "4", "--n-max", "3", "--l-max", "1", "--workers", "1"]
    for _ in range(2):  # the second run reads its trainings and replaces its study
        done = CliRunner().invoke(app, line)
        assert done.exit_code == 0, done.output
        assert "wrote dosml-smear-scan-Cu/report.html" in done.output
        assert [one.name for one in (campaign / STUDIES).iterdir()] == ["dosml-transfer-Cu"]
    text = (campaign / "report.html").read_text("utf-8")
    table = pd.read_csv("dosml-transfer-Cu/transfer.csv")
    assert len(table) == 4
    for error in table["percent_error"]:
        assert f">{error:.1f}<" in text
        assert f">{error:.1f}<" not in before.split('id="table"')[0]
    assert "(4 melt, 4 cold)" in text
    assert "have changed since" not in text


def test_labels_outside_a_campaign_are_left_alone(campaign, tmp_path):
    assert attach(None, tmp_path / "one") == ([], "")
    assert not (campaign / STUDIES).exists()


def test_two_studies_of_one_name_do_not_replace_each_other(campaign, tmp_path):
    for place in ("a", "b", "a"):
        attach(campaign, tmp_path / place / "transfer")
    names = sorted(one.name for one in (campaign / STUDIES).iterdir())
    assert names == ["transfer", "transfer-2"]
    found = [json.loads((campaign / STUDIES / one / RECORD).read_text())["folder"] for one in names]
    assert found == [str(tmp_path / one / "transfer") for one in ("a", "b")]


def test_a_campaign_in_use_is_told(campaign, tmp_path):
    before = (campaign / "report.html").read_text("utf-8")
    with Campaign(campaign, "Cu"):
        files, said = attach(campaign, tmp_path / "transfer")
    assert files == []
    assert "in use by another run" in said
    assert (campaign / "report.html").read_text("utf-8") == before
    assert (campaign / STUDIES / "transfer" / "transfer.csv").exists()


def test_an_older_report_is_told(campaign, tmp_path):
    (campaign / CONTENT).unlink()
    files, said = attach(campaign, tmp_path / "transfer")
    assert files == []
    assert "run its scan again" in said


def test_a_campaign_that_cannot_be_written_is_a_warning(campaign, tmp_path):
    (campaign / STUDIES).write_text("a file where a folder should be")
    files, said = attach(campaign, tmp_path / "transfer")
    assert files == []
    assert "does not show this study" in said
