"""Frames chosen by variance against frames drawn by chance, and the same at several smearings."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dosml.analysis.statistics.errors import error_columns, paired_difference_interval

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

    from numpy.typing import NDArray

    from dosml.analysis.statistics.errors import FrameSums

#: Name of the curves beside which the chosen frames stand.
RANDOM = "random"


def rank_correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Spearman's rank correlation; NaN for fewer than three values or none that differ."""
    from scipy import stats

    if len(one) < 3 or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(stats.spearmanr(one, other).statistic)


def chosen_overlap(
    chosen: Mapping[str, Sequence[int]],
    spreads: Mapping[str, NDArray[np.float64]],
    pool: int,
) -> pd.DataFrame:
    """Hold the frames chosen for each label set against those of the others.

    Parameters
    ----------
    chosen
        By label set: frames of the pool, as many each.
    spreads
        By label set: predicted standard deviation of every frame of the pool, shape (pool,).
    pool
        Frames in the pool.

    Returns
    -------
    pandas.DataFrame
        One row per pair: "one", "other", "chosen", "common", "by_chance" (common frames that two
        draws would have) and "rank_correlation" of the standard deviations.
    """
    rows: list[dict[str, Any]] = []
    for one, other in itertools.combinations(chosen, 2):
        count = len(chosen[one])
        rows.append(
            {
                "one": one,
                "other": other,
                "chosen": count,
                "common": len(set(chosen[one]) & set(chosen[other])),
                "by_chance": count * count / pool,
                "rank_correlation": rank_correlation(spreads[one], spreads[other]),
            }
        )
    columns = ["one", "other", "chosen", "common", "by_chance", "rank_correlation"]
    return pd.DataFrame(rows, columns=columns)


def curve_rows(
    curve: str,
    held_out: str,
    n_train: int,
    sums: Mapping[str, FrameSums],
    strata: Sequence[Hashable],
) -> list[dict[str, Any]]:
    """Rows of one round on one kind of held-out frames: one per label set."""
    return [
        {
            "curve": curve,
            "held_out": held_out,
            "label_set": name,
            "n_train": n_train,
            **error_columns("force_percent_error", one, strata),
            "force_mae_ev_per_angstrom": one.mean_absolute_error,
        }
        for name, one in sums.items()
    ]


def difference_row(
    name: str,
    hard: FrameSums,
    draws: Sequence[FrameSums],
    strata: Sequence[Hashable],
) -> dict[str, Any]:
    """Error of the chosen frames minus that of draws, at equal number of frames.

    Parameters
    ----------
    name
        Of the label set.
    hard, draws
        Sums over the same held-out frames.
    strata
        Tier of each held-out frame.

    Returns
    -------
    dict
        "difference_points" with the ends of its paired 95 % interval over held-out frames (of the
        mean of the draws), and "lowest_draw", "highest_draw": errors of the draws in %.
    """
    errors = [one.percent_error for one in draws]
    intervals = [paired_difference_interval(hard, one, strata) for one in draws]
    middle = hard.percent_error - float(np.mean(errors))
    # draws share the held-out frames: half widths do not shrink with their number
    half = float(np.mean([(one.high - one.low) / 2 for one in intervals]))
    return {
        "label_set": name,
        "hard_percent_error": hard.percent_error,
        "random_percent_error": float(np.mean(errors)),
        "difference_points": middle,
        "difference_points_low": middle - half,
        "difference_points_high": middle + half,
        "lowest_draw": min(errors),
        "highest_draw": max(errors),
    }
