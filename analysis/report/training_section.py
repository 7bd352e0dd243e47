"""How far the trainings of force fields with epochs came, as a section of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dosml.analysis.measures.column import Column
from dosml.analysis.report.pages import new_section, picture, sortable_table

if TYPE_CHECKING:
    import pandas as pd

    from dosml.analysis.figures.style import FigureRecord

_WATCHED = "force_rmse_validation_ev_per_angstrom"
_MEV = 1000.0
#: Share of the epochs at whose end the smallest error means that it was still falling.
_END = 0.05
_COLUMNS = (
    Column("learner", "learner", "", "Kind of force field."),
    Column("label_set", "label set", "", "Labels at one setting."),
    Column("epochs", "epochs", "", "Passes over the training frames."),
    Column("best", "best epoch", "", "Where the watched frames' force error was smallest."),
    Column("best_mev", "force RMSE there", "meV/Å", "Of the watched frames.", 1),
    Column("last_mev", "at the end", "meV/Å", "Of the watched frames, after the last epoch.", 1),
)


def training_section(table: pd.DataFrame, figure: FigureRecord, *, file: str) -> dict[str, Any]:
    """Tell the best and the last epoch of every training, and whether it was cut short.

    Parameters
    ----------
    table
        Columns "learner", "label_set", "epoch" and what the logs tell.
    figure
        From `dosml.analysis.figures.training_curves.training_figure`.
    file
        Where the whole table lies, relative to the report.
    """
    import pandas as pd

    section = new_section("Training curves", "training-curves")
    section["figures"] = [picture(figure.title, figure.caption, figure.png)]
    section["links"] = [{"name": file, "target": file}]
    rows, falling = [], []
    if _WATCHED not in table:
        return section
    for (learner, label_set), own in table.groupby(["learner", "label_set"], sort=False):
        told = own[own[_WATCHED].notna()]
        if told.empty:
            continue
        best = told.iloc[int(told[_WATCHED].to_numpy(float).argmin())]
        epochs = len(own)
        # numbers of epochs begin at 0
        if epochs - 1 - best["epoch"] <= _END * epochs:
            falling.append(f"{learner}, {label_set}")
        rows.append(
            {
                "learner": learner,
                "label_set": label_set,
                "epochs": epochs,
                "best": int(best["epoch"]) + 1,
                "best_mev": _MEV * best[_WATCHED],
                "last_mev": _MEV * told[_WATCHED].iloc[-1],
            }
        )
    if rows:
        section["table"] = sortable_table(pd.DataFrame(rows), _COLUMNS)
    if falling:
        section["warnings"] = [
            (
                f"The force error still fell when training ended: {'; '.join(falling)}. More "
                "epochs (--epochs) would lower it."
            )
        ]
    return section
