"""Heat maps of a grid over up to four options of a learner."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.figures.style import new_figure

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray


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


#: Options with another name or a unit where people read them.
_NAMES, _UNITS = {"zeta": "ζ"}, {"cutoff": "Å"}


def option_words(name: str, value: object) -> str:
    """Write an option of a learner with its value: "cutoff 5 Å", "n_max 8"."""
    return f"{_NAMES.get(name, name)} {_text(value)} {_UNITS.get(name, '')}".rstrip()


def grid_figure(table: pd.DataFrame, quantity: str, axes: Sequence[str]) -> Figure:
    """Heat map of two options, in panels by two more where there are so many.

    Parameters
    ----------
    table
        Rows of one label set, see `dosml.studies.grid.grid_table`.
    quantity
        A key of `QUANTITIES`.
    axes
        One to four columns that are varied: down, across, and of the panels across and down.

    Returns
    -------
    matplotlib.figure.Figure
        Draw inside `dosml.analysis.figures.style.house_style`.
    """
    what = QUANTITIES[quantity]
    # an axis that is not there has one value
    names = [*axes, *(f"_{k}" for k in range(4 - len(axes)))]
    table = table.assign(**{name: 0 for name in names if name not in table})
    down, across, panel_across, panel_down = names
    ticks = {name: sorted(set(table[name])) for name in names}
    values = table[what.column].to_numpy(float) * what.scale
    low, high = float(np.nanmin(values)), float(np.nanmax(values))
    best = high if what.more_is_better else low
    cell = 0.5
    figure = new_figure(
        1.9 + len(ticks[panel_across]) * (cell * len(ticks[across]) + 0.35),
        0.9 + len(ticks[panel_down]) * (cell * 0.8 * len(ticks[down]) + 0.45),
    )
    figure.set_layout_engine("constrained")
    panels = figure.subplots(
        len(ticks[panel_down]), len(ticks[panel_across]), squeeze=False, sharex=True, sharey=True
    )
    for (row, column), panel in np.ndenumerate(panels):
        at = {panel_down: ticks[panel_down][row], panel_across: ticks[panel_across][column]}
        mine = table[np.logical_and.reduce([table[name] == value for name, value in at.items()])]
        pivot = mine.pivot_table(index=down, columns=across, values=what.column, dropna=False)
        pivot = pivot.reindex(index=ticks[down], columns=ticks[across])
        part = pivot.to_numpy(float) * what.scale
        image = panel.imshow(
            part,
            cmap="viridis" if what.more_is_better else "viridis_r",
            vmin=low,
            vmax=high,
            origin="lower",
            aspect="auto",
        )
        _write_numbers(panel, part, what, (low, high), best)
        panel.set_xticks(range(len(ticks[across])), [_text(one) for one in ticks[across]])
        panel.set_yticks(range(len(ticks[down])), [_text(one) for one in ticks[down]])
        panel.tick_params(length=0)
        panel.grid(visible=False)
        words = [option_words(name, value) for name, value in at.items() if name in axes]
        panel.set_title(", ".join(reversed(words)), fontsize=8)
    for panel in panels[-1]:
        panel.set_xlabel(_heading(across) if across in axes else "")
    for panel in panels[:, 0]:
        panel.set_ylabel(_heading(down))
    figure.colorbar(image, ax=panels, label=what.label, shrink=0.9)
    return figure


def _write_numbers(
    panel: Axes, part: NDArray, what: Quantity, limits: tuple[float, float], best: float
) -> None:
    from matplotlib.patches import Rectangle

    low, high = limits
    for (i, j), value in np.ndenumerate(part):
        if np.isnan(value):
            panel.text(j, i, "-", ha="center", va="center")
            continue
        light = (value - low) / (high - low) if high > low else 0.5
        light = light if what.more_is_better else 1 - light
        panel.text(
            j,
            i,
            what.format.format(value),
            ha="center",
            va="center",
            fontsize=7,
            color="#010101" if light > 0.6 else "#fefefe",
        )
        if value == best:
            corner = (j - 0.5, i - 0.5)
            panel.add_patch(
                Rectangle(corner, 1, 1, fill=False, ec="#D55E00", lw=2.5, clip_on=False)
            )


def _heading(name: str) -> str:
    unit = _UNITS.get(name)
    return f"{name} ({unit})" if unit else _NAMES.get(name, name)


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, (int, float)) else str(value)
