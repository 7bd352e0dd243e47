"""Several force fields on the same label sets, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dosml.analysis.figures.style import (
    from_zero,
    house_style,
    legend_above,
    new_figure,
    save_figure,
)

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd
    from matplotlib.figure import Figure

    from dosml.analysis.figures.style import FigureRecord

#: Name, title and caption of the figure in a report.
LEARNER_FIGURE = (
    "learners",
    "Force error of every learner",
    "100 MAE/MAV of the held-out forces with 95 % intervals.",
)


def learner_figure(table: pd.DataFrame, x: str, label: str) -> Figure:
    """Draw the force error of every learner against what the scan varies.

    Parameters
    ----------
    table
        From `dosml.analysis.statistics.learner_table.learner_table`.
    x, label
        Column of the abscissa, and what it is called.

    Returns
    -------
    matplotlib.figure.Figure
        Draw inside `dosml.analysis.figures.style.house_style`.
    """
    figure = new_figure(4.8, 3.4)
    axes = figure.subplots()
    for k, (learner, rows) in enumerate(table.groupby("learner", sort=False)):
        centre = rows["force_percent_error"]
        below = centre - rows["force_percent_error_low"]
        above = rows["force_percent_error_high"] - centre
        axes.errorbar(
            rows[x], centre, [below, above], fmt="osD^vP<>"[k % 8] + "-", capsize=2, label=learner
        )
    axes.set(xlabel=label, ylabel="force error, 100 MAE/MAV (%)")
    from_zero(axes)
    legend_above(axes)
    return figure


def draw_learners(table: pd.DataFrame, folder: Path) -> FigureRecord:
    """Draw and save `learner_figure` against what the scan varies.

    Parameters
    ----------
    table
        From `dosml.analysis.statistics.learner_table.learner_table`.
    folder
        Where to; made if it does not exist.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    x, label = "sigma_ev", "smearing width σ (eV)"
    if len(set(table["electrons_per_atom_shift"])) > 1:
        x, label = "electrons_per_atom_shift", "electrons added per atom"
    name, title, caption = LEARNER_FIGURE
    with house_style():
        return save_figure(
            learner_figure(table, x, label), folder, name, title=title, caption=caption
        )
