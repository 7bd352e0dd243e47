"""Searches for structures: calls until one is close to the best, with and without a prior."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dosml.analysis.statistics.errors import CONFIDENCE, Interval

if TYPE_CHECKING:
    from collections.abc import Sequence

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


class Median(NamedTuple):
    """Median of counts of which some are only known to be larger than all calls.

    Attributes
    ----------
    value, low, high
        Median and the ends of its interval; infinite where it lies beyond the last call.
    confidence
        That the interval holds the median of all seeds, whatever the distribution.
    """

    value: float
    low: float
    high: float
    confidence: float


def censored_median(counts: Sequence[int | None]) -> Median:
    """Median with an interval of order statistics; None counts as larger than any number.

    The k-th smallest and k-th largest of n values hold the median with probability
    1 - 2 P(B < k), B binomial (n, 1/2) (David and Nagaraja, Order Statistics, 2003, 7.1). k is the
    largest that gives 95 %; below six values no k does, and 1 is taken.

    Parameters
    ----------
    counts
        One of each search.
    """
    from scipy import stats

    values = np.sort([math.inf if one is None else float(one) for one in counts])
    n = len(values)
    tails = 2 * stats.binom.cdf(np.arange(n // 2), n, 0.5)  # of k = 1, 2, ...
    k = max(1, int((tails <= 1 - CONFIDENCE).sum()))
    confidence = 1 - float(tails[k - 1]) if n > 1 else 0.0
    middle = (values[(n - 1) // 2] + values[n // 2]) / 2
    return Median(float(middle), float(values[k - 1]), float(values[n - k]), confidence)


def prior_rows(traces: Sequence[Trace], best: float) -> list[dict[str, Any]]:
    """Count the calls of each prior.

    Parameters
    ----------
    traces
        Of all searches.
    best
        Least value that any of them found, relaxed, eV/atom.

    Returns
    -------
    list of dict
        "prior", "searches", "reached" with the ends of its interval as a share; "median_calls"
        until within `CLOSE` of the best with "calls_low", "calls_high" and "confidence", see
        `censored_median`: infinite where they lie beyond the calls that were made;
        "gap_ev_per_atom", median distance of their last best from the best.
    """
    rows = []
    for prior, mine in _by_prior(traces).items():
        found = [one.calls_until(best + CLOSE) for one in mine]
        reached = sum(one is not None for one in found)
        share = success_interval(reached, len(mine))
        median = censored_median(found)
        rows.append(
            {
                "prior": prior,
                "searches": len(mine),
                "reached": reached,
                "reached_share_low": share.low,
                "reached_share_high": share.high,
                "median_calls": median.value,
                "calls_low": median.low,
                "calls_high": median.high,
                "confidence": median.confidence,
                "gap_ev_per_atom": float(np.median([one.best[-1] - best for one in mine])),
            }
        )
    return rows


def difference_rows(traces: Sequence[Trace], best: float) -> list[dict[str, Any]]:
    """Tell in how many seeds each prior is sooner at the best than the last prior.

    Returns
    -------
    list of dict
        "prior", "against", "sooner", "later" (seeds; two searches that both did not come there,
        or came in the same call, are neither) and "p_value" of a two-sided sign test.
    """
    from scipy import stats

    counts = {
        prior: {
            one.seed: math.inf if (calls := one.calls_until(best + CLOSE)) is None else calls
            for one in mine
        }
        for prior, mine in _by_prior(traces).items()
    }
    *others, base = counts
    rows = []
    for prior in others:
        pairs = [(counts[prior][seed], counts[base][seed]) for seed in counts[base]]
        sooner = sum(mine < theirs for mine, theirs in pairs)
        later = sum(mine > theirs for mine, theirs in pairs)
        told = sooner + later
        p_value = float(stats.binomtest(sooner, told).pvalue) if told else 1.0
        rows.append(
            {
                "prior": prior,
                "against": base,
                "sooner": sooner,
                "later": later,
                "p_value": p_value,
            }
        )
    return rows


def _by_prior(traces: Sequence[Trace]) -> dict[str, list[Trace]]:
    return {
        prior: [one for one in traces if one.prior == prior]
        for prior in dict.fromkeys(one.prior for one in traces)
    }
