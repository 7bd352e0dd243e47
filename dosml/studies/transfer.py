"""`dosml transfer`: trained on one tier (cold), tested on all (warm, melt), for any learner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from dosml.analysis.figures.style import house_style, save_figure
from dosml.analysis.figures.transfer import transfer_figure
from dosml.analysis.statistics.tables import write_tables
from dosml.analysis.statistics.transfer import transfer_table
from dosml.errors import InputError
from dosml.plan import long_trainings
from dosml.studies.attach import attach_study
from dosml.studies.open_study import open_study
from dosml.studies.own_report import transfer_headline, write_section_report
from dosml.studies.train import StudyResult
from dosml.trainings import tell_warnings, trained

if TYPE_CHECKING:
    from pathlib import Path

    from dosml.analysis.figures.style import FigureRecord
    from dosml.progress import Reporter
    from dosml.relabel.dataset import Dataset
    from dosml.studies.open_study import TransferSettings

#: Fewest frames to train on: peers watch one of them.
FEWEST = 2


def transfer(settings: TransferSettings, reporter: Reporter) -> StudyResult:
    """Train every learner on each tier alone, and test on the held-out frames of all tiers.

    The table has one row per learner, label set, training tier and test tier (see
    `dosml.analysis.statistics.transfer.transfer_table`).

    Raises
    ------
    DosmlError
        With one line for the user; everything finished stays in the folder.
    """
    learners = settings.make_learners()
    with open_study(settings, reporter) as study:
        data = study.data
        groups = _groups(settings, data)
        for line in long_trainings(learners, len(groups) * len(data.names)):
            reporter.say(line)
        keys = [(learner, tier) for learner in learners for tier in groups]
        tasks = [study.store.task(learner, data, groups[tier], data.test) for learner, tier in keys]
        with reporter.bar("trainings", len(tasks)) as update:
            made = study.store.get_all(tasks, runner=study.runner, on_progress=update)
        tell_warnings(made, reporter)
        held = {
            (learner.name, tier): trained(one).held_out(data, data.test)
            for (learner, tier), one in zip(keys, made, strict=True)
        }
        tables, figures = [], []
        for learner in learners:
            for number, label_set in enumerate(data.names):
                table = transfer_table(
                    {tier: held[learner.name, tier][number].force_sums() for tier in groups},
                    study.test_tiers,
                )
                figures.append(_draw(table, study.folder, learner.name, label_set))
                table.insert(0, "label_set", label_set)
                table.insert(0, "learner", learner.name)
                tables.append(table)
        joined = pd.concat(tables, ignore_index=True)
        joined["n_train"] = [len(groups[tier]) for tier in joined["trained_on"]]
        written = write_tables(joined, study.folder, "transfer")
        shown = attach_study(settings, study, tables=written, reporter=reporter)
        report = write_section_report(
            settings, study, reporter, headline=transfer_headline(joined), figures=figures
        )
    files = [one.png for one in figures]
    return StudyResult(study.folder, joined, (*written, *files, report, *shown), {})


def _draw(table: pd.DataFrame, folder: Path, learner: str, label_set: str) -> FigureRecord:
    with house_style():
        return save_figure(
            transfer_figure(table),
            folder / "figures",
            f"transfer_{learner}_{label_set}",
            title=f"Transfer of {learner}, {label_set}",
            caption="Rows: tier of the training frames. Columns: of the held-out ones.",
        )


def _groups(settings: TransferSettings, data: Dataset) -> dict[str, list[int]]:
    """Training frames of each tier that is trained on."""
    tiers = list(dict.fromkeys(data.tiers[n] for n in data.train))
    if len(tiers) < 2:
        raise InputError(
            f"the labels name {len(tiers)} tier ({', '.join(tiers)}): a transfer study needs "
            "frames of several tiers (info key tier), such as those of dosml smear-scan"
        )
    chosen = settings.train_on or tuple(tiers)
    strange = [tier for tier in chosen if tier not in tiers]
    if strange:
        raise InputError(f"--train-on {strange[0]}: the tiers are {', '.join(tiers)}")
    groups = {tier: [n for n in data.train if data.tiers[n] == tier] for tier in chosen}
    for tier, frames in groups.items():
        if len(frames) < FEWEST:
            raise InputError(
                f"tier {tier} holds {len(frames)} training frames, {FEWEST} are needed: scan with "
                "a larger --train"
            )
    return groups
