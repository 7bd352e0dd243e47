"""What runs of molecular dynamics look like: energy, shortest distance, pair distribution."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.figures.style import LINE_COLOUR, legend_above, new_figure, scale_colours
from dosml.analysis.statistics.stability import LEAST_DISTANCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.figure import Figure

    from dosml.analysis.statistics.stability import Run, Series

#: File name of the figure.
STABILITY_FIGURE = "stability"
_MEV = 1000.0


def stability_figure(
    runs: Sequence[Run], distributions: Mapping[float, Series], neighbour: float
) -> Figure:
    """Draw energies, shortest distances and pair distributions.

    Parameters
    ----------
    runs
        All runs.
    distributions
        By temperature (K): distances, g(r) of the model, and of the sampling potential or None.
    neighbour
        Neighbour distance of the crystal, Å.
    """
    figure = new_figure(7.2, 5.2)
    (energy, closest), (pairs, volume) = figure.subplots(2, 2)
    temperatures = sorted({one.temperature for one in runs})
    colours = dict(zip(temperatures, scale_colours(len(temperatures)), strict=True))
    for run in runs:
        look = {"color": colours[run.temperature], "lw": 1.2}
        dash = {"NVT": "-", "NVE": "--", "NPT": ":"}[run.ensemble]
        if run.ensemble == "NVE" and len(run.energy):
            energy.plot(run.time_ps, _MEV * (run.energy - run.energy[0]), **look)
        closest.plot(run.time_ps, run.closest / neighbour, ls=dash, **look)
        if run.ensemble == "NPT":
            volume.plot(run.time_ps, run.volume, ls=dash, **look)
    for temperature, (distances, mine, theirs) in distributions.items():
        colour = colours[temperature]
        pairs.plot(distances, mine, color=colour, label=f"{temperature:.0f} K")
        if theirs is not None:
            pairs.plot(distances, theirs, color=colour, ls="--", lw=0.9)
    closest.axhline(LEAST_DISTANCE, color=LINE_COLOUR, lw=0.8)
    energy.set(xlabel="time (ps)", ylabel="change of energy (meV/atom)", title="constant energy")
    closest.set(
        xlabel="time (ps)", ylabel="shortest / neighbour distance", title="shortest distance"
    )
    pairs.set(xlabel="distance (Å)", ylabel="g(r)")
    volume.set(xlabel="time (ps)", ylabel="volume (Å³/atom)", title="zero pressure")
    if distributions:
        drawn = [one for _, *both in distributions.values() for one in both if one is not None]
        pairs.set_ylim(0, 1.05 * max(float(np.max(one)) for one in drawn))
        legend_above(pairs, columns=3)
    return figure
