"""The d block of the periodic table as a map."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.figures.style import new_figure
from dosml.analysis.statistics.d_block import D_BLOCK, d_block_grid, d_block_quantities

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from dosml.analysis.statistics.survey import SurveyData


def d_block_figure(survey: SurveyData) -> Figure:
    """Draw one map of the d block for every quantity.

    Parameters
    ----------
    survey
        The survey.

    Returns
    -------
    matplotlib.figure.Figure
        Draw inside `dosml.analysis.figures.style.house_style`.
    """
    quantities = d_block_quantities(survey)
    rows = -(-len(quantities) // 2)
    figure = new_figure(9.0, 1.75 * rows)
    panels = figure.subplots(rows, 2, squeeze=False).ravel()
    for axes, (title, values, digits) in zip(panels, quantities, strict=False):
        draw_d_block(axes, values, title, digits)
    for axes in panels[len(quantities) :]:
        axes.set_visible(False)
    return figure


def draw_d_block(
    axes: Axes,
    values: pd.Series,
    title: str,
    digits: int,
    limits: tuple[float, float] | None = None,
) -> None:
    """Draw one map of the d block: every metal in its place with its number.

    Parameters
    ----------
    values
        Indexed by chemical symbol.
    digits
        After the decimal point.
    limits
        Ends of the colour scale; None: those of the values.
    """
    grid = d_block_grid(values)
    low, high = limits or (float(np.nanmin(grid)), float(np.nanmax(grid)))
    axes.imshow(grid, cmap="viridis", aspect="auto", vmin=low, vmax=high)
    for (y, x), value in np.ndenumerate(grid):
        text, colour = D_BLOCK[y][x], "#999999"
        if np.isfinite(value):
            text += f"\n{value:.{digits}f}"
            # viridis is dark at its lower end
            colour = "#fefefe" if value < low + 0.6 * (high - low) else "#010101"
        axes.text(x, y, text, ha="center", va="center", color=colour, fontsize=7)
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=8)
    axes.grid(visible=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
