"""The worst frames, and errors by tier and species, as sections of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dosml.analysis.measures.column import Column
from dosml.analysis.report.frame_scatter import frame_scatter
from dosml.analysis.report.pages import new_section, sortable_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd

_MEV = 1000.0
#: How many frames a report names.
NAMED = 10
_FRAMES = (
    Column("frame", "frame", "", "Name of the frame: the start of the hash of its content."),
    Column("tier", "tier", "", "Tier of the frame."),
    Column("force_mae_mev", "force MAE", "meV/Å", "Of this frame.", 1),
    Column("force_percent_error", "force error", "%", "100 MAE/MAV of this frame.", 1),
    Column("worst", "worst atom", "", "Element and index from 0 of the atom that errs most."),
    Column("worst_mev", "its error", "meV/Å", "Length of the error vector of that atom.", 0),
    Column("energy_mev", "energy error", "meV/atom", "Predicted - labelled.", 1),
)
_GROUPS = (
    Column("label_set", "label set", "", "Labels at one setting."),
    Column("tier", "frames", "", "Tier of the frames."),
    Column("element", "element", "", "Atoms of this element."),
    Column("n_test", "frames", "", "How many."),
    Column("n_atoms", "atoms", "", "How many."),
    Column("force_percent_error", "force error", "%", "100 MAE/MAV, with its 95 % interval.", 2),
    Column("force_mae_mev", "force MAE", "meV/Å", "Mean absolute error.", 1),
    Column("force_mav_mev", "force MAV", "meV/Å", "Mean absolute value of the labels.", 0),
    Column("energy_mae_mev", "energy MAE", "meV/atom", "Of the free energy.", 2),
)


def worst_section(frames: pd.DataFrame, *, file: str) -> dict[str, Any]:
    """Name the frames that a model errs on most.

    Parameters
    ----------
    frames
        From `dosml.analysis.statistics.frame_errors.frame_errors`.
    file
        Where these frames lie with labels and predictions, relative to the report.
    """
    section = new_section("Worst frames", "worst")
    shown = frames.head(NAMED).assign(
        frame=[str(one)[:12] for one in frames["frame"].head(NAMED)],
        force_mae_mev=_MEV * frames["force_mae_ev_per_angstrom"],
        worst=[
            f"{element} {index}"
            for element, index in zip(
                frames["worst_atom_element"].head(NAMED),
                frames["worst_atom"].head(NAMED),
                strict=True,
            )
        ],
        worst_mev=_MEV * frames["worst_atom_error_ev_per_angstrom"],
        energy_mev=_MEV * frames["energy_error_ev_per_atom"],
    )
    section["text"] = [
        (
            f"The {len(shown)} of {len(frames)} frames with the largest force MAE. Their file "
            "holds labels (REF_forces), predictions (predicted_forces) and the error of every atom "
            "(force_error)."
        )
    ]
    section["scatter"] = frame_scatter(frames)
    section["table"] = sortable_table(shown, _FRAMES)
    section["links"] = [{"name": file, "target": file}]
    return section


def group_section(title: str, name: str, rows: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Show errors by tier or by species.

    Parameters
    ----------
    title, name
        Of the section.
    rows
        From `dosml.analysis.statistics.results.error_rows` or `species_rows`.
    """
    import pandas as pd

    section = new_section(title, name)
    table = pd.DataFrame(rows)
    for column in ("force_mae", "force_mav"):
        table[f"{column}_mev"] = _MEV * table[f"{column}_ev_per_angstrom"]
    if "energy_mae_ev_per_atom" in table:
        table["energy_mae_mev"] = _MEV * table["energy_mae_ev_per_atom"]
    section["table"] = sortable_table(table, [one for one in _GROUPS if one.name in table])
    return section
