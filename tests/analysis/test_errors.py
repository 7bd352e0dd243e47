import numpy as np
import pytest
from scipy import stats

from dosml.analysis.statistics.errors import (
    component_sums,
    paired_difference_interval,
    percent_error_interval,
    units_of,
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


def sums_of(errors, forces):
    """Frame sums of one number per frame."""
    return component_sums(list(np.add(forces, errors)), list(forces))


@pytest.mark.parametrize("strata", [["cold"], ["a"] * 3, ["cold"] * 9 + ["melt"] * 3])
def test_fewer_than_four_frames_of_a_tier_give_no_interval(strata):
    n = len(strata)
    rng = np.random.default_rng(0)
    sums = sums_of(rng.gamma(4, 0.1, n), rng.gamma(9, 0.1, n))
    interval = percent_error_interval(sums, strata)
    assert np.isnan(interval.low)
    assert np.isnan(interval.high)
    assert not interval.excludes_zero
    assert np.isnan(paired_difference_interval(sums, sums_of(np.ones(n), np.ones(n)), strata).low)


def test_frames_of_one_ratio_have_an_interval_without_width():
    reference = [np.full((4, 3), size) for size in (1.0, 5.0, 0.2, 3.0)]
    sums = component_sums([1.1 * f for f in reference], reference)
    assert percent_error_interval(sums, ["a"] * 4) == pytest.approx((10.0, 10.0))


def test_one_tier_of_equal_forces_has_the_textbook_interval_of_a_mean():
    errors, forces = np.array([0.8, 1.3, 1.1, 1.0, 0.9]), np.full(5, 10.0)
    half = stats.t.ppf(0.975, 4) * errors.std(ddof=1) / np.sqrt(5) / errors.mean()
    low, high = percent_error_interval(sums_of(errors, forces), ["a"] * 5)
    mean = 10 * errors.mean()
    assert (low, high) == pytest.approx((mean * np.exp(-half), mean * np.exp(half)))


def test_blocks_are_of_consecutive_frames_and_at_least_four():
    sizes = {4: [1] * 4, 7: [1] * 7, 8: [2] * 4, 9: [3, 2, 2, 2], 18: [5, 5, 4, 4], 100: [10] * 10}
    for n, expected in sizes.items():
        (blocks,) = units_of(["a"] * n)
        assert [len(block) for block in blocks] == expected
        np.testing.assert_array_equal(np.concatenate(blocks), range(n))
    mixed = units_of(["a", "b"] * 4)
    np.testing.assert_array_equal(np.concatenate(mixed[1]), [1, 3, 5, 7])


def coverage(per_tier, correlation=0.0, trials=500):
    """Share of the 95 % intervals that hold the true error: tiers of other size and difficulty."""
    rng = np.random.default_rng(1)
    size = np.repeat([0.5, 1.0, 1.5], per_tier)
    share = np.repeat([0.15, 0.10, 0.08], per_tier)
    truth = 100 * np.sum(size * share) / np.sum(size)
    tiers = np.repeat(["cold", "warm", "melt"], per_tier).tolist()
    hits = 0
    for _ in range(trials):
        z = rng.normal(size=3 * per_tier)
        for k in range(3 * per_tier):
            if k % per_tier:
                z[k] = correlation * z[k - 1] + np.sqrt(1 - correlation**2) * z[k]
        errors = size * share * np.exp(0.3 * z - 0.045)
        interval = percent_error_interval(
            sums_of(errors, size * rng.gamma(100, 0.01, len(z))), tiers
        )
        hits += interval.low <= truth <= interval.high
    return hits / trials


@pytest.mark.parametrize("per_tier", [4, 6, 12])
def test_intervals_of_few_frames_hold_the_truth_as_often_as_they_say(per_tier):
    # three standard errors of the count are 0.03; two frames a tier drawn again covered 0.72
    assert 0.92 <= coverage(per_tier) <= 0.98


def test_blocks_make_up_for_most_of_the_memory_of_a_trajectory():
    # neighbouring frames with a correlation of 0.5; frame by frame it would be 0.72
    assert coverage(100, correlation=0.5, trials=300) >= 0.89


def test_pairing_removes_what_the_frames_share():
    rng = np.random.default_rng(3)
    forces = [rng.normal(0, 1, (10, 3)) for _ in range(20)]
    hard = rng.gamma(2, 1, 20)  # some frames are harder than others under both label sets
    noise = [rng.choice([-0.1, 0.1], (10, 3)) for _ in range(20)]
    new = [f + h * n for f, h, n in zip(forces, hard, noise, strict=True)]
    old = [f + 1.2 * h * n for f, h, n in zip(forces, hard, noise, strict=True)]
    new_sums, old_sums = component_sums(new, forces), component_sums(old, forces)
    tiers = [0] * 20
    paired = paired_difference_interval(new_sums, old_sums, tiers)
    difference = new_sums.percent_error - old_sums.percent_error
    assert paired.low < difference < paired.high < 0
    assert paired.excludes_zero
    alone = percent_error_interval(old_sums, tiers)
    assert paired.high - paired.low < 0.5 * (alone.high - alone.low)


def test_paired_difference_of_equal_label_sets_is_zero():
    sums = component_sums(PREDICTED * 2, REFERENCE * 2)
    assert paired_difference_interval(sums, sums, [0] * 4) == (0.0, 0.0)
    with pytest.raises(InputError, match="same frames"):
        paired_difference_interval(sums, sums.take(np.array([True] + [False] * 3)), [0] * 4)
