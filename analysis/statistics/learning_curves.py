"""Learning curves: error = a N^-b, fitted in log space (TM23 paper, Fig. 6), and with a floor.

All trainings of a curve are tested on the same frames. A hard test frame lifts the whole curve, so
the errors of the points are not independent: their covariance over test frames goes into the
intervals.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.statistics.curve_floor import fit_floor
from dosml.analysis.statistics.errors import Interval, scatter, t_half_width
from dosml.analysis.statistics.shared_test import SharedTest, shared_test
from dosml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

    from dosml.analysis.statistics.errors import FrameSums


@dataclass(frozen=True)
class PowerLaw:
    """A fit of error = a N^-b.

    Attributes
    ----------
    amplitude
        a, in the unit of the error.
    exponent
        b; positive where more data help.
    r_squared
        Share of the variance of ln(error) that the law explains; nan where errors do not vary.
    exponent_interval
        Student's interval of b: from the scatter between seeds where there are two seeds or more,
        else from the residuals of the straight line (nan with two sizes), and where the errors of
        single test frames were given from their scatter too (nan with too few of them).
    n_sizes, n_seeds
        How many sizes and seeds the fit rests on.
    """

    amplitude: float
    exponent: float
    r_squared: float
    exponent_interval: Interval
    n_sizes: int
    n_seeds: int

    def __call__(self, sizes: ArrayLike) -> NDArray[np.float64]:
        """Error that the law predicts at numbers of training frames, same shape."""
        return np.asarray(self.amplitude * np.asarray(sizes, dtype=float) ** -self.exponent)


def nested_subsets(
    strata: Sequence[Hashable], sizes: Sequence[int], *, seed: int
) -> list[NDArray[np.intp]]:
    """Choose training frames of growing number, each subset inside the next.

    Frames are drawn from all strata (tiers) in turn, so that every subset is as balanced as the
    strata allow.

    Parameters
    ----------
    strata
        Stratum of every training frame.
    sizes
        Sizes of the subsets, in any order.
    seed
        Seed of the draw.

    Returns
    -------
    list of NDArray
        Indices of frames for each of `sizes`, in the order of `sizes`.

    Raises
    ------
    InputError
        If a size is not between 1 and the number of frames.
    """
    if not sizes or min(sizes) < 1 or max(sizes) > len(strata):
        raise InputError(
            f"subset sizes must lie between 1 and the {len(strata)} training frames, got "
            f"{', '.join(map(str, sizes)) or 'none'}"
        )
    rng = np.random.default_rng(seed)
    places: list[tuple[float, float, int]] = []
    for name in dict.fromkeys(strata):
        members = rng.permutation([k for k, s in enumerate(strata) if s == name])
        # the k-th of n members stands at (k + 1/2)/n: any prefix holds each stratum's share
        places += [((k + 0.5) / len(members), rng.random(), int(m)) for k, m in enumerate(members)]
    order = np.array([index for _, _, index in sorted(places)])
    return [order[:size] for size in sizes]


def fit_power_law(
    sizes: ArrayLike, errors: ArrayLike, *, test: SharedTest | None = None
) -> PowerLaw:
    """Fit error = a N^-b by least squares on logarithms.

    Parameters
    ----------
    sizes
        Numbers of training frames, shape (n_sizes,).
    errors
        Shape (n_sizes,), or (n_seeds, n_sizes) for repeated training with other seeds.
    test
        What single test frames do to the errors.

    Returns
    -------
    PowerLaw
        With several seeds the law of the geometric means, whose exponent is exactly the mean of
        the seeds' own exponents.

    Raises
    ------
    InputError
        If there are fewer than two different sizes, shapes disagree, or a number is not positive.
    """
    n, e = np.asarray(sizes, dtype=float), np.atleast_2d(np.asarray(errors, dtype=float))
    if n.ndim != 1 or len(set(n.tolist())) < 2 or e.ndim != 2 or e.shape[1] != len(n):
        raise InputError(
            f"a power law needs two or more sizes and an error for each, got sizes {n.shape} and "
            f"errors {e.shape}"
        )
    if not ((n > 0).all() and (e > 0).all() and np.isfinite(e).all()):
        raise InputError("a power law needs positive sizes and errors")
    x, y = np.log(n), np.log(e)
    centred = x - x.mean()
    spread = float(centred @ centred)
    slopes = y @ centred / spread
    mean = y.mean(axis=0)
    slope = float(slopes.mean())
    intercept = float(mean.mean() - slope * x.mean())
    residual = float(np.sum((mean - intercept - slope * x) ** 2))
    total = float(np.sum((mean - mean.mean()) ** 2))
    if len(e) > 1:
        error, freedom = float(slopes.std(ddof=1)) / np.sqrt(len(e)), float(len(e) - 1)
    else:
        freedom = float(len(n) - 2)
        error = np.sqrt(residual / freedom / spread) if freedom > 0 else float("nan")
    error = error if freedom > 0 else float("nan")
    if test is not None:
        other, own = scatter(test.influence.mean(axis=0).T @ (centred / spread), test.strata)
        both = error**2 + other**2
        # Satterthwaite: degrees of freedom of the sum of two variances
        freedom = both**2 / (error**4 / freedom + other**4 / own) if both > 0 else freedom
        error = np.sqrt(both)
    half = t_half_width(float(error), freedom)
    return PowerLaw(
        amplitude=float(np.exp(intercept)),
        exponent=-slope,
        r_squared=1 - residual / total if total > 0 else float("nan"),
        exponent_interval=Interval(-slope - half, -slope + half),
        n_sizes=len(n),
        n_seeds=len(e),
    )


def learning_curve_table(
    points: pd.DataFrame,
    *,
    by: Sequence[str],
    error: str = "force_percent_error",
    sums: Sequence[FrameSums] | None = None,
    strata: Sequence[Hashable] = (),
) -> pd.DataFrame:
    """Fit one power law per group of points, and where there are four sizes one with a floor.

    Parameters
    ----------
    points
        One row per trained model: "n_train", "seed", `error` and the columns of `by`.
    by
        Columns that tell curves apart, e.g. ["learner", "l_max", "sigma_ev"].
    error
        Column with the error.
    sums
        Errors of the test frames, one per row of `points`, of the same frames in all: with them
        the intervals hold the scatter of the test set that all points share.
    strata
        Tier of every test frame.

    Returns
    -------
    pandas.DataFrame
        One row per curve: `by`, then "amplitude" (unit of the error), "exponent", "exponent_low",
        "exponent_high", "r_squared", "n_sizes", "n_seeds" of a N^-b; "floor" (unit of the error),
        "floor_low", "floor_high", "floor_amplitude", "floor_exponent" of a N^-b + c, nan with fewer
        than four sizes (see `dosml.analysis.statistics.curve_floor.fit_floor`). Only sizes that
        every seed of a curve has are used.

    Raises
    ------
    InputError
        If a column is missing, or a curve has fewer than two sizes in common.
    """
    import pandas as pd

    missing = [name for name in ("n_train", "seed", error, *by) if name not in points.columns]
    if missing:
        raise InputError(
            f"learning curves need the columns {', '.join(missing)}, the table has "
            f"{', '.join(map(str, points.columns))}"
        )
    numbered = points.reset_index(drop=True)
    numbered["row"] = np.arange(len(numbered))
    rows = []
    for key, group in numbered.groupby(list(by), sort=True):
        grid = group.pivot_table(index="seed", columns="n_train", values=error).dropna(axis=1)
        test = None
        if sums is not None:
            places = group.pivot_table(
                index="seed", columns="n_train", values="row", aggfunc="first"
            )
            kept = places[grid.columns].to_numpy(int)
            test = shared_test([[sums[n] for n in line] for line in kept], strata)
        sizes, errors = grid.columns.to_numpy(float), grid.to_numpy(float)
        law = fit_power_law(sizes, errors, test=test)
        floor = fit_floor(sizes, errors, test=test)
        rows.append(
            {
                **dict(zip(by, key, strict=True)),
                "amplitude": law.amplitude,
                "exponent": law.exponent,
                "exponent_low": law.exponent_interval.low,
                "exponent_high": law.exponent_interval.high,
                "r_squared": law.r_squared,
                "floor": floor.floor,
                "floor_low": floor.interval.low,
                "floor_high": floor.interval.high,
                "floor_amplitude": floor.amplitude,
                "floor_exponent": floor.exponent,
                "n_sizes": law.n_sizes,
                "n_seeds": law.n_seeds,
            }
        )
    return pd.DataFrame(rows)


def without_law(fits: pd.DataFrame) -> pd.Series:
    """Curves whose law says nothing: one draw of the frames, and an exponent of the wrong sign.

    Parameters
    ----------
    fits
        From `learning_curve_table`.
    """
    return (fits["n_seeds"] == 1) & (fits["exponent"] <= 0)
