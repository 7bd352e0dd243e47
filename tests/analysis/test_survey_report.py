import html
import json
import re

import numpy as np
import pandas as pd
import pytest
from helpers.made_up_campaigns import METALS, write_campaign
from PIL import Image

from dosml.analysis.figures.interactive import explorer, periodic_table
from dosml.analysis.report.survey_report import write_survey_report
from dosml.analysis.statistics.campaigns import read_campaign
from dosml.analysis.statistics.survey import TARGET, SurveyData


def plain(text):
    """Words of a page: symbols as in a terminal, spaces that may break."""
    return " ".join(html.unescape(re.sub(r"<sub>(.*?)</sub>", r"_\1", text)).split()).replace(
        "χ_", "chi_"
    )


@pytest.fixture(scope="module")
def joined(tmp_path_factory):
    """A survey, its report folder, the answer and the text of the report."""
    root = tmp_path_factory.mktemp("joined")
    for metal in METALS:
        folder = write_campaign(root / metal, metal)
        (folder / "report.html").write_text("of one metal")
    survey = SurveyData(
        [read_campaign(root / metal) for metal in METALS],
        facts={"command": "dosml survey <made up>", "versions": {"dosml": "0.1.0"}},
        failures={"Hg": "made to fail </script>"},
    )
    answer, report = write_survey_report(root, survey)
    return survey, root, answer, report.read_text(encoding="utf-8")


def test_tables_and_figures_are_written(joined):
    survey, root, _, _ = joined
    for name in ("metals", "correlations", "within_metals", "published"):
        read = pd.read_csv(root / f"{name}.csv")
        assert len(read) == len(pd.read_parquet(root / f"{name}.parquet"))
    assert len(pd.read_csv(root / "metals.csv")) == len(survey.table)
    names = {path.stem for path in (root / "figures").glob("*.png")}
    assert names == {
        "primary",
        "correlations",
        "error_against_measures",
        "error_by_metal",
        "error_against_setting",
        "d_dos_by_metal",
        "d_block",
        "against_published",
    }
    for name in names:
        with Image.open(root / "figures" / f"{name}.png") as image:
            assert np.asarray(image.convert("L")).std() > 10
        assert (root / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")


def test_the_answer_is_at_the_top_and_everything_inside_the_page(joined):
    _, _, answer, text = joined
    words = plain(text)
    assert words.index(answer.headline) < words.index("What else the answer rests on")
    assert "made to fail </script>" not in text  # escaped
    assert 'href="Ti/report.html"' in text
    assert "<link" not in text
    for source in text.split('src="')[1:]:
        assert source.startswith("data:image/svg+xml;base64,")


def test_the_explorer_holds_every_metal_setting_and_measure(joined):
    survey, *_ = joined
    figure = json.loads(explorer(survey).data)
    assert len(figure["data"]) == len(survey.common)
    rows = survey.at(survey.reference)
    for button, measure in zip(
        figure["layout"]["updatemenus"][0]["buttons"], survey.ranking["measure"], strict=True
    ):
        assert button["args"][0]["x"][0] == pytest.approx(list(rows[measure]))
    assert figure["data"][0]["y"] == pytest.approx(list(rows[TARGET]))
    assert figure["data"][0]["text"] == list(rows["metal"])


def test_the_periodic_table_has_the_error_under_the_symbol(joined):
    survey, *_ = joined
    figure = json.loads(periodic_table(survey).data)["data"][0]
    error = survey.at(survey.reference).set_index("metal").loc["Ti", TARGET]
    assert figure["text"][0][1] == f"<b>Ti</b><br>{error:.1f}"
    assert figure["z"][0][1] == pytest.approx(error)
    assert figure["z"][0][0] is None  # Sc


@pytest.mark.usefixtures("words_only")
def test_one_metal_alone_has_a_report_that_says_so(tmp_path):
    folder = write_campaign(tmp_path / "Ti", "Ti", sigmas=(0.2,))
    (folder / "d_dos.csv").unlink()
    answer, report = write_survey_report(tmp_path, SurveyData([read_campaign(folder)]))
    assert answer.word == "Undecided"
    assert "1 metal cannot answer it" in report.read_text(encoding="utf-8")
    assert not (tmp_path / "correlations.csv").exists()


PROBE = """
document.querySelectorAll("details").forEach(box => { box.open = true; });
window.addEventListener("load", async function () {
  const wait = () => new Promise(done => setTimeout(done, 100));
  const plots = Array.from(document.querySelectorAll(".plot"));
  while (!plots.every(p => p.dataset.drawn === "yes")) { await wait(); }
  const sorted = function (id, column) {
    const table = document.getElementById(id), orders = [];
    for (let k = 0; k < 2; k++) {
      table.tHead.rows[0].cells[column].querySelector("button").click();
      orders.push(Array.from(table.tBodies[0].rows).map(r => r.cells[0].dataset.key));
    }
    return orders;
  };
  const result = { error: sorted("metal-table", 1), name: sorted("metal-table", 0),
    tables: Array.from(document.querySelectorAll("table.sortable")).length,
    drawn: Array.from(document.images).filter(i => i.naturalWidth > 250).length,
    points: document.querySelectorAll('[data-figure="explorer"] .point').length,
    tiles: document.querySelector('[data-figure="periodic"]').textContent,
    width: window.innerWidth,
    overflow: document.documentElement.scrollWidth - document.documentElement.clientWidth };
  tell(result);
});
"""


@pytest.mark.browser
@pytest.mark.parametrize("width", [400, 1200])
def test_survey_report_in_a_browser(joined, in_browser, width):
    survey, root, _, text = joined
    result = in_browser(text, PROBE, width)
    order = list(survey.at(survey.reference).sort_values(TARGET)["metal"])
    assert result["error"] == [order, order[::-1]]
    assert result["name"] == [sorted(METALS), sorted(METALS, reverse=True)]
    assert result["tables"] == 5
    assert result["drawn"] == len(list((root / "figures").glob("*.png")))
    assert result["points"] == len(METALS)  # the reference; the other settings wait in the legend
    assert "Ti" in result["tiles"]
    assert result["width"] == width
    assert result["overflow"] <= 0  # nothing but tables and figures scrolls sideways
