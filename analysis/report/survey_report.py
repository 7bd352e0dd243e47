"""The report of several metals: the answer first, then what it rests on."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

from dosml.analysis.figures.interactive import explorer, periodic_table, plotly_library
from dosml.analysis.figures.survey_figures import draw_survey_figures
from dosml.analysis.measures.column import Column
from dosml.analysis.measures.survey_columns import describe
from dosml.analysis.measures.table import PRIMARY
from dosml.analysis.report.answer import Answer
from dosml.analysis.report.control_sections import control_sections
from dosml.analysis.report.pages import fact_groups, page, picture, sortable_table
from dosml.analysis.report.verdict import Verdict, verdict
from dosml.analysis.statistics.correlation import informative
from dosml.analysis.statistics.d_block import in_d_block
from dosml.analysis.statistics.label_noise import MARK, MARK_WORDS, within_noise
from dosml.analysis.statistics.scan import setting_words
from dosml.analysis.statistics.survey import FEWEST_METALS, TARGET, SurveyData, published_ranking
from dosml.analysis.statistics.tables import write_tables
from dosml.files import whole_file

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    from dosml.analysis.figures.interactive import InteractiveFigure
    from dosml.analysis.figures.style import FigureRecord

#: Sentences beside the answer; the rest folds.
_SHORT = 4
_METAL_COLUMNS = (
    "metal",
    TARGET,
    "published_force_percent_error",
    "label_noise_percent",
    "denser_grid_percent_error",
    "force_mav_ev_per_angstrom",
    "angular_gain_percent",
    "n_d_fermi_bare_states_per_ev_atom",
    "n_d_unsmeared_fermi_states_per_ev_atom",
    "d_sharpness_bare_states_per_ev2_atom",
    PRIMARY,
    "d_band_center_ev",
    "d_band_width_ev",
    "d_band_filling",
)
_STATISTICS = {
    "measure": Column("measure", "measure", "", "Number read from the d band."),
    "n": Column("n", "n", "", "Metals."),
    "n_metals": Column("n_metals", "metals", "", "Metals with two settings or more."),
    "n_points": Column("n_points", "points", "", "Metals times settings."),
    "pearson": Column("pearson", "r", "", "Pearson correlation, 95 % bootstrap interval.", 2),
    "p": Column("p", "p", "", "Permutation p-value.", 4),
    "p_holm": Column("p_holm", "p, corrected", "", "After Holm's correction.", 4),
    "pearson_p": Column("pearson_p", "p", "", "Permutation p-value of r.", 4),
    "pearson_p_holm": Column("pearson_p_holm", "p, corrected", "", "After Holm's correction.", 4),
    "spearman": Column("spearman", "Spearman", "", "Rank correlation.", 2),
    "spearman_p": Column("spearman_p", "p, ranks", "", "Permutation p-value of Spearman.", 4),
    "partial": Column("partial", "partial r", "", "Given the controls.", 2),
    "partial_p": Column("partial_p", "p, partial", "", "Permutation p-value of partial r.", 4),
    "loo_mae": Column(
        "loo_mae", "left out", "points", "Mean error for a metal left out, by this measure.", 2
    ),
    "loo_mae_baseline": Column(
        "loo_mae_baseline", "baseline", "points", "The same by the baseline measure.", 2
    ),
    "loo_mae_mean": Column("loo_mae_mean", "mean", "points", "The same by the others' mean.", 2),
}


def write_survey_report(folder: Path, survey: SurveyData) -> tuple[Verdict, Path]:
    """Write tables, figures and `report.html` of several metals.

    Parameters
    ----------
    folder
        Where to: `report.html`, `figures/`, and as CSV and parquet `metals`, `correlations`,
        `within_metals`, `published`, `published_errors_our_measures` and `control_...` (those that
        exist).
    survey
        The survey.

    Returns
    -------
    verdict, report
        The answer and where the report lies.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    published = published_ranking(survey.seed)
    tables = {
        "metals": survey.table,
        "correlations": survey.correlations,
        "within_metals": survey.within,
        "published": published,
        "published_errors_our_measures": survey.ours_for_published,
    }
    for name, table in tables.items():
        if table is not None:
            write_tables(table, folder, name)
    for name in ("crystals", "electrons", "pairs"):
        if (table := getattr(survey.controls, name)) is not None:
            write_tables(table, folder, f"control_{name}")
    figures = draw_survey_figures(survey, folder / "figures")
    answer = verdict(survey)
    html = page(
        "survey_report.html",
        answer=Answer(
            question="",
            word=answer.word,
            sentence=answer.headline,
            limits=tuple(_answer_limits(survey)),
            findings=answer.sentences[:_SHORT],
            figure=_answer_figure(figures),
        ),
        more_sentences=answer.sentences[_SHORT:],
        metals=survey.metals,
        settings=[setting_words(*s) for s in survey.common],
        reference=setting_words(*survey.reference),
        scheme=str(survey.campaigns[0].results["smearing_scheme"].iloc[0]),
        engines=sorted({str(c.settings.get("engine", "unknown")) for c in survey.campaigns}),
        warnings=survey.warnings,
        metal_table=_metal_table(survey, folder),
        mark=MARK_WORDS if within_noise(survey.at(survey.reference)).any() else "",
        ranking_table=_statistics(survey.ranking),
        within_table=_statistics(survey.within),
        published_table=_statistics(published),
        crossed_table=_statistics(survey.ours_for_published),
        interactive=_interactive(survey),
        library=plotly_library(),
        figures=[picture(f.title, f.caption, f.png) for f in figures],
        controls=control_sections(
            survey.controls, survey.own, folder / "figures", seed=survey.seed
        ),
        limits=survey_limits(survey),
        command=str(survey.facts.get("command", "")),
        facts=fact_groups(survey.facts),
    )
    report = folder / "report.html"
    with whole_file(report) as partial:
        partial.write_text(html, encoding="utf-8")
    return answer, report


def _interactive(survey: SurveyData) -> list[InteractiveFigure]:
    """Figures that a reader moves: what has nothing to show is left out."""
    table = periodic_table(survey) if in_d_block(survey) else None
    return [one for one in (explorer(survey), table) if one is not None]


def _answer_figure(figures: Sequence[FigureRecord]) -> str:
    """Name of the figure beside the answer: the primary test, where there is one."""
    names = [one.png.stem for one in figures]
    return "primary" if "primary" in names else "error_by_metal"


def _answer_limits(survey: SurveyData) -> list[str]:
    """Say in short what limits the answer: engine, mesh noise, number of metals."""
    engines = sorted({str(c.settings.get("engine", "unknown")) for c in survey.campaigns})
    rows = survey.at(survey.reference)
    noise = rows["label_noise_percent"].dropna()
    text = "Mesh noise of the labels: not known."
    if len(noise):
        marked = int(within_noise(rows).sum())
        text = (
            f"Mesh noise of the labels: {noise.median():.2g} % in the median, {noise.max():.2g} % "
            f"at most; {marked} of {len(rows)} errors are less than three times it."
        )
    return [
        f"Labels from {', '.join(engines)}.",
        text,
        f"n = {len(survey.campaigns)} metals, which are no random sample.",
    ]


def survey_limits(survey: SurveyData) -> list[str]:
    """Tell what several metals cannot show.

    Parameters
    ----------
    survey
        The survey.
    """
    from scipy import stats

    n = len(survey.campaigns)
    bound = ""
    if n >= FEWEST_METALS:
        t = float(stats.t.ppf(0.975, n - 2))
        bound = (
            f"With that many a single correlation must exceed {t / math.sqrt(n - 2 + t * t):.2f} "
            f"in size to pass p < 0.05, and one that holds for other metals may still be missed. "
        )
    lines = [
        (
            f"n = {n} metals. {bound}Metals are no random sample: neighbours in the periodic "
            f"table resemble each other, so the intervals are narrower than they should be."
        ),
        (
            "Correlation across metals is not cause: crystal structure, number of atoms, melting "
            "point and size of the forces change along with the d band. Two of these are taken "
            "out in the partial correlation, the others are not."
        ),
        (
            "The force error is that of one learner with one number of training frames and one "
            "seed. Its interval holds the scatter of held-out frames only."
        ),
        "Measures of one DOS resemble each other: which of them comes out best is partly chance.",
        (
            "The smeared n_d(E_F), sharpness and curvature fall with σ by construction. Inside "
            "metals they stand for σ itself."
        ),
    ]
    return lines + survey.limits


def _metal_table(survey: SurveyData, folder: Path) -> dict[str, object]:
    rows = survey.at(survey.reference).sort_values(TARGET, ascending=False)
    names = [name for name in _METAL_COLUMNS if name in rows and rows[name].notna().any()]
    places = {c.metal: c.folder / "report.html" for c in survey.campaigns}
    links = {
        metal: os.path.relpath(report, folder).replace(os.sep, "/")
        for metal, report in places.items()
        if report.exists()
    }
    marks = {TARGET: (within_noise(rows), MARK)}
    return sortable_table(rows, [describe(name) for name in names], links=links, marks=marks)


def _statistics(table: pd.DataFrame | None) -> dict[str, object] | None:
    """Sortable table of a ranking."""
    if table is None:
        return None
    if "pearson_low" in table.columns:
        blank = [
            not informative(low, high)
            for low, high in zip(table["pearson_low"], table["pearson_high"], strict=True)
        ]
        # a coefficient whose interval is all there is says nothing: a dash
        columns = [one for one in ("pearson", "pearson_low", "pearson_high") if one in table]
        table = table.copy()
        table.loc[blank, columns] = float("nan")
    names = [name for name in _STATISTICS if name in table.columns and table[name].notna().any()]
    named = table.assign(measure=[describe(name).heading for name in table["measure"]])
    return sortable_table(named, [_STATISTICS[name] for name in names])
