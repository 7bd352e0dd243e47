"""Force error against the angular resolution of a learner, metal by metal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dosml.analysis.figures.style import (
    log_ordinate,
    new_figure,
    panels_legend,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def angular_need_figure(points: pd.DataFrame, needs: pd.DataFrame) -> Figure:
    """Draw a panel per metal: full lines the labels, broken ones their pair-potential control.

    Parameters
    ----------
    points
        "metal", "kind" ("labels" or "pairs"), "setting" (words), "l_max", "force_percent_error".
    needs
        From `dosml.analysis.statistics.angular_need.need_table` by metal, kind and setting; the
        ring on each curve is its angular need.

    Returns
    -------
    matplotlib.figure.Figure
        Draw inside `dosml.analysis.figures.style.house_style`.
    """
    metals = list(dict.fromkeys(points["metal"]))
    settings = list(dict.fromkeys(points["setting"]))
    columns = min(4, len(metals))
    rows = -(-len(metals) // columns)
    figure = new_figure(1.4 + 1.8 * columns, 0.9 + 1.9 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    found = needs.set_index(["metal", "kind", "setting"])["angular_need"]
    for axes, metal in zip(panels, metals, strict=False):
        mine = points[points["metal"] == metal]
        for (kind, setting), curve in mine.groupby(["kind", "setting"], sort=False):
            ordered = curve.sort_values("l_max")
            x, y = ordered["l_max"].to_numpy(int), ordered["force_percent_error"].to_numpy(float)
            own = kind == "labels"
            colour = f"C{settings.index(setting) % 6}"
            words = setting if own else f"pair potential, {setting}"
            axes.plot(
                x, y, "o-" if own else "x:", ms=3, lw=1.2 if own else 0.9, color=colour, label=words
            )
            need = found[metal, kind, setting]
            axes.plot(need, y[x == need], "o", ms=8, mfc="none", mec=colour, mew=1)
        axes.set_title(metal)
        log_ordinate(axes)
        axes.set_xticks(sorted(set(points["l_max"])))
    for axes in panels[len(metals) :]:
        axes.set_visible(False)
    figure.supxlabel("largest angular momentum l_max", fontsize=9)
    figure.supylabel("force error, 100 MAE/MAV (%)", fontsize=9)
    panels_legend(figure, panels[: len(metals)])
    return figure
