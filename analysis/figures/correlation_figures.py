"""Figures of the correlation across metals: the points themselves, and all coefficients at once."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.figures.point_names import name_points
from dosml.analysis.figures.style import LINE_COLOUR, new_figure
from dosml.analysis.statistics.correlation import informative, which_inform

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd
    from matplotlib.figure import Figure

_COLUMNS = 3


def scatter_figure(
    table: pd.DataFrame,
    ranking: pd.DataFrame,
    *,
    labels: Mapping[str, str] | None = None,
    metal: str = "metal",
    limit: int = 6,
) -> Figure:
    """Draw the target against the best measures, every metal by name, with r and n.

    Parameters
    ----------
    table
        One row per metal, as given to `rank_measures`. Where it
        has columns "<target>_low" and "<target>_high", they are drawn as intervals.
    ranking
        Its result; drawn in its order.
    labels
        Names of columns for people; a column that is missing here keeps its own name.
    metal
        Column that names the metal.
    limit
        How many measures at most.

    Returns
    -------
    matplotlib.figure.Figure
        Draw inside `dosml.analysis.figures.style.house_style`.
    """
    names = dict(labels or {})
    target = ranking.attrs["target"]
    # the metals that the coefficient rests on, no others
    baseline = [ranking.attrs["baseline"]] if ranking.attrs["baseline"] else []
    needed = [target, *ranking.attrs["controls"], *baseline]
    chosen = list(ranking["measure"])[:limit]
    columns = min(_COLUMNS, len(chosen))
    rows = -(-len(chosen) // columns)
    figure = new_figure(2.5 * columns + 0.4, 2.5 * rows)
    panels = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for axes, measure in zip(panels, chosen, strict=False):
        part = table.dropna(subset=[measure, *needed])
        x, y = part[measure].to_numpy(float), part[target].to_numpy(float)
        if {f"{target}_low", f"{target}_high"} <= set(table.columns):
            ends = part[[f"{target}_low", f"{target}_high"]].to_numpy(float)
            bars = np.nan_to_num(np.clip([y - ends[:, 0], ends[:, 1] - y], 0, None))
            axes.errorbar(x, y, yerr=bars, fmt="none", ecolor="#aaaaaa", elinewidth=0.8)
        axes.plot(x, y, "o", ms=4, color="C0")
        slope, offset = np.polyfit(x, y, 1)
        line = np.array([x.min(), x.max()])
        axes.plot(line, slope * line + offset, color=LINE_COLOUR, lw=0.8)
        row = ranking[ranking["measure"] == measure].iloc[0]
        told = (
            f"r = {row['pearson']:+.2f} ({row['pearson_low']:+.2f} to {row['pearson_high']:+.2f}), "
        )
        if not informative(row["pearson_low"], row["pearson_high"]):
            told = ""
        axes.set_title(f"{told}n = {row['n']}", fontsize=8)
        axes.set_xlabel(names.get(measure, measure), fontsize=8)
        axes.margins(x=0.12)
    for axes in panels[::columns]:
        axes.set_ylabel(names.get(target, target), fontsize=8)
    for axes in panels[len(chosen) :]:
        axes.set_visible(False)
    for axes, measure in zip(panels, chosen, strict=False):
        part = table.dropna(subset=[measure, *needed])
        name_points(axes, part[measure], part[target], list(part[metal]))
    return figure


def forest_figure(ranking: pd.DataFrame, *, labels: Mapping[str, str] | None = None) -> Figure:
    """Draw every measure's coefficient with its interval beside its leave-one-metal-out error.

    Parameters
    ----------
    ranking
        From `rank_measures`.
    labels
        Names of columns for people.

    Returns
    -------
    matplotlib.figure.Figure
        Draw inside `dosml.analysis.figures.style.house_style`.
    """
    names = dict(labels or {})
    count = len(ranking)
    figure = new_figure(7.2, 1.4 + 0.34 * count)
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=(3, 2))
    place = np.arange(count)[::-1]
    told = which_inform(ranking)
    r = np.where(told, ranking["pearson"].to_numpy(float), np.nan)
    partial = np.where(told, ranking["partial"].to_numpy(float), np.nan)
    ends = ranking[["pearson_low", "pearson_high"]].to_numpy(float)
    bars = np.nan_to_num(np.clip([r - ends[:, 0], ends[:, 1] - r], 0, None))
    left.axvline(0, color=LINE_COLOUR, lw=0.8)
    left.errorbar(r, place, xerr=bars, fmt="o", color="C0", capsize=2, lw=1.2, label="r, 95 %")
    left.plot(partial, place - 0.2, "D", ms=3.5, color="C1", label="partial r")
    left.set(xlim=(-1.02, 1.02), xlabel="correlation")
    left.set_yticks(
        place,
        [
            fill(f"{names.get(m, m)} (n = {n})", 34)
            for m, n in zip(ranking["measure"], ranking["n"], strict=True)
        ],
    )
    right.plot(ranking["loo_mae"], place, "s", color="C2", label="this measure")
    right.plot(ranking["loo_mae_baseline"], place, "|", ms=10, mew=2, color="C1", label="baseline")
    right.plot(ranking["loo_mae_mean"], place, "|", ms=10, mew=2, color="black", label="mean")
    right.set(xlabel="error for a metal left out (points)")
    right.set_xlim(0, 1.1 * ranking[["loo_mae", "loo_mae_mean"]].to_numpy(float).max())
    figure.legend(loc="outside upper right", ncols=5, columnspacing=1.2)
    return figure
