"""Findings of a scan that trained several learners: a table keyed by learner, and a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dosml.analysis.figures.learners import draw_learners
from dosml.analysis.statistics.learner_table import learner_table
from dosml.analysis.statistics.results import HeldOut
from dosml.analysis.statistics.tables import write_tables

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import pandas as pd
    from ase import Atoms
    from rich.table import Table

    from dosml.relabel.label import LabelSet
    from dosml.training import Training


def write_learner_findings(
    folder: Path,
    frames: Sequence[Atoms],
    label_sets: Sequence[LabelSet],
    trainings: Mapping[str, Training],
    *,
    seed: int,
) -> pd.DataFrame:
    """Write `learners.csv`, `learners.parquet` and `figures/learners.png`.

    Returns
    -------
    pandas.DataFrame
        See `dosml.analysis.statistics.learner_table.learner_table`.
    """
    is_test = [frame.info["split"] == "test" for frame in frames]
    tiers = [
        str(frame.info.get("tier", "all"))
        for frame, use in zip(frames, is_test, strict=True)
        if use
    ]
    results = {}
    for learner, training in trainings.items():
        rows = []
        for label_set, prediction, facts in zip(
            label_sets, training.predictions, training.facts, strict=True
        ):
            held = [one for one, use in zip(label_set.labels, is_test, strict=True) if use]
            setting = label_set.setting
            columns = {
                "sigma_ev": setting.smearing.width,
                "smearing_scheme": setting.smearing.scheme,
                "electrons_per_atom_shift": setting.electrons_per_atom_shift,
            }
            said = HeldOut(
                forces=[label.forces for label in held],
                forces_predicted=prediction.forces,
                energies=np.array([label.free_energy for label in held]),
                energies_predicted=prediction.energies,
                facts=_costs(facts),
            )
            rows.append((columns, said))
        results[learner] = rows
    table = learner_table(results, tiers, seed=seed)
    write_tables(table, folder, "learners")
    draw_learners(table, folder / "figures")
    return table


def _costs(facts: Mapping[str, object]) -> dict[str, object]:
    """Give facts with the names that all learners share; the sgp counts its seconds in parts."""
    parts = ("seconds_inducing", "seconds_kernel", "seconds_likelihood")
    if "seconds_training" in facts or not all(name in facts for name in parts):
        return dict(facts)
    seconds = sum(float(str(facts[name])) for name in parts)
    return {**facts, "seconds_training": round(seconds, 2), "n_parameters": facts["n_inducing"]}


def show_learners(table: pd.DataFrame) -> Table:
    """Show the main columns in a terminal."""
    from rich import box
    from rich.table import Table

    shown = Table(
        title="Force error by learner",
        caption="change: against the same learner's first setting; paired 95 % intervals are in "
        "learners.csv",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    shifted = len(set(table["electrons_per_atom_shift"])) > 1
    headings = ["learner", "σ\neV", *(["shift\ne/atom"] if shifted else [])]
    headings += ["force error\n%", "change\npoints", "energy\nmeV/at", "training\ns", "parameters"]
    for heading in headings:
        justify = "left" if heading == "learner" else "right"
        shown.add_column(heading, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    for _, row in table.iterrows():
        error = f"{row['force_percent_error']:.1f}"
        if not np.isnan(row["force_percent_error_low"]):
            error += (
                f" ({row['force_percent_error_low']:.1f}-{row['force_percent_error_high']:.1f})"
            )
        shift = f"{row['electrons_per_atom_shift']:+g}"
        first = row["change_to_first_setting"] == 0
        change = f"{row['change_to_first_setting']:+.1f}"
        shown.add_row(
            str(row["learner"]),
            f"{row['sigma_ev']:g}",
            *([shift] if shifted else []),
            error,
            "0" if first else change,
            f"{1000 * row['energy_mae_ev_per_atom']:.1f}",
            f"{row['seconds_training']:.0f}",
            f"{row['n_parameters']:.0f}",
        )
    return shown
