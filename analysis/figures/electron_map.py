"""The electron number as an axis, and the map of it with smearing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.figures.style import from_zero, new_figure
from dosml.analysis.statistics.electron_axis import (
    chi_four,
    electron_table,
    half_filling,
    neutral_setting,
    predicted_measures,
)
from dosml.analysis.statistics.label_noise import MARK, within_noise

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from dosml.analysis.statistics.scan import ScanData

#: Points of a prediction's line.
_LINE_POINTS = 41
_PREDICTED = "#b05a00"


def electron_axis_figure(scan: ScanData, table: pd.DataFrame) -> Figure:
    """Draw force error, chi_4 and N (10 - N) against the electron number at one σ.

    Parameters
    ----------
    scan, table
        A scan of the electron number and its results table.
    """
    rows = electron_table(scan, table)
    x = rows["electrons_per_atom_shift"].to_numpy(float)
    start = neutral_setting(scan, scan.reference.width)
    shifts = np.linspace(x.min(), x.max(), _LINE_POINTS)
    predicted = [predicted_measures(scan, start, shift) for shift in shifts]
    figure = new_figure(7.6, 3.1)
    error, *others = figure.subplots(1, 3)
    y = rows["force_percent_error"].to_numpy(float)
    ends = [rows[f"force_percent_error_{end}"].to_numpy(float) for end in ("low", "high")]
    bars = np.nan_to_num(np.clip([y - ends[0], ends[1] - y], 0, None))
    error.errorbar(x, y, yerr=bars, color="black", marker="o", capsize=2.5)
    marked = within_noise(rows)
    error.plot(x[marked], y[marked], "o", color="black", mfc="white", zorder=6)
    error.set(title="Force error", ylabel="100 MAE/MAV (%)")
    for axes, column, measure, title in (
        (others[0], "chi_4_states2_per_ev_atom2", chi_four, r"$\chi_4$ of the d band"),
        (others[1], "n_times_ten_minus_n", half_filling, r"$N(10-N)$"),
    ):
        line = [measure(one) for one in predicted]
        axes.plot(shifts, line, "--", color=_PREDICTED, label="rigid band (prediction)")
        axes.plot(x, rows[column], "o", color="black", label="own DOS")
        axes.set(title=title)
    others[0].set(ylabel="(states/atom)²/eV")
    others[1].set(ylabel="electrons²")
    for axes in (error, *others):
        axes.set_xlabel("electrons added per atom")
        from_zero(axes)
    handles, labels = others[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2)
    return figure


def map_figure(scan: ScanData, table: pd.DataFrame) -> Figure:
    """Draw force error, chi_4 and N (10 - N) over σ and electron number as heat maps.

    Parameters
    ----------
    scan, table
        A scan of both and its results table. Without a d-DOS the force error stands alone.
    """
    rows = electron_table(scan, table)
    shown = [("force_percent_error", "force error, 100 MAE/MAV (%)", 1)]
    if scan.with_d:
        shown += [
            ("chi_4_states2_per_ev_atom2", r"$\chi_4$, (states/atom)²/eV", 2),
            ("n_times_ten_minus_n", r"$N(10-N)$ of the d band", 1),
        ]
    width = 8.6 if len(shown) > 1 else 3.8
    figure = new_figure(width, 1.7 + 0.42 * rows["sigma_ev"].nunique())
    panels = figure.subplots(1, len(shown), sharey=True, squeeze=False)[0]
    for axes, (column, title, digits) in zip(panels, shown, strict=True):
        _heat_map(axes, rows, column, digits, marked=column == "force_percent_error")
        axes.set(title=title, xlabel="electrons added per atom")
    panels[0].set_ylabel("smearing width σ (eV)")
    return figure


def _heat_map(axes: Axes, rows: pd.DataFrame, column: str, digits: int, *, marked: bool) -> None:
    """One cell per setting with its number; a setting without labels stays empty."""
    noisy = rows[within_noise(rows)] if marked else rows[:0]
    marks = set(zip(noisy["sigma_ev"], noisy["electrons_per_atom_shift"], strict=True))
    grid = rows.pivot_table(
        index="sigma_ev", columns="electrons_per_atom_shift", values=column, dropna=False
    )
    values: NDArray[np.float64] = grid.to_numpy(float)
    labelled = set(zip(rows["sigma_ev"], rows["electrons_per_atom_shift"], strict=True))
    axes.imshow(values, origin="lower", aspect="auto", cmap="viridis")
    middle = (np.nanmin(values) + np.nanmax(values)) / 2
    for (row, place), value in np.ndenumerate(values):
        missing = np.isnan(value)
        colour = "#010101" if value > middle else "#fefefe"
        colour = "black" if missing else colour
        place_of = (grid.index[row], grid.columns[place])
        text = f"{value:.{digits}f}{MARK * (place_of in marks)}"
        if missing:
            text = "no DOS" if place_of in labelled else "no labels"
        size = 6 if missing else 8
        axes.text(place, row, text, ha="center", va="center", color=colour, fontsize=size)
    axes.set_xticks(range(grid.shape[1]), [f"{shift:+g}" if shift else "0" for shift in grid])
    axes.set_yticks(range(grid.shape[0]), [f"{width:g}" for width in grid.index])
    axes.grid(visible=False)
