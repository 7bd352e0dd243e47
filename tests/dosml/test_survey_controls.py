"""Controls of a survey: what is planned, and one small survey with all of them."""

import numpy as np
import pandas as pd
import pytest
from helpers.made_up_campaigns import write_campaign

import dosml.studies.scan
from dosml.analysis.measures.table import PRIMARY
from dosml.analysis.report.control_sections import control_sections, control_sentences
from dosml.analysis.statistics.controls import (
    Controls,
    crystal_table,
    electron_correlations,
    read_controls,
)
from dosml.errors import InputError
from dosml.plan import resolve
from dosml.progress import Reporter
from dosml.relabel.elements import element
from dosml.relabel.engines.registry import OWN, default_engine
from dosml.studies.scan_settings import ElectronSeriesSettings, load_scan_settings
from dosml.studies.survey import survey_plans
from dosml.studies.survey_controls import KINDS, control_lines, plan_controls, run_all
from dosml.studies.survey_report import survey_of


def plans(folder, metals=("Cu", "Ti", "Mo"), **options):
    return survey_plans(metals, options, None, folder=folder)


def test_every_kind_of_control_is_planned_beside_the_metals(tmp_path):
    controls = plan_controls(plans(tmp_path), KINDS, tmp_path)
    crystals = {(p.settings.target, p.settings.prototype) for p in controls.crystals}
    assert crystals == {("Cu", "hcp"), ("Cu", "bcc"), ("Ti", "fcc"), ("Mo", "fcc")}
    assert {p.settings.sigma for p in controls.crystals} == {(0.2, 2.0)}
    for scan, series in zip(controls.scans, controls.electrons, strict=True):
        metal = element(scan.settings.target)
        filled = [
            one.electrons_per_atom_shift + metal.valence_electrons for one in series.electronic
        ]
        assert filled == list(range(3, 12))
        # labelled along with the metal's own scan: one diagonalisation
        assert scan.source.also == series.electronic
        assert series.source.place(series.folder) == scan.folder
        assert series.source.store(series.folder).folder == scan.source.store(scan.folder).folder
        assert series.source.frames == scan.source.frames
    assert controls.pairs == ("Cu", "Ti", "Mo")
    folders = [plan.folder for plan in controls.plans]
    assert len(set(folders)) == len(folders)
    assert all(tmp_path / "controls" in folder.parents for folder in folders)
    lines = "\n".join(control_lines(controls))
    assert "control electrons/Ti: to do; labelled with the metal's own scan" in lines
    assert "control crystals/Cu-hcp: to do; 39 frames, 78 labels" in lines


def test_controls_that_cannot_be_made_are_refused(tmp_path):
    with pytest.raises(InputError, match="--controls crystal: there are crystals, electrons"):
        plan_controls(plans(tmp_path), ["crystal"], tmp_path)
    made = plans(tmp_path, ("Cu",), labels="reference")
    with pytest.raises(InputError, match="there is only --controls pairs"):
        plan_controls(made, KINDS, tmp_path)
    assert plan_controls(made, ["pairs"], tmp_path).pairs == ("Cu",)


def test_evidence_takes_every_metal_of_the_first_engine_and_enough_frames(tmp_path):
    chosen = survey_plans([], {}, None, evidence=True, folder=tmp_path)
    assert len(chosen) >= 9
    assert all(default_engine([plan.settings.target]).name == OWN[0].name for plan in chosen)
    assert {plan.counts.train for plan in chosen} == {36}
    assert {plan.counts.test for plan in chosen} == {18}
    assert {plan.settings.sigma for plan in chosen} == {(0.2, 0.5, 1.0, 2.0)}
    with pytest.raises(InputError, match="give one"):
        survey_plans(["Ti"], {}, None, small=True, evidence=True, folder=tmp_path)
    own = survey_plans(["Ti"], {"train": 7}, None, evidence=True, folder=tmp_path)
    assert own[0].counts.train == 7


def test_a_series_counts_electrons_of_an_element_and_labels_itself():
    plan = resolve(load_scan_settings(ElectronSeriesSettings, {"target": "Cu", "fill": "9,11"}))
    assert [one.electrons_per_atom_shift for one in plan.electronic] == [-2.0, 0.0]
    for options in ({"target": "frames.extxyz"}, {"target": "Cu", "labels": "reference"}):
        with pytest.raises(InputError, match="electron-series"):
            load_scan_settings(ElectronSeriesSettings, options)


def made_up_series(metals=("Ti", "Cu")):
    """MAE as chi_4, MAV rising with the electrons: the percentage does not follow."""
    rows = []
    for metal in metals:
        for n in range(3, 12):
            chi = 0.1 + n * (11 - n) / 30
            row = {"metal": metal, "electrons": n, PRIMARY: chi, "sigma_ev": 0.3}
            row["force_mae_ev_per_angstrom"] = 0.1 * chi
            row["force_mav_ev_per_angstrom"] = 0.2 * np.exp(0.25 * n)
            row["force_percent_error"] = 100 * 0.1 * chi / row["force_mav_ev_per_angstrom"]
            rows.append(row)
    return pd.DataFrame(rows)


def test_the_series_separates_the_two_parts_of_the_percentage():
    table = electron_correlations(made_up_series()).set_index("metal")
    assert table["mae_pearson"].to_numpy() == pytest.approx(1.0)
    assert (table["mav_pearson"] < 0).all()  # larger forces where chi_4 is small
    assert (table["percent_pearson"] < 0.99).all()
    own = pd.DataFrame({"metal": ["Ti"], "sigma_ev": [0.2], "crystal": ["hcp"]})
    (sentence,) = control_sentences(Controls(electrons=made_up_series()), own, seed=0)
    assert "the MAE +1.00 (+1.00 to +1.00, positive in 2 of 2)" in sentence


def test_crystals_stand_beside_the_metals_own():
    own = pd.DataFrame(
        {
            "metal": ["Cu", "Ti", "Au"],
            "crystal": ["fcc", "hcp", "fcc"],
            "sigma_ev": 0.2,
            "force_percent_error": [4.0, 24.0, 4.0],
            PRIMARY: [0.1, 0.5, 0.1],
        }
    )
    others = pd.DataFrame(
        {
            "metal": ["Cu", "Cu", "Ti"],
            "crystal": ["hcp", "bcc", "fcc"],
            "sigma_ev": [0.2, 0.2, 0.2],
            "force_percent_error": [5.0, 8.0, 12.0],
            PRIMARY: [0.12, 0.2, 0.4],
        }
    )
    table = crystal_table(others, own)
    assert table["metal"].tolist() == ["Cu"] * 3 + ["Ti"] * 2
    assert table[table["own"]]["crystal"].tolist() == ["fcc", "hcp"]
    (sentence,) = control_sentences(Controls(crystals=others), own, seed=0)
    assert "In other crystals (2 metals) the force error is 1.25 times" in sentence


def test_the_series_uses_the_labels_that_were_made_with_the_metals_own(tmp_path, monkeypatch):
    written = {}

    def write(campaign, *, data, **_):
        folder = campaign.folder
        written[folder.name, folder.parent.name] = data
        pd.DataFrame({"sigma_ev": [0.2]}).to_csv(folder / "results.csv")
        return None, folder / "report.html"

    monkeypatch.setattr(dosml.studies.scan, "write_findings", write)
    options = {
        "cell": "small",
        "kpoints": (1, 1, 1),
        "sigma": (0.2, 2.0),
        "train": 6,
        "test": 3,
        "workers": 1,
        "inducing": 20,
        "l_max": 1,
        "n_max": 3,
        "learner_options": {"sgp": {"max_iterations": 2}},
    }
    chosen = survey_plans(["Cu"], options, None, folder=tmp_path)
    controls = plan_controls(chosen, ["electrons"], tmp_path)
    metals, beside = run_all(controls, tmp_path, Reporter())
    assert [one.failure for one in (*metals, *beside)] == [None] * 2
    own, series = written["Cu", tmp_path.name], written["Cu", "electrons"]
    assert own.frame_ids == series.frame_ids
    assert (len(own.label_sets), len(series.label_sets)) == (2, 9)
    # frames of both scans, and a held-out frame of three tiers on the denser grid
    made = list((tmp_path / "Cu" / "labels").rglob("*.npz"))
    assert len(made) == (9 + 3) * (2 + 9)
    assert not (tmp_path / "controls" / "electrons" / "Cu" / "labels").exists()
    again, once_more = run_all(controls, tmp_path, Reporter())
    assert again[0].reused
    assert once_more[0].reused


def test_controls_are_read_back_and_stand_on_the_page_of_the_survey(tmp_path):
    for metal in ("Ti", "Cu", "Au", "Mo"):
        write_campaign(tmp_path / metal, metal)
    beside = tmp_path / "controls"
    write_campaign(beside / "crystals" / "Cu-hcp", "Cu", run={"prototype": "hcp"}.items())
    series = write_campaign(beside / "electrons" / "Ti", "Ti", run={"valence_electrons": 4}.items())
    results = pd.read_csv(series / "results.csv")
    results["sigma_ev"], results["electrons_per_atom_shift"] = 0.3, [1.0, -1.0, 0.0]
    results.to_csv(series / "results.csv", index=False)
    found = read_controls(tmp_path)
    assert found.electrons["electrons"].tolist() == [3.0, 4.0, 5.0]
    assert found.crystals[["metal", "crystal"]].to_numpy().tolist() == [["Cu", "hcp"]] * 3
    assert found.pairs is None
    rows = [
        {"metal": metal, "kind": kind, "sigma_ev": 0.2, PRIMARY: chi}
        | {"force_percent_error": error, "force_mae_ev_per_angstrom": 0.1}
        | {"pairs_explain_percent": 95.0}
        for metal, chi, own in (("Ti", 0.4, 20.0), ("Cu", 0.1, 4.0))
        for kind, error in (("labels", own), ("pairs", own / 4))
    ]
    (beside / "pairs" / "Ti").mkdir(parents=True)
    pd.DataFrame(rows).to_csv(beside / "pairs" / "Ti" / "pairs.csv", index=False)
    survey = survey_of([tmp_path])
    assert survey.controls.there
    assert survey.metals == ["Au", "Cu", "Mo", "Ti"]  # controls are no metals
    assert survey.crystals == {"Au": "fcc", "Cu": "fcc", "Mo": "bcc", "Ti": "hcp"}
    sections = control_sections(survey.controls, survey.own, tmp_path / "figures", seed=0)
    assert [one["name"] for one in sections] == [
        "control-electrons",
        "control-crystals",
        "control-pairs",
    ]
    assert "0.25 times that of the metal's own labels" in sections[2]["findings"][0]
    assert (tmp_path / "figures" / "electron_series.png").is_file()
    assert (tmp_path / "figures" / "crystals.png").is_file()
