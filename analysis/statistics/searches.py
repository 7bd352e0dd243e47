"""Searches for structures: calls until one is close to the best, with and without a prior."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.analysis.statistics.errors import CONFIDENCE, Interval, t_half_width

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

#: eV/atom: as close as this to the best is found.
CLOSE = 0.010


@dataclass(frozen=True)
class Trace:
    """Values of one search in the order of its calls.

    Attributes
    ----------
    prior, seed
        Which search.
    values
        eV/atom, NaN where the engine had no label, shape (calls,).
    """

    prior: str
    seed: int
    values: NDArray[np.float64]

    @property
    def best(self) -> NDArray[np.float64]:
        """Least value up to each call."""
        return np.fmin.accumulate(self.values)

    def calls_until(self, value: float) -> int | None:
        """Count calls until a value is reached; None where it is not."""
        reached = np.flatnonzero(self.best <= value)
        return int(reached[0]) + 1 if len(reached) else None


def success_interval(count: int, total: int) -> Interval:
    """Clopper and Pearson's 95 % interval of a share."""
    from scipy import stats

    tail = (1 - CONFIDENCE) / 2
    low = 0.0 if count == 0 else float(stats.beta.ppf(tail, count, total - count + 1))
    high = 1.0 if count == total else float(stats.beta.ppf(1 - tail, count + 1, total - count))
    return Interval(low, high)


def prior_rows(traces: Sequence[Trace], best: float) -> list[dict[str, Any]]:
    """Count the calls of each prior, and how the first compares with the others.

    Parameters
    ----------
    traces
        Of all searches.
    best
        Least value that any of them found, relaxed, eV/atom.

    Returns
    -------
    list of dict
        "prior", "searches", "reached" with the ends of its interval as a share; "calls" until
        within `CLOSE` of the best, mean over seeds with a 95 % Student interval, searches that did
        not come there counted with one call more than they had (a lower bound); "median_calls";
        "gap_ev_per_atom", mean distance of their last best from the best.
    """
    rows = []
    for prior in dict.fromkeys(one.prior for one in traces):
        mine = [one for one in traces if one.prior == prior]
        found = [one.calls_until(best + CLOSE) for one in mine]
        calls = _capped(mine, best)
        low, high = _student(calls)
        reached = sum(one is not None for one in found)
        share = success_interval(reached, len(mine))
        rows.append(
            {
                "prior": prior,
                "searches": len(mine),
                "reached": reached,
                "reached_share_low": share.low,
                "reached_share_high": share.high,
                "calls": float(calls.mean()),
                "calls_low": low,
                "calls_high": high,
                "median_calls": float(np.median(calls)),
                "gap_ev_per_atom": float(np.mean([one.best[-1] - best for one in mine])),
            }
        )
    return rows


def difference_rows(traces: Sequence[Trace], best: float) -> list[dict[str, Any]]:
    """Count the calls that each prior saves against the last one, seed by seed.

    Returns
    -------
    list of dict
        "prior", "against", "calls_saved" with the ends of its paired 95 % Student interval.
    """
    by_prior: Mapping[str, list[Trace]] = {
        name: sorted((one for one in traces if one.prior == name), key=lambda one: one.seed)
        for name in dict.fromkeys(one.prior for one in traces)
    }
    *others, base = by_prior
    rows = []
    for prior in others:
        saved = _capped(by_prior[base], best) - _capped(by_prior[prior], best)
        low, high = _student(saved)
        rows.append(
            {
                "prior": prior,
                "against": base,
                "calls_saved": float(saved.mean()),
                "calls_saved_low": low,
                "calls_saved_high": high,
            }
        )
    return rows


def _capped(traces: Sequence[Trace], best: float) -> NDArray[np.float64]:
    found = [(one.calls_until(best + CLOSE), len(one.values)) for one in traces]
    return np.array([count or total + 1 for count, total in found], dtype=float)


def _student(values: NDArray[np.float64]) -> Interval:
    """Student's interval of a mean over seeds; NaN for one seed."""
    if len(values) < 2:
        return Interval(math.nan, math.nan)
    error = float(values.std(ddof=1)) / math.sqrt(len(values))
    half = t_half_width(error, len(values) - 1)
    return Interval(float(values.mean()) - half, float(values.mean()) + half)
