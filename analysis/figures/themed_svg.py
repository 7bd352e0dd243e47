"""Figures as SVG that follow a page: its dark mode, and its width on a phone."""

from __future__ import annotations

import colorsys
import re
from io import StringIO
from typing import TYPE_CHECKING

from dosml.analysis.measures.typography import as_mathtext

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

#: Width of a figure on a phone, inches; letters are as large as in the wide one.
NARROW_INCHES = 3.9
#: Panels narrower than this stand two abreast on a phone.
_SMALL_PANEL_INCHES = 2.2
#: Entries of a legend in one line on a phone.
_ABREAST = 2
#: Greys of the house style and what they become on dark paper. Other greys stay: white and black
#: letters on coloured cells are written as #fefefe and #010101.
_DARK = {
    "#000000": "#e4e6e8",
    "#ffffff": "#15181c",
    "#444444": "#b9bec4",
    "#888888": "#9aa1a8",
    "#aaaaaa": "#7d848b",
    "#bbbbbb": "#6f767d",
    "#d0d0d0": "#474e56",
    "#e3e3e3": "#30363d",
}
#: Colours darker than this (HLS lightness) are drawn lighter on dark paper.
_LIGHT_ENOUGH = 0.58
_COLOUR = re.compile(r"(?<=: )#[0-9a-f]{6}(?=[;\"])")


def themed_svg(figure: Figure) -> str:
    """Write a figure as SVG whose colours follow `prefers-color-scheme`.

    Parameters
    ----------
    figure
        Drawn inside `dosml.analysis.figures.style.house_style`.

    Returns
    -------
    str
        The same figure gives the same text.
    """
    buffer = StringIO()
    figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    # what matplotlib leaves out is black: letters and filled shapes
    colours = sorted({"#000000", *_COLOUR.findall(text)})
    dark = {colour: _on_dark_paper(colour) for colour in colours}
    light_rules = "".join(f"--c{colour[1:]}:{colour};" for colour in colours)
    dark_rules = "".join(f"--c{colour[1:]}:{other};" for colour, other in dark.items())
    style = (
        f"<style>svg{{fill:var(--c000000);{light_rules}}}"
        f"@media screen and (prefers-color-scheme:dark){{svg{{{dark_rules}}}}}</style>"
    )
    text = _COLOUR.sub(lambda found: f"var(--c{found.group()[1:]})", text)
    head, rest = text.split("<defs>", 1)
    return f"{head}{style}<defs>{rest}"


def _on_dark_paper(colour: str) -> str:
    red, green, blue = (int(colour[k : k + 2], 16) / 255 for k in (1, 3, 5))
    if max(red, green, blue) - min(red, green, blue) < 0.02:
        return _DARK.get(colour, colour)
    hue, lightness, saturation = colorsys.rgb_to_hls(red, green, blue)
    lighter = colorsys.hls_to_rgb(hue, max(lightness, _LIGHT_ENOUGH), saturation)
    return "#" + "".join(f"{round(255 * part):02x}" for part in lighter)


def stack_panels(figure: Figure, width: float = NARROW_INCHES) -> None:
    """Lay the panels of a figure out for a phone: below each other, small ones two abreast.

    Parameters
    ----------
    figure
        Changed in place. Panels of one row lose shared axes' bareness: each is labelled again.
    width
        New width, inches.
    """
    panels = [axes for axes in figure.axes if axes.get_subplotspec() and axes.get_visible()]
    if not panels:
        return
    # twins share their place with the panel that they belong to
    places: dict[tuple[int, int], list[Axes]] = {}
    for axes in panels:
        spec = axes.get_subplotspec()
        if spec is not None:
            places.setdefault((spec.rowspan.start, spec.colspan.start), []).append(axes)
    spec = panels[0].get_subplotspec()
    if spec is None:
        return
    rows, columns = spec.get_gridspec().get_geometry()
    wide, high = figure.get_size_inches()
    abreast = 1
    if columns > 1 and wide / columns < _SMALL_PANEL_INCHES:
        abreast = 2
    lines = -(-len(places) // abreast)
    tall = high / rows if abreast == 1 else high / rows * (width / abreast) / (wide / columns)
    figure.set_size_inches(width, max(2.4, tall * lines))
    grid = figure.add_gridspec(lines, abreast)
    for number, (_, together) in enumerate(sorted(places.items())):
        for axes in together:
            axes.set_subplotspec(grid[number // abreast, number % abreast])
        if columns > 1 and abreast == 1:
            _label_again(together[0], panels[0])
    _legends_abreast(figure)


def _legends_abreast(figure: Figure) -> None:
    """Make the legends of a figure again, two entries abreast: one that is made stays as it is."""
    known = {
        as_mathtext(label): handle
        for axes in figure.axes
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    for legend in list(figure.legends):
        labels = [as_mathtext(text.get_text()) for text in legend.get_texts()]
        if set(labels) <= set(known):
            legend.remove()
            handles = [known[label] for label in labels]
            figure.legend(
                handles, labels, loc="outside upper center", ncols=min(_ABREAST, len(labels))
            )


def _label_again(axes: Axes, first: Axes) -> None:
    """Give a panel that shared its axes with a neighbour ticks and a name of its own."""
    axes.tick_params(labelleft=True, labelbottom=True)
    if axes is not first and axes.get_shared_y_axes().joined(axes, first):
        axes.set_ylabel(axes.get_ylabel() or first.get_ylabel())
