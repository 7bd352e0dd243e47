"""Findings of a scan that trained several learners: a table keyed by learner, and a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dosml.analysis.figures.learners import draw_learners
from dosml.analysis.statistics.learner_table import learner_table
from dosml.analysis.statistics.tables import write_tables

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import pandas as pd

    from dosml.relabel.dataset import Dataset
    from dosml.trainings import Training


def write_learner_findings(
    folder: Path, data: Dataset, trainings: Mapping[str, Training]
) -> pd.DataFrame:
    """Write `learners.csv`, `learners.parquet` and `figures/learners.png`.

    Returns
    -------
    pandas.DataFrame
        See `dosml.analysis.statistics.learner_table.learner_table`.
    """
    columns = [
        {
            "sigma_ev": setting.smearing.width,
            "smearing_scheme": setting.smearing.scheme,
            "electrons_per_atom_shift": setting.electrons_per_atom_shift,
        }
        for setting in data.electronic
    ]
    results = {
        learner: list(zip(columns, training.held_out(data, data.test), strict=True))
        for learner, training in trainings.items()
    }
    table = learner_table(results, [data.tiers[n] for n in data.test])
    write_tables(table, folder, "learners")
    draw_learners(table, folder / "figures")
    return table
