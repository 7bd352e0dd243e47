"""Symbols in text, and figures that follow a page's dark mode and width."""

import re
from xml.etree import ElementTree as ET

import pytest

from dosml.analysis.figures.style import drawings, from_zero, house_style, new_figure, save_figure
from dosml.analysis.figures.themed_svg import NARROW_INCHES, stack_panels, themed_svg
from dosml.analysis.measures.typography import as_html, as_mathtext


@pytest.mark.parametrize(
    ("plain", "page", "figure"),
    [
        ("n_d(E_F)", "n<sub>d</sub>(E<sub>F</sub>)", r"$n_d(E_\mathrm{F})$"),
        ("chi_4 at E_F", "χ<sub>4</sub> at E<sub>F</sub>", r"$\chi_4$ at $E_\mathrm{F}$"),
        ("mean |dn_d/dE|", "mean |dn<sub>d</sub>/dE|", r"mean $|dn_d/dE|$"),
        ("n_d_fermi_states", "n_d_fermi_states", "n_d_fermi_states"),
        ("a < b", "a &lt; b", "a < b"),
    ],
)
def test_symbols_have_subscripts(plain, page, figure):
    assert as_html(plain) == page
    assert as_mathtext(plain) == figure
    assert as_mathtext(figure) == figure  # what is set is left alone


def test_a_number_keeps_its_unit_on_the_line():
    assert as_html("28.9 (27 to 31) % at 0.2 eV") == (
        "28.9 (27 to 31)\N{NO-BREAK SPACE}% at 0.2\N{NO-BREAK SPACE}eV"
    )
    assert as_html("35 meV/Å") == "35\N{NO-BREAK SPACE}meV/\N{WORD JOINER}Å"


@pytest.fixture
def figure():
    with house_style():
        made = new_figure(7.2, 3.0)
        left, right = made.subplots(1, 2, sharey=True)
        left.plot([0, 1], [0, 2], "o-", color="#440154", label="dark")
        left.text(0.5, 1, "on a dark cell", color="#fefefe")
        left.set_ylabel("force error (%)")
        right.plot([0, 1], [2, 1], "o-", color="black", mfc="white")
        made.legend(*left.get_legend_handles_labels(), loc="outside upper right", ncols=5)
        yield made


def test_colours_follow_the_page(figure):
    text = themed_svg(figure)
    ET.fromstring(text)
    light, dark = re.search(r"<style>svg\{(.*?)\}@media(.*?)</style>", text).groups()
    assert "--c000000:#000000" in light
    assert "--c000000:#e4e6e8" in dark
    assert "--cffffff:#15181c" in dark
    assert "--cfefefe:#fefefe" in dark  # letters on coloured cells stay
    red, green, blue = (
        int(re.search(r"--c440154:#(\w{6})", dark).group(1)[k : k + 2], 16) for k in (0, 2, 4)
    )
    assert max(red, green, blue) > 150  # the darkest end of the scale is seen on dark paper
    assert not re.search(r'style="[^"]*: #[0-9a-f]{6}', text)


def test_panels_stack_on_a_phone(figure):
    left, right = figure.axes
    with house_style():
        stack_panels(figure)
        figure.draw_without_rendering()
    assert figure.get_size_inches()[0] == NARROW_INCHES
    assert left.get_position().y0 > right.get_position().y1
    assert right.get_ylabel() == "force error (%)"
    assert right.yaxis.get_tick_params()["labelleft"]
    assert figure.legends[0]._ncols <= 2


def test_figures_are_saved_for_pages_too(figure, tmp_path):
    with house_style():
        record = save_figure(figure, tmp_path, "one", title="", caption="")
    wide, narrow = drawings(record.png)

    def width(path):
        return float(ET.fromstring(path.read_text()).get("width").removesuffix("pt"))

    assert width(wide) == pytest.approx(7.2 * 72, rel=0.01)
    assert width(narrow) == pytest.approx(NARROW_INCHES * 72, rel=0.01)


def test_markers_at_zero_are_whole():
    with house_style():
        axes = new_figure(3, 3).subplots()
        axes.plot([0, 1], [0.0, 5.0], "o")
        from_zero(axes)
    low, high = axes.get_ylim()
    assert low < 0
    assert high > 5
