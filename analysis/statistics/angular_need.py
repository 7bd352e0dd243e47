"""Up to which angular momentum a learner's force error falls: the angular need of labels."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.measures.table import PRIMARY
from dosml.analysis.statistics.correlation import can_correlate, correlate
from dosml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

#: An error at most so many times the lowest one counts as the lowest: it has stopped falling.
NEAR = 1.1
#: The rule in words, for tables and reports.
RULE = (
    "Angular need: the smallest l_max whose force error is at most 1.1 times the lowest of all "
    "l_max tried. It is marked open where that is the largest l_max tried: the error may fall on."
)

#: What is held against unsmeared chi_4 across metals, the first where there is a control.
EXCESS, BEYOND = "fall beyond l = 1 over the pair potential's", "fall beyond l = 1"
NEED, ERROR_L0, LOWEST = "angular need", "error, smallest l_max", "lowest error"


def angular_need(l_max: Sequence[int], errors: Sequence[float]) -> tuple[int, bool]:
    """Find the l_max at which an error stops falling, see `RULE`.

    Parameters
    ----------
    l_max
        Ascending, two or more.
    errors
        Of the same label set and frames, any unit, positive.

    Returns
    -------
    need, still_falls
        The smallest l_max whose error is at most `NEAR` times the lowest; whether it is the
        largest one tried.

    Raises
    ------
    InputError
        If there are fewer than two values, they do not ascend, or an error is not positive.
    """
    levels, values = list(l_max), np.asarray(errors, dtype=float)
    ascending = all(a < b for a, b in pairwise(levels))
    if len(levels) < 2 or len(levels) != len(values) or not ascending:
        raise InputError(
            f"the angular need wants two or more ascending l_max and an error of each, got "
            f"{', '.join(map(str, levels)) or 'none'} and {len(values)} errors"
        )
    if not (np.isfinite(values).all() and (values > 0).all()):
        raise InputError("the angular need wants positive errors")
    first = int(np.argmax(values <= NEAR * values.min()))
    return levels[first], first == len(levels) - 1


def need_table(points: pd.DataFrame, *, by: Sequence[str]) -> pd.DataFrame:
    """One row per curve of error against l_max.

    Parameters
    ----------
    points
        One row per training: the columns of `by`, "l_max", "force_percent_error",
        "force_mae_ev_per_angstrom".
    by
        Columns that tell curves apart.

    Returns
    -------
    pandas.DataFrame
        `by`, "angular_need", "still_falls", "percent_error_l0", "percent_error_need",
        "percent_error_lowest", "fall" (error at the smallest l_max over the lowest one),
        "fall_beyond_l1" (error at l_max = 1 over the lowest from there on: what angles beyond a
        dipole are worth; nan where l_max = 1 was not tried) and "largest_step" (the l_max to which
        the error falls by the largest factor).

    Raises
    ------
    InputError
        As `angular_need`.
    """
    import pandas as pd

    rows = []
    for key, group in points.groupby(list(by), sort=False):
        curve = group.sort_values("l_max")
        levels = [int(one) for one in curve["l_max"]]
        errors = curve["force_percent_error"].to_numpy(float)
        need, falls = angular_need(levels, errors.tolist())
        steps = errors[:-1] / errors[1:]
        rows.append(
            {
                **dict(zip(by, key, strict=True)),
                "angular_need": need,
                "still_falls": falls,
                "percent_error_l0": float(errors[0]),
                "percent_error_need": float(errors[levels.index(need)]),
                "percent_error_lowest": float(errors.min()),
                "fall": float(errors[0] / errors.min()),
                "fall_beyond_l1": _beyond(levels, errors),
                "largest_step": levels[int(np.argmax(steps)) + 1],
            }
        )
    return pd.DataFrame(rows)


def against_response(needs: pd.DataFrame, *, seed: int = 0) -> pd.DataFrame:
    """Ask across metals whether the need goes with the d response, setting by setting.

    Parameters
    ----------
    needs
        One row per metal, kind ("labels", "pairs") and "setting", from `need_table`, with the
        unsmeared chi_4 of the labels (`dosml.analysis.measures.table.PRIMARY`).
    seed
        Of permutations and bootstrap.

    Returns
    -------
    pandas.DataFrame
        "setting", "quantity" (`EXCESS`, `BEYOND`, `NEED`, `ERROR_L0`, `LOWEST`; logarithms but of
        the need), "n" metals, "pearson" with its interval "pearson_low" and "pearson_high" and
        "pearson_p", "spearman" and "spearman_p". No row where fewer than four metals have both
        numbers, or one does not vary.
    """
    import pandas as pd

    if PRIMARY not in needs:
        return pd.DataFrame()
    rows: list[dict[str, object]] = []
    for setting, there in needs.groupby("setting", sort=False):
        own = there[there["kind"] == "labels"].set_index("metal")
        control = there[there["kind"] == "pairs"].set_index("metal")
        beyond = np.log(own["fall_beyond_l1"])
        quantities = {
            EXCESS: beyond - np.log(control["fall_beyond_l1"]).reindex(own.index),
            BEYOND: beyond,
            NEED: own["angular_need"].astype(float),
            ERROR_L0: np.log(own["percent_error_l0"]),
            LOWEST: np.log(own["percent_error_lowest"]),
        }
        for name, values in quantities.items():
            known = pd.DataFrame({"x": own[PRIMARY], "y": values}).dropna()
            x, y = known["x"].to_numpy(float), known["y"].to_numpy(float)
            if can_correlate(x, y):
                found = correlate(x, y, seed=seed)
                rows.append({"setting": setting, "quantity": name, **found.columns()})
    return pd.DataFrame(rows)


def _beyond(levels: list[int], errors: NDArray[np.float64]) -> float:
    if 1 not in levels:
        return float("nan")
    rest = errors[levels.index(1) :]
    return float(rest[0] / rest.min())
