"""How far a number read from the DOS goes with the force error across metals.

Few metals, many candidate numbers: every result carries n, an interval, permutation p-values and,
over all candidates of a question, Holm's correction for multiple testing.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.statistics.errors import CONFIDENCE, Interval
from dosml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Hashable, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike, NDArray

#: Permutations drawn for a p-value; few points are counted through in all their orders instead.
N_PERMUTATIONS = 9999
#: Fewest points for which a correlation is computed at all.
MINIMUM_POINTS = 4


@dataclass(frozen=True)
class Correlation:
    """Correlation of two quantities.

    Attributes
    ----------
    n
        Number of points.
    pearson, spearman
        Coefficients: straight line and ranks.
    pearson_interval
        Bootstrap interval (BCa) over points; nan where it cannot be computed.
    pearson_p, spearman_p
        Two-sided permutation p-values, exact up to 7 points; see `smallest_p`.
    partial, partial_p
        Pearson correlation of what is left of both after a straight-line fit of the controls, and
        its permutation p-value (of the residuals: Freedman and Lane, J. Bus. Econ. Stat. 1, 292
        (1983)); nan without controls or where too few points are left.
    """

    n: int
    pearson: float
    pearson_interval: Interval
    pearson_p: float
    spearman: float
    spearman_p: float
    partial: float
    partial_p: float

    def columns(self) -> dict[str, float]:
        """Columns of a table, but for the partial correlation."""
        return {
            "n": self.n,
            "pearson": self.pearson,
            "pearson_low": self.pearson_interval.low,
            "pearson_high": self.pearson_interval.high,
            "pearson_p": self.pearson_p,
            "spearman": self.spearman,
            "spearman_p": self.spearman_p,
        }


def correlate(
    x: ArrayLike, y: ArrayLike, *, controls: ArrayLike | None = None, seed: int = 0
) -> Correlation:
    """Correlate two quantities, one value of each per independent point (metal).

    Parameters
    ----------
    x, y
        Shape (n,), finite.
    controls
        Shape (n, n_controls), or None: quantities whose influence the partial correlation removes.
    seed
        Seed of permutations and bootstrap.

    Raises
    ------
    InputError
        If there are fewer than `MINIMUM_POINTS` points, shapes disagree, a number is not finite,
        or x or y does not vary.
    """
    from scipy import stats

    a, b = _pair(x, y)
    rng = np.random.default_rng(seed)
    ranks = stats.rankdata(a), stats.rankdata(b)
    partial = partial_p = float("nan")
    if controls is not None:
        basis = _basis(np.asarray(controls, dtype=float).reshape(len(a), -1))
        rest_a, rest_b = _residual(a, basis), _residual(b, basis)
        free = len(a) + 1 - basis.shape[1]
        if free >= MINIMUM_POINTS and rest_a.any() and rest_b.any():
            partial = _pearson(rest_a, rest_b)
            partial_p = _permutation_p(rest_a, rest_b, rng, basis)
    return Correlation(
        n=len(a),
        pearson=_pearson(a, b),
        pearson_interval=_bootstrap(a, b, rng),
        pearson_p=_permutation_p(a, b, rng),
        spearman=_pearson(*ranks),
        spearman_p=_permutation_p(*ranks, rng),
        partial=partial,
        partial_p=partial_p,
    )


def can_correlate(x: NDArray[np.float64], y: NDArray[np.float64]) -> bool:
    """Whether there are `MINIMUM_POINTS` points or more and both quantities vary."""
    return len(x) >= MINIMUM_POINTS and bool(np.ptp(x) > 0 and np.ptp(y) > 0)


def correlate_within(
    x: ArrayLike, y: ArrayLike, groups: Sequence[Hashable], *, seed: int = 0
) -> tuple[float, float, int]:
    """Correlate settings inside metals: both quantities relative to their mean in each group.

    What distinguishes the metals drops out; only what the setting moves is left. The p-value
    permutes inside groups.

    Parameters
    ----------
    x, y
        Shape (n,): one point per metal and setting.
    groups
        Metal of each point, length n.
    seed
        Seed of the permutations.

    Returns
    -------
    pearson, p, n_groups
        Coefficient, two-sided permutation p-value, groups with two points or more.

    Raises
    ------
    InputError
        As `correlate`, or if no group has two points.
    """
    a, b = _pair(x, y)
    if len(groups) != len(a):
        raise InputError(f"{len(a)} points need as many group names, got {len(groups)}")
    members = [np.flatnonzero([g == name for g in groups]) for name in dict.fromkeys(groups)]
    members = [m for m in members if len(m) > 1]
    if not members:
        raise InputError("a correlation within metals needs a metal with two settings or more")
    inside = [(_about_mean(a[m]), _about_mean(b[m])) for m in members]
    left = np.concatenate([pair[0] for pair in inside])
    if not (left.any() and any(pair[1].any() for pair in inside)):
        raise InputError("neither quantity may be constant within every metal")
    rng = np.random.default_rng(seed)
    shuffled = np.concatenate(
        [rng.permuted(np.tile(right, (N_PERMUTATIONS, 1)), axis=1) for _, right in inside], axis=1
    )
    right = np.concatenate([pair[1] for pair in inside])
    scale = np.linalg.norm(left) * np.linalg.norm(right)
    observed = float(left @ right / scale)
    return observed, _p_value(shuffled @ left / scale, observed), len(members)


def leave_one_out(
    features: ArrayLike, target: ArrayLike, groups: Sequence[Hashable] | None = None
) -> NDArray[np.float64]:
    """Predict each metal by a straight-line fit to all other metals.

    Parameters
    ----------
    features
        Shape (n,) or (n, n_features); with no feature column, (n, 0), the mean of the others.
    target
        Shape (n,).
    groups
        Metal of each point; all points of a metal are left out together. None: every point is one.

    Returns
    -------
    NDArray
        Predictions, shape (n,), unit of the target.

    Raises
    ------
    InputError
        If there are too few other points for the fit.
    """
    y = np.asarray(target, dtype=float)
    x = np.asarray(features, dtype=float)
    design = np.column_stack([np.ones(len(y)), x.reshape(len(y), -1)])
    names = list(range(len(y))) if groups is None else list(groups)
    predictions = np.empty(len(y))
    for name in dict.fromkeys(names):
        out = np.array([n == name for n in names])
        if np.count_nonzero(~out) < design.shape[1] + 1:
            raise InputError(
                f"leaving {name} out keeps {np.count_nonzero(~out)} points, too few to fit "
                f"{design.shape[1]} coefficients: use more metals"
            )
        coefficients = np.linalg.lstsq(design[~out], y[~out], rcond=None)[0]
        predictions[out] = design[out] @ coefficients
    return predictions


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """Adjust p-values for multiple testing (Holm, Scand. J. Stat. 6, 65 (1979)).

    Parameters
    ----------
    p_values
        Shape (n,); nan entries are no tests and stay nan.
    """
    p = np.asarray(p_values, dtype=float)
    adjusted = np.full(len(p), np.nan)
    tested = np.flatnonzero(np.isfinite(p))
    order = tested[np.argsort(p[tested], kind="stable")]
    running = 0.0
    for k, index in enumerate(order):
        running = max(running, min(1.0, (len(order) - k) * p[index]))
        adjusted[index] = running
    return adjusted


def _pair(x: ArrayLike, y: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if a.shape != b.shape or a.ndim != 1 or len(a) < MINIMUM_POINTS:
        raise InputError(
            f"a correlation needs {MINIMUM_POINTS} points or more, got {a.shape} and {b.shape}"
        )
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise InputError("a correlation needs finite numbers: drop rows with missing values first")
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        raise InputError("a correlation needs two quantities that vary, one is constant")
    return a, b


def _about_mean(a: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distances from the mean; exactly zero where only rounding is left."""
    rest = a - a.mean()
    return np.where(np.abs(rest) > 1e-10 * np.abs(a).max(), rest, 0.0)


def _pearson(a: NDArray[np.float64], b: NDArray[np.float64]) -> float:
    u, v = a - a.mean(), b - b.mean()
    return float(np.clip(u @ v / (np.linalg.norm(u) * np.linalg.norm(v)), -1, 1))


def _basis(controls: NDArray[np.float64]) -> NDArray[np.float64]:
    """Orthonormal basis of a constant and the controls, shape (n, <= 1 + n_controls)."""
    # unit columns: temperatures in K beside forces in eV/Å must not spoil the rank
    columns = np.column_stack([np.ones(len(controls)), controls - controls.mean(axis=0)])
    size = np.linalg.norm(columns, axis=0)
    left, values, _ = np.linalg.svd(columns / np.where(size > 0, size, 1), full_matrices=False)
    return np.asarray(left[:, values > 1e-10])


def _residual(a: NDArray[np.float64], basis: NDArray[np.float64]) -> NDArray[np.float64]:
    """Part of `a`, shape (..., n), outside the span of the basis."""
    rest = a - (a @ basis) @ basis.T
    # what the controls explain fully leaves rounding only
    return np.asarray(np.where(np.abs(rest) > 1e-10 * np.abs(a).max(), rest, 0.0))


#: Intervals of a correlation wider than this (of the 2 that there are) say nothing about it.
_TELLS_NOTHING = 1.9


def informative(low: float, high: float) -> bool:
    """Whether an interval of a correlation leaves out any part of -1 to +1 worth naming.

    A coefficient without an interval counts: where there is none, that is said beside it.
    """
    return not high - low > _TELLS_NOTHING


def which_inform(rows: pd.DataFrame) -> NDArray[np.bool_]:
    """Rows of a ranking whose interval of r is `informative`."""
    ends = zip(rows["pearson_low"], rows["pearson_high"], strict=True)
    return np.array([informative(low, high) for low, high in ends], dtype=bool)


def smallest_p(n: int) -> float:
    """Smallest p-value that a permutation test of n points can give, whatever the data."""
    orders = math.factorial(n)
    return 1 / (orders if orders <= N_PERMUTATIONS else N_PERMUTATIONS + 1)


def _p_value(permuted: NDArray[np.float64], observed: float) -> float:
    # ties count against significance; 1e-12 keeps rounding from breaking them
    return float((1 + np.sum(np.abs(permuted) >= abs(observed) - 1e-12)) / (1 + len(permuted)))


def _shuffled(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Values in other orders: all of them but the given one, or a draw where these are many."""
    if math.factorial(len(values)) <= N_PERMUTATIONS:
        return np.array(list(itertools.permutations(values))[1:])
    return rng.permuted(np.tile(values, (N_PERMUTATIONS, 1)), axis=1)


def _permutation_p(
    a: NDArray[np.float64],
    b: NDArray[np.float64],
    rng: np.random.Generator,
    basis: NDArray[np.float64] | None = None,
) -> float:
    u, v = a - a.mean(), b - b.mean()
    shuffled = _shuffled(v, rng)
    if basis is not None:
        # a shuffled residual is no longer free of the controls: take them out again
        shuffled = _residual(shuffled, basis)
    norms = np.linalg.norm(shuffled, axis=1)
    permuted = shuffled @ u / (np.linalg.norm(u) * np.where(norms > 0, norms, 1))
    return _p_value(permuted, _pearson(a, b))


def _bootstrap(
    a: NDArray[np.float64], b: NDArray[np.float64], rng: np.random.Generator
) -> Interval:
    import warnings

    from scipy import stats

    def statistic(
        x: NDArray[np.float64], y: NDArray[np.float64], axis: int = -1
    ) -> NDArray[np.float64]:
        u, v = x - x.mean(axis=axis, keepdims=True), y - y.mean(axis=axis, keepdims=True)
        norm = np.linalg.norm(u, axis=axis) * np.linalg.norm(v, axis=axis)
        with np.errstate(invalid="ignore", divide="ignore"):
            # a resample of one point repeated has no correlation: call it none
            return np.asarray(np.where(norm > 0, np.sum(u * v, axis=axis) / norm, 0.0))

    with warnings.catch_warnings():
        # degenerate data (all points on a line) have no BCa interval and give nan
        warnings.simplefilter("ignore")
        result = stats.bootstrap(
            (a, b), statistic, paired=True, vectorized=True, confidence_level=CONFIDENCE, rng=rng
        )
    low, high = result.confidence_interval
    return Interval(float(low), float(high))
