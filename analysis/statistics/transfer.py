"""Transfer between tiers: trained on one, tested on all (TM23 paper, Figs. 4 and 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.statistics.errors import (
    FrameSums,
    difference_columns,
    error_columns,
)
from dosml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd


def transfer_table(sums: Mapping[str, FrameSums], test_tiers: Sequence[str]) -> pd.DataFrame:
    """Tabulate the force % error of every training tier on every test tier.

    Parameters
    ----------
    sums
        Name of what a model was trained on -> its errors on the same held-out frames of all tiers,
        from `dosml.analysis.statistics.errors.component_sums`.
    test_tiers
        Tier of every held-out frame.

    Returns
    -------
    pandas.DataFrame
        One row per pair: "trained_on", "tested_on", "n_test_frames", "percent_error",
        "percent_error_low", "percent_error_high", "mae", "mav" (unit of the sums), and the change
        of the % error against a model trained on the tested tier itself with the ends of its
        paired interval: "change", "change_low", "change_high" (nan where there is no such model).

    Raises
    ------
    InputError
        If the numbers of frames differ.
    """
    import pandas as pd

    for name, part in sums.items():
        if len(part) != len(test_tiers):
            raise InputError(
                f"the model trained on {name} was tested on {len(part)} frames, the tiers name "
                f"{len(test_tiers)}"
            )
    rows = []
    for tested in dict.fromkeys(test_tiers):
        mask = np.array([tier == tested for tier in test_tiers])
        strata = [tested] * int(mask.sum())
        own = sums[tested].take(mask) if tested in sums else None
        for trained, every in sums.items():
            part = every.take(mask)
            change = dict.fromkeys(("change", "change_low", "change_high"), float("nan"))
            if own is not None:
                change = difference_columns("change", part, own, strata)
            rows.append(
                {
                    "trained_on": trained,
                    "tested_on": tested,
                    "n_test_frames": len(part),
                    **error_columns("percent_error", part, strata),
                    "mae": part.mean_absolute_error,
                    "mav": part.mean_absolute_value,
                    **change,
                }
            )
    return pd.DataFrame(rows)
