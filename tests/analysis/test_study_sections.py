"""Learning curves and transfer in the report of the scan whose labels they used."""

import html
import json
import re
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from dosml.analysis.figures.style import house_style, new_figure, save_figure
from dosml.analysis.report.learner_section import learner_section
from dosml.analysis.report.scan_report import CONTENT, rewrite_report, write_report
from dosml.analysis.report.study_sections import RECORD, STUDIES, label_file_hash, study_sections
from dosml.analysis.statistics.learner_table import learner_table
from dosml.analysis.statistics.learning_curves import learning_curve_table
from dosml.analysis.statistics.scan import summarise
from dosml.errors import InputError
from dosml.files import file_hash

BY = ["learner", "l_max", "label_set"]


@pytest.fixture(scope="module")
def reported(scan, tmp_path_factory):
    """The folder of a scan with its report, and without studies."""
    folder = tmp_path_factory.mktemp("scan")
    (folder / "label_sets").mkdir()
    for name in ("sigma_0.2", "sigma_2"):
        (folder / "label_sets" / f"{name}.extxyz").write_text(f"labels of {name}")
    write_report(folder / "report.html", scan, summarise(scan), [])
    return folder


@pytest.fixture
def campaign(reported, tmp_path):
    return shutil.copytree(reported, tmp_path / "dosml-smear-scan-Ti")


def record(campaign, name, kind, **more):
    place = campaign / STUDIES / name
    place.mkdir(parents=True, exist_ok=True)
    sets = ("sigma_0.2", "sigma_2")
    content = {
        "study": kind,
        "command": f"dosml {kind} Ti --workers <2>",
        "seed": 5,
        "train_frames": {"cold": 8, "warm": 8, "melt": 8},
        "test_frames": {"cold": 4, "warm": 4, "melt": 4},
        "label_files": {
            one: label_file_hash(campaign / "label_sets" / f"{one}.extxyz") for one in sets
        },
        "figures": [],
    }
    (place / RECORD).write_text(json.dumps(content | more))
    return place


def add_curves(campaign, name="curves", *, exponents=(0.5, 0.1), seeds=(5, 6, 7), noise=0.02):
    """Points of known laws, as `dosml learning-curve` writes them."""
    rng = np.random.default_rng(1)
    rows = [
        {
            "learner": "sgp",
            "l_max": str(l_max),
            "n_train": n,
            "seed": seed,
            "label_set": label_set,
            "force_percent_error": 40.0 * n**-b * np.exp(noise * rng.normal()),
            "energy_mae_ev_per_atom": 0.0123,
            "seconds_training": 2.5,
            "n_parameters": np.nan,
        }
        for l_max, b in zip((0, 3), exponents, strict=True)
        for label_set in ("sigma_0.2", "sigma_2")
        for n in (6, 12, 24)
        for seed in seeds
    ]
    place = record(campaign, name, "learning-curve")
    points = pd.DataFrame(rows)
    points.to_csv(place / "learning_curve.csv", index=False)
    fits = learning_curve_table(points, by=BY)
    fits.to_csv(place / "learning_curve_fit.csv", index=False)
    with house_style():
        save_figure(new_figure(4.8, 3.0), place, "learning_curve", title="", caption="")
    figure = {"title": "Curves", "caption": "Drawn.", "file": "learning_curve.png"}
    record(campaign, name, "learning-curve", figures=[figure])
    return fits


def add_transfer(campaign, *, trained=("cold", "melt"), frames=4):
    """Cold to melt costs 30 points, melt to cold 5."""
    errors = {("cold", "cold"): 5, ("melt", "melt"): 8, ("cold", "melt"): 38, ("melt", "cold"): 10}
    rows = []
    for (start, end), error in errors.items():
        if start in trained:
            own = errors[end, end] if end in trained else np.nan
            rows.append(
                {
                    "learner": "sgp",
                    "label_set": "sigma_2",
                    "trained_on": start,
                    "tested_on": end,
                    "n_test_frames": frames,
                    "percent_error": error,
                    "percent_error_low": error - 1,
                    "percent_error_high": error + 2,
                    "change": error - own,
                    "change_low": error - own - 1,
                    "change_high": error - own + 1,
                    "n_train": 8,
                }
            )
    place = record(campaign, "transfer", "transfer")
    pd.DataFrame(rows).to_csv(place / "transfer.csv", index=False)


def words(text):
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text)).split())


def cells(text, section):
    """Texts of the cells of a section, without intervals."""
    part = text.split(f' id="{section}">')[1].split('class="part"')[0]
    return [html.unescape(one) for one in re.findall(r'<td class="value[^>]*>([^<]*)', part)]


def test_studies_appear_when_the_report_is_written_again(campaign):
    before = (campaign / "report.html").read_text("utf-8")
    assert "study-1" not in before
    fits = add_curves(campaign)
    add_transfer(campaign)
    assert rewrite_report(campaign) == campaign / "report.html"
    text = (campaign / "report.html").read_text("utf-8")
    said = words(text)
    # nothing else of the report moves
    for section in ("answer", "table", "findings", "limits", "columns", "run"):
        part = f' id="{section}">'
        assert text.split(part)[1].split("<h2>")[0] == before.split(part)[1].split("<h2>")[0]
    assert 'href="#study-1">Learning curves<' in text
    assert 'href="#study-2">Transfer<' in text
    assert "dosml transfer Ti --workers <2>" in said
    assert "trained on 6, 12 and 24 of the 24 training frames (8 cold, 8 warm, 8 melt)" in said
    assert "3 draws of these frames (seeds 5, 6 and 7)" in said
    assert "12 held-out frames (4 cold, 4 warm, 4 melt)" in said
    assert "At N = 24 every draw holds all frames" in said
    shown = cells(text, "study-1")
    first = fits.iloc[0]
    assert shown[:3] == ["sgp", "0", "sigma_0.2"]
    assert shown[3:6] == [f"{first[one]:{form}}" for one, form in FORMATS]
    assert f"{first['exponent_low']:.2f} to {first['exponent_high']:.2f}" in said
    assert "All 36 trainings" in said
    assert f'href="{STUDIES}/curves/learning_curve.csv"' in text
    assert "12.30" in shown  # meV/atom
    assert "parameters" not in words(text.split('id="study-1-more"')[1].split("</thead>")[0])


FORMATS = (("amplitude", ".1f"), ("exponent", ".2f"), ("r_squared", ".2f"))


@pytest.mark.parametrize(
    ("exponents", "expected"),
    [
        ((0.5, 0.4), "Every interval of b lies above zero"),
        ((0.5, 0.0), "2 of 4 intervals of b lie above zero"),
        ((0.0, 0.0), "No interval of b lies above zero"),
    ],
)
def test_the_exponents_are_put_into_words(campaign, exponents, expected):
    fits = add_curves(campaign, exponents=exponents)
    (section,) = study_sections(campaign)
    low, high = fits["exponent"].min(), fits["exponent"].max()
    assert f"b runs from {low:.2f} to {high:.2f}" in section["findings"][0]
    assert expected in section["findings"][0]


def test_one_draw_says_where_its_interval_comes_from(campaign):
    add_curves(campaign, seeds=(5,))
    (section,) = study_sections(campaign)
    said = " ".join(section["text"])
    assert "one draw of these frames (seed 5)" in said
    assert "from the distances of the points to the line" in said
    assert "every draw holds" not in said


def test_the_matrix_holds_rows_of_training_and_columns_of_test_tiers(campaign):
    add_transfer(campaign)
    rewrite_report(campaign)
    text = (campaign / "report.html").read_text("utf-8")
    assert cells(text, "study-1") == ["5.0", "38.0", "10.0", "8.0"]
    said = words(text)
    assert "38.0 %, +30.0 points (95 %: +29.0 to +31.0) against training on melt itself" in said
    assert "trained on the frames of one tier alone (8 cold, 8 melt)" in said
    assert "(4 cold, 4 melt); seed 5" in said
    assert "held-out frames: too few for an interval" not in said
    framed = re.findall(r'<td class="value own"[^>]*>([^<]*)', text)
    assert framed == ["5.0", "8.0"]


def test_one_training_tier_has_nothing_to_be_compared_with(campaign):
    add_transfer(campaign, trained=("cold",), frames=6)
    (section,) = study_sections(campaign)
    assert "tested on melt the force error is 38.0 %, the largest of all" in section["findings"][0]
    assert section["warnings"] == []
    add_transfer(campaign, trained=("cold",), frames=3)
    (section,) = study_sections(campaign)
    assert section["warnings"] == ["A tier holds only 3 held-out frames: too few for an interval."]


def test_one_tier_on_both_sides_is_no_transfer(campaign):
    add_transfer(campaign)
    path = campaign / STUDIES / "transfer" / "transfer.csv"
    table = pd.read_csv(path)
    table[(table["trained_on"] == "cold") & (table["tested_on"] == "cold")].to_csv(path)
    (section,) = study_sections(campaign)
    assert section["findings"] == ["sgp, sigma_2: there are held-out frames of one tier only."]


def test_two_studies_of_a_kind_bear_their_names(campaign):
    add_curves(campaign, "first")
    add_curves(campaign, "second")
    assert [one["title"] for one in study_sections(campaign)] == [
        "Learning curves: first",
        "Learning curves: second",
    ]


def test_labels_that_changed_since_are_told(campaign):
    add_transfer(campaign)
    (campaign / "label_sets" / "sigma_2.extxyz").write_text("other labels")
    (section,) = study_sections(campaign)
    assert "changed since (sigma_2)" in " ".join(section["warnings"])


@pytest.mark.parametrize("broken", ["{", "{}", '{"study": "poem"}', None])
def test_a_broken_study_does_not_take_the_report_with_it(campaign, broken):
    add_transfer(campaign)
    place = campaign / STUDIES / "transfer"
    if broken is None:
        (place / "transfer.csv").write_text("a,b\n1,2\n")
    else:
        (place / RECORD).write_text(broken)
    rewrite_report(campaign)
    said = words((campaign / "report.html").read_text("utf-8"))
    assert "Study that cannot be read" in said
    assert "run the study again" in said


def test_a_scan_without_report_is_left_alone(tmp_path):
    assert rewrite_report(tmp_path) is None
    assert list(tmp_path.iterdir()) == []


def test_a_broken_content_is_one_line(campaign):
    (campaign / CONTENT).write_text('{"formula": "Ti"}')
    with pytest.raises(InputError, match="run the command that made it again"):
        rewrite_report(campaign)


@pytest.mark.parametrize("name", ["../secret.png", "figures/link.png", "/etc/hostname"])
def test_a_figure_outside_the_campaign_is_not_embedded(campaign, tmp_path, name):
    (tmp_path / "secret.png").write_bytes(b"\x89PNG\r\n\x1a\n secret IEND\xaeB`\x82")
    (campaign / "figures").mkdir(exist_ok=True)
    (campaign / "figures" / "link.png").symlink_to(tmp_path / "secret.png")
    content = json.loads((campaign / CONTENT).read_text())
    content["figures"] = [{"title": "a", "caption": "b", "png": name}]
    (campaign / CONTENT).write_text(json.dumps(content))
    before = (campaign / "report.html").read_bytes()
    with pytest.raises(InputError, match="does not lie in that folder"):
        rewrite_report(campaign)
    assert (campaign / "report.html").read_bytes() == before


def test_a_figure_that_is_no_picture_is_not_embedded(campaign):
    (campaign / "a.png").write_text("text")
    content = json.loads((campaign / CONTENT).read_text())
    content["figures"] = [{"title": "a", "caption": "b", "png": "a.png"}]
    (campaign / CONTENT).write_text(json.dumps(content))
    with pytest.raises(InputError, match="no whole PNG file"):
        rewrite_report(campaign)


def test_tables_of_a_study_that_were_cut_are_not_shown(campaign):
    add_curves(campaign)
    place = campaign / STUDIES / "curves"
    tables = {one.name: file_hash(one) for one in place.glob("*.csv")}
    content = json.loads((place / RECORD).read_text())
    (place / RECORD).write_text(json.dumps({**content, "tables": tables}))
    assert study_sections(campaign)[0]["title"] == "Learning curves"
    lines = (place / "learning_curve.csv").read_text().splitlines(keepends=True)
    (place / "learning_curve.csv").write_text("".join(lines[:-3]))
    (section,) = study_sections(campaign)
    assert section["title"] == "Study that cannot be read"
    assert "was changed or removed" in section["warnings"][0]


def learners(scan):
    """Two learners on the held-out forces of a scan, the second twice as wrong."""
    results = {}
    for name, factor in (("sgp", 1.0), ("nequip", 2.0)):
        results[name] = [
            (
                {"sigma_ev": s.width, "electrons_per_atom_shift": 0.0},
                replace(
                    s.held_out,
                    forces_predicted=[
                        f + factor * (p - f)
                        for f, p in zip(s.held_out.forces, s.held_out.forces_predicted, strict=True)
                    ],
                    facts={"seconds_training": 3.25, "device": "cpu"},
                ),
            )
            for s in scan.settings
        ]
    return learner_table(results, scan.test_tiers)


def test_learners_are_a_section_of_the_scans_report(scan, tmp_path):
    table = learners(scan)
    write_report(tmp_path / "report.html", scan, summarise(scan), [], learners=table)
    text = (tmp_path / "report.html").read_text("utf-8")
    said = words(text)
    assert 'href="#study-1">Learners<' in text
    assert "sgp, nequip, each trained on the same 24 frames at every setting" in said
    assert "12 held-out frames; seed 0" in said
    assert "The findings above are those of sgp." in said
    errors = table.set_index(["learner", "sigma_ev"])["force_percent_error"]
    assert errors["nequip", 0.2] == pytest.approx(2 * errors["sgp", 0.2])
    shown = cells(text, "study-1")
    for error in errors:
        assert f"{error:.2f}" in shown
    last = table[table["learner"] == "nequip"].iloc[-1]
    assert (
        f"{last['change_to_first_setting']:+.2f} points (95 %: "
        f"{last['change_to_first_setting_low']:+.2f} to "
        f"{last['change_to_first_setting_high']:+.2f})" in said
    )
    assert "electron shift" not in words(text.split('id="study-1-table"')[1].split("</thead>")[0])


def test_learners_of_a_scan_of_one_held_out_frame_have_no_interval(make_scan):
    scan = make_scan(sigmas=(0.2, 2.0), test=1)
    scan = replace(scan, facts={})
    section = learner_section(scan, learners(scan))
    assert "seed" not in section["text"][0]
    assert all("(95 %" not in one for one in section["findings"])


@pytest.mark.browser
@pytest.mark.parametrize("width", [400, 1200])
def test_studies_in_a_browser(campaign, in_browser, width):
    add_curves(campaign)
    add_transfer(campaign)
    probe = """
    window.addEventListener("load", function () {
      const cells = Array.from(document.querySelectorAll("table.matrix td"));
      const root = document.documentElement;
      tell({ shades: new Set(cells.map(c => getComputedStyle(c).backgroundColor)).size,
        width: window.innerWidth, overflow: root.scrollWidth - root.clientWidth,
        open: document.querySelector("details").open,
        image: document.images[0].getBoundingClientRect().width });
    });"""
    result = in_browser(rewrite_report(campaign).read_text("utf-8"), probe, width)
    assert result["width"] == width
    assert result["overflow"] <= 0
    assert result["shades"] == 4  # one for each error
    assert not result["open"]
    # a figure of 4.8 inches fits a phone, and on a desk takes its share of the page
    assert result["image"] <= min(width, 72 * 16 * 4.8 / 7.2)
