"""Phonon bands along a path."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.analysis.figures.style import LINE_COLOUR, new_figure, plain
from dosml.analysis.statistics.phonons import IMAGINARY_BELOW_THZ

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from dosml.analysis.statistics.phonons import PhononBands


def _broken(bands: PhononBands) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Distances and frequencies with a gap where the path jumps."""
    jumps = np.flatnonzero(np.diff(bands.distance) < 1e-8) + 1
    return (
        np.insert(bands.distance, jumps, np.nan),
        np.insert(bands.frequencies, jumps, np.nan, axis=0),
    )


def phonon_figure(bands: Mapping[str, PhononBands], title: str) -> Figure:
    """Draw bands and density of states of every calculator; imaginary modes lie below zero.

    Parameters
    ----------
    bands
        By name of the calculator.
    title
        Of the figure.

    Returns
    -------
    matplotlib.figure.Figure
        Draw inside `dosml.analysis.figures.style.house_style`.
    """
    figure = new_figure(7.2, 3.8)
    axes, zone = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
    for k, (name, one) in enumerate(bands.items()):
        look: dict[str, Any] = {
            "color": f"C{k}",
            "ls": "-" if k == 0 else "--",
            "lw": 1.4 if k == 0 else 1.1,
        }
        lines = axes.plot(*_broken(one), **look)
        lines[0].set_label(plain(name))
        zone.plot(one.dos, one.dos_frequencies, **look)
    axes.axhline(0, color=LINE_COLOUR, lw=0.8)
    first = next(iter(bands.values()))
    for place, _ in first.ticks:
        axes.axvline(place, color=LINE_COLOUR, lw=0.6)
    axes.set_xticks(
        [place for place, _ in first.ticks],
        [label.replace("G", "Γ") for _, label in first.ticks],
    )
    axes.set(
        xlim=(first.distance[0], first.distance[-1]), ylabel="frequency (THz)", title=plain(title)
    )
    if min(float(one.frequencies.min()) for one in bands.values()) < IMAGINARY_BELOW_THZ:
        axes.annotate(
            "imaginary",
            (1, 0),
            (-3, -3),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            va="top",
            fontsize=8,
            bbox={"color": "white", "pad": 1},
        )
    axes.grid(visible=False, axis="x")
    zone.axhline(0, color=LINE_COLOUR, lw=0.8)
    zone.set(xlabel="modes per THz and cell", title="density of states")
    zone.set_xlim(left=0)
    figure.legend(loc="outside upper right", ncols=2)
    return figure
