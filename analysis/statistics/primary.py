"""The one test of a survey that is fixed before it is run, and what its labels can carry.

ln(force error) of the metals against the unsmeared chi_4 of their d bands, at the reference
setting. The logarithm, because errors of metals differ by factors; unsmeared, because a
smeared index falls with σ by construction. One test needs no correction for others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.measures.table import PRIMARY
from dosml.analysis.statistics.correlation import (
    MINIMUM_POINTS,
    Correlation,
    can_correlate,
    correlate,
    leave_one_out,
)
from dosml.analysis.statistics.errors import CONFIDENCE, Interval
from dosml.analysis.statistics.label_noise import within_noise

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from numpy.typing import NDArray

#: Correlations for which the power of a survey is stated.
POWER_AT = (0.5, 0.7)


@dataclass(frozen=True)
class PrimaryTest:
    """Pearson correlation of ln(force error) with unsmeared chi_4 across metals.

    Attributes
    ----------
    metals
        Behind the test.
    pearson, interval, p
        Coefficient, BCa interval over metals, two-sided permutation p-value.
    spearman, spearman_p
        The same of ranks.
    within_crystals, within_crystals_p
        Partial correlation with the kind of crystal taken out; nan where the kinds are not known,
        all one, or leave too few degrees of freedom.
    q2, q2_centre
        1 - (squared error) / (that of the mean of the others) for a metal left out, of ln(error)
        from chi_4 and from the d-band centre; nan with too few metals.
    noisy
        Metals whose error is less than three times their label noise.
    clear_interval
        Of the correlation without them; nan with fewer than four metals left. The same as
        `interval` where there are none.
    denser
        The same correlation with the errors of the few held-out frames whose forces on a denser
        grid of k-points are known, against these forces: the error of the mesh is not in it. None
        with fewer than four such metals.
    """

    metals: tuple[str, ...]
    pearson: float
    interval: Interval
    p: float
    spearman: float
    spearman_p: float
    within_crystals: float
    within_crystals_p: float
    q2: float
    q2_centre: float
    noisy: tuple[str, ...]
    clear_interval: Interval
    denser: Correlation | None = None

    @property
    def n(self) -> int:
        """Number of metals."""
        return len(self.metals)

    @property
    def passes(self) -> bool:
        """Whether p < 0.05, the interval leaves out zero and metals left out are predicted."""
        return self.p < 0.05 and self.interval.excludes_zero and self.q2 > 0


def power(n: int, r: float, *, level: float = 1 - CONFIDENCE) -> float:
    """Probability that a two-sided test of n points finds a true correlation r.

    Parameters
    ----------
    n
        Points; 0 is given back below four.
    r
        True Pearson correlation.
    level
        Of the test.

    Returns
    -------
    float
        By Fisher's z = arctanh(r) with its bias r/(2 (n - 1)), which scatters with 1/sqrt(n - 3).
    """
    from scipy import stats

    if n <= 3:
        return 0.0
    t = float(stats.t.ppf(1 - level / 2, n - 2))
    edge = float(np.arctanh(t / np.sqrt(n - 2 + t * t)))
    z = float(np.arctanh(abs(r)) + abs(r) / (2 * (n - 1)))
    return float(stats.norm.cdf(np.array([z, -z]) - edge, scale=1 / np.sqrt(n - 3)).sum())


def primary_test(
    rows: pd.DataFrame, target: str, crystals: Mapping[str, str], *, seed: int = 0
) -> PrimaryTest | None:
    """Test the primary measure.

    Parameters
    ----------
    rows
        One per metal at one setting: "metal", `target`, the measures, MAE and label noise.
    target
        Column with the force error, positive.
    crystals
        Metal -> kind of crystal, of those where it is known.
    seed
        Seed of permutations and bootstrap.

    Returns
    -------
    PrimaryTest or None
        None with fewer than four metals that have error and measure, or where one does not vary.
    """
    if PRIMARY not in rows:
        return None
    known = rows[rows[target] > 0].dropna(subset=[PRIMARY, target]).reset_index(drop=True)
    x, y = known[PRIMARY].to_numpy(float), np.log(known[target].to_numpy(float))
    if not can_correlate(x, y):
        return None
    kinds = [crystals.get(metal) for metal in known["metal"]]
    found = correlate(x, y, controls=_indicators(kinds), seed=seed)
    noisy = within_noise(known)
    clear = found.pearson_interval
    if noisy.any():
        clear = Interval(float("nan"), float("nan"))
        left = ~noisy
        if can_correlate(x[left], y[left]):
            clear = correlate(x[left], y[left], seed=seed).pearson_interval
    return PrimaryTest(
        metals=tuple(known["metal"]),
        pearson=found.pearson,
        interval=found.pearson_interval,
        p=found.pearson_p,
        spearman=found.spearman,
        spearman_p=found.spearman_p,
        within_crystals=found.partial,
        within_crystals_p=found.partial_p,
        q2=_left_out(x, y),
        q2_centre=_left_out(known["d_band_center_ev"].to_numpy(float), y),
        noisy=tuple(known["metal"][noisy]),
        clear_interval=clear,
        denser=_against_denser(rows, seed),
    )


def _against_denser(rows: pd.DataFrame, seed: int) -> Correlation | None:
    """Correlate the errors against forces on a denser grid with the primary measure."""
    target = "denser_grid_percent_error"
    if target not in rows:
        return None
    known = rows[rows[target] > 0].dropna(subset=[PRIMARY])
    x, y = known[PRIMARY].to_numpy(float), np.log(known[target].to_numpy(float))
    return correlate(x, y, seed=seed) if can_correlate(x, y) else None


def _indicators(kinds: list[str | None]) -> NDArray[np.float64] | None:
    """One column per kind of crystal but the first; None where a kind is unknown or all are one."""
    if None in kinds or len(set(kinds)) < 2:
        return None
    names = sorted({str(kind) for kind in kinds})[1:]
    return np.array([[float(kind == name) for name in names] for kind in kinds])


def _left_out(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    known = np.isfinite(x)
    x, y = x[known], y[known]
    if len(y) < MINIMUM_POINTS:
        return float("nan")
    predicted, plain = leave_one_out(x, y), leave_one_out(np.empty((len(y), 0)), y)
    return 1 - float(np.sum((predicted - y) ** 2) / np.sum((plain - y) ** 2))
