import json
import shutil
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.made_up_campaigns import METALS, write_campaign
from scipy import stats

from dosml.analysis.figures.survey_figures import _apart
from dosml.analysis.measures.column import number_text
from dosml.analysis.measures.survey_columns import describe
from dosml.analysis.measures.table import MEASURES, PRIMARY, REDUCED, ranked
from dosml.analysis.report.survey_report import survey_limits, write_survey_report
from dosml.analysis.report.verdict import verdict
from dosml.analysis.statistics.campaigns import CONTENT, campaign_folders, read_campaign
from dosml.analysis.statistics.correlation import correlate
from dosml.analysis.statistics.d_block import D_BLOCK, d_block_grid
from dosml.analysis.statistics.errors import Interval
from dosml.analysis.statistics.primary import PrimaryTest, power
from dosml.analysis.statistics.published import published_table
from dosml.analysis.statistics.survey import TARGET, SurveyData, published_ranking
from dosml.errors import InputError
from dosml.records import note_files

BARE = "n_d_fermi_bare_states_per_ev_atom"


def survey(root, metals=METALS, **options):
    for metal in metals:
        write_campaign(root / metal, metal, **options)
    return SurveyData([read_campaign(folder) for folder in campaign_folders([root])])


@pytest.fixture(scope="module")
def related(tmp_path_factory):
    """Twelve metals whose force error follows n_d(E_F) by construction."""
    return survey(tmp_path_factory.mktemp("related"), seed=2)


def test_every_metal_and_setting_is_one_row_with_what_is_published(related):
    assert len(related.table) == 36
    assert related.common == [(0.2, 0.0), (0.5, 0.0), (2.0, 0.0)]
    rows = related.at(related.reference).set_index("metal")
    assert sorted(rows.index) == sorted(METALS)
    assert rows.loc["Ti", "published_force_percent_error"] == 9.84
    assert np.isnan(rows.loc["Au", "published_force_percent_error"])
    assert rows.loc["Cu", "melting_temperature_k"] == 1358
    filling = rows.loc["Pt", "d_band_filling"]
    assert rows.loc["Pt", "d_filling_product"] == pytest.approx(filling * (1 - filling))
    # unexplained 0.3 with pairs, 0.2 with l = 0 and 0.1 - 0.02 u with l up to 2
    assert rows["pairs_unexplained_percent"].to_numpy() == pytest.approx(30)
    assert rows["angular_gain_percent"].between(50, 60).all()


def test_the_relation_that_was_put_in_is_found_and_no_other_is_claimed(related):
    row = related.ranking.set_index("measure").loc[BARE]
    part = related.at(related.reference)
    assert row["pearson"] == pytest.approx(np.corrcoef(part[BARE], part[TARGET])[0, 1])
    assert row["n"] == 12
    kept = related.ranking[related.ranking["pearson_p_holm"] < 0.05]["measure"]
    assert set(kept) == {BARE, "n_d_fermi_states_per_ev_atom", PRIMARY, REDUCED}
    assert related.baseline == "d_band_center_vijay2022_ev"


def test_holm_over_all_tests_is_no_smaller_than_over_one_question(related):
    every = related.correlations
    assert len(every) == 14 * (3 + 2 + 1)  # settings, tiers, angular gain
    first = every.iloc[:14]
    assert (first["pearson_p_holm_all"] >= first["pearson_p_holm"] - 1e-12).all()
    assert every["pearson_p_holm_all"].min() == pytest.approx(
        min(1, len(every) * every["pearson_p"].min())
    )


def test_inside_metals_only_the_setting_counts(related):
    within = related.within.set_index("measure")
    # the error falls by a point per eV and the smeared n_d as 1/(1 + σ); the bare one is constant
    assert within.loc["n_d_fermi_states_per_ev_atom", "pearson"] > 0.8
    assert BARE not in within.index
    assert (within["n_metals"] == 12).all()
    assert (within["n_points"] == 36).all()


@pytest.mark.parametrize(
    ("slope", "noise", "word"),
    [(2.0, 0.3, "Yes"), (-2.0, 0.3, "The other way round"), (0.0, 0.5, "No")],
)
def test_the_answer_follows_from_the_numbers(tmp_path, slope, noise, word):
    answer = verdict(survey(tmp_path, slope=slope, noise=noise))
    assert answer.word == word
    assert "n = 12" in answer.headline
    assert "n = 12 metals" in " ".join(answer.sentences[:4])
    assert "on cold frames alone “" in " ".join(answer.sentences)
    assert all(sentence.endswith(".") for sentence in answer.sentences)


def test_the_primary_test_is_of_the_logarithm_and_takes_the_crystal_out(related):
    part = related.at(related.reference)
    test = related.primary
    assert test.pearson == pytest.approx(np.corrcoef(part[PRIMARY], np.log(part[TARGET]))[0, 1])
    assert test.metals == tuple(part["metal"])
    assert np.isnan(test.within_crystals)  # nobody has told the crystals
    kinds = {metal: ("fcc", "hcp", "bcc")[n % 3] for n, metal in enumerate(part["metal"])}
    known = replace(related, crystals=kinds).primary
    basis = np.array([[float(k % 3 == n) for n in range(3)] for k in range(12)])
    rest = [
        y - basis @ np.linalg.lstsq(basis, y, rcond=None)[0]
        for y in (part[PRIMARY].to_numpy(), np.log(part[TARGET].to_numpy()))
    ]
    assert known.within_crystals == pytest.approx(np.corrcoef(*rest)[0, 1])
    assert known.pearson == test.pearson
    assert test.q2 > 0.9


def primary(interval, *, p=0.001, q2=0.5, noisy=(), clear=None):
    """A primary test with such numbers."""
    middle = (interval[0] + interval[1]) / 2
    return PrimaryTest(
        metals=tuple(METALS),
        pearson=middle,
        interval=Interval(*interval),
        p=p,
        spearman=middle,
        spearman_p=p,
        within_crystals=np.nan,
        within_crystals_p=np.nan,
        q2=q2,
        q2_centre=0.1,
        noisy=noisy,
        clear_interval=Interval(*(clear or interval)),
    )


@pytest.mark.parametrize(
    ("test", "word"),
    [
        (primary((0.3, 0.9)), "Yes"),
        (primary((0.3, 0.9), p=0.06), "Undecided"),
        (primary((0.3, 0.9), q2=-0.1), "Undecided"),
        (primary((-0.08, 0.95), p=0.04), "Undecided"),
        (primary((-0.9, -0.3)), "The other way round"),
        (primary((-0.4, 0.4), p=1.0), "No"),
        (primary((-0.4, 0.6), p=1.0), "Undecided"),
        (primary((np.nan, np.nan), p=1.0), "Undecided"),
        # the errors of some metals may be those of their k-points
        (primary((-0.4, 0.4), p=1.0, noisy=("Ti", "V"), clear=(-0.4, 0.3)), "No"),
        (primary((-0.4, 0.4), p=1.0, noisy=("Ti", "V"), clear=(-0.3, 0.7)), "Undecided"),
        (primary((-0.4, 0.4), p=1.0, noisy=("Ti",), clear=(np.nan, np.nan)), "Undecided"),
    ],
)
def test_the_word_follows_from_the_primary_test(related, test, word):
    from dosml.analysis.report.verdict import _word

    ranking = related.ranking.assign(pearson_p_holm=1.0)
    found, headline = _word(test, ranking, "σ = 0.2 eV")
    assert found == word
    assert "chi_4" in headline
    assert ("Ti" in headline) == (word == "Undecided" and bool(test.noisy))


def test_an_exploratory_measure_that_passes_makes_it_in_part(related):
    from dosml.analysis.report.verdict import _word

    ranking = related.ranking.copy()
    ranking["pearson_p_holm"] = np.where(ranking["measure"] == "d_band_center_ev", 0.01, 1.0)
    ranking["loo_q2"] = 0.5
    ranking["pearson_low"], ranking["pearson_high"] = 0.3, 0.9
    word, headline = _word(primary((-0.4, 0.6), p=1.0), ranking, "σ = 0.2 eV")
    assert word == "In part"
    assert "d-band centre" in headline
    ranking["pearson_low"] = -0.08
    assert _word(primary((-0.4, 0.6), p=1.0), ranking, "σ = 0.2 eV")[0] == "Undecided"


def test_power_is_that_of_simulated_surveys():
    rng = np.random.default_rng(3)
    for n, r in ((8, 0.7), (27, 0.5)):
        x = rng.normal(size=(4000, n))
        y = r * x + np.sqrt(1 - r * r) * rng.normal(size=(4000, n))
        found = np.array([np.corrcoef(a, b)[0, 1] for a, b in zip(x, y, strict=True)])
        t = found * np.sqrt((n - 2) / (1 - found**2))
        share = np.mean(np.abs(t) > stats.t.ppf(0.975, n - 2))
        assert power(n, r) == pytest.approx(share, abs=0.04)
    assert power(3, 0.9) == 0
    assert power(20, 0.0) == pytest.approx(0.05, abs=0.002)


def test_the_answer_says_what_the_labels_can_carry(related):
    first = " ".join(verdict(related).sentences[:4])
    assert (
        f"n = 12 metals find a correlation with a chance of {100 * power(12, 0.5):.0f} %" in first
    )
    assert "engine xtb" in first
    assert "label noise 0.3 %" in first


def test_three_metals_are_too_few(tmp_path):
    small = survey(tmp_path, metals=METALS[:3])
    assert small.ranking is None
    assert small.correlations is None
    answer = verdict(small)
    assert answer.word == "Undecided"
    assert answer.headline.startswith("3 metals cannot answer it")


def test_four_metals_on_a_line_are_too_few_for_a_test_and_the_answer_says_so(tmp_path):
    answer = verdict(survey(tmp_path, slope=2.0, noise=0.0, metals=METALS[:4]))
    assert answer.word == "Undecided"
    assert "p = 0.04" in answer.headline  # 1/4! at best


def test_published_numbers_are_ranked_with_the_metals_they_have():
    ranking = published_ranking().set_index("measure")
    part = published_table().dropna(subset=["d_band_center_vijay2022_ev"])
    row = ranking.loc["d_band_center_vijay2022_ev"]
    assert row["n"] == len(part) == 13
    by_hand = correlate(part["d_band_center_vijay2022_ev"], part["force_percent_error"])
    assert row["pearson"] == pytest.approx(by_hand.pearson)


def test_campaigns_of_other_settings_are_joined_where_they_meet_and_compared_aloud(tmp_path):
    write_campaign(tmp_path / "Ti", "Ti")
    write_campaign(tmp_path / "Cu", "Cu", sigmas=(0.5, 1.0), run={"train": 27}.items())
    joined = SurveyData([read_campaign(tmp_path / m) for m in ("Ti", "Cu")])
    assert joined.common == [(0.5, 0.0)]
    assert any("differ in train (12 for Ti, 27 for Cu)" in line for line in joined.warnings)
    write_campaign(tmp_path / "Au", "Au", sigmas=(3.0,))
    with pytest.raises(InputError, match="no electronic setting is common"):
        SurveyData([read_campaign(tmp_path / m) for m in ("Ti", "Au")])
    write_campaign(tmp_path / "Pt", "Pt", scheme="gaussian")
    with pytest.raises(InputError, match="widths of different"):
        SurveyData([read_campaign(tmp_path / m) for m in ("Ti", "Pt")])
    write_campaign(tmp_path / "Ti-again", "Ti")
    with pytest.raises(InputError, match="two campaigns are of Ti"):
        SurveyData([read_campaign(tmp_path / m) for m in ("Ti", "Ti-again")])


def test_what_is_no_campaign_is_named(tmp_path):
    with pytest.raises(InputError, match="is not a folder"):
        campaign_folders([tmp_path / "nothing"])
    with pytest.raises(InputError, match=r"holds no results\.csv"):
        campaign_folders([tmp_path])
    folder = write_campaign(tmp_path / "Ti", "Ti")
    with pytest.raises(InputError, match="given twice"):
        campaign_folders([folder, tmp_path])
    record = (folder / "campaign.json").read_text()
    (folder / "campaign.json").write_text("{")
    with pytest.raises(InputError, match=r"cannot read .*campaign\.json"):
        read_campaign(folder)
    (folder / "campaign.json").write_text(record)
    (folder / "results.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="lacks sigma_ev"):
        read_campaign(folder)


def cut_a_row(path):
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))


def halve(path):
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[: len(lines) // 2]))


@pytest.mark.parametrize(
    ("name", "damage"),
    [
        ("results.csv", cut_a_row),
        ("d_dos.csv", halve),
        ("d_dos.csv", lambda path: path.unlink()),
        ("angular_resolution.csv", halve),
    ],
)
def test_a_table_that_changed_since_the_scan_is_not_believed(tmp_path, name, damage):
    folder = write_campaign(tmp_path / "Ti", "Ti")
    note_files(folder, folder.glob("*.csv"))
    read_campaign(folder)
    damage(folder / name)
    with pytest.raises(InputError, match=rf"{name} is not what campaign\.json beside it tells of"):
        read_campaign(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "x"])
@pytest.mark.parametrize(
    ("name", "column"),
    [("results.csv", "force_percent_error"), ("d_dos.csv", "d_bare_states_per_ev_atom")],
)
def test_what_is_no_number_is_no_result(tmp_path, name, column, value):
    """Also in campaigns of older versions, whose record tells nothing of files."""
    folder = write_campaign(tmp_path / "Ti", "Ti")
    table = pd.read_csv(folder / name).astype({column: object})
    table.loc[1, column] = value
    table.to_csv(folder / name, index=False)
    with pytest.raises(InputError, match=rf"{name}: {column} is not a finite number in every row"):
        read_campaign(folder)


def test_the_metal_of_own_frames_is_read_from_the_report(tmp_path):
    folder = write_campaign(tmp_path / "mine", "Ti")
    record = json.loads((folder / "campaign.json").read_text())
    record["subject"] = "frames.extxyz (sha256 0123)"
    (folder / "campaign.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="what metal it is cannot be told"):
        read_campaign(folder)
    (folder / CONTENT).write_text("{")
    with pytest.raises(InputError, match=r"cannot read .*report\.json"):
        read_campaign(folder)
    (folder / CONTENT).write_text('{"formula": "PdNa6"}')
    assert read_campaign(folder).metal == "PdNa6"


def test_what_engines_say_of_their_labels_is_said_once(tmp_path):
    for metal, warning in (("Ti", "not DFT"), ("Cu", "not DFT"), ("Au", "")):
        folder = write_campaign(tmp_path / metal, metal)
        content = {"engine_warning": warning, "given_limits": ["one cell"] if warning else []}
        (folder / CONTENT).write_text(json.dumps(content))
    three = SurveyData([read_campaign(tmp_path / metal) for metal in ("Ti", "Cu", "Au")])
    assert three.warnings == ["not DFT"]
    assert survey_limits(three)[-1] == "one cell"


def test_metals_without_a_dos_are_named_and_not_ranked(tmp_path):
    for metal in METALS:
        folder = write_campaign(tmp_path / metal, metal)
        if metal in {"Ti", "Pt"}:
            table = pd.read_csv(folder / "results.csv").assign(**dict.fromkeys(MEASURES, np.nan))
            table.to_csv(folder / "results.csv", index=False)
    joined = SurveyData([read_campaign(tmp_path / metal) for metal in METALS])
    assert set(joined.ranking["n"]) == {len(METALS) - 2}
    assert "The d-DOS of Ti, Pt is not known at σ = 0.2 eV" in joined.warnings[0]


def test_a_dos_that_is_known_and_has_no_d_states_is_told_apart(tmp_path):
    for metal in METALS:
        folder = write_campaign(tmp_path / metal, metal)
        if metal in {"Ti", "Pt"}:
            blank = [name for name, one in MEASURES.items() if one.of == "d"]
            table = pd.read_csv(folder / "results.csv").assign(**dict.fromkeys(blank, np.nan))
            table.to_csv(folder / "results.csv", index=False)
    joined = SurveyData([read_campaign(tmp_path / metal) for metal in METALS])
    assert joined.warnings[0] == "The DOS of Ti, Pt has no d states here."


@pytest.mark.usefixtures("words_only")
def test_a_survey_without_any_dos_answers_that_it_cannot(tmp_path):
    for metal in METALS:
        folder = write_campaign(tmp_path / metal, metal)
        table = pd.read_csv(folder / "results.csv").assign(**dict.fromkeys(MEASURES, np.nan))
        table.to_csv(folder / "results.csv", index=False)
        (folder / "d_dos.csv").unlink()
    joined = SurveyData([read_campaign(tmp_path / metal) for metal in METALS])
    assert joined.ranking is None
    answer, report = write_survey_report(tmp_path / "out", joined)
    assert answer.word == "Undecided"
    assert answer.headline.startswith("The d-DOS of 0 of 12 metals is known")
    names = {path.stem for path in (tmp_path / "out" / "figures").glob("*.png")}
    assert names == {
        "error_by_metal",
        "error_against_setting",
        "d_block",
        "against_published",
    }
    assert "Choose a measure" not in report.read_text("utf-8")


def test_campaigns_of_older_versions_lack_measures_not_the_report(tmp_path, related):
    for campaign in related.campaigns:
        target = tmp_path / campaign.metal
        shutil.copytree(campaign.folder, target)
        (target / "angular_resolution.csv").unlink()
        table = pd.read_csv(target / "results.csv").drop(columns="d_curvature_states_per_ev3_atom")
        table.to_csv(target / "results.csv", index=False)
    joined = SurveyData([read_campaign(folder) for folder in campaign_folders([tmp_path])])
    assert len(joined.ranking) == len(ranked()) - 1
    assert verdict(joined).word == "Yes"


def test_the_d_block_holds_every_metal_in_its_place():
    from pymatgen.core import Element

    for y, row in enumerate(D_BLOCK):
        for x, symbol in enumerate(row):
            assert (Element(symbol).row, Element(symbol).group) == (y + 4, x + 3)
    grid = d_block_grid(pd.Series({"Ti": 1.0, "Au": 2.0, "Al": 3.0}))
    assert grid[0, 1] == 1
    assert grid[2, 8] == 2
    assert np.isfinite(grid).sum() == 2


def test_names_in_the_margin_keep_a_distance_and_their_mean():
    assert _apart([0.0, 1.0], 0.5) == [0.0, 1.0]
    assert _apart([0.0, 0.0, 0.1], 1.0) == pytest.approx([-1 + 0.1 / 3, 0.1 / 3, 1 + 0.1 / 3])


def test_every_measure_has_a_heading():
    for name in [*ranked(), "melting_temperature_k", "metal"]:
        assert describe(name).heading
    assert number_text(1358.0, describe("melting_temperature_k").digits) == "1358"


def test_the_bound_of_a_single_correlation_is_that_of_the_t_distribution(related):
    # tables of critical values: 0.576 for n = 12 at the two-sided 5 % level
    assert "With that many a single correlation must exceed 0.58" in survey_limits(related)[0]


def test_metals_whose_error_falls_are_counted(related):
    # 1.8 points from 0.2 to 2 eV, beside noise of 0.3: 12 of 12, p = 2 / 2^12
    text = next(line for line in verdict(related).sentences if "sign test" in line)
    assert "σ = 0.2 eV to σ = 2 eV the force error falls in 12 of 12 metals" in text
    assert "p = 0.0005" in text


def test_the_order_of_the_campaigns_does_not_matter(related):
    turned = SurveyData(related.campaigns[::-1])
    pd.testing.assert_frame_equal(turned.ranking, related.ranking)
