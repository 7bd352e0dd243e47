import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dosml.analysis.statistics.correlation import correlate, correlate_within, holm, leave_one_out
from dosml.analysis.statistics.measures_ranking import rank_measures
from dosml.analysis.statistics.published import (
    D_BAND_CENTERS,
    published_force_errors,
    published_metals,
    published_table,
)
from dosml.errors import InputError

RNG = np.random.default_rng(0)
X = RNG.normal(0, 1, 12)
Y = 0.8 * X + RNG.normal(0, 0.6, 12)
Z = RNG.normal(0, 1, (12, 2))


def test_coefficients_are_those_of_scipy():
    found = correlate(X, Y)
    assert found.n == 12
    assert found.pearson == pytest.approx(stats.pearsonr(X, Y).statistic)
    assert found.spearman == pytest.approx(stats.spearmanr(X, Y).statistic)
    assert np.isnan(found.partial)


def test_partial_correlation_is_that_of_the_inverse_covariance():
    found = correlate(X, Y, controls=Z * [1, 3000] + [0, 1800])
    precision = np.linalg.inv(np.cov(np.column_stack([X, Y, Z]).T))
    expected = -precision[0, 1] / np.sqrt(precision[0, 0] * precision[1, 1])
    assert found.partial == pytest.approx(expected)


def test_a_common_cause_explains_the_correlation_away():
    rng = np.random.default_rng(4)
    cause = rng.normal(0, 1, 40)
    x, y = cause + rng.normal(0, 0.3, 40), cause + rng.normal(0, 0.3, 40)
    found = correlate(x, y, controls=cause)
    assert found.pearson > 0.8
    assert found.pearson_p < 0.001
    assert abs(found.partial) < 0.35
    assert found.partial_p > 0.05


def test_permutation_p_of_four_points_in_a_row_counts_permutations():
    # of 24 orders only 1234 and 4321 reach |r| = 1: p = 2/24
    found = correlate([1, 2, 3, 4], [10, 20, 30, 40])
    assert found.pearson == pytest.approx(1)
    assert found.pearson_p == pytest.approx(2 / 24)
    assert found.spearman_p == pytest.approx(2 / 24)


def test_p_values_are_uniform_without_a_correlation():
    rng = np.random.default_rng(1)
    pairs = [
        correlate(rng.normal(0, 1, 8), rng.normal(0, 1, 8), controls=rng.normal(0, 1, 8))
        for _ in range(60)
    ]
    for name in ("pearson_p", "spearman_p", "partial_p"):
        values = [getattr(pair, name) for pair in pairs]
        assert stats.kstest(values, "uniform").pvalue > 0.01


def test_interval_holds_the_coefficient_and_repeats_with_the_seed():
    found = correlate(X, Y, seed=3)
    assert found.pearson_interval.low < found.pearson < found.pearson_interval.high
    assert found.pearson_interval == correlate(X, Y, seed=3).pearson_interval


def test_controls_that_explain_everything_leave_no_partial_correlation():
    assert np.isnan(correlate(X, Y, controls=X).partial)
    assert np.isnan(correlate(X[:5], Y[:5], controls=Z[:5]).partial)  # one degree of freedom


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        ([1, 2, 3], [1, 2, 3], "4 points"),
        ([1, 2, 3, 4], [1, 2, 3, 4, 5], "4 points"),
        ([1, 2, 3, np.nan], [1, 2, 3, 4], "finite"),
        ([1, 1, 1, 1], [1, 2, 3, 4], "constant"),
    ],
)
def test_points_without_a_correlation_are_refused(x, y, words):
    with pytest.raises(InputError, match=words):
        correlate(x, y)


def test_correlation_within_metals_forgets_what_distinguishes_them():
    # across metals the trend is down, inside each it is up
    x = np.array([0, 1, 2, 10, 11, 12.0])
    y = np.array([50, 51, 52, 0, 1, 2.0])
    assert correlate(x, y).pearson < -0.9
    r, p, n = correlate_within(x, y, ["Ti"] * 3 + ["Cu"] * 3)
    assert r == pytest.approx(1)
    assert n == 2
    assert p == pytest.approx(2 / 36, abs=0.01)  # both up or both down of 6 x 6 orders
    with pytest.raises(InputError, match="two settings"):
        correlate_within(x, y, list("abcdef"))
    with pytest.raises(InputError, match="constant within"):
        correlate_within([1, 1, 2, 2], [1, 2, 3, 4], ["a", "a", "b", "b"])


def test_leave_one_out_agrees_with_the_hat_matrix():
    design = np.column_stack([np.ones(12), X])
    hat = design @ np.linalg.inv(design.T @ design) @ design.T
    residual = (Y - hat @ Y) / (1 - np.diag(hat))
    np.testing.assert_allclose(leave_one_out(X, Y), Y - residual)


def test_leave_one_out_without_features_is_the_mean_of_the_others():
    np.testing.assert_allclose(leave_one_out(np.empty((12, 0)), Y), (Y.sum() - Y) / 11)


def test_all_settings_of_a_metal_are_left_out_together():
    y = np.array([1, 1, 1, 5, 5, 9.0])
    predicted = leave_one_out(np.empty((6, 0)), y, ["Ti", "Ti", "Ti", "Cu", "Cu", "Au"])
    np.testing.assert_allclose(predicted, [19 / 3] * 3 + [3] * 2 + [13 / 5])
    with pytest.raises(InputError, match="leaving Ti out"):
        leave_one_out(np.arange(4.0), y[:4], ["Ti", "Ti", "Ti", "Cu"])


def test_holm_of_a_worked_example():
    # 4 p-values: 0.005 x 4, 0.01 x 3, then 0.03 x 2 = 0.06 which 0.04 may not undercut
    adjusted = holm([0.01, 0.04, 0.03, 0.005, np.nan])
    np.testing.assert_allclose(adjusted, [0.03, 0.06, 0.06, 0.02, np.nan])


@pytest.fixture
def metals():
    rng = np.random.default_rng(5)
    n = 14
    cause = rng.normal(0, 1, n)
    table = pd.DataFrame({"metal": [f"M{k}" for k in range(n)], "cause": cause})
    table["noise"] = rng.normal(0, 1, n)
    table["center"] = cause + rng.normal(0, 1.0, n)
    table["mav"] = rng.normal(1, 0.1, n)
    table["force_percent_error"] = 8 + 2 * cause + rng.normal(0, 0.3, n)
    table.loc[0, "noise"] = np.nan
    return table


def test_ranking_finds_the_cause_and_counts_metals(metals):
    ranking = rank_measures(
        metals,
        target="force_percent_error",
        measures=["noise", "center", "cause"],
        baseline="center",
        controls=["mav"],
    )
    assert ranking["measure"].tolist()[0] == "cause"
    assert ranking.set_index("measure")["n"].to_dict() == {"noise": 13, "center": 14, "cause": 14}
    best = ranking.iloc[0]
    assert best["loo_mae"] < best["loo_mae_baseline"] < best["loo_mae_mean"]
    assert best["loo_q2"] > 0.9
    assert best["pearson_p_holm"] == pytest.approx(3 * best["pearson_p"])
    centre = ranking.set_index("measure").loc["center"]
    assert centre["loo_mae"] == centre["loo_mae_baseline"]


def test_ranking_of_noise_finds_nothing(metals):
    ranking = rank_measures(metals, target="force_percent_error", measures=["noise", "mav"])
    assert (ranking["loo_mae_baseline"] == ranking["loo_mae_mean"]).all()
    assert (ranking["pearson_p_holm"] > 0.05).all()


def test_tables_that_cannot_be_ranked_are_refused(metals):
    with pytest.raises(InputError, match="no_such"):
        rank_measures(metals, target="force_percent_error", measures=["no_such"])
    with pytest.raises(InputError, match="of measures"):
        rank_measures(metals, target="force_percent_error", measures=[])
    with pytest.raises(InputError, match="M0 has more"):
        rank_measures(
            pd.concat([metals, metals.iloc[:1]]), target="force_percent_error", measures=["mav"]
        )
    with pytest.raises(InputError, match="noise against force_percent_error, 2 metals"):
        rank_measures(metals[:3], target="force_percent_error", measures=["noise"])


def test_published_tables_hold_27_metals_and_marked_errors():
    metals, errors = published_metals(), published_force_errors()
    assert metals["metal"].is_unique
    assert len(metals) == 27
    assert set(errors["metal"]) <= set(metals["metal"])
    assert set(errors["confidence"]) == {"medium", "low-medium", "low"}
    assert errors["force_percent_error"].between(1, 50).all()
    assert not errors.duplicated(["metal", "protocol", "model"]).any()


def test_published_table_joins_metal_by_metal():
    table = published_table().set_index("metal")
    assert len(table) == 15
    assert table.loc["Ti", "force_percent_error"] == 9.84
    assert table.loc["Ti", "d_band_center_vojvodic2014_ev"] == 0.7
    assert table.loc["Ti", "melting_temperature_k"] == 1941
    with pytest.raises(InputError, match="'all tiers' with 'NequIP'"):
        published_table("all tiers", "FLARE B2")


def test_published_d_band_centres_do_not_settle_the_published_errors():
    # on the metals whose error is legible no published centre survives correction
    ranking = rank_measures(
        published_table(), target="force_percent_error", measures=list(D_BAND_CENTERS)
    )
    assert ranking.set_index("measure")["n"].loc[list(D_BAND_CENTERS)].tolist() == [14, 13, 13]
    assert (ranking["pearson"] > 0).all()
    assert (ranking["pearson_p_holm"] > 0.05).all()
