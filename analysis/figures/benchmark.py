"""Figures of a benchmark: maps of the d block, errors side by side, softening, learning curves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.figures.d_block import draw_d_block
from dosml.analysis.figures.point_names import name_points
from dosml.analysis.figures.style import (
    LINE_COLOUR,
    from_zero,
    legend_above,
    log_ordinate,
    new_figure,
    plain,
    scale_colours,
)
from dosml.analysis.measures.table import PRIMARY
from dosml.analysis.statistics.benchmark import SCALED, TARGET
from dosml.analysis.statistics.d_block import D_BLOCK

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from matplotlib.figure import Figure

#: Metals that the map has a place for.
MAPPED = frozenset(symbol for row in D_BLOCK for symbol in row)
_CHI = "chi_4_states2_per_ev_atom2"
_MARKS = "osD^vP<>X*"


def map_figure(maps: Sequence[tuple[str, pd.Series]], digits: int = 1) -> Figure:
    """Draw one map of the d block for each learner, all with one colour scale.

    Parameters
    ----------
    maps
        Title and values by metal; at least one value in all.
    digits
        After the decimal point.
    """
    columns = 2 if len(maps) > 1 else 1
    rows = -(-len(maps) // columns)
    figure = new_figure(4.5 * columns, 1.75 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    every = np.concatenate([values.dropna().to_numpy(float) for _, values in maps])
    limits = (float(every.min()), float(every.max()))
    for axes, (title, values) in zip(panels, maps, strict=False):
        draw_d_block(axes, values, plain(title), digits, limits)
    for axes in panels[len(maps) :]:
        axes.set_visible(False)
    return figure


def errors_figure(table: pd.DataFrame) -> Figure:
    """Draw the force error of every learner on every metal, the hardest metal last.

    Parameters
    ----------
    table
        One row per subject (column "subject": a metal, or a metal at a σ) and learner, with the
        ends of its interval.
    """
    hardness = table.groupby("metal")[TARGET].transform("median")
    by_metal = table.assign(hardness=hardness).sort_values(["hardness", "metal", "sigma_ev"])
    order = by_metal["subject"].drop_duplicates().tolist()
    place = {name: k for k, name in enumerate(order)}
    figure = new_figure(max(4.8, 0.45 * len(order) + 2.0), 3.6)
    axes = figure.subplots()
    learners = list(dict.fromkeys(table["learner"]))
    for k, learner in enumerate(learners):
        rows = table[table["learner"] == learner]
        x = np.array([place[one] for one in rows["subject"]])
        y = rows[TARGET].to_numpy(float)
        ends = rows[[f"{TARGET}_low", f"{TARGET}_high"]].to_numpy(float)
        bars = np.nan_to_num(np.clip([y - ends[:, 0], ends[:, 1] - y], 0, None))
        shift = 0.6 * ((k + 0.5) / len(learners) - 0.5)
        axes.errorbar(
            x + shift, y, bars, fmt=_MARKS[k % len(_MARKS)], ms=4, capsize=2, label=plain(learner)
        )
    log_ordinate(axes)
    axes.set_ylabel("force error, 100 MAE/MAV (%)")
    axes.set_xticks(range(len(order)), [plain(one) for one in order], rotation=0)
    if len(order) > 8:
        axes.tick_params(axis="x", rotation=90)
    legend_above(axes)
    return figure


def softening_figure(table: pd.DataFrame, dos: pd.DataFrame) -> Figure:
    """Draw the fitted factor of finished potentials against σ, with chi_4 of the labels beside it.

    Parameters
    ----------
    table
        Rows with "force_factor", of all tiers together.
    dos
        Measures at every σ ("dos_sigma_ev"); empty where there are none.
    """
    learners = list(dict.fromkeys(table["learner"]))
    panels_wanted = len(learners) + (len(dos) > 0)
    figure = new_figure(3.2 * panels_wanted, 3.2)
    panels = figure.subplots(1, panels_wanted, squeeze=False).ravel()
    metals = sorted(set(table["metal"]))
    colours = dict(zip(metals, scale_colours(len(metals)), strict=True))
    for axes, learner in zip(panels, learners, strict=False):
        for k, metal in enumerate(metals):
            rows = table[(table["metal"] == metal) & (table["learner"] == learner)]
            rows = rows.sort_values("sigma_ev")
            axes.plot(
                rows["sigma_ev"],
                rows["force_factor"],
                f"{_MARKS[k % len(_MARKS)]}-",
                color=colours[metal],
                label=metal,
            )
        axes.axhline(1.0, color=LINE_COLOUR, lw=0.8)
        axes.set(xlabel="smearing width σ (eV)", ylabel="factor on the forces")
        legend_above(axes, plain(learner.removesuffix(f" {SCALED}")))
    if len(dos):
        axes = panels[-1]
        for k, metal in enumerate(metals):
            rows = dos[dos["metal"] == metal].sort_values("dos_sigma_ev")
            axes.plot(
                rows["dos_sigma_ev"],
                rows[_CHI],
                f"{_MARKS[k % len(_MARKS)]}-",
                color=colours[metal],
                label=metal,
            )
        axes.set(
            xlabel="smearing width σ (eV)",
            ylabel="chi_4 ((states/atom)²/eV)",
        )
        from_zero(axes)
        legend_above(axes, "d response of the labels")
    return figure


def why_figure(
    table: pd.DataFrame, column: str = TARGET, heading: str = "force error (%)"
) -> Figure:
    """Draw a number against unsmeared chi_4, one panel per learner, every metal by name.

    Parameters
    ----------
    table
        One row per metal and learner, joined with the measures.
    column, heading
        The number, above 0, and what it is called.
    """
    learners = list(dict.fromkeys(table["learner"]))
    columns = min(3, len(learners))
    rows = -(-len(learners) // columns)
    figure = new_figure(2.5 * columns + 0.4, 2.5 * rows)
    panels = figure.subplots(rows, columns, squeeze=False, sharex=True).ravel()
    for axes, learner in zip(panels, learners, strict=False):
        part = table[table["learner"] == learner].dropna(subset=[PRIMARY, column])
        axes.plot(part[PRIMARY], part[column], "o", ms=4, color="C0")
        axes.margins(x=0.12, y=0.12)
        log_ordinate(axes)
        axes.set_title(plain(learner), fontsize=8)
        name_points(axes, part[PRIMARY], part[column], list(part["metal"]))
    for axes in panels[::columns]:
        axes.set_ylabel(heading, fontsize=8)
    for axes in panels[max(0, len(learners) - columns) : len(learners)]:
        axes.set_xlabel("unsmeared chi_4 ((states/atom)²/eV)", fontsize=8)
        axes.tick_params(labelbottom=True)  # also above an empty place
    for axes in panels[len(learners) :]:
        axes.set_visible(False)
    return figure


def curves_figure(table: pd.DataFrame) -> Figure:
    """Draw the force error against training frames, one panel per learner."""
    from matplotlib.ticker import NullLocator

    learners = list(dict.fromkeys(table["learner"]))
    columns = min(3, len(learners))
    rows = -(-len(learners) // columns)
    figure = new_figure(3.0 * columns + 0.4, 2.7 * rows)
    panels = figure.subplots(rows, columns, squeeze=False, sharey=True).ravel()
    sizes = np.unique(table["n_train"].to_numpy(int))
    for axes, learner in zip(panels, learners, strict=False):
        mine = table[table["learner"] == learner]
        for k, (subject, unsorted) in enumerate(mine.groupby("subject")):
            points = unsorted.sort_values("n_train")
            axes.plot(
                points["n_train"],
                points[TARGET],
                f"{_MARKS[k % len(_MARKS)]}-",
                ms=4,
                label=plain(str(subject)),
            )
        axes.set(xscale="log", xlabel="training frames")
        axes.set_xticks(sizes, [str(one) for one in sizes])
        axes.xaxis.set_minor_locator(NullLocator())
        legend_above(axes, plain(learner))
    log_ordinate(panels[0])  # all share it
    for axes in panels[::columns]:
        axes.set_ylabel("force error, 100 MAE/MAV (%)")
    for axes in panels[len(learners) :]:
        axes.set_visible(False)
    return figure
