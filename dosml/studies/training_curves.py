"""Training curves of peers: what their logs tell, as a table, a figure and a part of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from dosml.analysis.figures.style import house_style, save_figure
from dosml.analysis.figures.training_curves import TRAINING_FIGURE, training_figure
from dosml.analysis.report.training_section import training_section
from dosml.analysis.statistics.tables import write_tables
from dosml.learners.peers.adapters import ADAPTERS

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from dosml.progress import Reporter
    from dosml.trainings import Training


def training_curves(trainings: Iterable[Training], reporter: Reporter) -> pd.DataFrame:
    """Read the logs of trainings that have epochs.

    Parameters
    ----------
    trainings
        Those of learners without epochs, or whose logs are gone, give no rows.
    reporter
        Told which log cannot be read.

    Returns
    -------
    pandas.DataFrame
        Columns "learner", "label_set", "epoch" and those of `dosml.learners.peers.curves`.
    """
    rows: list[dict[str, Any]] = []
    for training in trainings:
        adapter = ADAPTERS.get(str(training.learner.get("learner")))
        for label_set, facts in zip(training.names, training.facts, strict=True):
            if adapter is None or "training" not in facts:
                continue
            place = training.folder.parent / "trainings" / str(facts["training"])
            try:
                told = adapter.curve(place)
            except (OSError, ValueError, LookupError) as error:
                reporter.warn(
                    f"the training curve of {adapter.name}, {label_set} is left out: its log in "
                    f"{place} cannot be read ({type(error).__name__}: {error})"
                )
                continue
            rows += [{"learner": adapter.name, "label_set": label_set, **row} for row in told]
    return pd.DataFrame(rows)


def write_training_curves(
    folder: Path, trainings: Iterable[Training], reporter: Reporter
) -> list[dict[str, Any]]:
    """Write `training_curves.csv` and its figure; give the part of the report, if there is one.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    table = training_curves(trainings, reporter)
    if table.empty:
        return []
    write_tables(table, folder, "training_curves")
    name, title, caption = TRAINING_FIGURE
    with house_style():
        figure = training_figure(table)
        record = save_figure(figure, folder / "figures", name, title=title, caption=caption)
    return [training_section(table, record, file="training_curves.csv")]
