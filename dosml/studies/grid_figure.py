"""Heat maps of a grid over cutoff, n_max, l_max and zeta."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.figures.style import new_figure

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Quantity:
    """A column of the grid's table as a heat map: what it is and how it is written."""

    column: str
    scale: float
    label: str
    format: str
    more_is_better: bool
    caption: str


QUANTITIES = {
    "force_mae": Quantity(
        "force_mae_ev_per_angstrom",
        1000,
        "force MAE (meV/Å)",
        "{:.3g}",
        False,
        "Force MAE of the validation frames; the frame marks the best point.",
    ),
    "log_likelihood": Quantity(
        "log_likelihood",
        1,
        "log likelihood",
        "{:.0f}",
        True,
        "Log marginal likelihood of the training labels; the frame marks the best point.",
    ),
}


def grid_figure(table: pd.DataFrame, quantity: str) -> Figure:
    """Panels by zeta (rows) and l_max (columns), each cutoff against n_max.

    Parameters
    ----------
    table
        Rows of one label set, see `dosml.studies.grid.grid_table`.
    quantity
        A key of `QUANTITIES`.

    Returns
    -------
    matplotlib.figure.Figure
        Draw inside `dosml.analysis.figures.style.house_style`.
    """
    what = QUANTITIES[quantity]
    zetas, l_maxes = sorted(set(table["zeta"])), sorted(set(table["l_max"]))
    cutoffs, n_maxes = sorted(set(table["cutoff_angstrom"])), sorted(set(table["n_max"]))
    values = table[what.column].to_numpy(float) * what.scale
    low, high = np.nanmin(values), np.nanmax(values)
    best = float(high if what.more_is_better else low)
    cell = 0.5
    figure = new_figure(
        1.9 + len(l_maxes) * (cell * len(n_maxes) + 0.35),
        0.9 + len(zetas) * (cell * 0.8 * len(cutoffs) + 0.45),
    )
    figure.set_layout_engine("constrained")
    panels = figure.subplots(len(zetas), len(l_maxes), squeeze=False, sharex=True, sharey=True)
    for row, zeta in enumerate(zetas):
        for column, l_max in enumerate(l_maxes):
            axes = panels[row, column]
            mine = table[(table["zeta"] == zeta) & (table["l_max"] == l_max)]
            grid = mine.pivot_table(
                index="cutoff_angstrom", columns="n_max", values=what.column, dropna=False
            )
            grid = grid.reindex(index=cutoffs, columns=n_maxes).to_numpy(float) * what.scale
            image = axes.imshow(
                grid,
                cmap="viridis" if what.more_is_better else "viridis_r",
                vmin=low,
                vmax=high,
                origin="lower",
                aspect="auto",
            )
            for (i, j), value in np.ndenumerate(grid):
                if np.isnan(value):
                    axes.text(j, i, "-", ha="center", va="center")
                    continue
                light = (value - low) / (high - low) if high > low else 0.5
                light = light if what.more_is_better else 1 - light
                axes.text(
                    j,
                    i,
                    what.format.format(value),
                    ha="center",
                    va="center",
                    fontsize=7,
                    color="black" if light > 0.6 else "white",
                )
                if value == best:
                    from matplotlib.patches import Rectangle

                    axes.add_patch(
                        Rectangle(
                            (j - 0.5, i - 0.5),
                            1,
                            1,
                            fill=False,
                            ec="#D55E00",
                            lw=2.5,
                            clip_on=False,
                        )
                    )
            axes.set_xticks(range(len(n_maxes)), [f"{n:g}" for n in n_maxes])
            axes.set_yticks(range(len(cutoffs)), [f"{c:g}" for c in cutoffs])
            axes.tick_params(length=0)
            axes.grid(visible=False)
            axes.set_title(f"l_max {l_max:g}, ζ {zeta:g}", fontsize=8)
    for axes in panels[-1]:
        axes.set_xlabel("n_max")
    for axes in panels[:, 0]:
        axes.set_ylabel("cutoff (Å)")
    figure.colorbar(image, ax=panels, label=what.label, shrink=0.9)
    return figure
