"""Options and configuration files: the command line wins, unknown keys are errors."""

from __future__ import annotations

from pathlib import Path

import pytest

from dosml.errors import InputError
from dosml.settings import default_folder, join_settings
from dosml.studies.angular_need import AngularNeedSettings
from dosml.studies.open_study import TrainSettings
from dosml.studies.scan_settings import SmearScanSettings, load_scan_settings


def test_defaults_need_only_a_target() -> None:
    settings = load_scan_settings(SmearScanSettings, {"target": "Ti"}, None)
    assert settings.sigma == (0.2, 0.5, 1.0, 2.0)
    assert settings.folder == Path("dosml-smear-scan-Ti")
    assert not settings.target_is_file


def test_an_element_is_an_element_beside_a_folder_of_its_name(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "Ti").mkdir()
    assert not load_scan_settings(SmearScanSettings, {"target": "Ti"}, None).target_is_file
    assert load_scan_settings(SmearScanSettings, {"target": "Ti.extxyz"}, None).target_is_file
    assert load_scan_settings(SmearScanSettings, {"target": "frames/Ti"}, None).target_is_file


def test_lists_are_comma_separated_text_or_toml_arrays(tmp_path) -> None:
    config = tmp_path / "study.toml"
    config.write_text('target = "Cu"\nsigma = [0.1, 0.3]\nkpoints = "1,1,1"\n')
    settings = load_scan_settings(SmearScanSettings, {}, config)
    assert settings.sigma == (0.1, 0.3)
    assert settings.kpoints == (1, 1, 1)


def test_every_option_can_come_from_a_file_and_the_command_line_wins(tmp_path) -> None:
    config = tmp_path / "study.toml"
    values = {
        "target": '"Os"',
        "sigma": '"0.2,1.0"',
        "scheme": '"fermi-dirac"',
        "kpoints": "[1, 1, 1]",
        "engine": '"xtb"',
        "engine-options": "{ xtb = { accuracy = 0.5 } }",
        "preset": '"laptop"',
        "labels": '"reference"',
        "dos-engine": '"xtb"',
        "learner": '"sgp"',
        "sampler": '"engine"',
        "train": "6",
        "test": "3",
        "seed": "5",
        "workers": "1",
        "out": '"somewhere"',
        "prototype": '"fcc"',
        "cell": '"small"',
        "min-length": "6.5",
        "cutoff": "4.5",
        "n-max": "6",
        "zeta": "1",
        "descriptor": '"B2"',
        "nu": "3",
        "l-max": "3",
        "inducing": "50",
        "learner-preset": '"quick"',
        "epochs": "3",
        "learner-options": "{ sgp = {} }",
        "device": '"cpu"',
        "retry-failed": "true",
    }
    assert {key.replace("-", "_") for key in values} == set(SmearScanSettings.model_fields) - {
        "run"
    }
    config.write_text("".join(f"{key} = {value}\n" for key, value in values.items()))
    settings = load_scan_settings(SmearScanSettings, {"seed": 7, "test": None}, config)
    assert settings.seed == 7
    assert settings.test == 3
    assert settings.out == Path("somewhere")
    assert settings.min_length == 6.5
    assert settings.retry_failed


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("sigmas = '0.2,1'", r"unknown key sigmas; did you mean sigma"),
        ("colour = 1", r"unknown key colour; known keys: learner, cutoff"),
        ("train = ", r"not valid TOML"),
        ("train = 'many'", r"--train 'many' cannot be used"),
        ("min-length = 7\nmin_length = 8", r"'min_length' is given twice"),
    ],
)
def test_bad_configuration_is_named(tmp_path, line: str, message: str) -> None:
    config = tmp_path / "study.toml"
    config.write_text(f"{line}\n")
    with pytest.raises(InputError, match=message):
        load_scan_settings(SmearScanSettings, {"target": "Ti"}, config)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sigma": "0.2"}, r"one sigma only \(0.2\)"),
        ({"sigma": "0,1"}, r"widths above 0 eV, got 0,1"),
        ({"sigma": "-0.2,1"}, r"widths above 0 eV, got -0.2,1"),
        ({"sigma": "nan,1"}, r"widths above 0 eV"),
        ({"sigma": "0.2,0.2"}, r"holds a width twice"),
        ({"sigma": "0.2,x"}, r"--sigma 'x' cannot be used|--sigma"),
        ({"kpoints": "2,2"}, r"three numbers"),
        ({"train": 1}, r"--train 1 cannot be used"),
        ({"workers": 0}, r"--workers 0 cannot be used"),
    ],
)
def test_bad_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_scan_settings(SmearScanSettings, {"target": "Ti", **options}, None)


def test_missing_target_and_missing_file(tmp_path) -> None:
    with pytest.raises(InputError, match="nothing to scan"):
        load_scan_settings(SmearScanSettings, {}, None)
    with pytest.raises(InputError, match="cannot read --config"):
        load_scan_settings(SmearScanSettings, {"target": "Ti"}, tmp_path / "none.toml")


def test_a_study_of_labels_that_are_made_lies_beside_that_of_ones_own():
    own, made = SmearScanSettings(target="Ti"), SmearScanSettings(target="Ti", labels="reference")
    assert own.folder == Path("dosml-smear-scan-Ti")
    assert made.folder == Path("dosml-smear-scan-Ti-reference")
    trained = TrainSettings(targets=("Ti",), labels="there/dosml-vasp-Ti")
    assert trained.folder == Path("dosml-train-Ti-vasp-Ti")
    assert TrainSettings(labels="reference").folder == Path("dosml-train-reference")
    assert default_folder("train", "dosml-map-Cu", None) == Path("dosml-train-map-Cu")
    assert default_folder("recommend", "Cu", "reference") == Path("dosml-recommend-Cu-reference")


def test_one_value_where_a_list_is_given():
    with pytest.raises(InputError, match="--l-max '2,4' cannot be used: this command takes one"):
        join_settings(
            TrainSettings, {"targets": ("a",), "l_max": "2,4"}, None, required=None, nothing=""
        )


def test_other_metals_or_labels_have_another_folder_of_the_angular_need() -> None:
    of = AngularNeedSettings
    assert of(targets=("Ti", "Cu"), labels="reference").folder == Path(
        "dosml-angular-need-Ti-Cu-reference"
    )
    assert of(labels="dosml-smear-scan-si").folder == Path("dosml-angular-need-smear-scan-si")
    many = tuple(f"dosml-smear-scan-{metal}" for metal in ("Ti", "Zr", "Hf", "Cu", "Au"))
    assert of(targets=many).folder == Path("dosml-angular-need-5-metals")
