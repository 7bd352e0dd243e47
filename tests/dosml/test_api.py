"""The tool from Python: what a notebook gets, quiet, with one-line errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from ase.build import bulk

import dosml
from dosml.errors import DosmlError, InputError
from dosml.relabel.dataset import Dataset
from dosml.theory.dos import ElectronicDos

SMALL = {"cutoff": 4.0, "n_max": 3, "l_max": 2, "inducing": 30}


@pytest.fixture(scope="module")
def scan(tmp_path_factory) -> dosml.api.Scan:
    out = tmp_path_factory.mktemp("api") / "scan"
    return dosml.smear_scan("Cu", labels="reference", sigma=(0.2, 2.0), out=out, **SMALL)


def test_a_scan_gives_what_a_notebook_needs(scan, capsys) -> None:
    assert list(scan.table["sigma_ev"]) == [0.2, 2.0]
    assert isinstance(scan.dataset, Dataset)
    assert isinstance(scan.dos["sigma_0.2"], ElectronicDos)
    assert set(scan.models) == {"sigma_0.2", "sigma_2"}
    assert scan.report.is_file()
    assert {"d_dos", "error_against_sigma"} <= set(scan.figures)
    html = scan._repr_html_()
    assert "force_percent_error" in html
    assert "report.html" in html
    assert capsys.readouterr().out == ""


def test_a_model_is_a_calculator_with_the_error_of_the_table(scan) -> None:
    data = scan.dataset
    calculator = scan.models["sigma_2"]
    predicted = []
    for n in data.test:
        atoms = data.frames[n].copy()
        atoms.calc = calculator
        predicted.append(atoms.get_forces())
    labelled = np.concatenate(data.take(data.test).label_sets[1].forces)
    mae = np.abs(np.concatenate(predicted) - labelled).mean()
    assert scan.table["force_mae_ev_per_angstrom"][1] == pytest.approx(mae, rel=1e-6)


def test_a_folder_is_loaded_as_what_it_is(scan) -> None:
    again = dosml.load(scan.folder)
    pd.testing.assert_frame_equal(again.table, scan.table)
    labels = dosml.load(scan.folder / "label_sets")
    assert isinstance(labels, Dataset)
    assert labels.content() == scan.dataset.content()
    model = dosml.load_model(scan.models.files["sigma_2"])
    atoms = labels.frames[0].copy()
    atoms.calc = model
    assert np.isfinite(atoms.get_potential_energy())
    with pytest.raises(DosmlError):
        dosml.load(scan.folder / "nothing")


def test_progress_is_printed_where_it_is_asked_for(scan, capsys) -> None:
    again = dosml.smear_scan(
        "Cu", labels="reference", sigma=(0.2, 2.0), out=scan.folder, progress=True, **SMALL
    )
    assert "trained before" in capsys.readouterr().out
    pd.testing.assert_frame_equal(again.table, scan.table)


def test_studies_of_its_labels(scan, tmp_path) -> None:
    curve = dosml.learning_curve(
        scan.folder, sizes=(5, 40), out=tmp_path / "curve", learner_options={}, **SMALL
    )
    assert set(curve.table["n_train"]) == {5, 40}
    assert len(curve.fits) == 2
    assert "learning_curve" in curve.figures
    trained = dosml.train(scan.folder, out=tmp_path / "train", label_sets="sigma_2", **SMALL)
    assert trained.table["force_percent_error"][0] > 0
    assert np.isfinite(trained.models["sigma_2"].results.get("energy", 0.0))
    assert "force_percent_error" in trained._repr_html_()


def test_a_survey_of_the_shipped_labels(tmp_path) -> None:
    survey = dosml.survey(
        ("Cu", "Au"), labels="reference", sigma=(0.2, 2.0), out=tmp_path / "survey", **SMALL
    )
    assert set(survey.table["metal"]) == {"Cu", "Au"}
    assert survey.report.is_file()
    assert set(dosml.load(tmp_path / "survey").scans) == {"Cu", "Au"}


def test_own_frames_and_an_ase_calculator(tmp_path, monkeypatch) -> None:
    frames = []
    for seed in range(6):
        atoms = bulk("Cu", cubic=True)
        atoms.rattle(0.1, seed=seed)
        frames.append(atoms)
    module = tmp_path / "made_up_emt.py"
    module.write_text(
        "from ase.calculators.emt import EMT\n\n\ndef make(setting):\n    return EMT()\n"
    )
    monkeypatch.chdir(tmp_path)
    scan = dosml.smear_scan(
        frames,
        engine="ase:made_up_emt:make",
        scheme="gaussian",
        sigma=(0.2, 1.0),
        train=4,
        test=2,
        out=tmp_path / "own",
        **SMALL,
    )
    assert scan.dos == {"sigma_0.2": None, "sigma_1": None}
    assert scan.table["d_band_center_ev"].isna().all()
    # EMT knows no smearing
    assert len(set(scan.table["force_mav_ev_per_angstrom"])) == 1


@pytest.mark.parametrize(
    ("call", "options", "words"),
    [
        (dosml.smear_scan, {"target": "Xx"}, "Xx"),
        (
            dosml.smear_scan,
            {"target": "Ti", "sigmas": (0.2, 1.0)},
            "no option sigmas; did you mean",
        ),
        (dosml.smear_scan, {"target": "Ti", "sigma": (0.2,)}, "one sigma only"),
        (dosml.smear_scan, {}, "nothing to scan"),
        (dosml.smear_scan, {"labels": "reference"}, "dosml.survey for all"),
        (dosml.nelect_scan, {"target": "Ti", "electrons": "nonsense"}, "--electrons"),
        (dosml.train, {}, "no labels named"),
        (dosml.survey, {}, "nothing to survey"),
    ],
)
def test_errors_are_one_line_of_ours(call, options, words, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as error:
        call(**options)
    assert words in str(error.value)
    assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_is_listed() -> None:
    assert {"smear_scan", "nelect_scan", "survey", "train", "load", "load_model"} <= set(dir(dosml))
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        dosml.nonsense  # noqa: B018
