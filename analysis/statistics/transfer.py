"""Transfer between tiers: trained on one, tested on all (TM23 paper, Figs. 4 and 5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.figures.style import new_figure
from dosml.analysis.statistics.errors import (
    FrameSums,
    bootstrap_weights,
    difference_columns,
    error_columns,
)
from dosml.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from matplotlib.figure import Figure


def transfer_table(
    sums: Mapping[str, FrameSums], test_tiers: Sequence[str], *, seed: int = 0
) -> pd.DataFrame:
    """Tabulate the force % error of every training tier on every test tier.

    Parameters
    ----------
    sums
        Name of what a model was trained on -> its errors on the same held-out frames of all tiers,
        from `dosml.analysis.statistics.errors.component_sums`.
    test_tiers
        Tier of every held-out frame.
    seed
        Seed of the bootstrap.

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
        weights = bootstrap_weights([tested] * int(mask.sum()), seed=seed)
        own = sums[tested].take(mask) if tested in sums else None
        for trained, every in sums.items():
            part = every.take(mask)
            change = dict.fromkeys(("change", "change_low", "change_high"), float("nan"))
            if own is not None:
                change = difference_columns("change", part, own, weights)
            rows.append(
                {
                    "trained_on": trained,
                    "tested_on": tested,
                    "n_test_frames": len(part),
                    **error_columns("percent_error", part, weights),
                    "mae": part.mean_absolute_error,
                    "mav": part.mean_absolute_value,
                    **change,
                }
            )
    return pd.DataFrame(rows)


def transfer_figure(table: pd.DataFrame, *, label: str = "force error, 100 MAE/MAV (%)") -> Figure:
    """Draw the transfer table as a matrix, value and interval in every cell.

    Parameters
    ----------
    table
        From `transfer_table`.
    label
        Label of the colour bar.

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
        colour = "white" if cell["percent_error"] < 0.6 * top else "black"
        axes.text(x, y, text, ha="center", va="center", color=colour, fontsize=8)
    image = axes.imshow(values, cmap="viridis", vmin=0, vmax=top, aspect="auto")
    axes.set_xticks(range(len(columns)), columns)
    axes.set_yticks(range(len(rows)), rows)
    axes.set(xlabel="tested on", ylabel="trained on")
    axes.grid(visible=False)
    figure.colorbar(image, label=label)
    return figure
