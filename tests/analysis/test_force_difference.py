import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from dosml.analysis.statistics.force_difference import (
    ISOTROPIC_RATIO,
    ISOTROPIC_SHARE,
    force_difference,
)
from dosml.errors import InputError

RNG = np.random.default_rng(0)
FORCES = [RNG.normal(0, 1, (n, 3)) for n in (31, 30)]


@pytest.mark.parametrize("degrees", [1e-6, 0.3, 37.0, 179.0])
def test_turning_every_force_gives_that_angle_and_no_magnitude_part(degrees):
    turned = []
    for f in FORCES:
        # an axis across each force, so that the force turns by the full angle
        axis = np.cross(f, RNG.normal(0, 1, f.shape))
        axis *= np.radians(degrees) / np.linalg.norm(axis, axis=1, keepdims=True)
        turned.append(Rotation.from_rotvec(axis).apply(f))
    change = force_difference(turned, FORCES)
    np.testing.assert_allclose(change.angle, degrees, rtol=1e-6)
    np.testing.assert_allclose(change.magnitude, 0, atol=1e-12)
    size = np.linalg.norm(np.concatenate(FORCES), axis=1)
    np.testing.assert_allclose(change.total, 2 * size * np.sin(np.radians(degrees) / 2), rtol=1e-6)
    assert change.mean_angle == pytest.approx(degrees)
    assert change.direction_share == pytest.approx(1)


def test_stretching_every_force_has_no_direction_part():
    change = force_difference([1.25 * f for f in FORCES], FORCES)
    np.testing.assert_allclose(change.direction, 0, atol=1e-7)
    np.testing.assert_allclose(change.magnitude, 0.25 * change.reference)
    assert change.direction_share == pytest.approx(0, abs=1e-12)
    assert change.relative_percent == pytest.approx(25)


def test_parts_add_up_in_squares_for_any_change():
    change = force_difference([f + RNG.normal(0, 0.5, f.shape) for f in FORCES], FORCES)
    np.testing.assert_allclose(change.total**2, change.magnitude**2 + change.direction**2)
    assert change.rms_total**2 == pytest.approx(change.rms_magnitude**2 + change.rms_direction**2)


def test_a_small_random_change_has_the_null_of_figure_9c():
    rng = np.random.default_rng(5)
    old = [rng.normal(0, 1, (20000, 3))]
    change = force_difference([old[0] + 1e-4 * rng.normal(0, 1, old[0].shape)], old)
    assert change.direction_share == pytest.approx(ISOTROPIC_SHARE, abs=0.01)
    assert change.ratio_of_means == pytest.approx(ISOTROPIC_RATIO, abs=0.02)
    assert change.mean_total == pytest.approx(np.abs(change.total).mean())
    assert change.mean_magnitude == pytest.approx(np.abs(change.magnitude).mean())


def test_reversed_forces_are_all_direction():
    change = force_difference([-f for f in FORCES], FORCES)
    np.testing.assert_allclose(change.angle, 180)
    assert change.rms_direction == pytest.approx(change.rms_total)


def test_mean_angle_is_weighted_with_the_reference_force():
    old = [np.array([[1.0, 0, 0], [3.0, 0, 0]])]
    new = [np.array([[0, 1.0, 0], [3.0, 0, 0]])]
    assert force_difference(new, old).mean_angle == pytest.approx(90 / 4)


def test_no_change_and_vanishing_forces_give_no_share_and_no_warning():
    change = force_difference([np.zeros((2, 3))], [np.zeros((2, 3))])
    assert change.rms_total == 0
    assert np.isnan(change.direction_share)
    assert np.isnan(change.mean_angle)
    assert np.isnan(change.relative_percent)


@pytest.mark.parametrize(
    "other", [[], [FORCES[0]], [FORCES[0], FORCES[0]], [np.zeros(3), np.zeros(3)]]
)
def test_other_frames_are_refused(other):
    with pytest.raises(InputError, match="same frames"):
        force_difference(FORCES, other)
