"""The page of a study that stands alone: sections of text, a table and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dosml.analysis.report.pages import fact_groups, page
from dosml.files import whole_file

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path


def write_study_page(
    path: Path,
    *,
    title: str,
    lead: str,
    sections: Sequence[Mapping[str, Any]],
    warnings: Sequence[str],
    limits: Sequence[str],
    facts: Mapping[str, object],
) -> Path:
    """Write a page.

    Parameters
    ----------
    path
        The file.
    title, lead
        Its heading and the line below.
    sections
        From `dosml.analysis.report.pages.new_section`, filled.
    warnings, limits
        What a reader must know, and what cannot be concluded.
    facts
        What was run; "command" has a place of its own.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    html = page(
        "study_page.html",
        title=title,
        lead=lead,
        places=[(section["name"], section["title"]) for section in sections],
        sections=sections,
        warnings=list(dict.fromkeys(line for line in warnings if line)),
        limits=list(dict.fromkeys(limits)),
        command=str(facts.get("command", "")),
        facts=fact_groups(facts),
    )
    with whole_file(path) as partial:
        partial.write_text(html, encoding="utf-8")
    return path
