import numpy as np
import pytest

from dosml.analysis.statistics.errors import (
    bootstrap_weights,
    component_sums,
    paired_difference_interval,
    percent_error_interval,
    percentile_interval,
    resampled_percent_errors,
    vector_sums,
)
from dosml.errors import InputError

REFERENCE = [np.array([[3.0, 0.0, -4.0]]), np.array([[0.0, 1.0, 0.0], [2.0, 0.0, 0.0]])]
PREDICTED = [np.array([[3.0, 1.0, -4.0]]), np.array([[0.0, 1.0, 3.0], [0.0, 0.0, 0.0]])]


def test_component_errors_of_known_arrays():
    sums = component_sums(PREDICTED, REFERENCE)
    assert sums.mean_absolute_error == pytest.approx((1 + 3 + 2) / 9)
    assert sums.mean_absolute_value == pytest.approx((7 + 3) / 9)
    assert sums.root_mean_square_error == pytest.approx(np.sqrt((1 + 9 + 4) / 9))
    assert sums.percent_error == pytest.approx(60.0)
    assert sums.take(np.array([True, False])).percent_error == pytest.approx(100 / 7)


def test_vector_errors_of_known_arrays():
    sums = vector_sums(PREDICTED, REFERENCE)
    assert sums.mean_absolute_error == pytest.approx((1 + 3 + 2) / 3)
    assert sums.mean_absolute_value == pytest.approx((5 + 1 + 2) / 3)


def test_percent_error_of_zero_forces_is_not_a_number():
    assert np.isnan(component_sums([np.ones(3)], [np.zeros(3)]).percent_error)


@pytest.mark.parametrize(
    ("predicted", "reference", "words"),
    [
        ([], [], "at least one frame"),
        ([np.zeros(3)], [np.zeros(3), np.zeros(3)], "as many predictions"),
        ([np.zeros((2, 3))], [np.zeros((3, 3))], "frame 0"),
        ([np.array([np.nan])], [np.array([1.0])], "nan or infinity"),
    ],
)
def test_arrays_that_do_not_match_are_refused(predicted, reference, words):
    with pytest.raises(InputError, match=words):
        component_sums(predicted, reference)


def test_weights_of_a_stratum_sum_to_its_size_and_repeat_with_the_seed():
    strata = ["cold"] * 5 + ["melt"] * 7
    weights = bootstrap_weights(strata, seed=4, n_resamples=50)
    np.testing.assert_allclose(weights[:, :5].sum(axis=1), 5)
    np.testing.assert_allclose(weights[:, 5:].sum(axis=1), 7)
    np.testing.assert_array_equal(weights, bootstrap_weights(strata, seed=4, n_resamples=50))
    assert not np.array_equal(weights, bootstrap_weights(strata, seed=5, n_resamples=50))


def test_resampled_mean_has_the_unbiased_variance_even_for_four_frames():
    values = np.array([1.0, 4.0, -2.0, 0.5])
    means = bootstrap_weights([0] * 4, seed=0, n_resamples=200_000) @ values / 4
    assert means.mean() == pytest.approx(values.mean(), abs=0.01)
    assert means.std() == pytest.approx(values.std(ddof=1) / 2, rel=0.01)


def test_a_tier_with_one_frame_joins_all_frames_into_one_stratum():
    weights = bootstrap_weights(["cold", "warm", "warm"], seed=0, n_resamples=500)
    np.testing.assert_allclose(weights.sum(axis=1), 3)
    assert weights[:, 0].std() > 0


def test_one_frame_gives_no_interval():
    weights = bootstrap_weights(["cold"], seed=0)
    interval = percent_error_interval(component_sums([np.ones(3)], [np.ones(3)]), weights)
    assert np.isnan(interval.low)
    assert np.isnan(interval.high)
    assert not interval.excludes_zero


def test_the_ratio_is_computed_again_in_every_resample():
    # every frame has the same ratio although sizes differ: the resampled ratio cannot move
    reference = [np.full((4, 3), size) for size in (1.0, 5.0, 0.2)]
    sums = component_sums([1.1 * f for f in reference], reference)
    errors = resampled_percent_errors(sums, bootstrap_weights(range(3), seed=0))
    np.testing.assert_allclose(errors, 10.0)


def test_interval_covers_the_true_percent_error_as_often_as_it_says():
    rng = np.random.default_rng(0)
    tiers = ["cold"] * 8 + ["melt"] * 8
    scale = np.array([0.5] * 8 + [1.5] * 8)
    hits, trials = 0, 400
    for trial in range(trials):
        # |F| and the error of a frame vary from frame to frame with mean `scale` and 10 % of it
        forces = scale * rng.gamma(20, 1 / 20, 16)
        errors = 0.1 * scale * rng.gamma(10, 1 / 10, 16)
        sums = component_sums(list(forces + errors), list(forces))
        interval = percent_error_interval(
            sums, bootstrap_weights(tiers, seed=trial, n_resamples=300)
        )
        hits += interval.low <= 10.0 <= interval.high
    # three standard errors of the count are 0.03; percentile intervals of 16 frames run short
    assert 0.89 <= hits / trials <= 0.98


def test_pairing_removes_what_the_frames_share():
    rng = np.random.default_rng(3)
    forces = [rng.normal(0, 1, (10, 3)) for _ in range(20)]
    hard = rng.gamma(2, 1, 20)  # some frames are harder than others under both label sets
    noise = [rng.choice([-0.1, 0.1], (10, 3)) for _ in range(20)]
    new = [f + h * n for f, h, n in zip(forces, hard, noise, strict=True)]
    old = [f + 1.2 * h * n for f, h, n in zip(forces, hard, noise, strict=True)]
    new_sums, old_sums = component_sums(new, forces), component_sums(old, forces)
    weights = bootstrap_weights([0] * 20, seed=1)
    paired = paired_difference_interval(new_sums, old_sums, weights)
    difference = new_sums.percent_error - old_sums.percent_error
    assert paired.low < difference < paired.high < 0
    assert paired.excludes_zero
    alone = percent_error_interval(old_sums, weights)
    assert paired.high - paired.low < 0.5 * (alone.high - alone.low)


def test_paired_difference_of_equal_label_sets_is_zero():
    sums = component_sums(PREDICTED, REFERENCE)
    weights = bootstrap_weights([0, 0], seed=0)
    assert paired_difference_interval(sums, sums, weights) == (0.0, 0.0)
    with pytest.raises(InputError, match="same frames"):
        paired_difference_interval(sums, sums.take(np.array([True, False])), weights)


def test_percentile_interval_of_known_values():
    interval = percentile_interval(np.arange(1001.0), confidence=0.9)
    assert interval == pytest.approx((50, 950))
