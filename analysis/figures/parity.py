"""Parity as density: forces, their residuals, energies and stresses of one model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.analysis.figures.style import (
    LINE_COLOUR,
    MOST_VECTORS,
    TIER_COLOURS,
    density_map,
    new_figure,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from dosml.analysis.statistics.results import HeldOut

#: Name, title and caption of the figure in a report.
PARITY_FIGURE = (
    "parity",
    "Forces, residuals, energies, stresses",
    (
        "Predicted against labelled: force components as density (logarithmic; every component is "
        "in it), and what is left of them against the labelled value; energies per atom about the "
        "mean of the labels, one point a frame; stresses where there are any. The line is equality."
    ),
)
_BINS = 60
_MEV = 1000.0
#: eV/Å^3 in GPa.
_GPA = 160.21766208


def parity_figure(held: HeldOut, tiers: Sequence[str]) -> Figure:
    """Draw what one model predicts against what is labelled.

    Parameters
    ----------
    held
        Labels and predictions.
    tiers
        Tier of every frame, which colours the energies.
    """
    figure = new_figure(7.2, 6.0)
    panels = figure.subplots(2, 2).ravel()
    labelled = np.concatenate([np.ravel(one) for one in held.forces])
    predicted = np.concatenate([np.ravel(one) for one in held.forces_predicted])
    _density(panels[0], labelled, predicted)
    _equal(panels[0], labelled, predicted)
    panels[0].set(title="Forces", xlabel="labelled (eV/Å)", ylabel="predicted (eV/Å)")
    _density(panels[1], labelled, predicted - labelled)
    panels[1].axhline(0, color=LINE_COLOUR, lw=0.8)
    panels[1].set(title="Residuals of forces", xlabel="labelled (eV/Å)")
    panels[1].set(ylabel="predicted - labelled (eV/Å)")
    atoms = np.array([len(one) for one in held.forces])
    energies = _MEV * np.asarray(held.energies, dtype=float) / atoms
    told = _MEV * np.asarray(held.energies_predicted, dtype=float) / atoms
    middle = energies.mean()
    _by_tier(panels[2], energies - middle, told - middle, tiers)
    _equal(panels[2], energies - middle, told - middle)
    panels[2].set(title="Energies", xlabel="labelled (meV/atom)", ylabel="predicted (meV/atom)")
    if held.stresses is not None and held.stresses_predicted is not None:
        x, y = (_GPA * np.ravel(one) for one in (held.stresses, held.stresses_predicted))
        panels[3].plot(x, y, ".", color="C0", ms=3, rasterized=len(x) > MOST_VECTORS)
        _equal(panels[3], x, y)
        panels[3].set(title="Stresses", xlabel="labelled (GPa)", ylabel="predicted (GPa)")
    else:
        panels[3].set_visible(False)
    return figure


def _density(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    """Show points as a histogram in two dimensions, empty bins transparent."""
    from matplotlib.colors import LogNorm

    counts, x_edges, y_edges = np.histogram2d(x, y, bins=_BINS)
    shown = np.ma.masked_equal(counts.T, 0)
    norm: Any = LogNorm(vmin=1, vmax=max(float(counts.max()), 2))
    axes.imshow(
        shown,
        origin="lower",
        extent=(x_edges[0], x_edges[-1], y_edges[0], y_edges[-1]),
        aspect="auto",
        cmap=density_map(),
        norm=norm,
        interpolation="nearest",
    )


def _equal(axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
    """Draw the line of equality over a square that holds all points."""
    low, high = min(x.min(), y.min()), max(x.max(), y.max())
    margin = 0.05 * (high - low or 1.0)
    ends = (low - margin, high + margin)
    axes.plot(ends, ends, color=LINE_COLOUR, lw=0.8)
    axes.set(xlim=ends, ylim=ends)


def _by_tier(
    axes: Axes, x: NDArray[np.float64], y: NDArray[np.float64], tiers: Sequence[str]
) -> None:
    names = list(dict.fromkeys(tiers))
    for k, name in enumerate(names):
        mine = np.array([tier == name for tier in tiers])
        colour = TIER_COLOURS.get(name, f"C{k}")
        axes.plot(x[mine], y[mine], "o", ms=4, color=colour, label=name)
    if len(names) > 1:
        # inside, where the line of equality is not
        axes.legend(loc="lower right", fontsize=7)
