"""Learning curves with their fitted laws."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.analysis.figures.style import (
    log_ordinate,
    new_figure,
    plain,
    scale_colours,
)
from dosml.analysis.statistics.errors import Interval
from dosml.analysis.statistics.learning_curves import fit_power_law

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

#: Up to this many curves have colours of their own; more are coloured in order.
_DISTINCT = 6
_MARKERS = "os^Dv<>P"


def learning_curve_figure(
    points: pd.DataFrame,
    *,
    by: Sequence[str],
    fits: pd.DataFrame | None = None,
    error: str = "force_percent_error",
    label: str = "force error, 100 MAE/MAV (%)",
) -> Figure:
    """Draw every seed's error, the geometric mean over seeds and the fitted law of each curve.

    Parameters
    ----------
    points, by, error
        As in `dosml.analysis.statistics.learning_curves.learning_curve_table`.
    fits
        That table, whose intervals also hold the scatter of the test frames; None: fitted to the
        points alone.
    label
        Label of the ordinate.

    Returns
    -------
    matplotlib.figure.Figure
        Both axes logarithmic; draw inside `dosml.analysis.figures.style.house_style`.
    """
    from matplotlib.ticker import NullLocator

    groups = list(points.groupby(list(by), sort=True))
    figure = new_figure(4.8, 3.1 + 0.17 * len(groups))
    axes = figure.subplots()
    scale = scale_colours(len(groups))
    # curves of one learner at several settings bear the colours of the scan
    ordered = list(by) == ["label_set"] or len(groups) > _DISTINCT
    for k, (key, group) in enumerate(groups):
        colour = scale[k] if ordered else f"C{k}"
        grid = group.pivot_table(index="seed", columns="n_train", values=error).dropna(axis=1)
        sizes = grid.columns.to_numpy(float)
        law = fit_power_law(sizes, grid.to_numpy(float))
        low, high = law.exponent_interval if fits is None else _interval(fits, by, key)
        between = "" if np.isnan(low) else f" ({low:.2f} to {high:.2f})"
        name = ", ".join(str(part) for part in key)
        axes.plot(group["n_train"], group[error], ".", ms=3, color=colour, alpha=0.4)
        told = law.n_seeds > 1 or law.exponent > 0
        centre = np.exp(np.log(grid.to_numpy(float)).mean(axis=0))
        axes.errorbar(
            sizes,
            centre,
            yerr=_bars(group, grid, centre, error),
            fmt=_MARKERS[k % len(_MARKERS)],
            color=colour,
            lw=1,
            capsize=2,
            label=f"{plain(name)}: b = {law.exponent:.2f}{between}"
            if told
            else f"{plain(name)}: no law",
        )
        if told:
            line = np.geomspace(sizes.min(), sizes.max(), 50)
            axes.plot(line, law(line), color=colour, lw=1)
    ticks = np.unique(points["n_train"].to_numpy(float))
    axes.set(xscale="log", xlabel="training frames N", ylabel=label)
    axes.set_xticks(ticks, [f"{t:g}" for t in ticks])
    axes.xaxis.set_minor_locator(NullLocator())
    log_ordinate(axes)
    axes.set_title("error = a N$^{-b}$")
    figure.legend(loc="outside lower center")
    return figure


def _interval(fits: pd.DataFrame, by: Sequence[str], key: tuple[Any, ...]) -> Interval:
    """Interval of the exponent of one curve in a table of fits."""
    mine = fits
    for name, value in zip(by, key, strict=True):
        mine = mine[mine[name] == value]
    row = mine.iloc[0]
    return Interval(float(row["exponent_low"]), float(row["exponent_high"]))


def _bars(
    group: pd.DataFrame, grid: pd.DataFrame, centre: NDArray[np.float64], error: str
) -> NDArray[np.float64]:
    """Distances to the ends of the bars, shape (2, n_sizes).

    From the lowest to the highest of several draws; of one draw its interval over frames.
    """
    values = grid.to_numpy(float)
    ends = [values.min(axis=0), values.max(axis=0)]
    if len(grid) == 1 and {f"{error}_low", f"{error}_high"} <= set(group.columns):
        known = group.set_index("n_train")
        ends = [
            known.loc[grid.columns, f"{error}_{end}"].to_numpy(float) for end in ("low", "high")
        ]
    return np.asarray(np.nan_to_num(np.clip([centre - ends[0], ends[1] - centre], 0, None)))
