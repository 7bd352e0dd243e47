"""Symbols in text, and figures that follow a page's dark mode and width."""

import itertools
import math
import re
from xml.etree import ElementTree as ET

import pandas as pd
import pytest

from dosml.analysis.figures.style import drawings, from_zero, house_style, new_figure, save_figure
from dosml.analysis.figures.themed_svg import NARROW_INCHES, stack_panels, themed_svg
from dosml.analysis.measures.column import Column, interval_words, row_interval
from dosml.analysis.measures.typography import as_html, as_mathtext
from dosml.analysis.report.answer import Answer
from dosml.analysis.report.pages import new_section, sortable_table
from dosml.analysis.report.study_report import write_study_report
from dosml.studies.grid_figure import grid_figure


@pytest.mark.parametrize(
    ("plain", "page", "figure"),
    [
        ("n_d(E_F)", "n<sub>d</sub>(E<sub>F</sub>)", r"$n_d(E_\mathrm{F})$"),
        ("chi_4 at E_F", "χ<sub>4</sub> at E<sub>F</sub>", r"$\chi_4$ at $E_\mathrm{F}$"),
        ("mean |dn_d/dE|", "mean |dn<sub>d</sub>/dE|", r"mean $|dn_d/dE|$"),
        (
            "n_max 8, l_max 4",
            "n<sub>max</sub> 8, l<sub>max</sub> 4",
            r"$n_\mathrm{max}$ 8, $l_\mathrm{max}$ 4",
        ),
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


def test_addresses_are_links_and_end_before_the_sentence_does():
    address = "https://x.org/n_d.html?a=1&amp;b=2"
    assert as_html("(see https://x.org/n_d.html?a=1&b=2), chi_4.") == (
        f'(see <a href="{address}">{address}</a>), χ<sub>4</sub>.'
    )
    assert "<a" not in as_html("docs/engines.md in a clone of dosml")


def test_intervals_are_written_in_one_way():
    assert interval_words(1.23, 4.56) == " (95 %: 1.2 to 4.6)"
    assert interval_words(-0.5, 0.25, "+.2f") == " (95 %: -0.50 to +0.25)"
    assert interval_words(math.nan, math.nan) == interval_words(2.0, 2.0) == ""
    assert row_interval({"error_low": 1.0, "error_high": 2.0}, "error") == " (95 %: 1.0 to 2.0)"


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


def test_a_legend_of_a_phone_is_as_wide_as_the_phone():
    with house_style():
        figure = new_figure(7.2, 3.0)
        axes = figure.subplots()
        for k in range(5):
            axes.errorbar([0], [k], yerr=[1], fmt="o", label=f"setting {k}")
        figure.legend(loc="outside upper right", ncols=5)
        stack_panels(figure)
        figure.draw_without_rendering()
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width
    assert [text.get_text() for text in legend.get_texts()][-1] == "setting 4"


def test_panels_beside_a_colour_bar_stack_too():
    table = pd.DataFrame(
        [
            {"cutoff": c, "n_max": n, "l_max": m, "zeta": z, "force_mae_ev_per_angstrom": c * z}
            for c, n, m, z in itertools.product((4.0, 5.0), (4, 6), (2, 4, 6), (1, 2))
        ]
    )
    with house_style():
        figure = grid_figure(table, "force_mae", ["cutoff", "n_max", "l_max", "zeta"])
        stack_panels(figure)
        figure.draw_without_rendering()
    *panels, bar = figure.axes
    lefts = {round(axes.get_position().x0, 3) for axes in panels}
    assert len(panels) == 6
    assert len(lefts) == 2
    assert all(bar.get_position().x0 > axes.get_position().x1 for axes in panels)
    assert figure.get_size_inches()[0] == NARROW_INCHES


def test_every_text_of_a_saved_figure_has_its_symbols(figure, tmp_path):
    left, _ = figure.axes
    left.set(title="n_d(E_F)", xlabel="l_max")
    left.set_xticks([0, 1], ["chi_2", "chi_4"])
    with house_style():
        record = save_figure(figure, tmp_path, "one", title="", caption="")
    assert left.get_title(loc="left") == r"$n_d(E_\mathrm{F})$"
    assert left.get_xlabel() == r"$l_\mathrm{max}$"
    assert [tick.get_text() for tick in left.get_xticklabels()] == [r"$\chi_2$", r"$\chi_4$"]
    assert record.png.is_file()


def test_a_report_shows_every_figure_once_and_folds_long_tables(figure, tmp_path):
    with house_style():
        records = [save_figure(figure, tmp_path, n, title=n, caption="") for n in ("one", "two")]
    column = Column("l_max", "l_max", "", "Largest angular momentum.")
    parts = []
    for rows in (12, 13):
        part = new_section("Error against l_max", f"part-{rows}")
        part["table"] = sortable_table(pd.DataFrame({"l_max": range(rows)}), [column])
        part["open"] = True
        parts.append(part)
    answer = Answer("Which l_max?", "Four.", (), (), "one")
    report = write_study_report(
        tmp_path, answer, parts, lead="", figures=records, limits=[], facts={}
    ).read_text(encoding="utf-8")
    assert report.count('alt="one"') == report.count('alt="two"') == 1
    assert report.index('alt="one"') < report.index(">Figures</h2>") < report.index('alt="two"')
    assert "Table of 13 rows" in report
    assert "Table of 12 rows" not in report
    assert "<h1>Which l<sub>max</sub>?</h1>" in report
    assert report.count(">Error against l<sub>max</sub><") == 4  # headings and contents


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
