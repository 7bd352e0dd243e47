"""Errors that the k-points of the labels could make are marked wherever they are shown."""

from __future__ import annotations

import html
import io
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.made_up_campaigns import METALS, write_campaign
from rich.console import Console

from dosml.analysis.figures.electron_map import map_figure
from dosml.analysis.figures.error_figures import error_figure
from dosml.analysis.figures.scan_figures import draw_figures
from dosml.analysis.measures.columns import describe
from dosml.analysis.report.findings import findings, limits
from dosml.analysis.report.scan_report import write_report
from dosml.analysis.report.survey_report import write_survey_report
from dosml.analysis.report.terminal import terminal_table
from dosml.analysis.report.verdict import verdict
from dosml.analysis.statistics.campaigns import read_campaign
from dosml.analysis.statistics.label_noise import MARK_WORDS, noise_sentences, within_noise
from dosml.analysis.statistics.scan import summarise
from dosml.analysis.statistics.survey import SurveyData


def with_noise(scan, *, share: float):
    """The first setting has this share of its MAE as label noise, the others a hundredth."""
    settings = []
    for number, one in enumerate(scan.settings):
        sums = one.held_out.force_sums()
        part = share if number == 0 else 0.01
        noise = part * sums.mean_absolute_error
        percent = part * sums.percent_error
        settings.append(replace(one, label_noise=noise, label_noise_percent=percent))
    return replace(scan, settings=settings)


def without_noise(scan):
    blank = {"label_noise": float("nan"), "label_noise_percent": float("nan")}
    return replace(scan, settings=[replace(one, **blank) for one in scan.settings])


def shown(table) -> str:
    screen = io.StringIO()
    Console(file=screen, width=80).print(terminal_table(table))
    return screen.getvalue()


@pytest.mark.parametrize(("share", "marked"), [(0.34, True), (0.33, False)])
def test_a_third_is_the_limit(make_scan, share, marked) -> None:
    table = summarise(with_noise(make_scan((0.2, 2.0)), share=share))
    np.testing.assert_array_equal(within_noise(table), [marked, False])


def test_columns_say_what_they_are(scan) -> None:
    table = summarise(scan)
    assert table["label_noise_ev_per_angstrom"].tolist() == [
        one.label_noise for one in scan.settings
    ]
    assert table["label_noise_percent"].iloc[0] == pytest.approx(0.8)
    assert describe("label_noise_ev_per_angstrom").unit == "eV/Å"
    assert "three times" in describe("label_noise_percent").definition


def test_sentences(make_scan) -> None:
    scan = make_scan((0.2, 2.0))
    (clean,) = noise_sentences(summarise(with_noise(scan, share=0.1)))
    assert "at σ = 0.2 eV" in clean
    assert "three times that or more" in clean
    table = summarise(with_noise(scan, share=0.5))
    noisy = next(one for one in findings(scan, table) if one.startswith("Label noise"))
    assert "The force error at σ = 0.2 eV is less than three times the label noise" in noisy
    assert noise_sentences(summarise(without_noise(scan))) == []


def test_what_is_not_known_is_said(make_scan) -> None:
    scan = without_noise(make_scan((0.2, 2.0)))
    assert any(one.startswith("The label noise is not known.") for one in limits(scan))
    told = {**scan.facts, "label noise": "not known: the engine x has no denser grid of k-points"}
    assert any("engine x has no denser grid" in one for one in limits(replace(scan, facts=told)))
    assert not any("label noise" in one for one in limits(make_scan((0.2, 2.0))))
    text = shown(summarise(scan))
    assert "noise" not in text
    assert "ΔF rms" in text


def test_the_terminal_marks_the_error_and_stays_80_wide(make_scan) -> None:
    table = summarise(with_noise(make_scan((0.2, 2.0)), share=0.5))
    text = shown(table)
    rows = [line for line in text.splitlines() if line.strip().startswith(("0.2 ", "2 "))]
    assert f"{table['force_percent_error'][0]:.1f}* (" in rows[0]
    assert "*" not in rows[1]
    assert f" {table['label_noise_percent'][0]:.1f} " in rows[0]
    assert " ".join(MARK_WORDS.split()[:6]) in " ".join(text.split())
    assert max(map(len, text.splitlines())) <= 80
    assert "*" not in shown(summarise(with_noise(make_scan((0.2, 2.0)), share=0.1)))


@pytest.mark.usefixtures("words_only")
def test_the_report_marks_the_error_and_says_what_the_mark_means(make_scan, tmp_path) -> None:
    scan = with_noise(make_scan((0.2, 2.0)), share=0.5)
    table = summarise(scan)
    write_report(tmp_path / "report.html", scan, table, draw_figures(scan, table, tmp_path))
    text = html.unescape((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert f">{table['force_percent_error'][0]:.2f}*<" in text
    assert f">{table['force_percent_error'][1]:.2f}<" in text
    assert MARK_WORDS in text
    assert "Empty points" in text


def test_figures_draw_the_noise_and_empty_the_points(make_scan) -> None:
    scan = with_noise(make_scan((0.2, 1.0, 2.0)), share=0.5)
    table = summarise(scan)
    left = error_figure(scan, table).axes[0]
    lines = {line.get_label(): line for line in left.get_lines()}
    np.testing.assert_allclose(lines["label noise"].get_ydata(), table["label_noise_percent"])
    marked = lines["below 3 x noise"]
    assert marked.get_markerfacecolor() == "white"
    np.testing.assert_allclose(marked.get_ydata(), table["force_percent_error"][:1])
    bare = without_noise(scan)
    assert not any(
        line.get_label() == "label noise"
        for line in error_figure(bare, summarise(bare)).axes[0].get_lines()
    )


def test_the_map_marks_its_cells(make_scan) -> None:
    parts = [make_scan((0.5, 2.0), shift=shift) for shift in (-1.0, 0.0)]
    scan = replace(parts[0], settings=[one for part in parts for one in part.settings])
    noisy = with_noise(scan, share=0.5)
    cells = [text.get_text() for text in map_figure(noisy, summarise(noisy)).axes[0].texts]
    assert [cell.endswith("*") for cell in cells].count(True) == 1
    assert len(cells) == 4


@pytest.mark.parametrize("noisy", [0, 3, 10])
def test_the_test_of_a_survey_is_made_without_its_noisy_metals_too(tmp_path, noisy) -> None:
    for number, metal in enumerate(METALS):
        write_campaign(tmp_path / metal, metal, label_noise=1.0 if number < noisy else 0.01)
    survey = SurveyData([read_campaign(tmp_path / metal) for metal in METALS])
    test = survey.primary
    assert sorted(test.noisy) == sorted(METALS[:noisy])
    assert (test.clear_interval == test.interval) == (noisy == 0)
    assert np.isnan(test.clear_interval.low) == (noisy == 10)  # two metals are left
    (sentence,) = [one for one in verdict(survey).sentences if one.startswith("Label noise")]
    named = sentence.partition("is the error of ")[2].partition(":")[0].split(", ")
    assert sorted(named) == (sorted(METALS[:noisy]) if noisy else [""])


@pytest.mark.usefixtures("words_only")
def test_the_survey_marks_metals_in_its_table(tmp_path) -> None:
    for metal in METALS[:3]:
        write_campaign(tmp_path / metal, metal, label_noise=1.0 if metal == "V" else np.nan)
    survey = SurveyData([read_campaign(tmp_path / metal) for metal in METALS[:3]])
    answer, report = write_survey_report(tmp_path / "joined", survey)
    text = html.unescape(report.read_text(encoding="utf-8"))
    rows = pd.read_csv(tmp_path / "joined" / "metals.csv").query("sigma_ev == 0.2")
    errors = dict(zip(rows["metal"], rows["force_percent_error"], strict=True))
    assert f">{errors['V']:.2f}*<" in text
    assert f">{errors['Ti']:.2f}<" in text
    assert MARK_WORDS in text
    assert any("of V:" in one for one in answer.sentences)
