"""Options written once: every setting is an option of its command, with its default in the help."""

from __future__ import annotations

import inspect

import pytest
from typer.testing import CliRunner

from dosml.cli import app
from dosml.cli.grid import grid
from dosml.cli.learning_curve import learning_curve
from dosml.cli.map import electron_map
from dosml.cli.nelect_scan import nelect_scan
from dosml.cli.shared_options import named_options
from dosml.cli.smear_scan import smear_scan
from dosml.cli.train import train
from dosml.cli.transfer import transfer
from dosml.errors import InputError
from dosml.learners.registry import learner_names
from dosml.relabel.engines.registry import engine_names
from dosml.studies.open_study import (
    CurveSettings,
    GridSettings,
    TrainSettings,
    TransferSettings,
)
from dosml.studies.scan_settings import ElectronScanSettings, MapSettings, SmearScanSettings

SCANS = [
    (smear_scan, SmearScanSettings),
    (nelect_scan, ElectronScanSettings),
    (electron_map, MapSettings),
]
STUDIES = [
    (train, TrainSettings),
    (grid, GridSettings),
    (learning_curve, CurveSettings),
    (transfer, TransferSettings),
]
#: Options under another name than their setting: given one by one, or the other way round.
NAMES = {
    "engine_option": "engine_options",
    "learner_option": "learner_options",
    "no_stress": "stress",
}


@pytest.mark.parametrize(("command", "model"), [*SCANS, *STUDIES])
def test_every_setting_is_an_option_of_its_command(command, model) -> None:
    options = set(inspect.signature(command).parameters) - {"config", "dry_run", "_write_config"}
    # where a command runs stands in files (cluster.toml)
    assert {NAMES.get(name, name) for name in options} == set(model.model_fields) - {"run"}


@pytest.mark.parametrize("model", [one[1] for one in SCANS])
def test_the_help_says_the_defaults_of_the_settings(model, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    text = CliRunner().invoke(app, [model.command, "--help"]).output
    lines = {line.split()[1]: line for line in text.splitlines() if "--" in line.split("<")[0]}
    for name in ("train", "test"):
        assert f"[default: {model.model_fields[name].default}]" in lines[f"--{name}"]
    assert f"[default: dosml-{model.command}-TARGET]" in lines["--out"]
    assert ", ".join(engine_names()) in text
    assert ", ".join(learner_names()) in text
    # in the order of the scan: what it varies, how it labels, how it trains, how it runs
    order = [key for key in lines if key in ("--sigma", "--scheme", "--train", "--device")]
    assert order == ["--sigma", "--scheme", "--train", "--device"]
    assert list(lines)[-2:] == ["--dry-run", "--write-config"]


def test_a_survey_takes_what_its_scans_take() -> None:
    command = ["survey", "Ti", "Cu", "--learner", "sgp", "--dry-run"]
    plain = CliRunner().invoke(app, [*command, "--engine", "xtb"])
    shipped = CliRunner().invoke(app, [*command, "--labels", "reference"])
    assert plain.exit_code == shipped.exit_code == 0
    assert "xtb" in plain.output
    assert "xtb" not in shipped.output
    every = CliRunner().invoke(app, ["survey", "--labels", "reference", "--dry-run"])
    assert all(f"{metal}: to do" in every.output for metal in ("Au", "Cu", "Os", "Ti"))


def test_options_by_name_are_read_as_in_toml() -> None:
    read = named_options("--engine-option", ["a=1", "b = 2.5", "c=true", "d=word", "e-f=[1, 2]"])
    assert read == {"a": 1, "b": 2.5, "c": True, "d": "word", "e_f": [1, 2]}
    for text in ("a", "=1", "a="):
        with pytest.raises(InputError, match="write NAME=VALUE"):
            named_options("--engine-option", [text])
