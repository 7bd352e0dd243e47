import html
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO

import matplotlib as mpl
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from dosml.analysis.figures.error_figures import error_figure
from dosml.analysis.figures.scan_figures import draw_figures
from dosml.analysis.figures.setting_figures import angular_figure, power_figure
from dosml.analysis.figures.style import house_style, save_figure
from dosml.analysis.measures.angular_basis import AngularBasis
from dosml.analysis.measures.columns import format_value
from dosml.analysis.measures.table import MEASURES
from dosml.analysis.report.findings import findings
from dosml.analysis.report.pages import fact_groups
from dosml.analysis.report.scan_report import write_report
from dosml.analysis.report.terminal import terminal_table
from dosml.analysis.statistics.scan import summarise
from dosml.analysis.statistics.tables import write_tables
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

VOID = {"meta", "img", "source", "br", "link", "input", "hr"}


@pytest.fixture(scope="module")
def campaign(scan, tmp_path_factory):
    """Folder, table, figure records and text of a report."""
    folder = tmp_path_factory.mktemp("campaign")
    table = summarise(scan)
    figures = draw_figures(scan, table, folder / "figures")
    write_report(folder / "report.html", scan, table, figures)
    return folder, table, figures, (folder / "report.html").read_text(encoding="utf-8")


class Page(HTMLParser):
    """Collects tags and text; fails on tags that do not close in order."""

    def __init__(self):
        super().__init__()
        self.open, self.sources, self.text, self.tags = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [v for k, v in attrs if k in {"src", "srcset", "data"}]
        if tag == "link":
            self.sources += [v for k, v in attrs if k == "href"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def parsed(text):
    page = Page()
    page.feed(text)
    page.close()
    assert page.open == []
    return page


def test_figures_are_png_and_pdf_without_pyplot(campaign):
    _, _, figures, _ = campaign
    assert [f.png.stem for f in figures] == [
        "error_against_sigma",
        "d_dos",
        "force_differences",
        "error_against_dos",
        "force_parity",
    ]
    for figure in figures:
        with Image.open(figure.png) as image:
            pixels = np.asarray(image.convert("L"))
        assert pixels.shape[1] > 1000
        assert pixels.std() > 10
        assert figure.pdf.read_bytes().startswith(b"%PDF")
        assert figure.caption.endswith(".")


def test_the_users_matplotlib_settings_neither_matter_nor_change(scan, campaign, tmp_path):
    _, table, figures, _ = campaign
    with mpl.rc_context({"font.size": 33, "axes.facecolor": "red"}):
        with house_style():
            figure = error_figure(scan, table)
            again = save_figure(figure, tmp_path, "again", title="", caption="")
        assert mpl.rcParams["font.size"] == 33
    assert again.png.read_bytes() == figures[0].png.read_bytes()
    assert again.pdf.read_bytes() == figures[0].pdf.read_bytes()


def test_a_study_of_one_setting_and_one_held_out_frame_is_drawn(make_scan, tmp_path):
    one = make_scan(sigmas=(0.2,), test=1)
    assert len(draw_figures(one, summarise(one), tmp_path)) == 3


def test_with_frames_the_report_tells_which_angles_the_forces_need(make_scan, tmp_path):
    scan = make_scan(sigmas=(0.2, 2.0), with_frames=True)
    scan = replace(scan, angular_basis=AngularBasis(cutoff=4.0, n_pair=4, n_max=2, l_max=2))
    table = summarise(scan)
    angular = scan.angular
    assert set(angular["setting"]) == {"σ = 0.2 eV", "σ = 2 eV"}
    with house_style():
        (axes,) = angular_figure(angular).axes
    np.testing.assert_allclose(
        axes.lines[1].get_ydata(), angular["percent_error"][angular["setting"] == "σ = 2 eV"]
    )
    write_report(tmp_path / "report.html", scan, table, [])
    text = (tmp_path / "report.html").read_text("utf-8")
    errors = angular["percent_error"][angular["setting"] == "σ = 0.2 eV"].to_numpy()
    said = " ".join(text.split())
    assert f"from {errors[1]:.1f} to {errors[1:].min():.1f} % at σ = 0.2 eV" in said
    assert "triplets with the best l up to 2 instead of l = 0" in said
    chance = angular["angular_gain_null_high_percent"].iloc[0]
    assert f"where chance alone gives up to {chance:.0f} %" in said.replace("\xa0", " ")
    csv, _ = write_tables(angular, tmp_path, "angular_resolution")
    assert csv.name == "angular_resolution.csv"


def test_with_frames_the_report_shows_the_patterns_of_the_forces(make_scan, tmp_path):
    scan = make_scan(sigmas=(0.2, 2.0), with_frames=True, train=6, test=3)
    basis = AngularBasis(cutoff=4.0, n_pair=4, n_max=2, l_max=2)
    scan = replace(scan, angular_basis=basis)
    power = scan.power
    # hcp titanium: twelve neighbours, eleven or so beside the vacancies
    assert 10 < power["neighbours"].iloc[0] < 12.5
    figures = draw_figures(scan, summarise(scan), tmp_path)
    assert "angular_power" in [f.png.stem for f in figures]
    with house_style():
        left, right = power_figure(power, "σ = 0.2 eV", "σ = 2 eV").axes
    for axes, quantity, setting in ((left, "forces", "σ = 0.2 eV"), (right, "change", "σ = 2 eV")):
        part = power[(power["quantity"] == quantity) & (power["setting"] == setting)]
        np.testing.assert_allclose(axes.lines[0].get_ydata(), part["vector"])
        np.testing.assert_allclose(axes.lines[1].get_ydata(), part["radial"])
        assert axes.get_ylim()[1] > max(part["vector"].max(), part["radial"].max())
    words = " ".join(findings(scan, summarise(scan)))
    # made-up forces are random: whatever passes two standard deviations is named with its power
    assert "seen from each atom over its" in words
    same = replace(
        scan,
        settings=[
            scan.settings[0],
            replace(scan.settings[0], setting=ElectronicSetting(Smearing("fermi-dirac", 0.3))),
        ],
    )
    assert same.power is None  # nothing changes, there is nothing to take apart


def test_scans_of_electron_number_or_of_both_are_drawn(make_scan):
    both = make_scan(sigmas=(0.2, 1.0))
    shifted = [replace(s, setting=ElectronicSetting(s.smearing, 0.5)) for s in both.settings]
    both = replace(both, settings=[*both.settings, *shifted], test_tiers=["x"] * 12)
    shift = replace(both, settings=[both.settings[0], both.settings[2]])
    with house_style():
        panels = {
            name: error_figure(s, summarise(s)).axes[0]
            for name, s in (("both", both), ("shift", shift))
        }
    assert panels["both"].lines[0].get_linestyle() == "None"  # two knobs: points are not joined
    assert panels["shift"].lines[0].get_linestyle() == "-"
    assert panels["shift"].get_xlabel() == "electrons added per atom"


def test_report_is_well_formed_and_needs_nothing_from_outside(campaign):
    _, _, figures, text = campaign
    page = parsed(text)
    # each once: that of the answer is not repeated among the others
    assert page.tags.count("img") == page.tags.count("source") == len(figures)
    assert all(source.startswith("data:image/svg+xml;base64,") for source in page.sources)
    assert "@import" not in text
    assert "url(" not in text


def test_report_holds_every_number_of_the_table(campaign):
    _, table, _, text = campaign
    words = html.unescape(text)
    for name in table.columns:
        # a measure of the d band that no setting has is left out
        left_out = name in MEASURES and MEASURES[name].of == "d" and table[name].isna().all()
        assert (f">{name}<" in text) == (not left_out)
        for value in table[name] if not left_out else ():
            assert f">{format_value(name, value)}<" in words


def test_report_says_what_was_run_found_and_not_shown(scan, campaign):
    _, table, _, text = campaign
    page = parsed(text)
    words = " ".join(" ".join(page.text).split())
    assert scan.facts["command"] in words
    assert "SCF did not converge at σ = 0.2 eV <three tries>" in words  # escaped, not a tag
    assert "made-up numbers" in words
    assert "tblite 0.8.0" in words
    for heading in (
        "Everything that was found",
        "What cannot be concluded",
        "What was run",
        "Dropped frames",
    ):
        assert heading in words
    assert f"{table['force_percent_error'].iloc[-1]:.2f} %" in words


def test_facts_of_every_setting_are_columns_and_names_carry_units():
    groups = fact_groups(
        {
            "seed": 3,
            "learner": {
                "sigma_0.2": {"cutoff_angstrom": 4.99, "noise_ev_per_angstrom": 0.07},
                "sigma_2": {"cutoff_angstrom": 4.99, "epochs": 2},
            },
            "engine settings": {"dos_step_ev": 0.02},
            "nothing": {},
        }
    )
    assert groups == {
        "Run": {"columns": [], "rows": {"seed": ["3"]}},
        "Learner": {
            "columns": ["sigma_0.2", "sigma_2"],
            "rows": {
                "cutoff (Å)": ["4.99", "4.99"],
                "noise (eV/Å)": ["0.07", ""],
                "epochs": ["", "2"],
            },
        },
        "Engine settings": {"columns": [], "rows": {"dos step (eV)": ["0.02"]}},
    }


def test_report_without_facts(scan, campaign, tmp_path):
    _, table, _, _ = campaign
    bare = replace(scan, facts={})
    write_report(tmp_path / "report.html", bare, table, [])
    assert "None: every frame has a label" in (tmp_path / "report.html").read_text("utf-8")


@pytest.mark.parametrize("shifted", [False, True])
def test_terminal_table_fits_and_holds_the_errors(campaign, shifted):
    _, table, _, _ = campaign
    if shifted:
        table = table.assign(electrons_per_atom_shift=0.5)
    screen = StringIO()
    Console(file=screen, width=100).print(terminal_table(table))
    lines = screen.getvalue().splitlines()
    assert max(len(line) for line in lines) <= 100
    assert "…" not in screen.getvalue()
    for _, row in table.iterrows():
        assert f"{row['force_percent_error']:.1f} (" in screen.getvalue()


def test_terminal_table_without_intervals(campaign):
    _, table, _, _ = campaign
    table = table.assign(force_percent_error_low=np.nan, force_percent_error_high=np.nan)
    screen = StringIO()
    Console(file=screen, width=100).print(terminal_table(table))
    assert "nan" not in screen.getvalue()


PROBE = """
document.querySelectorAll("details").forEach(box => { box.open = true; });
window.addEventListener("load", function () {
  const table = document.querySelector("table.sortable");
  const first = () => Array.from(table.tBodies[0].rows).map(r => r.cells[0].textContent);
  table.tHead.rows[0].cells[1].querySelector("button").click();
  const up = first();
  table.tHead.rows[0].cells[1].querySelector("button").click();
  tell({ up: up, down: first(), width: window.innerWidth,
    drawn: Array.from(document.images).filter(i => i.naturalWidth > 250).length,
    hinted: table.parentNode.classList.contains("more"),
    wider: table.scrollWidth > table.parentNode.clientWidth,
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth });
});
"""


@pytest.mark.browser
@pytest.mark.parametrize("width", [400, 1200])
def test_report_in_a_browser(campaign, in_browser, width):
    _, table, figures, text = campaign
    result = in_browser(text, PROBE, width)
    order = table.sort_values("force_percent_error")["sigma_ev"]
    assert result["up"] == [format_value("sigma_ev", s) for s in order]
    assert result["down"] == result["up"][::-1]
    assert result["drawn"] == len(figures)
    assert result["width"] == width
    assert result["hinted"] == result["wider"]
    assert result["wider"] or width > 400
    assert result["overflow"] <= 0  # nothing but the tables and figures scrolls sideways
