import numpy as np
import pandas as pd
import pytest
from scipy import stats

from dosml.analysis.figures.learning_curve import learning_curve_figure
from dosml.analysis.figures.style import house_style
from dosml.analysis.statistics.curve_floor import floor_words
from dosml.analysis.statistics.errors import component_sums
from dosml.analysis.statistics.learning_curves import (
    fit_power_law,
    learning_curve_table,
    nested_subsets,
    without_law,
)
from dosml.analysis.statistics.shared_test import shared_test
from dosml.errors import InputError

SIZES = [8, 16, 32, 64]


def test_exact_power_law_is_found():
    law = fit_power_law(SIZES, 40 * np.array(SIZES, dtype=float) ** -0.37)
    assert law.amplitude == pytest.approx(40)
    assert law.exponent == pytest.approx(0.37)
    assert law.r_squared == pytest.approx(1)
    assert law.exponent_interval == pytest.approx((0.37, 0.37), abs=1e-6)
    np.testing.assert_allclose(law([1, 100]), [40, 40 * 100**-0.37])


def test_single_seed_agrees_with_scipy():
    errors = [12.0, 9.1, 7.5, 4.9]
    law = fit_power_law(SIZES, errors)
    other = stats.linregress(np.log(SIZES), np.log(errors))
    half = stats.t.ppf(0.975, 2) * other.stderr
    assert law.exponent == pytest.approx(-other.slope)
    assert law.r_squared == pytest.approx(other.rvalue**2)
    assert law.exponent_interval == pytest.approx((-other.slope - half, -other.slope + half))


def test_interval_from_seeds_covers_the_exponent_as_often_as_it_says():
    rng = np.random.default_rng(0)
    clean = np.log(30) - 0.4 * np.log(SIZES)
    hits = 0
    for _ in range(600):
        errors = np.exp(clean + rng.normal(0, 0.1, (4, 4)))
        low, high = fit_power_law(SIZES, errors).exponent_interval
        hits += low <= 0.4 <= high
    assert 0.92 <= hits / 600 <= 0.98  # 0.95 and three standard errors of the count


def test_exponent_of_several_seeds_is_the_mean_of_their_own():
    errors = np.array([[12.0, 9.1, 7.5, 4.9], [11.0, 9.5, 6.5, 5.2], [13.0, 8.0, 7.0, 5.0]])
    law = fit_power_law(SIZES, errors)
    own = [fit_power_law(SIZES, row).exponent for row in errors]
    assert law.exponent == pytest.approx(np.mean(own))
    assert law.n_seeds == 3
    assert law.amplitude == pytest.approx(
        stats.gmean([fit_power_law(SIZES, row).amplitude for row in errors])
    )


def test_two_sizes_of_one_seed_give_no_interval_and_flat_errors_no_r_squared():
    assert np.isnan(fit_power_law([8, 16], [2.0, 1.0]).exponent_interval.low)
    flat = fit_power_law(SIZES, np.ones(4))
    assert flat.exponent == pytest.approx(0)
    assert np.isnan(flat.r_squared)


@pytest.mark.parametrize(
    ("sizes", "errors", "words"),
    [
        ([8], [1.0], "two or more sizes"),
        ([8, 8], [1.0, 1.0], "two or more sizes"),
        ([8, 16], [1.0, 2.0, 3.0], "two or more sizes"),
        ([8, 16], [1.0, 0.0], "positive"),
        ([8, 16], [1.0, np.nan], "positive"),
    ],
)
def test_points_without_a_law_are_refused(sizes, errors, words):
    with pytest.raises(InputError, match=words):
        fit_power_law(sizes, errors)


def test_subsets_are_nested_balanced_and_repeat_with_the_seed():
    tiers = ["cold"] * 20 + ["warm"] * 20 + ["melt"] * 20
    subsets = nested_subsets(tiers, [6, 15, 60], seed=2)
    assert [len(s) for s in subsets] == [6, 15, 60]
    assert set(subsets[0]) < set(subsets[1]) < set(subsets[2]) == set(range(60))
    for subset in subsets:
        counts = [sum(tiers[k] == t for k in subset) for t in ("cold", "warm", "melt")]
        assert max(counts) - min(counts) == 0
    np.testing.assert_array_equal(subsets[1], nested_subsets(tiers, [15], seed=2)[0])
    assert set(subsets[1]) != set(nested_subsets(tiers, [15], seed=3)[0])


def test_strata_of_other_sizes_keep_their_share():
    tiers = ["cold"] * 40 + ["melt"] * 10
    (subset,) = nested_subsets(tiers, [25], seed=0)
    assert sum(tiers[k] == "melt" for k in subset) == 5


@pytest.mark.parametrize("sizes", [[], [0], [61]])
def test_subsets_that_cannot_be_are_refused(sizes):
    with pytest.raises(InputError, match="subset sizes"):
        nested_subsets(["a"] * 60, sizes, seed=0)


@pytest.fixture
def points():
    rng = np.random.default_rng(0)
    rows = [
        {
            "learner": "sgp",
            "l_max": l_max,
            "seed": seed,
            "n_train": n,
            "force_percent_error": 50 * n ** -(0.2 + 0.1 * l_max) * np.exp(rng.normal(0, 0.02)),
        }
        for l_max in (1, 3)
        for seed in (0, 1, 2)
        for n in SIZES
    ]
    return pd.DataFrame(rows)


def test_table_has_a_law_per_curve(points):
    table = learning_curve_table(points, by=["learner", "l_max"])
    assert table["l_max"].tolist() == [1, 3]
    np.testing.assert_allclose(table["exponent"], [0.3, 0.5], atol=0.03)
    assert (table["exponent_low"] < table["exponent"]).all()
    assert (table["n_seeds"] == 3).all()
    with pytest.raises(InputError, match="sigma_ev"):
        learning_curve_table(points, by=["sigma_ev"])


def test_a_size_that_a_seed_lacks_is_left_out(points):
    table = learning_curve_table(points.iloc[1:], by=["learner", "l_max"])
    assert table["n_sizes"].tolist() == [3, 4]


def test_an_error_that_rises_in_one_draw_is_no_law(points):
    rising = points[(points["seed"] == 0) & (points["l_max"] == 1)].copy()
    rising["force_percent_error"] = rising["force_percent_error"].to_numpy()[::-1]
    fits = learning_curve_table(rising, by=["learner", "l_max"])
    assert list(without_law(fits)) == [True]
    assert not without_law(learning_curve_table(points, by=["learner", "l_max"])).any()
    with house_style():
        axes = learning_curve_figure(rising, by=["learner", "l_max"]).axes[0]
    assert axes.get_legend_handles_labels()[1] == ["sgp, 1: no law"]
    assert not [one for one in axes.lines if len(one.get_xdata()) == 50]


def test_figure_shows_points_and_laws(points):
    with house_style():
        axes = learning_curve_figure(points, by=["learner", "l_max"]).axes[0]
        labels = axes.get_legend_handles_labels()[1]
    assert axes.get_xscale() == axes.get_yscale() == "log"
    law = learning_curve_table(points, by=["learner", "l_max"]).iloc[0]
    assert labels[0].startswith(f"sgp, 1: b = {law['exponent']:.2f} (")
    line = next(one for one in axes.lines if len(one.get_xdata()) == 50)
    np.testing.assert_allclose(
        line.get_ydata(), law["amplitude"] * line.get_xdata() ** -law["exponent"]
    )


def curve_points(rng, *, sizes, seeds, floor, n_test=24, spread=0.4, draw=0.03):
    """Errors a N^-b + c of frames that are hard or easy under every model of the curve."""
    hard = np.exp(spread * rng.normal(size=n_test))
    rows, sums = [], []
    for seed in range(seeds):
        for n in sizes:
            level = (40 * n**-0.5 + floor) / 100 * np.exp(draw * rng.normal())
            errors = level * hard * np.exp(0.05 * rng.normal(size=n_test))
            part = component_sums(list(10 + 10 * errors), [10.0] * n_test)
            rows.append({"curve": "a", "seed": seed, "n_train": n})
            rows[-1]["force_percent_error"] = part.percent_error
            sums.append(part)
    return pd.DataFrame(rows), sums


def test_a_floor_is_found_where_there_is_one_and_not_where_there_is_none():
    sizes, tiers = [8, 16, 32, 64, 128, 256, 512], ["a"] * 24
    rng = np.random.default_rng(4)
    levels, sums = curve_points(rng, sizes=sizes, seeds=4, floor=6.0)
    row = learning_curve_table(levels, by=["curve"], sums=sums, strata=tiers).iloc[0]
    assert 0 < row["floor_low"] < row["floor"] < row["floor_high"]
    # a straight line through a curve that levels off sees a smaller exponent
    assert row["exponent"] < 0.4 < row["floor_exponent"] == pytest.approx(0.5, abs=0.12)
    assert "a floor is shown" in floor_words(row)
    straight, sums = curve_points(rng, sizes=sizes, seeds=4, floor=0.0)
    row = learning_curve_table(straight, by=["curve"], sums=sums, strata=tiers).iloc[0]
    assert row["floor_low"] == 0
    assert "none is shown" in floor_words(row)


def test_three_sizes_or_one_draw_tell_no_floor_or_no_interval_of_it():
    points, sums = curve_points(np.random.default_rng(0), sizes=[8, 16, 32], seeds=2, floor=5.0)
    row = learning_curve_table(points, by=["curve"], sums=sums, strata=["a"] * 24).iloc[0]
    assert np.isnan(row["floor"])
    assert floor_words(row) == ""
    points, sums = curve_points(np.random.default_rng(0), sizes=SIZES, seeds=1, floor=5.0)
    row = learning_curve_table(points, by=["curve"], sums=sums, strata=["a"] * 24).iloc[0]
    assert row["floor"] >= 0
    assert np.isnan(row["floor_low"])


def test_the_interval_of_the_exponent_knows_the_shared_test_set():
    # frames that larger training sets help more than others: another test set, another exponent
    rng = np.random.default_rng(1)
    hits, narrow, trials = 0, 0, 150
    for _ in range(trials):
        own = 0.4 + 0.25 * rng.normal(size=16)
        sums = []
        for _ in range(3):
            errors = [(n / 22) ** -own * np.exp(0.02 * rng.normal(size=16)) for n in SIZES]
            sums.append([component_sums(list(100 + e), [100.0] * 16) for e in errors])
        levels = [[one.percent_error for one in line] for line in sums]
        test = shared_test(sums, ["a"] * 16)
        low, high = fit_power_law(SIZES, levels, test=test).exponent_interval
        hits += low <= 0.4 <= high
        low, high = fit_power_law(SIZES, levels).exponent_interval
        narrow += low <= 0.4 <= high
    assert hits / trials > 0.88
    assert narrow / trials < 0.5
