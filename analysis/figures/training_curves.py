"""Training curves: error of the forces and loss against the epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dosml.analysis.figures.style import new_figure, plain, scale_colours

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Name, title and caption of the figure in a report.
TRAINING_FIGURE = (
    "training_curves",
    "Training curves",
    (
        "From the logs of each force field, a row for each; colours: label sets. Left: root mean "
        "square error of force components. Right: the loss that it minimises, in its own units. "
        "Full: frames that it watches and does not train on; broken: training frames."
    ),
)
_MEV = 1000.0
_PANELS = (
    ("force_rmse_{}_ev_per_angstrom", _MEV, "force RMSE (meV/Å)"),
    ("loss_{}", 1.0, "loss"),
)
_LINES = (("validation", "-"), ("training", "--"))


def training_figure(table: pd.DataFrame) -> Figure:
    """Draw a row of two panels for every learner.

    Parameters
    ----------
    table
        Columns "learner", "label_set", "epoch" and, where they are told, "loss_training",
        "force_rmse_training_ev_per_angstrom" and the same for validation.

    Returns
    -------
    matplotlib.figure.Figure
        Draw inside `dosml.analysis.figures.style.house_style`.
    """
    learners = list(dict.fromkeys(table["learner"]))
    sets = list(dict.fromkeys(table["label_set"]))
    figure = new_figure(7.2, 0.5 + 2.5 * len(learners))
    panels = figure.subplots(len(learners), 2, squeeze=False)
    for row, learner in zip(panels, learners, strict=True):
        own = table[table["learner"] == learner]
        for axes, (column, factor, label) in zip(row, _PANELS, strict=True):
            for label_set, colour in zip(sets, scale_colours(len(sets)), strict=True):
                mine = own[own["label_set"] == label_set]
                _lines(axes, mine, column, factor, colour, plain(label_set))
            axes.set(title=learner, xlabel="epoch", ylabel=label)
            if axes.lines:
                axes.set_yscale("log")
            else:
                axes.set_visible(False)
    handles, labels = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=min(4, max(1, len(labels))))
    return figure


def _lines(
    axes: Axes, mine: pd.DataFrame, column: str, factor: float, colour: object, name: str
) -> None:
    for kind, style in _LINES:
        one = column.format(kind)
        if one in mine and mine[one].notna().any():
            axes.plot(
                mine["epoch"], factor * mine[one], style, color=colour, label=f"{name}, {kind}"
            )
