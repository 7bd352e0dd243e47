"""Which number read from the DOS goes best with the force error, across metals, and how surely."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.statistics.correlation import Correlation, correlate, holm, leave_one_out
from dosml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd


def rank_measures(
    table: pd.DataFrame,
    *,
    target: str,
    measures: Sequence[str],
    baseline: str | None = None,
    controls: Sequence[str] = (),
    metal: str = "metal",
    seed: int = 0,
) -> pd.DataFrame:
    """Correlate each measure with the target across metals and let it predict metals left out.

    Parameters
    ----------
    table
        One row per metal (choose one setting first: settings of one metal are not independent).
    target
        Column to explain, e.g. "force_percent_error".
    measures
        Columns that might explain it.
    baseline
        Column that the leave-one-metal-out prediction is compared with, e.g. the published d-band
        centre; None for the mean of the other metals alone.
    controls
        Columns whose influence the partial correlation removes, e.g. force MAV and melting point.
    metal
        Column that names the metal.
    seed
        Seed of permutations and bootstrap.

    Returns
    -------
    pandas.DataFrame
        One row per measure, best leave-one-out error first: "measure", "n" (metals that have
        measure, target, controls and baseline; the same for every column of the row), "pearson",
        "pearson_low", "pearson_high", "pearson_p", "pearson_p_holm" (over the measures of this
        call), "spearman", "spearman_p", "partial", "partial_p", "loo_mae", "loo_mae_baseline",
        "loo_mae_mean" (unit of the target) and "loo_q2" = 1 - (squared error left out) / (that of
        the mean of the others). `attrs` names target, baseline, controls and number of tests.

    Raises
    ------
    InputError
        If a column is missing, a metal has two rows, or a measure has too few metals.
    """
    import pandas as pd

    needed = [metal, target, *measures, *controls, *([baseline] if baseline else [])]
    missing = [name for name in needed if name not in table.columns]
    if missing or not measures:
        raise InputError(
            f"the correlation needs columns {', '.join(missing) or 'of measures'}; the table has "
            f"{', '.join(map(str, table.columns))}"
        )
    if table[metal].duplicated().any():
        twice = ", ".join(sorted(set(table.loc[table[metal].duplicated(), metal])))
        raise InputError(
            f"the correlation across metals needs one row per metal, {twice} has more: choose one "
            f"setting first"
        )
    rows = []
    for measure in measures:
        columns = list(dict.fromkeys([metal, target, measure, *needed[2 + len(measures) :]]))
        part = table[columns].dropna()
        try:
            rows.append(_row(part, target, measure, baseline, list(controls), seed))
        except InputError as error:
            raise InputError(f"{measure} against {target}, {len(part)} metals: {error}") from error
    ranking = pd.DataFrame(rows)
    ranking.insert(6, "pearson_p_holm", holm(ranking["pearson_p"]))
    ranking = ranking.sort_values("loo_mae", ignore_index=True)
    ranking.attrs = {
        "target": target,
        "baseline": baseline or "",
        "controls": list(controls),
        "n_tests": len(measures),
    }
    return ranking


def _row(
    part: pd.DataFrame,
    target: str,
    measure: str,
    baseline: str | None,
    controls: list[str],
    seed: int,
) -> dict[str, object]:
    y = part[target].to_numpy(float)
    x = part[measure].to_numpy(float)
    # a measure cannot be its own control
    others = [name for name in controls if name != measure]
    found: Correlation = correlate(
        x, y, controls=part[others].to_numpy(float) if others else None, seed=seed
    )
    predicted, plain = leave_one_out(x, y), leave_one_out(np.empty((len(y), 0)), y)
    rival = leave_one_out(part[baseline].to_numpy(float), y) if baseline else plain
    return {
        "measure": measure,
        **found.columns(),
        "partial": found.partial,
        "partial_p": found.partial_p,
        "loo_mae": float(np.abs(predicted - y).mean()),
        "loo_mae_baseline": float(np.abs(rival - y).mean()),
        "loo_mae_mean": float(np.abs(plain - y).mean()),
        "loo_q2": 1 - float(np.sum((predicted - y) ** 2) / np.sum((plain - y) ** 2)),
    }
