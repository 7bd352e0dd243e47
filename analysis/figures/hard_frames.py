"""Learning curves of chosen frames beside those of frames drawn by chance."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.figures.style import legend_above, new_figure, plain
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
    figure = new_figure(min(7.2, 3.6 * len(names)), 3.1 * len(parts))
    panels = figure.subplots(len(parts), len(names), squeeze=False)
    for axes, (part, name) in zip(panels.flat, itertools.product(parts, names), strict=True):
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
        axes.set(xlabel="training frames", ylabel="force error, 100 MAE/MAV (%)", ylim=(0, None))
        legend_above(axes, title=plain(f"{name}, held out: {part}"))
    return figure
