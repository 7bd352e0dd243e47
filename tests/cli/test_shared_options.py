"""Options written once: every setting is an option of its command, with its default in the help."""

from __future__ import annotations

import inspect

import pytest
from typer.testing import CliRunner

from dosml.cli import app
from dosml.cli.map import electron_map
from dosml.cli.nelect_scan import nelect_scan
from dosml.cli.smear_scan import smear_scan
from dosml.settings import SmearScanSettings
from dosml.studies.electron_settings import ElectronScanSettings, MapSettings

COMMANDS = [
    (smear_scan, SmearScanSettings, set()),
    (nelect_scan, ElectronScanSettings, {"dataset"}),
    (electron_map, MapSettings, {"dataset"}),
]


@pytest.mark.parametrize(("command", "model", "without"), COMMANDS)
def test_every_setting_of_a_scan_is_an_option_of_its_command(command, model, without) -> None:
    options = set(inspect.signature(command).parameters) - {"config", "dry_run"}
    # tables of learners' own options stand in configuration files only
    assert options == set(model.model_fields) - {"learner_options"} - without


@pytest.mark.parametrize(("model", "without"), [one[1:] for one in COMMANDS])
def test_the_help_says_the_defaults_of_the_settings(model, without, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = CliRunner().invoke(app, [model.command, "--help"]).output
    lines = {line.split()[1]: line for line in text.splitlines() if "--" in line.split("<")[0]}
    for name in ("train", "test"):
        assert f"Default: {model.model_fields[name].default}." in lines[f"--{name}"]
    assert f"Default: dosml-{model.command}-TARGET." in lines["--out"]
    assert ("--dataset" in lines) == ("dataset" not in without)
    # in the order of the scan: what it varies, how it labels, how it trains, how it runs
    order = [key for key in lines if key in ("--sigma", "--scheme", "--train", "--device")]
    assert order == ["--sigma", "--scheme", "--train", "--device"]
    assert list(lines)[-3:] == ["--config", "--dry-run", "--help"]


def test_a_study_takes_what_its_scans_take() -> None:
    command = ["study", "Ti", "Cu", "--learner", "sgp", "--dry-run"]
    plain = CliRunner().invoke(app, command)
    shipped = CliRunner().invoke(app, [*command, "--dataset", "reference"])
    assert plain.exit_code == shipped.exit_code == 0
    assert "xtb" in plain.output
    assert "xtb" not in shipped.output
