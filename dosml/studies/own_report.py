"""Reports of studies of trainings in their own folders: on bare files there is no scan to join."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dosml.analysis.figures.parity import PARITY_FIGURE, parity_figure
from dosml.analysis.figures.style import house_style, save_figure
from dosml.analysis.measures.column import Column, row_interval
from dosml.analysis.report.answer import Answer
from dosml.analysis.report.frame_section import group_section, worst_section
from dosml.analysis.report.pages import new_section, sortable_table
from dosml.analysis.report.study_report import write_study_report
from dosml.analysis.report.study_sections import study_section
from dosml.analysis.statistics.frame_errors import frame_errors, species_rows
from dosml.analysis.statistics.tables import write_tables
from dosml.studies.attach import study_record
from dosml.studies.evaluate import WORST, write_worst
from dosml.studies.grid_figure import option_words
from dosml.version import run_versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd

    from dosml.analysis.figures.style import FigureRecord
    from dosml.analysis.statistics.results import HeldOut
    from dosml.progress import Reporter
    from dosml.studies.open_study import LabelStudySettings, OpenStudy

_MEV = 1000.0
_LIMITS = (
    (
        "The intervals hold the scatter of the held-out frames only. Frames of one molecular "
        "dynamics run resemble each other; the true ones may be wider."
    ),
    "Another draw of the training frames, another seed or another learner would move the errors.",
)
#: What a point of a grid is chosen by, see `dosml.studies.grid.CHOICES`.
_CHOICES = {
    "force-mae": "the force MAE on frames kept apart",
    "likelihood": "the likelihood of the training labels",
}
_QUESTIONS = {
    "learning-curve": "How does the force error fall with training frames?",
    "transfer": "What does a force field know of tiers that it was not trained on?",
}


def write_section_report(
    settings: LabelStudySettings,
    study: OpenStudy,
    reporter: Reporter,
    *,
    headline: str,
    figures: Sequence[FigureRecord],
) -> Path:
    """Write the report of a learning curve or of a transfer study into its own folder.

    Parameters
    ----------
    headline
        The answer in one sentence.
    figures
        The first of them stands beside it.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    section = study_section(study.folder, study_record(settings, study, reporter))
    section["open"] = True
    answer = Answer(
        question=_QUESTIONS[settings.command],
        sentence=headline,
        limits=tuple(_what_limits(study)),
        findings=tuple(section["findings"][:4]),
        figure=figures[0].png.stem,
    )
    section["findings"] = section["findings"][4:]
    return _write(study, settings, reporter, answer, [section], figures)


def write_training_report(
    settings: LabelStudySettings,
    study: OpenStudy,
    reporter: Reporter,
    *,
    rows: Sequence[dict[str, Any]],
    held: HeldOut,
    more: Sequence[dict[str, Any]] = (),
    warnings: Sequence[str] = (),
) -> Path:
    """Write the report of trainings: errors by tier and element, parity, worst frames.

    Parameters
    ----------
    rows
        Errors of every learner, label set and tier; the first is of `held`.
    held
        Labels and predictions of the first learner on the first label set.
    more
        Further parts, see `dosml.analysis.report.pages.new_section`.
    warnings
        What the models have against themselves: it stands beside the answer.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    data, tiers = study.data, study.test_tiers
    frames = [data.frames[n] for n in data.test]
    symbols = [list(frame.symbols) for frame in frames]
    by_frame = frame_errors(held, symbols, [data.frame_ids[n] for n in data.test], tiers)
    write_tables(by_frame.drop(columns="number"), study.folder, "frames")
    write_worst(study.folder / WORST, by_frame, frames, held)
    name, title, caption = PARITY_FIGURE
    with house_style():
        figure = save_figure(
            parity_figure(held, tiers),
            study.folder / "figures",
            name,
            title=title,
            caption=f"{caption} {rows[0]['learner']}, {rows[0]['label_set']}.",
        )
    sections = [group_section("Errors of every training", "errors", rows)]
    if len(data.elements) > 1:
        species = species_rows(held, symbols, tiers)
        sections.append(group_section("Errors by element", "elements", species))
    sections.append(worst_section(by_frame, file=WORST))
    first, metals = rows[0], "-".join(data.elements)
    every = [row for row in rows if row["tier"] == "all"]
    findings = [f"{row['learner']} on {row['label_set']}: {_size(row)}." for row in every[1:4]]
    answer = Answer(
        question=f"{metals}: how well are its forces learnt?",
        sentence=f"{first['learner']}, trained on {len(data.train)} frames of "
        f"{first['label_set']}, errs by {_size(first)}.",
        limits=(*warnings, *_what_limits(study)),
        findings=tuple(findings),
        figure=name,
    )
    return _write(study, settings, reporter, answer, [*sections, *more], [figure])


def write_grid_report(
    settings: LabelStudySettings,
    study: OpenStudy,
    reporter: Reporter,
    *,
    table: pd.DataFrame,
    best: pd.DataFrame,
    axes: Sequence[str],
    figures: Sequence[FigureRecord],
) -> Path:
    """Write the report of a grid: which point is best, and by how much.

    Parameters
    ----------
    table, best
        See `dosml.studies.grid`: every point on frames kept apart, and the chosen ones on the
        held-out frames.
    axes
        Options that are varied.
    figures
        Heat maps; the first stands beside the answer.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    name = str(best["label_set"].iloc[0])
    chosen = best[best["label_set"] == name]
    by_force = chosen[chosen["best_by"].str.contains("force-mae")]
    won = (by_force if len(by_force) else chosen).iloc[0]
    mae = _MEV * table[table["label_set"] == name]["force_mae_ev_per_angstrom"].dropna()
    findings = [
        (
            f"On frames kept apart the points differ in force MAE from {mae.min():.1f} to "
            f"{mae.max():.1f} meV/Å ({len(mae)} points, {name})."
        )
    ]
    findings += [
        f"By {_chosen_by(row['best_by'])} on {row['label_set']}: {_point(row, axes)}; held out: "
        f"{_size(row.to_dict())}."
        for _, row in best.iterrows()
        if row is not won and (row["label_set"], row["best_by"]) != (name, won["best_by"])
    ]
    answer = Answer(
        question=f"{'-'.join(study.data.elements)}: which options of {settings.learner[0]}?",
        sentence=f"Best by {_chosen_by(won['best_by'])}: {_point(won, axes)}; trained on all "
        f"{len(study.data.train)} frames of {name} it errs by {_size(won.to_dict())}.",
        limits=tuple(_what_limits(study)),
        findings=tuple(findings[:4]),
        figure=figures[0].png.stem if figures else "",
    )
    section = new_section("Every point", "points")
    shown = [Column("label_set", "label set", "", "Electronic setting of the labels.")]
    shown += [Column(axis, axis, "", "Option of the learner.") for axis in axes]
    shown += [
        Column(
            "force_mae_ev_per_angstrom", "force MAE", "eV/Å", "On training frames kept apart.", 4
        ),
        Column("log_likelihood", "log likelihood", "", "Of the training labels.", 1),
        Column("best_by", "best by", "", "What the point was chosen by."),
    ]
    section["table"] = sortable_table(table, [one for one in shown if one.name in table])
    return _write(study, settings, reporter, answer, [section], figures)


def _point(row: pd.Series, axes: Sequence[str]) -> str:
    """Write a point of a grid: cutoff 5 Å, n_max 8."""
    return ", ".join(option_words(axis, row[axis]) for axis in axes)


def _chosen_by(choice: str) -> str:
    """Put the rules that a point won by into words."""
    return " and ".join(_CHOICES[one] for one in choice.split(", "))


def _size(row: Mapping[Any, Any]) -> str:
    """Force error in %, with MAE and MAV; forces that are all zero have no percentage."""
    mae, mav = (_MEV * row[f"force_{kind}_ev_per_angstrom"] for kind in ("mae", "mav"))
    if not mav > 0:
        return f"{mae:.0f} meV/Å, where all held-out forces are zero"
    return (
        f"{row['force_percent_error']:.1f} %{row_interval(row, 'force_percent_error')} of the mean "
        f"force, {mae:.0f} of {mav:.0f} meV/Å"
    )


def curve_headline(table: pd.DataFrame) -> str:
    """Say what the first curve comes to at its largest number of frames."""
    first = table.iloc[0]
    mine = table[(table["learner"] == first["learner"]) & (table["l_max"] == first["l_max"])]
    mine = mine[mine["label_set"] == first["label_set"]]
    sizes = sorted(set(mine["n_train"]))
    small, large = (
        mine[mine["n_train"] == size]["force_percent_error"].mean()
        for size in (sizes[0], sizes[-1])
    )
    last = mine[mine["n_train"] == sizes[-1]].iloc[0]
    between = row_interval(last, "force_percent_error")
    return (
        f"{first['learner']} on {first['label_set']}: the force error is {large:.1f} %{between} "
        f"with {sizes[-1]} training frames, {small:.1f} % with {sizes[0]}."
    )


def transfer_headline(table: pd.DataFrame) -> str:
    """Name the largest error of all pairs of tiers, with its interval."""
    worst = table.sort_values("percent_error").iloc[-1]
    between = row_interval(worst, "percent_error")
    return (
        f"The largest force error, {worst['percent_error']:.1f} %{between}, is that of "
        f"{worst['learner']} trained on {worst['trained_on']} and tested on "
        f"{worst['tested_on']} frames ({worst['label_set']})."
    )


def _what_limits(study: OpenStudy) -> list[str]:
    data = study.data
    noise = next((one.noise for one in data.label_sets if one.noise is not None), None)
    known = "not known" if noise is None else f"{noise.percent:.2g} % of the forces"
    return [
        f"Labels: {data.provenance.engine}. Their mesh noise: {known}.",
        f"n = {len(data.test)} held-out frames ({study.how}), {len(data.train)} training frames.",
    ]


def _write(
    study: OpenStudy,
    settings: LabelStudySettings,
    reporter: Reporter,
    answer: Answer,
    sections: Sequence[dict[str, Any]],
    figures: Sequence[FigureRecord],
) -> Path:
    data = study.data
    return write_study_report(
        study.folder,
        answer,
        sections,
        lead=f"Label sets {', '.join(data.names)} of {'-'.join(data.elements)}, "
        f"{len(data.train)} training and {len(data.test)} held-out frames.",
        figures=figures,
        warnings=[one for one in (data.provenance.warning,) if one],
        limits=[*_LIMITS, *data.provenance.limits],
        facts={
            "command": reporter.command,
            "seed": settings.seed,
            "labels": data.provenance.source or ", ".join(map(str, settings.targets)),
            "versions": run_versions(),
        },
    )
