"""Tables, figures and the report of a benchmark."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from dosml.analysis.figures.benchmark import (
    MAPPED,
    curves_figure,
    errors_figure,
    map_figure,
    softening_figure,
    why_figure,
)
from dosml.analysis.figures.style import house_style, save_figures
from dosml.analysis.measures.table import PRIMARY
from dosml.analysis.report.answer import Answer
from dosml.analysis.report.benchmark_sections import (
    latex_table,
    ranking_section,
    table_section,
    why_section,
    why_sentences,
    why_table,
)
from dosml.analysis.report.study_report import write_study_report
from dosml.analysis.statistics.benchmark import (
    FACTOR,
    IN_ALL,
    TARGET,
    costs,
    ranking,
    why_hard,
    with_published,
)
from dosml.analysis.statistics.published import published_table
from dosml.analysis.statistics.tables import write_tables
from dosml.files import whole_file
from dosml.progress import duration
from dosml.studies.benchmark.why import OWN_LABELS
from dosml.version import run_versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from matplotlib.figure import Figure

    from dosml.analysis.figures.style import FigureRecord
    from dosml.progress import Reporter
    from dosml.studies.benchmark.settings import BenchmarkSettings

_TITLES = {
    "full": "All metals",
    "transfer": "Trained cold, tested on all tiers",
    "curve": "Learning curves",
    "grid": "Grid search",
    "size": "Finite size: larger cells",
}
_TEXTS = {
    "full": "Errors on all held-out frames, with 95 % intervals over frames.",
    "transfer": "Trained on the coldest tier alone; the other tiers are what it has not seen.",
    "curve": "Growing numbers of training frames of one tier, nested, tested on held-out frames of "
    "that tier.",
    "grid": "Options with the smallest force error on a fifth of the training frames, trained "
    "again on all of them.",
    "size": "Tested on the larger cells: trained on the small ones, and on the larger ones.",
}
_LIMITS = (
    (
        "The intervals hold the scatter of the held-out frames only; frames of one "
        "molecular-dynamics run resemble each other, and the true ones may be wider."
    ),
    (
        "One draw of the training frames, one seed and, but for the protocol grid, one set of "
        "options per learner: another would move the errors."
    ),
    (
        "Finished potentials were trained on other calculations: part of their error is that of "
        "another program, functional or smearing."
    ),
)


@dataclass(frozen=True)
class BenchmarkReport:
    """What was written, and what it rests on."""

    ranking: pd.DataFrame
    why: dict[str, pd.DataFrame]
    files: tuple[Path, ...]


def write_benchmark_report(
    settings: BenchmarkSettings,
    folder: Path,
    table: pd.DataFrame,
    dos: pd.DataFrame,
    *,
    splits: Mapping[str, str],
    failures: Sequence[str],
    warnings: Mapping[str, str],
    reporter: Reporter,
) -> BenchmarkReport:
    """Write tables, figures and `report.html`.

    Parameters
    ----------
    table
        From `dosml.studies.benchmark.results.point_rows`.
    dos
        Measures of the metals; may be empty.
    splits
        Metal -> where its split is from.
    failures
        What is missing, and why.
    warnings
        Engine of the DOS -> what to know of it.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    main = main_rows(table)
    ranked, first = ranking(main), first_labels(main)
    why = why_hard(first, first_dos(dos)) if len(dos) else {}
    files = write_tables(ranked, folder, "ranking")
    cost = cost_table(table)
    files += write_tables(cost, folder, "costs")
    files += write_tables(why_table(why), folder, "why") if why else []
    tex = folder / "benchmark.tex"
    with whole_file(tex) as partial:
        partial.write_text(latex_table(main), encoding="utf-8")
    with house_style():
        made = _figures(table, main, first, dos)
    drawn = {name: save_figures(some, folder / "figures") for name, some in made.items()}
    sections = [ranking_section(ranked, _cost_words(cost))]
    for protocol in settings.protocol:
        rows = table[table["protocol"] == protocol]
        if len(rows):
            shown = with_published(rows) if protocol == "full" else rows
            sections.append(
                table_section(
                    _TITLES[protocol],
                    protocol,
                    shown,
                    drawn.get(protocol, []),
                    [_TEXTS[protocol]],
                )
            )
    factors = main.dropna(subset=[FACTOR])
    if len(factors):
        soft = why_hard(first_labels(factors), first_dos(dos), column=FACTOR) if len(dos) else {}
        section = table_section(
            "Softening of universal potentials",
            "softening",
            factors,
            drawn["softening"],
            ["A factor above 1: the potential's forces are too small, its energy too soft."],
        )
        section["findings"] = why_sentences(soft, "factor")
        sections.append(section)
    if len(dos):
        engines = ", ".join(dict.fromkeys(dos["dos_engine"]))
        text = f"DOS from {engines}, {settings.dos_frames} test frames of the hottest tier."
        sections.append(why_section(why, drawn["why"], [text]))
    figures = [one for some in drawn.values() for one in some]
    report = write_study_report(
        folder,
        _answer(main, ranked, why, splits, figures),
        sections,
        lead=f"{', '.join(dict.fromkeys(table['metal']))}; learners "
        f"{', '.join(dict.fromkeys(table['learner']))}; labels {settings.source}.",
        figures=figures,
        warnings=[
            *failures,
            *(
                text if name == OWN_LABELS else f"{name}: {text}"
                for name, text in warnings.items()
                if text
            ),
        ],
        limits=_LIMITS,
        facts={
            "command": reporter.command,
            "seed": settings.seed,
            "labels": settings.source,
            "split": dict(splits),
            "versions": run_versions(),
        },
    )
    return BenchmarkReport(ranked, why, (*files, tex, report, *(one.png for one in figures)))


def main_rows(table: pd.DataFrame) -> pd.DataFrame:
    """Rows that the ranking rests on: the first protocol, one variant, all tiers together."""
    first = next(
        name for name in ("full", "grid", "transfer", "size", "curve")
         if (table["protocol"] == name).any()
    )  # fmt: skip
    rows = table[(table["protocol"] == first) & (table["tier"] == "all")]
    # of a learning curve the point with most frames
    return (
        rows.sort_values("n_train", kind="stable")
        .drop_duplicates(["metal", "label_set", "learner"], keep="last")
        .sort_index()
    )


def first_labels(main: pd.DataFrame) -> pd.DataFrame:
    """Rows of one label set of every metal: the one with the smallest σ."""
    ordered = main.sort_values("sigma_ev", kind="stable", na_position="last")
    return ordered.drop_duplicates(["metal", "learner"]).sort_index()


def first_dos(dos: pd.DataFrame) -> pd.DataFrame:
    """Measures of every metal at its smallest σ."""
    return dos.sort_values("dos_sigma_ev", kind="stable").drop_duplicates("metal").sort_index()


def cost_table(table: pd.DataFrame) -> pd.DataFrame:
    """Cost of every learner, and all together."""
    each = costs(table)
    total = each.drop(columns="learner").sum().to_frame().T.assign(learner="all")
    return pd.concat([each, total], ignore_index=True)


def _cost_words(cost: pd.DataFrame) -> str:
    """Say what all trainings took together."""
    total = cost.iloc[-1]
    if total[list(IN_ALL)].isna().any():
        return "What the trainings took is not on record: an earlier version made them."
    wall, cpu = (duration(float(total[name])) for name in IN_ALL)
    return (
        f"All {total['trainings']:.0f} trainings took {cpu} of processor time, predictions "
        f"included, and {wall} of wall time one after the other."
    )


def _subjects(rows: pd.DataFrame) -> pd.DataFrame:
    """Name every metal, with its label set where there are several."""
    if len(set(rows["label_set"])) == 1:
        return rows.assign(subject=rows["metal"])
    labels = rows["label_set"].str.replace("sigma_", "σ ")
    return rows.assign(subject=rows["metal"] + ", " + labels)


def _figures(
    table: pd.DataFrame, main: pd.DataFrame, first: pd.DataFrame, dos: pd.DataFrame
) -> dict[str, list[tuple[str, str, str, Figure]]]:
    """Figures of every section: name, title, caption, figure."""
    learners = list(dict.fromkeys(first["learner"]))
    made: dict[str, Any] = {
        "ranking": [
            (
                "errors",
                "Force error of every learner on every metal",
                (
                    "100 MAE/MAV of the held-out forces with 95 % intervals over frames; the "
                    "hardest metal stands last."
                ),
                errors_figure(_subjects(main)),
            )
        ],
        "full": [],
        "softening": [],
        "why": [],
    }
    known = published_table().set_index("metal")[TARGET]
    for column, name, title in (
        (TARGET, "map_force", "Force error (%)"),
        ("energy_percent_error", "map_energy", "Energy error (%)"),
        ("stress_percent_error", "map_stress", "Stress error (%)"),
    ):
        maps = [
            (learner, first[first["learner"] == learner].set_index("metal")[column].dropna())
            for learner in learners
        ]
        maps = [(one, values) for one, values in maps if set(values.index) & MAPPED]
        if maps:
            if column == TARGET:
                maps.append(("published: NequIP on TM23", known))
            text = f"{title} of every learner in the d block, one colour scale."
            made["full"].append((name, title, text, map_figure(maps)))
    curve = table[(table["protocol"] == "curve") & (table["tier"] == "all")]
    if len(curve):
        made["curve"] = [
            (
                "curves",
                "Learning curves",
                "Force error of held-out frames against training frames, both logarithmic.",
                curves_figure(_subjects(curve)),
            )
        ]
    factors = main.dropna(subset=[FACTOR])
    if len(set(factors["sigma_ev"].dropna())) > 1:
        made["softening"].append(
            (
                "softening",
                "Softening against smearing",
                (
                    "The factor that brings the forces of a universal potential nearest to the "
                    "labels (training frames, least squares) against their smearing width; "
                    "beside it the d response chi_4 of the same labels."
                ),
                softening_figure(factors.dropna(subset=["sigma_ev"]), dos),
            )
        )
    if len(dos):
        joined = first.merge(first_dos(dos), on="metal").dropna(subset=[PRIMARY, TARGET])
        soft = joined.dropna(subset=[FACTOR])
        if len(soft):
            made["softening"].append(
                (
                    "softening_why",
                    "Softening against the d response",
                    (
                        "The factor of every universal potential against unsmeared chi_4; above 1 "
                        "its forces are too small."
                    ),
                    why_figure(soft, FACTOR, "factor on the forces"),
                )
            )
        if len(joined):
            made["why"] = [
                (
                    "why",
                    "Force error against the d response",
                    (
                        "Force error of every learner against unsmeared chi_4 of three molten test "
                        "frames."
                    ),
                    why_figure(joined),
                )
            ]
    return made


def _answer(
    main: pd.DataFrame,
    ranked: pd.DataFrame,
    why: Mapping[str, pd.DataFrame],
    splits: Mapping[str, str],
    figures: Sequence[FigureRecord],
) -> Answer:
    metals = list(dict.fromkeys(main["metal"]))
    if len(ranked):
        best = ranked.iloc[0]
        sentence = (
            f"{best['learner']} has the smallest mean force error, {best[TARGET]:.1f} % over "
            f"{best['n']} tests on {len(metals)} metals; it is best on {best['wins']} of them."
        )
        if len(ranked) == 1:
            sentence = (
                f"{best['learner']} errs on the forces by {best[TARGET]:.1f} % in the mean over "
                f"{best['n']} tests on {len(metals)} metals."
            )
    else:
        sentence = "No metal was tested with every learner: there is no ranking."
    hard = main.groupby("metal")[TARGET].median().sort_values()
    median = ", median over learners" if len(ranked) > 1 else ""
    findings = [
        (
            f"Hardest: {hard.index[-1]} ({hard.iloc[-1]:.1f} %{median}); easiest: "
            f"{hard.index[0]} ({hard.iloc[0]:.1f} %)."
        ),
        *why_sentences(why)[:3],
    ]
    how = "; ".join(dict.fromkeys(splits.values()))
    return Answer(
        question="Which force field learns which metal, and why?",
        sentence=sentence,
        limits=(
            (
                f"n = {len(metals)} metals, {int(main['n_train'].min())} training and "
                f"{int(main['n_test'].min())} held-out frames each at least ({how})."
            ),
        ),
        findings=tuple(findings),
        figure=figures[0].png.stem,
    )
