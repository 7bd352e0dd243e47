"""Ranking of learners, the fitted factor, and what the DOS tells of their errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from dosml.analysis.measures.table import PRIMARY
from dosml.analysis.report.benchmark_sections import latex_table, why_sentences
from dosml.analysis.statistics.benchmark import (
    TARGET,
    benchmark_rows,
    costs,
    fitted_factor,
    ranking,
    scaled,
    why_hard,
    with_published,
)
from dosml.analysis.statistics.results import HeldOut


def held(seed=0, factor=0.5, count=3, offset=0.0):
    """Predictions that are the labels times a factor."""
    rng = np.random.default_rng(seed)
    forces = [rng.normal(size=(4, 3)) for _ in range(count)]
    energies, stresses = rng.normal(size=count), rng.normal(size=(count, 6))
    return HeldOut(
        forces=forces,
        forces_predicted=[factor * one for one in forces],
        energies=energies,
        energies_predicted=factor * (energies - 4 * offset),
        stresses=stresses,
        stresses_predicted=factor * stresses,
    )


def test_the_factor_is_least_squares() -> None:
    assert fitted_factor(held(factor=0.5)) == pytest.approx(2.0)
    noisy = held()
    noisy.forces_predicted[0][:] = 0.0
    labelled, said = np.concatenate(noisy.forces), np.concatenate(noisy.forces_predicted)
    best = np.linalg.lstsq(said.reshape(-1, 1), labelled.ravel(), rcond=None)[0][0]
    assert fitted_factor(noisy) == pytest.approx(best)


def test_scaled_predictions_are_the_labels_again() -> None:
    fit, test = held(1, offset=2.5), held(2, offset=2.5)
    ones = np.ones((3, 1))
    turned = scaled(test, fit, ones, ones)
    np.testing.assert_allclose(turned.energies_predicted, test.energies)
    np.testing.assert_allclose(turned.stresses_predicted, test.stresses)
    assert turned.facts["force_factor"] == pytest.approx(2.0)


def test_rows_have_all_percent_errors() -> None:
    rows = benchmark_rows({"metal": "Ti"}, held(), ["cold", "cold", "melt"])
    assert [row["tier"] for row in rows] == ["all", "cold", "melt"]
    assert rows[0][TARGET] == pytest.approx(50.0)
    assert rows[0]["stress_percent_error"] == pytest.approx(50.0)
    each = held().energies / 4
    spread = np.abs(each - each.mean()).mean()
    expected = 100 * np.abs(0.5 * each).mean() / spread
    assert rows[0]["energy_percent_error"] == pytest.approx(expected)


def table(errors: dict[str, dict[str, float]]) -> pd.DataFrame:
    rows = [
        {
            "metal": metal,
            "label_set": "labels",
            "learner": learner,
            TARGET: value,
            "force_mae_ev_per_angstrom": value / 1000,
            "energy_mae_ev_per_atom": 0.001,
            "stress_percent_error": np.nan,
            "seconds_in_all": 2.0,
            "cpu_seconds_in_all": 3.0,
            "training": f"{learner}-{metal}",
        }
        for learner, by_metal in errors.items()
        for metal, value in by_metal.items()
    ]
    return pd.DataFrame(rows)


def test_the_ranking_counts_what_all_were_tested_on() -> None:
    ranked = ranking(
        table({"a": {"Ti": 10, "Cu": 1, "Os": 1}, "b": {"Ti": 8, "Cu": 2}, "c": {"Ti": 9, "Cu": 9}})
    )
    assert list(ranked["learner"]) == ["b", "a", "c"]
    assert list(ranked["n"]) == [2, 2, 2]
    assert list(ranked[TARGET]) == [5.0, 5.5, 9.0]
    assert list(ranked["wins"]) == [1, 1, 0]
    assert list(ranked["mean_rank"]) == [1.5, 2.0, 2.5]
    assert list(ranked["cpu_seconds_in_all"]) == [6.0, 6.0, 6.0]
    assert ranking(table({"a": {"Ti": 1}, "b": {"Cu": 1}})).empty


def test_a_training_of_several_label_sets_costs_once() -> None:
    one = table({"a": {"Ti": 1.0, "Cu": 1.0}})
    both = pd.concat([one, one.assign(label_set="other")], ignore_index=True)
    (row,) = costs(both).to_dict("records")
    assert (row["seconds_in_all"], row["cpu_seconds_in_all"], row["trainings"]) == (4.0, 6.0, 2)


def test_errors_that_follow_chi_4() -> None:
    metals = ["Ti", "Zr", "Cu", "Ag", "Os", "Mo"]
    chi = np.array([0.9, 0.8, 0.1, 0.15, 0.5, 0.6])
    errors = dict(zip(metals, np.exp(1 + 2 * chi), strict=True))
    measures = pd.DataFrame({"metal": metals, PRIMARY: chi, "d_band_center_ev": 1.0})
    found = why_hard(table({"a": errors, "b": {"Ti": 1.0}}), measures)
    assert list(found) == ["a"]
    (row,) = found["a"].to_dict("records")  # a measure that does not vary is none
    assert row["measure"] == PRIMARY
    assert row["pearson"] == pytest.approx(1.0)
    assert row["loo_q2"] == pytest.approx(1.0)
    (line,) = why_sentences(found)
    assert "r = +1.00" in line
    assert "n = 6 metals" in line


def test_published_values_stand_beside_ours() -> None:
    joined = with_published(table({"a": {"Ti": 1.0, "Al": 2.0}}))
    assert joined["published_force_percent_error"].tolist()[0] == pytest.approx(9.84)
    assert np.isnan(joined["published_force_percent_error"].tolist()[1])


def test_the_latex_table_marks_the_best() -> None:
    text = latex_table(table({"a_b": {"Ti": 10.0, "Cu": 1.0}, "c": {"Ti": 8.0}}))
    lines = text.splitlines()
    assert lines[2] == r"metal & a\_b & c \\ \hline"
    assert lines[3] == r"Ti & 10.0 (10) & \textbf{8.0 (8)} \\"
    assert lines[4] == r"Cu & \textbf{1.0 (1)} & -- \\"
