"""The d-DOS of every element of an alloy or compound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dosml.analysis.figures.setting_figures import DOS_RANGE_EV
from dosml.analysis.figures.style import LINE_COLOUR, new_figure, scale_colours
from dosml.analysis.statistics.scan import setting_name

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from dosml.analysis.statistics.scan import ScanData

#: Name, title and caption of the figure in a report.
ELEMENT_BANDS = (
    "element_bands",
    "d density of states by element",
    (
        "Mean bare d-DOS on the atoms of each element, per atom of it, at every setting; energies "
        "relative to the Fermi level of the cell (vertical line)."
    ),
)


def element_bands_figure(scan: ScanData) -> Figure:
    """Draw one panel per element with a curve per setting.

    Parameters
    ----------
    scan
        Its DOS tell the elements apart.

    Returns
    -------
    matplotlib.figure.Figure
        Draw inside `dosml.analysis.figures.style.house_style`.
    """
    known = [(one, one.dos) for one in scan.settings if one.dos is not None]
    symbols = sorted({symbol for _, dos in known for symbol in dos.d_by_element})
    figure = new_figure(7.2, 0.9 + 1.7 * len(symbols))
    panels = figure.subplots(len(symbols), 1, sharex=True, squeeze=False)[:, 0]
    colours = scale_colours(len(known))
    for axes, symbol in zip(panels, symbols, strict=True):
        for (setting, dos), colour in zip(known, colours, strict=True):
            if symbol in dos.d_by_element:
                curve = dos.d_by_element[symbol]
                axes.plot(dos.energies, curve, color=colour, label=setting_name(setting))
        axes.axvline(0, color=LINE_COLOUR, lw=1)
        grid = known[0][1].energies
        low, high = max(DOS_RANGE_EV[0], grid[0]), min(DOS_RANGE_EV[1], grid[-1])
        axes.set(title=symbol, xlim=(low, high))
        axes.set_ylim(bottom=0)
    panels[-1].set_xlabel(r"energy relative to $E_\mathrm{F}$ (eV)")
    figure.supylabel("d-DOS (states/eV/atom)", fontsize=9)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=min(4, len(labels)))
    return figure
