import numpy as np
import pytest
from ase.build import bulk
from scipy.special import eval_legendre

from dosml.analysis.measures.angular_basis import AngularBasis, basis_functions
from dosml.analysis.statistics.angular_resolution import angular_resolution
from dosml.errors import InputError

BASIS = AngularBasis(cutoff=4.0, n_pair=3, n_max=2, l_max=4)


def rattled(seed=0, size=(2, 2, 2)):
    frame = bulk("Cu", cubic=True) * size
    frame.rattle(0.15, seed=seed)
    return frame


def radial(r, n, cutoff):
    return np.sin(n * np.pi * r / cutoff) / r * 0.5 * (1 + np.cos(np.pi * r / cutoff))


def test_values_are_the_sums_over_pairs_and_triplets():
    frame = rattled()
    values, _ = basis_functions(frame, BASIS)
    expected = np.zeros(len(BASIS.levels))
    for i in range(len(frame)):
        # minimum image is enough: the cell is longer than twice the nearest shells counted here
        d = np.vstack(
            [
                frame.positions[j] - frame.positions[i] + shift @ frame.cell.array
                for j in range(len(frame))
                for shift in np.array(np.meshgrid(*[[-1, 0, 1]] * 3)).reshape(3, -1).T
            ]
        )
        r = np.linalg.norm(d, axis=1)
        near = (r > 0) & (r < BASIS.cutoff)
        d, r = d[near], r[near]
        f = [radial(r, n, BASIS.cutoff) for n in (1, 2, 3)]
        cosine = (d / r[:, None]) @ (d / r[:, None]).T
        others = ~np.eye(len(r), dtype=bool)
        row = [part.sum() for part in f]
        for l in range(5):  # noqa: E741
            legendre = (2 * l + 1) / (4 * np.pi) * eval_legendre(l, cosine)
            for n, k in ((0, 0), (0, 1), (1, 1)):
                row.append(np.sum((np.outer(f[n], f[k]) * legendre)[others]))
        expected += row
    np.testing.assert_allclose(values, expected, rtol=1e-9, atol=1e-9)


def test_forces_are_minus_the_finite_differences_of_the_values():
    frame = rattled()
    _, forces = basis_functions(frame, BASIS)
    step = 1e-4
    for atom, axis in ((0, 0), (7, 1), (13, 2)):
        ends = []
        for sign in (1, -1):
            moved = frame.copy()
            moved.positions[atom, axis] += sign * step
            ends.append(basis_functions(moved, BASIS)[0])
        np.testing.assert_allclose(
            forces[:, atom, axis], -(ends[0] - ends[1]) / (2 * step), rtol=1e-5, atol=1e-6
        )
    np.testing.assert_allclose(forces.sum(axis=1), 0, atol=1e-9)


@pytest.fixture(scope="module")
def frames():
    return [rattled(seed) for seed in range(12)]


def made_of(frames, level, seed=0):
    """Forces of a random force field that uses functions up to a level."""
    rng = np.random.default_rng(seed)
    levels = BASIS.levels
    coefficients = rng.normal(0, 1, len(levels)) * (levels <= level)
    designs = [basis_functions(f, BASIS)[1] for f in frames]
    scale = np.sqrt(np.mean([np.mean(d**2, axis=(1, 2)) for d in designs], axis=0))
    return [np.tensordot(coefficients / scale, d, axes=1) for d in designs]


def test_forces_of_a_known_level_need_that_level_and_no_more(frames):
    settings = {"pairs": made_of(frames, -1), "l=0": made_of(frames, 0), "l<=3": made_of(frames, 3)}
    table = angular_resolution(frames, settings, BASIS, strata=["a", "b"] * 6, folds=4)
    explained = table.pivot_table(index="setting", columns="l_max", values="explained")
    assert (explained.loc["pairs"] > 1 - 1e-6).all()
    assert explained.loc["l=0", -1] < 1 - 1e-4
    assert (explained.loc["l=0", 0:] > 1 - 1e-6).all()
    assert explained.loc["l<=3", 2] < 0.99
    assert (explained.loc["l<=3", 3:] > 1 - 1e-6).all()
    assert (table["explained_low"] <= table["explained"]).all()
    assert table[table["setting"] == "pairs"]["n_functions"].tolist() == [3, 6, 9, 12, 15, 18]
    assert table["percent_error"].max() > 1 > table["percent_error"].min()


def test_noise_is_not_explained_on_frames_left_out(frames):
    rng = np.random.default_rng(1)
    noise = [rng.normal(0, 1, (len(f), 3)) for f in frames]
    table = angular_resolution(frames, {"noise": noise}, BASIS, folds=4)
    assert (table["explained"].abs() < 0.05).all()


def test_the_gain_is_the_largest_over_l_and_stands_beside_what_chance_gives(frames):
    rng = np.random.default_rng(2)
    angles = made_of(frames, 2)
    noise = [rng.normal(0, 1, (len(f), 3)) for f in frames]
    size = np.sqrt(np.mean([np.mean(f**2) for f in angles]))
    mixed = [f + 0.5 * size * n for f, n in zip(angles, noise, strict=True)]
    table = angular_resolution(frames, {"angles": mixed, "noise": noise}, BASIS, folds=4)
    by = table[table["l_max"] >= 0].groupby("setting")
    for _, rows in by:
        left = 1 - rows["explained"].to_numpy()
        gain = 100 * (left[0] - left.min()) / left[0]
        assert rows["angular_gain_percent"].to_numpy() == pytest.approx(gain)
    first = by.first()
    assert (first["angular_gain_percent"] >= 0).all()
    # l = 2 is in the forces, and nothing beyond it: the last level alone would say less
    assert (
        first.loc["angles", "angular_gain_percent"]
        > 10 * first.loc["angles", "angular_gain_null_high_percent"]
    )
    assert (
        first.loc["noise", "angular_gain_percent"]
        < 2 * first.loc["noise", "angular_gain_null_high_percent"] + 0.5
    )


def test_settings_that_cannot_be_fitted_are_refused(frames):
    good = made_of(frames, -1)
    with pytest.raises(InputError, match="do not match"):
        angular_resolution(frames, {"x": good[1:]}, BASIS)
    with pytest.raises(InputError, match="vanish"):
        angular_resolution(frames, {"x": [0 * f for f in good]}, BASIS)
    with pytest.raises(InputError, match="folds"):
        angular_resolution(frames, {"x": good}, BASIS, folds=13)
    with pytest.raises(InputError, match="positive cutoff"):
        AngularBasis(cutoff=0)
