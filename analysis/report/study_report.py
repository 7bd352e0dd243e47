"""The report of a study that is no scan: an answer, one figure, and parts that fold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dosml.analysis.report.pages import fact_groups, new_section, page, picture
from dosml.files import whole_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dosml.analysis.figures.style import FigureRecord
    from dosml.analysis.report.answer import Answer


def write_study_report(
    folder: Path,
    answer: Answer,
    sections: Sequence[dict[str, Any]],
    *,
    lead: str,
    figures: Sequence[FigureRecord] = (),
    warnings: Sequence[str] = (),
    limits: Sequence[str],
    facts: Mapping[str, object],
) -> Path:
    """Write `report.html`, whole or not at all.

    Parameters
    ----------
    folder
        Of the study.
    answer
        What stands at the top; its figure is one of `figures`.
    sections
        Parts that fold, see `dosml.analysis.report.pages.new_section`.
    lead
        One line under the heading: what was looked at.
    figures
        Among them that of the answer. Those that neither the answer nor a section shows have a
        section of their own, the first one.
    warnings, limits
        What a reader must know, what cannot be concluded.
    facts
        What was run; its "command" stands first.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    pictures = [picture(one.title, one.caption, one.png) for one in figures]
    placed = {answer.figure, *(one["name"] for part in sections for one in part["figures"])}
    others = new_section("Figures", "figures")
    others["figures"] = [one for one in pictures if one["name"] not in placed]
    others["open"] = True
    html = page(
        "study_report.html",
        answer=answer,
        lead=lead,
        sections=[others, *sections] if others["figures"] else sections,
        figures=pictures,
        warnings=list(warnings),
        limits=list(limits),
        command=str(facts.get("command", "")),
        facts=fact_groups(facts),
    )
    report = folder / "report.html"
    with whole_file(report) as partial:
        partial.write_text(html, encoding="utf-8")
    return report
