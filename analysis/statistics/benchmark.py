"""Numbers of a benchmark: errors of many learners on many metals, and what they rank to."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.analysis.measures.table import ranked
from dosml.analysis.statistics.correlation import MINIMUM_POINTS
from dosml.analysis.statistics.measures_ranking import rank_measures
from dosml.analysis.statistics.published import published_table
from dosml.analysis.statistics.results import HeldOut, error_rows
from dosml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray

#: A learner whose forces are multiplied by one number that its training frames decide.
SCALED = "x factor"
#: What the ranking goes by.
TARGET = "force_percent_error"
#: What a training and its predictions took, of all label sets together: wall time, processor time.
IN_ALL = ("seconds_in_all", "cpu_seconds_in_all")
#: What is correlated with measures.
LOG_TARGET = "log_force_percent_error"
#: The fitted factor of finished potentials.
FACTOR = "force_factor"


def part_of(held: HeldOut, which: Sequence[int]) -> HeldOut:
    """Give some of the held-out frames."""
    order = list(which)
    return replace(
        held,
        forces=[held.forces[n] for n in order],
        forces_predicted=[held.forces_predicted[n] for n in order],
        energies=held.energies[order],
        energies_predicted=held.energies_predicted[order],
        stresses=None if held.stresses is None else held.stresses[order],
        stresses_predicted=(
            None if held.stresses_predicted is None else held.stresses_predicted[order]
        ),
    )


def fitted_factor(fit: HeldOut) -> float:
    """Give the number that brings predicted forces nearest to the labels, by least squares."""
    labelled, said = np.concatenate(fit.forces), np.concatenate(fit.forces_predicted)
    size = float((said**2).sum())
    return float((labelled * said).sum() / size) if size > 0 else 1.0


def scaled(held: HeldOut, fit: HeldOut, shares: NDArray[np.float64], own: NDArray) -> HeldOut:
    """Multiply energies, forces and stresses of a finished potential by the one fitted factor.

    Parameters
    ----------
    held
        Held-out frames.
    fit
        Training frames that decide the factor, and one energy per element.
    shares, own
        Share of each element in the frames of `fit` and of `held`, shapes (n_frames, n_elements).

    Returns
    -------
    HeldOut
        With the factor among its facts.
    """
    factor = fitted_factor(fit)
    sizes = np.array([len(one) for one in fit.forces])
    missing = (fit.energies - factor * fit.energies_predicted) / sizes
    offsets = np.linalg.lstsq(shares, missing, rcond=None)[0]
    atoms = np.array([len(one) for one in held.forces])
    stresses = held.stresses_predicted
    return replace(
        held,
        forces_predicted=[factor * one for one in held.forces_predicted],
        energies_predicted=factor * held.energies_predicted + atoms * (own @ offsets),
        stresses_predicted=None if stresses is None else factor * stresses,
        facts={**held.facts, "force_factor": factor},
    )


def benchmark_rows(
    known: Mapping[str, Any], held: HeldOut, tiers: Sequence[str]
) -> list[dict[str, Any]]:
    """Errors of one model, all held-out frames first, then tier by tier.

    Returns
    -------
    list of dict
        `known`, what `error_rows` gives, and "energy_percent_error" (100 MAE over the mean
        absolute deviation of the energies per atom from their mean) and "stress_percent_error"
        (100 MAE/MAV).
    """
    rows = []
    for row in error_rows(held, tiers):
        keep = [n for n, tier in enumerate(tiers) if row["tier"] in ("all", tier)]
        part = part_of(held, keep) if len(keep) < len(tiers) else held
        sizes = np.array([len(one) for one in part.forces])
        each = part.energies / sizes
        spread = float(np.abs(each - each.mean()).mean())
        stress = part.stress_sums()
        rows.append(
            {
                **known,
                **row,
                "energy_percent_error": (
                    100 * row["energy_mae_ev_per_atom"] / spread if spread > 0 else float("nan")
                ),
                "stress_percent_error": float("nan") if stress is None else stress.percent_error,
            }
        )
    return rows


def with_published(rows: pd.DataFrame) -> pd.DataFrame:
    """Put the published force errors beside those of the full split, where they are legible."""
    known = published_table().set_index("metal")["force_percent_error"]
    return rows.assign(published_force_percent_error=rows["metal"].map(known))


def ranking(rows: pd.DataFrame) -> pd.DataFrame:
    """Rank learners over the metals and label sets that all of them were tested on.

    Parameters
    ----------
    rows
        One per metal, label set and learner.

    Returns
    -------
    pandas.DataFrame
        One row per learner, the best first: "learner", "n" (metals and label sets), the means of
        the errors, "mean_rank", "wins" and what trainings and predictions took (`IN_ALL`).
    """
    import pandas as pd

    key = ["metal", "label_set"]
    wide = rows.pivot_table(index=key, columns="learner", values=TARGET).dropna()
    if wide.empty:
        return pd.DataFrame(columns=["learner", "n"])
    ranks = wide.rank(axis=1)
    mine = rows.set_index(key)
    mine = mine[mine.index.isin(wide.index)]
    numbers = ["energy_mae_ev_per_atom", "force_mae_ev_per_angstrom", "stress_percent_error"]
    means = mine.groupby("learner")[numbers].mean()
    table = pd.DataFrame(
        {
            "n": len(wide),
            TARGET: wide.mean(),
            "mean_rank": ranks.mean(),
            "wins": (ranks == 1).sum(),
        }
    ).join(means)
    table = table.join(costs(mine).set_index("learner")[list(IN_ALL)])
    table.index.name = "learner"
    return table.reset_index().sort_values([TARGET, "learner"], ignore_index=True)


def costs(rows: pd.DataFrame) -> pd.DataFrame:
    """Add up what every learner took; each training counts once, with all its label sets."""
    once = rows.drop_duplicates(["training", "learner"]).groupby("learner", sort=False)
    sums = once[list(IN_ALL)].sum(min_count=1)
    return sums.assign(trainings=once["training"].nunique()).reset_index()


def why_hard(
    rows: pd.DataFrame, measures: pd.DataFrame, *, column: str = TARGET, seed: int = 0
) -> dict[str, pd.DataFrame]:
    """Correlate ln(force error) of every learner with every measure of the metals' DOS.

    Parameters
    ----------
    rows
        One per metal and learner, of one label set.
    measures
        One row per metal: "metal" and the measures.
    column
        What is correlated in place of the force error: a number above 0.
    seed
        Seed of permutations and bootstrap.

    Returns
    -------
    dict
        Learner -> `dosml.analysis.statistics.measures_ranking.rank_measures` of those measures
        that vary; learners with fewer than four metals are missing.
    """
    found: dict[str, pd.DataFrame] = {}
    for learner, mine in rows[rows[column] > 0].groupby("learner", sort=False):
        joined = mine.merge(measures, on="metal")
        joined = joined.assign(**{LOG_TARGET: np.log(joined[column].to_numpy(float))})
        able = [
            name
            for name in ranked()
            if name in joined
            and joined[name].notna().sum() >= MINIMUM_POINTS
            and np.ptp(joined[name].dropna().to_numpy(float)) > 0
        ]
        if not able:
            continue
        try:
            found[str(learner)] = rank_measures(joined, target=LOG_TARGET, measures=able, seed=seed)
        except InputError:
            continue  # errors that do not vary
    return found
