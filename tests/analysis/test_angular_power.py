import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from scipy.spatial.transform import Rotation
from scipy.special import eval_legendre, sph_harm_y

from dosml.analysis.measures.angular_power import angular_power, angular_power_table
from dosml.errors import InputError

GOLDEN = (1 + np.sqrt(5)) / 2
VERTICES = np.array(
    [p for a in (-1, 1) for b in (-GOLDEN, GOLDEN) for p in ((0, a, b), (a, b, 0), (b, 0, a))]
) / np.sqrt(1 + GOLDEN**2)


def icosahedron():
    """A centre with twelve neighbours at 2.5 Å, isolated: only the centre sees all of them."""
    frame = Atoms("H13", positions=np.vstack([[0, 0, 0], 2.5 * VERTICES]), cell=[40] * 3, pbc=True)
    frame.center()
    return frame


def rattled(seed=0):
    frame = bulk("Cu", cubic=True) * (3, 3, 3)
    frame.rattle(0.1, seed=seed)
    return frame


def test_radial_pattern_of_one_l_on_an_icosahedron_in_closed_form():
    # The vertices are a spherical 5-design: sums of harmonics up to l + L = 5 are integrals, so
    # s_j = Y_2m gives p_2 = 4 pi / 5 (12 / 4 pi)^2, p_l = 0 for l = 0, 1, 3; sum s^2 = 12 / 4 pi.
    theta = np.arccos(VERTICES[:, 2])
    phi = np.arctan2(VERTICES[:, 1], VERTICES[:, 0])
    for m in (0, 1, 2):
        pattern = np.sqrt(2 if m else 1) * sph_harm_y(2, m, theta, phi).real
        vectors = np.vstack([[0, 0, 0], pattern[:, None] * VERTICES])
        # cutoff below the edge of the icosahedron: vertices see the centre alone, which is at rest
        power = angular_power([icosahedron()], [vectors], cutoff=2.55, l_max=3)
        np.testing.assert_allclose(power.radial, [0, 0, 12 / 5, 0], atol=1e-12)


def test_equal_vectors_are_all_monopole():
    vectors = np.tile([0.3, -0.2, 1.0], (13, 1))
    vectors[0] = 0
    power = angular_power([icosahedron()], [vectors], cutoff=2.55, l_max=4)
    np.testing.assert_allclose(power.vector, [12, 0, 0, 0, 0], atol=1e-12)
    # their radial part is the dipole F . r (the design is exact to l = 4 beside it)
    np.testing.assert_allclose(power.radial, [0, 12 / 3, 0, 0, 0], atol=1e-12)


def test_agrees_with_the_sum_over_legendre_polynomials():
    frame = rattled()
    vectors = np.random.default_rng(1).normal(0, 1, (len(frame), 3))
    cutoff, l_max = 3.1, 4
    power = angular_power([frame], [vectors], cutoff=cutoff, l_max=l_max)
    top, radial_top = np.zeros(l_max + 1), np.zeros(l_max + 1)
    bottom = radial_bottom = 0.0
    for i in range(len(frame)):
        d = frame.get_distances(i, range(len(frame)), mic=True, vector=True)
        r = np.linalg.norm(d, axis=1)
        near = (r < cutoff) & (r > 0)
        u = d[near] / r[near, None]
        cosine = np.clip(u @ u.T, -1, 1)
        dots = vectors[near] @ vectors[near].T
        s = np.sum(vectors[near] * u, axis=1)
        for k in range(l_max + 1):
            top[k] += np.sum(dots * eval_legendre(k, cosine))
            radial_top[k] += np.sum(np.outer(s, s) * eval_legendre(k, cosine))
        bottom += np.trace(dots)
        radial_bottom += s @ s
    np.testing.assert_allclose(power.vector, top / bottom)
    np.testing.assert_allclose(power.radial, radial_top / radial_bottom)


def test_rotation_of_the_frame_changes_nothing():
    frame = rattled()
    vectors = np.random.default_rng(2).normal(0, 1, (len(frame), 3))
    turn = Rotation.random(rng=3)
    turned = frame.copy()
    turned.set_cell(turn.apply(frame.cell.array))
    turned.positions = turn.apply(frame.positions)
    one = angular_power([frame], [vectors], cutoff=3.1)
    other = angular_power([turned], [turn.apply(vectors)], cutoff=3.1)
    np.testing.assert_allclose(one.vector, other.vector)
    np.testing.assert_allclose(one.radial, other.radial)
    assert one.neighbours == other.neighbours


def test_vectors_without_a_pattern_have_power_one_within_the_spread():
    frames = [rattled(seed) for seed in range(6)]
    rng = np.random.default_rng(3)
    vectors = [rng.normal(0, 1, (len(f), 3)) for f in frames]
    power = angular_power(frames, vectors, cutoff=3.1)
    assert power.neighbours == pytest.approx(12, abs=0.5)
    np.testing.assert_allclose(power.vector_shuffled, 1, atol=0.15)
    assert (np.abs(power.vector - power.vector_shuffled) < 4 * power.vector_spread).all()
    assert (np.abs(power.radial - power.radial_shuffled) < 4 * power.radial_spread).all()


def test_table_has_forces_and_changes_by_l():
    frames = [rattled(seed) for seed in range(2)]
    rng = np.random.default_rng(4)
    low = [rng.normal(0, 1, (len(f), 3)) for f in frames]
    shift = [np.tile([0.0, 0.0, 0.5], (len(f), 1)) for f in frames]
    high = [f + s for f, s in zip(low, shift, strict=True)]
    table = angular_power_table(
        frames, {"0.2": low, "2.0": high}, reference="0.2", cutoff=3.1, l_max=2
    )
    assert table.groupby(["setting", "quantity"]).size().to_dict() == {
        ("0.2", "forces"): 3,
        ("2.0", "forces"): 3,
        ("2.0", "change"): 3,
    }
    change = table[table["quantity"] == "change"].set_index("l")
    # one vector everywhere: the monopole counts the neighbours
    assert change.loc[0, "vector"] == pytest.approx(change.loc[0, "neighbours"], rel=0.02)
    with pytest.raises(InputError, match="no setting '0.5'"):
        angular_power_table(frames, {"0.2": low}, reference="0.5", cutoff=3.1)


def test_frames_without_vectors_or_neighbours_are_refused():
    frame = rattled()
    with pytest.raises(InputError, match="every atom"):
        angular_power([frame], [np.zeros((3, 3))], cutoff=3)
    with pytest.raises(InputError, match="every atom"):
        angular_power([], [], cutoff=3)
    with pytest.raises(InputError, match="larger"):
        angular_power([frame], [np.ones((len(frame), 3))], cutoff=1.0)
    with pytest.raises(InputError, match="does not vanish"):
        angular_power([frame], [np.zeros((len(frame), 3))], cutoff=3.1)
