"""Sections of the report of frames chosen by variance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dosml.analysis.measures.column import Column
from dosml.analysis.report.pages import new_section, sortable_table

if TYPE_CHECKING:
    import pandas as pd

_CURVES = (
    Column("curve", "frames", "", "Chosen by variance, or drawn by chance."),
    Column("held_out", "held out", "", "Frames of the folder, or candidates of the pool."),
    Column("label_set", "label set", "", "Labels at one setting."),
    Column("n_train", "training frames", "", "How many."),
    Column("force_percent_error", "force error", "%", "100 MAE/MAV, with its 95 % interval.", 2),
)
_OVERLAP = (
    Column("one", "label set", "", "Labels at one setting."),
    Column("other", "other", "", "Labels at another."),
    Column("chosen", "chosen", "", "Frames chosen for each alone."),
    Column("common", "common", "", "Frames that both choose."),
    Column("by_chance", "by chance", "", "Common frames of two random draws.", 1),
    Column("rank_correlation", "rank correlation", "", "Of the predicted standard deviations.", 2),
)


def curve_section(table: pd.DataFrame) -> dict[str, Any]:
    """Show the errors of every round."""
    section = new_section("Rounds", "rounds")
    section["table"] = sortable_table(table, _CURVES)
    section["open"] = True
    return section


def overlap_section(table: pd.DataFrame) -> dict[str, Any]:
    """Show which frames several label sets choose."""
    section = new_section("Smearing by smearing", "overlap")
    section["table"] = sortable_table(table, _OVERLAP)
    return section
