"""Help that teaches: panels, examples, files of options, what to cite, what runs here."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from dosml.cli import app
from dosml.studies.open_study import CurveSettings, GridSettings, TrainSettings, TransferSettings
from dosml.studies.scan_settings import ElectronScanSettings, MapSettings, SmearScanSettings
from dosml.version import __version__

MODELS = [
    *(SmearScanSettings, ElectronScanSettings, MapSettings),
    *(TrainSettings, GridSettings, CurveSettings, TransferSettings),
]
EXAMPLES = [
    *("smear-scan", "nelect-scan", "map", "survey", "report", "recommend-smearing", "evaluate"),
    *("phonons", "dos", "train", "grid", "learning-curve", "transfer", "cite", "info"),
]


def run(*words):
    done = CliRunner().invoke(app, list(words), env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("model", MODELS)
def test_a_written_config_holds_keys_that_the_command_takes(model, tmp_path):
    path = tmp_path / "study.toml"
    assert f"wrote {path}" in run(model.command, "--write-config", str(path))
    text = path.read_text(encoding="utf-8")
    assert tomllib.loads(text) == {}  # everything is a comment
    keys = set(re.findall(r"^# (\w+) = $", text, flags=re.MULTILINE))
    known = {field.alias or name for name, field in model.model_fields.items()}
    assert keys <= known, keys - known
    assert known - keys <= {"run", "stress"}


def test_a_file_that_is_there_is_not_written_over(tmp_path):
    path = tmp_path / "study.toml"
    path.write_text("train = 3\n")
    done = CliRunner().invoke(app, ["smear-scan", "--write-config", str(path)])
    assert done.exit_code != 0
    assert path.read_text() == "train = 3\n"


def test_options_stand_in_panels_and_flags_show_no_value():
    text = run("smear-scan", "--help")
    for panel in ("Physics", "Frames and labels", "Force field", "Running"):
        assert f" {panel} " in text
    line = next(one for one in text.splitlines() if "--retry-failed" in one)
    assert "<bool>" not in line


@pytest.mark.parametrize("name", EXAMPLES)
def test_every_command_has_an_example_that_can_be_read(name):
    command = get_command(app).commands[name]
    example = re.search(r"Example: dosml (\S+)", command.help)
    assert example is not None
    assert example.group(1) in get_command(app).commands


def test_what_to_cite_is_in_the_citation_file():
    text = run("cite")
    assert "10.1038/s41524-024-01264-z" in text
    assert f"version = {{{__version__}}}" in text
    cff = Path(__file__).parents[2] / "CITATION.cff"
    if cff.is_file():
        assert "doi: 10.1038/s41524-024-01264-z" in cff.read_text()
        assert f"version: {__version__}" in cff.read_text()


def test_info_has_what_a_report_of_a_bug_needs():
    text = run("info")
    for word in ("dosml", "python", "torch", "system", "processor cores", "engines", "learners"):
        assert re.search(rf"^{word}\s+\S", text, flags=re.MULTILINE), word
