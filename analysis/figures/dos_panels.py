"""Densities of states of several files or elements, one panel per shell or group of orbitals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dosml.analysis.figures.style import LINE_COLOUR, new_figure, plain

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

#: What is shown where nothing is asked for: all that the files hold of it.
DEFAULT_PANELS = "total,s,p,d,t2g,eg"
#: Groups of d orbitals with names of their own, in the axes of the file.
_GROUPS = {"t2g": ("dxy", "dyz", "dxz"), "eg": ("dz2", "dx2-y2")}
#: eV relative to the Fermi level.
_RANGE_EV = (-10.0, 10.0)
#: That a line of the legend holds.
_LETTERS = 90


@dataclass(frozen=True)
class DosCurve:
    """The densities of states of one file, or of one element in it.

    Attributes
    ----------
    energies
        Shape (n_grid,), eV relative to the Fermi level.
    panels
        By title of the panel, shape (n_grid,), states/eV/atom; what it lacks is not drawn.
    """

    energies: NDArray[np.float64]
    panels: Mapping[str, NDArray[np.float64]]


def read_panels(text: str) -> dict[str, tuple[str, ...]]:
    """Read which orbitals each panel adds.

    Parameters
    ----------
    text
        Comma list of total, shells (s, p, d, f), orbitals (dxy, px), sums of them with +, each
        with a title before = if wanted; t2g and eg stand for their three and two orbitals.

    Returns
    -------
    dict
        Title -> names of orbitals.

    Raises
    ------
    ValueError
        If a panel is empty, or two have one title.
    """
    panels: dict[str, tuple[str, ...]] = {}
    for part in text.split(","):
        title, equals, names = part.strip().rpartition("=")
        if names.strip() in _GROUPS:
            orbitals = _GROUPS[names.strip()]
            shown = f"{names.strip()}: {' + '.join(orbitals)}"
        else:
            orbitals = tuple(one.strip() for one in names.split("+"))
            shown = " + ".join(orbitals)
        title = title.strip() if equals else shown
        if not title or not all(orbitals):
            raise ValueError(f"{part!r} names no orbital")
        if title in panels:
            raise ValueError(f"{title!r} stands there twice")
        panels[title] = orbitals
    return panels


def dos_panels_figure(curves: Mapping[str, DosCurve], titles: Sequence[str]) -> Figure:
    """Draw one panel below the other, all curves in each.

    Parameters
    ----------
    curves
        By name for the legend.
    titles
        Of the panels, each held by one curve at least.

    Returns
    -------
    matplotlib.figure.Figure
        Draw inside `dosml.analysis.figures.style.house_style`.
    """
    figure = new_figure(6.4, 0.9 + 1.45 * len(titles))
    places = figure.subplots(len(titles), 1, sharex=True, squeeze=False)[:, 0]
    handles = {}
    for axes, title in zip(places, titles, strict=True):
        ends = [0.0]
        for k, (name, curve) in enumerate(curves.items()):
            if title not in curve.panels:
                continue
            values = curve.panels[title]
            # another dash for every round of the colours
            look: dict[str, Any] = {"color": f"C{k % 7}", "ls": ("-", "--", ":", "-.")[k // 7 % 4]}
            (handles[name],) = axes.plot(curve.energies, values, **look)
            shown = (curve.energies >= _RANGE_EV[0]) & (curve.energies <= _RANGE_EV[1])
            ends += [float(values[shown].min()), float(values[shown].max())]
        axes.axvline(0, color=LINE_COLOUR, linewidth=0.8, linestyle="--")
        axes.set(title=title, xlim=_RANGE_EV)
        # what lies outside the energies shown does not set the scale
        axes.set_ylim(1.05 * min(ends), 1.05 * max(ends) or 1.0)
    places[-1].set_xlabel(r"energy relative to $E_\mathrm{F}$ (eV)")
    figure.supylabel("states/eV/atom", fontsize=9)
    figure.legend(
        [handles[name] for name in curves if name in handles],
        [plain(name) for name in curves if name in handles],
        loc="outside upper right",
        ncols=max(1, min(3, _LETTERS // max(len(name) + 8 for name in handles))),
    )
    return figure
