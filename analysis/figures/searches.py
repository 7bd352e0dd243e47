"""Traces of searches, and pictures of the structures that were found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.figures.style import LINE_COLOUR, legend_above, new_figure, plain
from dosml.analysis.statistics.searches import CLOSE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms
    from matplotlib.figure import Figure

    from dosml.analysis.statistics.searches import Trace

#: File names of the figures.
TRACE_FIGURE, STRUCTURE_FIGURE = "trace", "structures"
_MEV = 1000.0


def trace_figure(traces: Sequence[Trace], best: float) -> Figure:
    """Draw the best value against calls: each search, and the median of each prior.

    Parameters
    ----------
    traces
        Of all searches.
    best
        Least value that any found, eV/atom.
    """
    figure = new_figure(4.8, 3.4)
    axes = figure.subplots()
    for k, prior in enumerate(dict.fromkeys(one.prior for one in traces)):
        mine = [_MEV * (one.best - best) for one in traces if one.prior == prior]
        for one in mine:
            axes.step(np.arange(1, len(one) + 1), one, color=f"C{k}", lw=0.6, alpha=0.5)
        length = min(map(len, mine))
        middle = np.median([one[:length] for one in mine], axis=0)
        axes.step(
            np.arange(1, length + 1),
            middle,
            color=f"C{k}",
            lw=1.8,
            label="no prior" if prior == "none" else plain(prior),
        )
    axes.axhline(_MEV * CLOSE, color=LINE_COLOUR, lw=0.8, ls="--")
    axes.set_yscale("symlog", linthresh=_MEV * CLOSE)
    axes.set(xlabel="calls of the engine", ylabel="above the best (meV/atom)", ylim=(0, None))
    legend_above(axes)
    return figure


def structure_figure(
    structures: Sequence[Atoms], titles: Sequence[str], *, periodic: bool
) -> Figure:
    """Draw structures side by side.

    Parameters
    ----------
    structures, titles
        The lowest first.
    periodic
        Whether to draw cells, repeated twice.
    """
    from ase.visualize.plot import plot_atoms

    columns = min(3, len(structures))
    rows = -(-len(structures) // columns)
    figure = new_figure(7.2, 2.6 * rows)
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in panels:
        axes.set_axis_off()
    for axes, atoms, title in zip(panels, structures, titles, strict=False):
        shown = atoms.repeat(2) if periodic else atoms.copy()
        if not periodic:
            shown.cell = None
            shown.pbc = False
        plot_atoms(shown, axes, rotation="10x,20y,0z")
        axes.set_title(plain(title), fontsize=8)
    return figure
