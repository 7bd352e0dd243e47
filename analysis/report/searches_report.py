"""Sections of the report of a structure search."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dosml.analysis.measures.column import Column
from dosml.analysis.report.pages import new_section, picture, sortable_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

    from dosml.analysis.figures.style import FigureRecord

#: Structures that the table shows at once.
_LOWEST = 10
_STRUCTURES = (
    Column("rank", "rank", "", "Lowest first."),
    Column("above_mev", "above the best", "meV/atom", "Energy, or enthalpy under pressure.", 1),
    Column("symmetry", "symmetry", "", "Space group of a crystal, point group of a cluster."),
    Column("volume_angstrom3_per_atom", "volume", "Å³/atom", "Of a crystal.", 2),
    Column("search", "found by", "", "Prior and seed of the search."),
    Column("call", "call", "", "Number of the call."),
    Column("relaxed", "relaxed", "", "Whether the engine relaxed it."),
)
_PRIORS = (
    Column("prior", "prior", "", "Prior mean of the search."),
    Column("searches", "searches", "", "Seeds."),
    Column("reached", "reached", "", "Searches that came within 10 meV/atom of the best."),
    Column("calls", "calls", "", "Median of the seeds until then; > more than were made."),
    Column("interval", "interval", "", "Of that median, by order statistics, and its confidence."),
    Column("gap_mev", "last gap", "meV/atom", "Median distance of the last best from the best.", 1),
)


def structure_section(
    table: pd.DataFrame, file: str, figures: Sequence[FigureRecord]
) -> dict[str, Any]:
    """Show the lowest structures, their pictures, all of them, and where their file lies."""
    section = new_section("Structures", "structures")
    names = [one for one in _STRUCTURES if one.name in table]
    shown = table.assign(relaxed=table["relaxed"].map({"true": "yes", "false": "no"}))
    section["table"] = sortable_table(shown.head(_LOWEST), names)
    section["figures"] = [picture(one.title, one.caption, one.png) for one in figures]
    if len(table) > _LOWEST:
        section["more"] = {
            "title": f"All {len(table)} structures",
            "table": sortable_table(shown, names),
        }
    section["links"] = [{"name": file, "target": file}]
    section["open"] = True
    return section


def prior_section(table: pd.DataFrame) -> dict[str, Any]:
    """Show how many calls each prior needed."""
    section = new_section("Calls", "calls")
    section["table"] = sortable_table(table, _PRIORS)
    return section
