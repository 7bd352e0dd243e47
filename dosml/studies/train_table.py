"""Results of `dosml train` in a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd
    from rich.table import Table

_MEV = 1000.0


def training_table(table: pd.DataFrame) -> Table:
    """Show errors of the held-out frames and what a training cost.

    Parameters
    ----------
    table
        See `dosml.studies.train_run.TrainOutcome`.
    """
    from rich import box
    from rich.table import Table

    chosen = "best_by" in table
    shown = Table(
        title="errors of the held-out frames",
        caption="force error: 100 MAE/MAV with its 95 % interval (bootstrap over frames)",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    shown.add_column("label set", overflow="fold")
    headings = ["best by", "r_c\nÅ", "n_max", "l_max", "ζ"] if chosen else ["frames"]
    headings += ["force error\n%", "MAE\nmeV/Å", "energy\nmeV/at"]
    stress = "stress_mae_ev_per_angstrom3" in table
    headings += ["stress\nmeV/Å^3"] if stress else []
    headings += ["CPU\ns"]
    for heading in headings:
        shown.add_column(heading, justify="right", no_wrap=True)
    for _, row in table.iterrows():
        low, high = row["force_percent_error_low"], row["force_percent_error_high"]
        cells = [str(row["label_set"])]
        if chosen:
            cells += [str(row["best_by"]), f"{row['cutoff_angstrom']:g}"]
            cells += [f"{row[axis]:g}" for axis in ("n_max", "l_max", "zeta")]
        else:
            cells.append(f"{row['n_train']:g}")
        cells += [
            f"{row['force_percent_error']:.1f}"
            + (f" ({low:.1f}-{high:.1f})" if not math.isnan(low) else ""),
            f"{_MEV * row['force_mae_ev_per_angstrom']:.1f}",
            f"{_MEV * row['energy_mae_ev_per_atom']:.2f}",
        ]
        if stress:
            cells.append(f"{_MEV * row['stress_mae_ev_per_angstrom3']:.2f}")
        cells.append(f"{row['cpu_seconds']:.1f}")
        shown.add_row(*cells)
    return shown
