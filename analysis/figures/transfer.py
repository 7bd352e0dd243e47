"""Transfer between tiers as a matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.figures.style import new_figure, plain

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def transfer_figure(table: pd.DataFrame, *, label: str = "force error, 100 MAE/MAV (%)") -> Figure:
    """Draw the transfer table as a matrix, value and interval in every cell.

    Parameters
    ----------
    table
        From `dosml.analysis.statistics.transfer.transfer_table`.
    label
        What the cells hold: title of the figure.

    Returns
    -------
    matplotlib.figure.Figure
        Draw inside `dosml.analysis.figures.style.house_style`.
    """
    rows = list(dict.fromkeys(table["trained_on"]))
    columns = list(dict.fromkeys(table["tested_on"]))
    values = np.full((len(rows), len(columns)), np.nan)
    figure = new_figure(1.6 + 1.15 * len(columns), 1.0 + 0.75 * len(rows))
    axes = figure.subplots()
    top = float(table["percent_error"].max())
    for _, cell in table.iterrows():
        y, x = rows.index(cell["trained_on"]), columns.index(cell["tested_on"])
        values[y, x] = cell["percent_error"]
        between = f"{cell['percent_error_low']:.1f} to {cell['percent_error_high']:.1f}"
        text = f"{cell['percent_error']:.1f}"
        text += "" if np.isnan(cell["percent_error_low"]) else f"\n{between}"
        # viridis is dark at its lower end
        colour = "#fefefe" if cell["percent_error"] < 0.6 * top else "#010101"
        axes.text(x, y, text, ha="center", va="center", color=colour, fontsize=8)
    axes.imshow(values, cmap="viridis", vmin=0, vmax=top, aspect="auto")
    axes.set_xticks(range(len(columns)), [plain(str(name)) for name in columns])
    axes.set_yticks(range(len(rows)), [plain(str(name)) for name in rows])
    axes.set(xlabel="tested on", ylabel="trained on", title=label)
    axes.grid(visible=False)
    return figure
