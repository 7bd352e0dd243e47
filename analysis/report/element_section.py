"""The d bands of the elements of an alloy or compound as a section of its report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dosml.analysis.measures.column import Column
from dosml.analysis.measures.columns import describe
from dosml.analysis.report.pages import new_section, sortable_table
from dosml.analysis.statistics.element_bands import BAND_COLUMNS

if TYPE_CHECKING:
    import pandas as pd

_ELEMENT = Column("element", "element", "", "Atoms of this element.")


def element_section(table: pd.DataFrame, *, lacking: list[str]) -> dict[str, Any]:
    """Show the d band of every element at every setting.

    Parameters
    ----------
    table
        From `dosml.analysis.statistics.element_bands.element_bands`.
    lacking
        Elements of the frames without a d shell.
    """
    section = new_section("d bands by element", "element-bands")
    section["text"] = [
        (
            "The d part of the mean DOS on the atoms of one element, per atom of that element; "
            "energies relative to the one Fermi level of the cell."
        )
    ]
    if lacking:
        section["text"].append(f"No d states here: no d shell in {', '.join(lacking)}.")
    told = [name for name in BAND_COLUMNS if table[name].notna().any()]
    if not table["electrons_per_atom_shift"].any():
        told.remove("electrons_per_atom_shift")
    section["table"] = sortable_table(table, [_ELEMENT, *(describe(name) for name in told)])
    section["links"] = [{"name": "element_bands.csv", "target": "element_bands.csv"}]
    return section
