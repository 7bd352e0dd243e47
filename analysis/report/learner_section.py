"""Several force fields on the labels of one scan as a section of its report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dosml.analysis.measures.column import Column, interval_words
from dosml.analysis.measures.columns import describe
from dosml.analysis.report.pages import new_section, sortable_table
from dosml.analysis.statistics.scan import setting_words

if TYPE_CHECKING:
    import pandas as pd

    from dosml.analysis.statistics.scan import ScanData

_COLUMNS = (
    Column("learner", "learner", "", "Kind of force field."),
    describe("sigma_ev"),
    describe("electrons_per_atom_shift"),
    describe("force_percent_error"),
    Column(
        "change_to_first_setting",
        "change",
        "points",
        "Against the same learner at the first setting, with its paired 95 % interval.",
        2,
    ),
    Column(
        "difference_to_first_learner",
        "against first learner",
        "points",
        "Against the first learner at the same setting, with its paired 95 % interval.",
        2,
    ),
    Column("energy_mae_mev_per_atom", "energy MAE", "meV/atom", "Of the free energy.", 2),
    Column("seconds_training", "training", "s", "Wall time of the training.", 1),
    Column("device", "device", "", "Where it was trained."),
    Column("n_parameters", "parameters", "", "Fitted numbers of the model.", 0),
    Column("epochs", "epochs", "", "Passes over the training frames.", 0),
)


def learner_section(scan: ScanData, table: pd.DataFrame) -> dict[str, Any]:
    """Say what each learner was trained on and what it makes of the settings.

    Parameters
    ----------
    scan
        The scan.
    table
        From `dosml.analysis.statistics.learner_table.learner_table`.

    Returns
    -------
    dict
        For the macro `study` of the templates.
    """
    section = new_section("Learners", "learners")
    learners = list(dict.fromkeys(table["learner"]))
    n_test = len(scan.test_tiers)
    seed = scan.facts.get("seed")
    section["text"] = [
        (
            f"{', '.join(learners)}, each trained on the same {len(scan.tiers) - n_test} frames "
            f"at every setting and tested on the same {n_test} held-out frames"
            f"{'' if seed is None else f'; seed {seed}'}. The findings above are those of "
            f"{learners[0]}. Small: 95 % intervals over held-out frames."
        )
    ]
    section["findings"] = [_change(str(name), table[table["learner"] == name]) for name in learners]
    shown = table.assign(energy_mae_mev_per_atom=1000 * table["energy_mae_ev_per_atom"])
    columns = [
        one
        for one in _COLUMNS
        if shown[one.name].notna().any()
        and (one.name != "electrons_per_atom_shift" or one.name in scan.varies)
    ]
    section["table"] = sortable_table(shown, columns)
    section["links"] = [{"name": "learners.csv", "target": "learners.csv"}]
    return section


def _change(learner: str, rows: pd.DataFrame) -> str:
    """Tell what a learner's error does between its first and its last setting."""
    first, last = rows.iloc[0], rows.iloc[-1]
    start, end = (
        setting_words(row["sigma_ev"], row["electrons_per_atom_shift"]) for row in (first, last)
    )
    errors = [row["force_percent_error"] for row in (first, last)]
    text = (
        f"{errors[0]:.2f} % at {start}, {errors[1]:.2f} % at {end}, "
        f"{last['change_to_first_setting']:+.2f} points"
    )
    low, high = last["change_to_first_setting_low"], last["change_to_first_setting_high"]
    if not low < high:
        return f"{learner}: force error {text}."
    text += interval_words(low, high, "+.2f")
    if low * high > 0:
        return f"{learner}: the force error changes: {text}."
    return f"{learner}: no change of the force error is shown: {text}."
