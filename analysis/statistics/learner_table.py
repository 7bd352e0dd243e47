"""Several force fields on the same label sets: one table."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.analysis.statistics.errors import (
    difference_columns,
    error_columns,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from dosml.analysis.statistics.results import HeldOut

#: Facts of a model that become columns, where the learner measured them.
COSTS = ("seconds_training", "device", "peak_memory_mib", "n_parameters", "epochs")


def learner_table(
    results: Mapping[str, Sequence[tuple[Mapping[str, Any], HeldOut]]],
    test_tiers: Sequence[str],
) -> pd.DataFrame:
    """Tabulate the force error of every learner at every setting.

    Parameters
    ----------
    results
        Name of a learner -> for each setting, in one order, the columns that tell it apart
        ("sigma_ev": 0.2) and what the learner's model says.
    test_tiers
        Tier of every held-out frame.

    Returns
    -------
    pandas.DataFrame
        One row per learner and setting: "learner", the setting's columns, "force_percent_error"
        with "_low" and "_high"; the change against the same learner at the first setting and the
        difference to the first learner at the same setting, each with the ends of its paired
        interval; "force_mae_ev_per_angstrom", "energy_mae_ev_per_atom" and the costs.
    """
    import pandas as pd

    rows = []
    reference = [held.force_sums() for _, held in next(iter(results.values()))]
    for learner, settings in results.items():
        own = [held.force_sums() for _, held in settings]
        for number, (columns, held) in enumerate(settings):
            sums = own[number]
            row: dict[str, Any] = {"learner": learner, **columns}
            row |= error_columns("force_percent_error", sums, test_tiers)
            row |= difference_columns("change_to_first_setting", sums, own[0], test_tiers)
            row |= difference_columns(
                "difference_to_first_learner", sums, reference[number], test_tiers
            )
            row["force_mae_ev_per_angstrom"] = sums.mean_absolute_error
            row["energy_mae_ev_per_atom"] = held.energy_error()
            row |= {name: held.facts.get(name, np.nan) for name in COSTS}
            rows.append(row)
    return pd.DataFrame(rows)
