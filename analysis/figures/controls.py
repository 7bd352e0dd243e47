"""Figures of a survey's controls: the electron series, other crystals, pair potentials."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.figures.point_names import name_points
from dosml.analysis.figures.style import new_figure
from dosml.analysis.measures.table import PRIMARY

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

#: Up to so many metals have panels with absolute numbers; more are drawn as shares of their maxima.
_FEW = 3
_CHI = "unsmeared $\\chi_4$ (states²/eV/atom²)"
_SERIES = (
    ("force_mae_ev_per_angstrom", 1000, "force MAE (meV/Å)"),
    ("force_percent_error", 1, "100 MAE/MAV (%)"),
    ("force_mav_ev_per_angstrom", 1000, "force MAV (meV/Å)"),
)


def electron_series_figure(electrons: pd.DataFrame) -> Figure:
    """Draw errors against the number of electrons at fixed frames and levels, beside chi_4.

    Parameters
    ----------
    electrons
        From `dosml.analysis.statistics.controls.electron_rows`, of one or more metals.

    Returns
    -------
    matplotlib.figure.Figure
        Up to three metals: a row each, MAE, % error and MAV in panels of their own with chi_4 on
        the right. More: a panel each, every curve as a share of its maximum. Draw inside
        `dosml.analysis.figures.style.house_style`.
    """
    metals = list(dict.fromkeys(electrons["metal"]))
    if len(metals) <= _FEW:
        return _absolute(electrons, metals)
    columns = min(4, len(metals))
    rows = -(-len(metals) // columns)
    figure = new_figure(7.2, 0.8 + 1.5 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, metal in zip(panels, metals, strict=False):
        mine = electrons[electrons["metal"] == metal]
        x = mine["electrons"].to_numpy(float)
        for k, (column, _, label) in enumerate(_SERIES):
            _share(axes, x, mine[column], f"C{k}", label.partition(" (")[0])
        _share(axes, x, mine[PRIMARY], "0.4", "unsmeared $\\chi_4$")
        axes.set_title(metal, fontsize=8)
    for axes in panels[len(metals) :]:
        axes.set_visible(False)
    panels[0].set_ylim(0, 1.08)
    figure.supxlabel("electrons per atom", fontsize=9)
    figure.supylabel("share of the largest value", fontsize=9)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def _share(axes: Axes, x: NDArray[np.float64], values: pd.Series, colour: str, label: str) -> None:
    y = values.to_numpy(float)
    style = "--" if colour == "0.4" else "-"
    axes.plot(x, y / np.nanmax(y), f"o{style}", ms=2.5, lw=1, color=colour, label=label)


def _absolute(electrons: pd.DataFrame, metals: list[str]) -> Figure:
    figure = new_figure(7.2, 0.5 + 2.1 * len(metals))
    panels = figure.subplots(len(metals), len(_SERIES), sharex=True, squeeze=False)
    for line, metal in zip(panels, metals, strict=True):
        mine = electrons[electrons["metal"] == metal]
        x = mine["electrons"].to_numpy(float)
        for k, (axes, (column, scale, label)) in enumerate(zip(line, _SERIES, strict=True)):
            y = mine[column].to_numpy(float) * scale
            axes.plot(x, y, "o-", ms=3, color=f"C{k}")
            axes.set_ylim(0, 1.1 * np.nanmax(y))
            axes.set_ylabel(f"{metal}: {label}" if k == 0 else label)
            other = axes.twinx()
            chi = mine[PRIMARY].to_numpy(float)
            other.plot(x, chi, "--", lw=1, color="0.4")
            other.set_ylim(0, 1.1 * np.nanmax(chi))
            other.grid(visible=False)
            if k == len(_SERIES) - 1:
                other.set_ylabel(_CHI, color="0.4")
            else:
                other.set_yticklabels([])
    figure.supxlabel("electrons per atom (d and s)", fontsize=9)
    return figure


def crystals_figure(table: pd.DataFrame) -> Figure:
    """Draw the force error of metals in several crystals against unsmeared chi_4.

    Parameters
    ----------
    table
        From `dosml.analysis.statistics.controls.crystal_table`.
    """
    figure = new_figure(7.2, 3.4)
    axes = figure.subplots()
    markers = {"fcc": "o", "hcp": "D", "bcc": "s"}
    for k, (_, group) in enumerate(table.groupby("metal", sort=False)):
        line = group.sort_values(PRIMARY)
        axes.plot(line[PRIMARY], line["force_percent_error"], "-", lw=0.8, color=f"C{k % 6}")
        for _, row in group.iterrows():
            axes.plot(
                row[PRIMARY],
                row["force_percent_error"],
                markers.get(str(row["crystal"]), "^"),
                ms=6 if row["own"] else 4,
                mfc=f"C{k % 6}" if row["own"] else "none",
                color=f"C{k % 6}",
            )
    own = table[table["own"]]
    name_points(axes, own[PRIMARY], own["force_percent_error"], list(own["metal"]))
    axes.set(xlabel=_CHI, ylabel="force error, 100 MAE/MAV (%)", yscale="log")
    handles = [
        axes.plot([], [], marker, color="0.4", label=name)[0] for name, marker in markers.items()
    ]
    axes.legend(handles=handles, loc="lower right")
    return figure


def pairs_figure(table: pd.DataFrame) -> Figure:
    """Draw the errors of labels and of their pair potentials against unsmeared chi_4.

    Parameters
    ----------
    table
        From `dosml.analysis.statistics.controls.pair_rows`.
    """
    figure = new_figure(5.4, 3.2)
    axes = figure.subplots()
    axes.vlines(table[PRIMARY], table["pairs"], table["labels"], color="0.8", lw=1)
    axes.plot(table[PRIMARY], table["labels"], "o", ms=4, color="C0", label="labels")
    axes.plot(table[PRIMARY], table["pairs"], "x", ms=5, color="C1", label="pair potential")
    name_points(axes, table[PRIMARY], table["labels"], list(table["metal"]))
    axes.set(xlabel=_CHI, ylabel="force error, 100 MAE/MAV (%)", yscale="log")
    figure.legend(loc="outside upper center", ncols=2)
    return figure
