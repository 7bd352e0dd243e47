"""One look for all figures, without pyplot and without touching the caller's settings."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.figures.themed_svg import stack_panels, themed_svg
from dosml.analysis.measures.typography import as_mathtext
from dosml.files import whole_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from dosml.analysis.statistics.scan import ScanData

#: Colours of the sampling tiers (Okabe and Ito); other tiers take the style's cycle.
TIER_COLOURS = {"cold": "#0072B2", "warm": "#E69F00", "hot": "#CC79A7", "melt": "#D55E00"}
#: Fermi level and reference lines.
LINE_COLOUR = "#444444"
#: More points than these of one colour are drawn as pixels, which do not follow a dark page.
MOST_VECTORS = 1500
#: Ranges of less than this ratio have evenly spaced ticks.
_NEAR = 4


@dataclass(frozen=True)
class FigureRecord:
    """A figure on disk.

    Attributes
    ----------
    title
        A few words.
    caption
        What is drawn, with definitions.
    png, pdf
        The two files. Beside them lie NAME.svg and NAME.narrow.svg, for pages.
    """

    title: str
    caption: str
    png: Path
    pdf: Path


@contextmanager
def house_style() -> Iterator[None]:
    """Draw and save inside this: matplotlib's defaults plus dosml.mplstyle, not the user's own."""
    import matplotlib as mpl

    with as_file(files("dosml.analysis.figures") / "dosml.mplstyle") as path:
        style = mpl.rc_params_from_file(path, use_default_template=True)
    # the backend is the caller's; figures here are made and saved without one
    parameters = {key: style[key] for key in style if not key.startswith("backend")}
    with mpl.rc_context(rc=parameters):
        yield


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure of a size in inches, outside pyplot's global list."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def plain(name: str) -> str:
    """Write a user's name (of a file, tier or label set) so that matplotlib takes it for text.

    It would read a formula between two dollars, and leave a name of "_" out of a legend.
    """
    shown = name.replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


def save_figure(
    figure: Figure, folder: Path, name: str, *, title: str, caption: str
) -> FigureRecord:
    """Save as PNG, PDF and SVG, each whole or not at all; the same data give the same bytes.

    Of SVG there are two: as wide as the others, and with its panels stacked for a phone. The
    figure is left stacked.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    import matplotlib as mpl

    _set_symbols(figure)
    png, pdf = folder / f"{name}.png", folder / f"{name}.pdf"
    wide, narrow = drawings(png)
    # the layout is what takes longest: once for the three wide files, once for the narrow one
    layout = figure.get_layout_engine()
    figure.draw_without_rendering()
    # with no layout engine, not even one that does nothing, matplotlib saves in a single pass
    with mpl.rc_context({"figure.constrained_layout.use": False, "figure.autolayout": False}):
        figure.set_layout_engine(None)
        with whole_file(png) as partial:
            figure.savefig(partial, metadata={"Software": None})
        with whole_file(pdf) as partial:
            figure.savefig(
                partial, metadata={"CreationDate": None, "Producer": None, "Creator": None}
            )
        with whole_file(wide) as partial:
            partial.write_text(themed_svg(figure), encoding="utf-8")
    if layout is not None:
        figure.set_layout_engine(layout)
    stack_panels(figure)
    with whole_file(narrow) as partial:
        partial.write_text(themed_svg(figure), encoding="utf-8")
    return FigureRecord(title=title, caption=caption, png=png, pdf=pdf)


def _set_symbols(figure: Figure) -> None:
    """Set the physics symbols of every text of a figure, names of ticks included."""
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        text.set_text(as_mathtext(text.get_text()))
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            names = [tick.get_text() for tick in axis.get_ticklabels()]
            shown = [as_mathtext(name) for name in names]
            if shown != names:
                axis.set_ticklabels(shown)


def drawings(png: Path) -> tuple[Path, Path]:
    """SVG files beside the PNG of a figure: wide, and narrow for a phone."""
    return png.with_suffix(".svg"), png.with_suffix(".narrow.svg")


def save_figures(
    figures: Iterable[tuple[str, str, str, Figure]], folder: Path
) -> list[FigureRecord]:
    """Draw figures in the house style and save each.

    Parameters
    ----------
    figures
        Name, title, caption and figure of each; a generator draws inside the style.
    folder
        Where to; made if it does not exist.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    with house_style():
        return [
            save_figure(figure, folder, name, title=title, caption=caption)
            for name, title, caption, figure in figures
        ]


def density_map() -> Colormap:
    """Colours of a density of points, few to many, whose empty places show the paper.

    They are the middle of viridis: its ends are as light as white paper and as dark as black.
    """
    import matplotlib as mpl
    from matplotlib.colors import ListedColormap

    return ListedColormap(mpl.colormaps["viridis"](np.linspace(0.8, 0.3, 256)))


def scale_colours(count: int) -> list[tuple[float, float, float, float]]:
    """Colours of an ordered quantity (σ), dark to light, safe for the colour-blind."""
    import matplotlib as mpl

    palette = mpl.colormaps["viridis"]
    return [palette(0.85 * k / max(count - 1, 1)) for k in range(count)]


def scan_axis(axes: Axes, scan: ScanData) -> NDArray[np.float64]:
    """Label the abscissa with what the scan varies and return its values, shape (n_settings,)."""
    if scan.varies == ["electrons_per_atom_shift"]:
        axes.set_xlabel("electrons added per atom")
        x = np.array([s.shift for s in scan.settings])
    else:
        axes.set_xlabel("smearing width σ (eV)")
        x = np.array([s.width for s in scan.settings])
    values = np.unique(x)
    # settings themselves make the best ticks unless they would run into each other
    if len(values) > 1 and np.diff(values).min() > 0.06 * np.ptp(values):
        axes.set_xticks(values, [f"{v:g}" for v in values])
    return x


def legend_above(axes: Axes, title: str = "", *, columns: int = 2) -> None:
    """Put a panel's legend above it, off the curves, under the panel's title."""
    axes.set_title("")
    axes.legend(
        loc="lower left",
        bbox_to_anchor=(0, 1),
        borderaxespad=0.1,
        ncols=columns,
        title=title or None,
        title_fontsize=9,
        alignment="left",
        columnspacing=1.2,
        handlelength=1.6,
    )


def panels_legend(figure: Figure, panels: Iterable[Axes], *, columns: int = 2) -> None:
    """Put one legend of what any of the panels names above all of them."""
    handles = {
        label: handle
        for axes in panels
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=columns)


def log_ordinate(axes: Axes) -> None:
    """Make the ordinate of what is drawn logarithmic, with plain numbers at its ticks."""
    from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, StrMethodFormatter

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    # decades and their parts are too far apart where values are close to each other
    near = high < _NEAR * low
    axes.yaxis.set_major_locator(
        MaxNLocator(6, steps=[1, 2, 5, 10]) if near else LogLocator(subs=(1, 2, 5))
    )
    axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.yaxis.set_minor_locator(NullLocator())


def from_zero(axes: Axes) -> None:
    """Begin the ordinate at zero, with room for whole markers at both ends."""
    high = axes.get_ylim()[1]
    axes.set_ylim(-0.03 * high, 1.03 * high)


def line_style(scan: ScanData) -> str:
    """Points are joined only where one quantity varies."""
    return "none" if len(scan.varies) > 1 else "-"
