"""Learning curves of chosen frames beside those of frames drawn by chance."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.figures.style import new_figure, plain
from dosml.analysis.statistics.hard_frames import RANDOM

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

#: File name of the figure.
HARD_FIGURE = "hard_frames"


def hard_frames_figure(table: pd.DataFrame) -> Figure:
    """Draw one panel per label set, a row per kind of held-out frames.

    Parameters
    ----------
    table
        Rows of `dosml.analysis.statistics.hard_frames.curve_rows`.
    """
    names, parts = (list(dict.fromkeys(table[one])) for one in ("label_set", "held_out"))
    figure = new_figure(min(7.2, 3.6 * len(names)), 2.7 * len(parts) + 0.4)
    panels = figure.subplots(len(parts), len(names), squeeze=False)
    places = itertools.product(range(len(parts)), range(len(names)))
    for axes, (row, column) in zip(panels.flat, places, strict=True):
        part, name = parts[row], names[column]
        mine = table[(table["label_set"] == name) & (table["held_out"] == part)]
        drawn = mine[mine["curve"].str.startswith(RANDOM)]
        for _, draw in drawn.groupby("curve"):
            axes.plot(draw["n_train"], draw["force_percent_error"], color="C1", lw=0.6, alpha=0.5)
        if len(drawn):
            middle = drawn.groupby("n_train")["force_percent_error"].mean()
            axes.plot(middle.index, middle, "s-", color="C1", label="random")
        hard = mine[mine["curve"] == "hard"]
        low, high = (hard[f"force_percent_error_{end}"].to_numpy(float) for end in ("low", "high"))
        middle = hard["force_percent_error"].to_numpy(float)
        bars = np.nan_to_num(np.clip([middle - low, high - middle], 0, None))
        axes.errorbar(
            hard["n_train"], middle, yerr=bars, fmt="o-", color="C0", capsize=2, label="hard"
        )
        axes.set(ylim=(0, None), title=plain(f"{name}, {part}"))
        axes.locator_params(axis="x", nbins=4, integer=True)
        if row == len(parts) - 1:
            axes.set_xlabel("training frames")
        if column == 0:
            axes.set_ylabel("force error (%)")
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=2)
    return figure
