"""Tables of trainings in a terminal."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dosml.terminal import new_table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from rich.table import Table

_MEV = 1000.0


def _error(row: pd.Series) -> str:
    """Force error in %, with its interval where there is one."""
    text = f"{row['force_percent_error']:.1f}"
    low, high = row["force_percent_error_low"], row["force_percent_error_high"]
    return text if math.isnan(low) else f"{text} ({low:.1f}-{high:.1f})"


def cells_table(title: str, table: pd.DataFrame, columns: Mapping[str, str]) -> Table:
    """Show some columns: numbers with three digits, what is not known as a dash.

    Parameters
    ----------
    columns
        Name of a column -> its heading.
    """
    shown = new_table(title)
    for heading in columns.values():
        shown.add_column(heading, justify="right")
    for row in table.to_dict("records"):
        shown.add_row(*(_cell(row[name]) for name in columns))
    return shown


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if math.isfinite(value) else "-"
    return str(value)


def training_table(table: pd.DataFrame, varied: Sequence[str]) -> Table:
    """Show errors of the held-out frames and what a training cost.

    Parameters
    ----------
    table
        See `dosml.studies.train.StudyResult`.
    varied
        Columns that tell the rows apart, besides the label set.
    """
    shown = new_table(
        "errors of the held-out frames",
        "force error: 100 MAE/MAV with its 95 % interval over frames",
    )
    shown.add_column("label set", overflow="fold")
    headings = [*varied, "frames", "force error\n%", "MAE\nmeV/Å", "energy\nmeV/at"]
    stress = "stress_mae_ev_per_angstrom3" in table
    headings += ["stress\nmeV/Å^3"] if stress else []
    headings += ["CPU\ns"]
    for heading in headings:
        shown.add_column(heading, justify="right", no_wrap=True)
    for _, row in table.iterrows():
        cells = [str(row["label_set"])]
        cells += [
            f"{row[name]:g}" if isinstance(row[name], (int, float)) else str(row[name])
            for name in varied
        ]
        cells += [
            f"{row['n_train']:g}",
            _error(row),
            f"{_MEV * row['force_mae_ev_per_angstrom']:.1f}",
            f"{_MEV * row['energy_mae_ev_per_atom']:.2f}",
        ]
        if stress:
            cells.append(f"{_MEV * row['stress_mae_ev_per_angstrom3']:.2f}")
        cells.append(f"{row['cpu_seconds']:.1f}")
        shown.add_row(*cells)
    return shown


def learners_table(table: pd.DataFrame) -> Table:
    """Show the main columns of several learners on the label sets of a scan."""
    shown = new_table(
        "Force error by learner",
        "change: against the same learner's first setting; paired 95 % intervals are in "
        "learners.csv",
    )
    shifted = len(set(table["electrons_per_atom_shift"])) > 1
    headings = ["σ\neV", *(["shift\ne/atom"] if shifted else [])]
    headings += ["force error\n%", "change\npoints", "energy\nmeV/at", "training\ns", "parameters"]
    shown.add_column("learner", no_wrap=True)
    for heading in headings:
        shown.add_column(heading, justify="right", no_wrap=True)
    for _, row in table.iterrows():
        first = row["change_to_first_setting"] == 0
        shown.add_row(
            str(row["learner"]),
            f"{row['sigma_ev']:g}",
            *([f"{row['electrons_per_atom_shift']:+g}"] if shifted else []),
            _error(row),
            "0" if first else f"{row['change_to_first_setting']:+.1f}",
            f"{_MEV * row['energy_mae_ev_per_atom']:.1f}",
            f"{row['seconds_training']:.0f}",
            f"{row['n_parameters']:.0f}",
        )
    return shown


def transfer_terminal(table: pd.DataFrame) -> Table:
    """Show the force error by tier of training and of testing."""
    tested = list(dict.fromkeys(table["tested_on"]))
    shown = new_table("Force error in %, 100 MAE/MAV, by held-out tier")
    for heading in ("learner", "label set", "trained on", "frames"):
        shown.add_column(heading)
    for tier in tested:
        shown.add_column(str(tier), justify="right")
    for key, rows in table.groupby(["learner", "label_set", "trained_on"], sort=False):
        errors = dict(zip(rows["tested_on"], rows["percent_error"], strict=True))
        cells = [f"{errors[tier]:.1f}" for tier in tested]
        shown.add_row(*map(str, key), str(rows["n_train"].iloc[0]), *cells)
    return shown


def ranking_table(ranking: pd.DataFrame) -> Table:
    """Show the learners of a benchmark, the best first."""
    shown = new_table("Learners by mean force error, 100 MAE/MAV, over tests that all have")
    shown.add_column("learner", no_wrap=True)
    for heading in ("tests", "force error\n%", "mean rank", "best on", "MAE\nmeV/Å", "cost\nCPU s"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for _, row in ranking.iterrows():
        shown.add_row(
            str(row["learner"]),
            f"{row['n']}",
            f"{row['force_percent_error']:.1f}",
            f"{row['mean_rank']:.2f}",
            f"{row['wins']}",
            f"{_MEV * row['force_mae_ev_per_angstrom']:.1f}",
            f"{row['cpu_seconds_in_all']:.0f}",
        )
    return shown
