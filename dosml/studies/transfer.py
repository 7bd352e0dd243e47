"""`dosml transfer`: trained on one tier (cold), tested on all (warm, melt), for any learner."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from dosml.analysis.figures.style import house_style, save_figure
from dosml.analysis.figures.transfer import transfer_figure
from dosml.analysis.statistics.tables import write_tables
from dosml.analysis.statistics.transfer import transfer_table
from dosml.errors import InputError
from dosml.studies.attach import attach_study
from dosml.studies.scan_learners import long_trainings
from dosml.studies.training_settings import open_study

if TYPE_CHECKING:
    from pathlib import Path

    from dosml.progress import Reporter
    from dosml.studies.training_settings import OpenStudy, TransferSettings

#: Fewest frames to train on: peers watch one of them.
FEWEST = 2


def transfer(settings: TransferSettings, reporter: Reporter) -> tuple[pd.DataFrame, list[Path]]:
    """Train every learner on each tier alone, and test on the held-out frames of all tiers.

    Returns
    -------
    table, files
        One row per learner, label set, training tier and test tier (see
        `dosml.analysis.statistics.transfer.transfer_table`); what was written.

    Raises
    ------
    DosmlError
        With one line for the user; everything finished stays in the folder.
    """
    varied = {} if settings.l_max is None else {"l_max": settings.l_max}
    learners = {name: settings.make(name, **varied) for name in settings.learner}
    with open_study(settings, reporter) as study:
        groups = _groups(settings, study)
        count = len(groups) * len(study.data.names)
        for line in long_trainings(list(learners.values()), count):
            reporter.say(line)
        tiers = study.test_tiers()
        tables, files = [], []
        for name, learner in learners.items():
            held = {}
            for tier, frames in groups.items():
                reporter.say(f"{name}, trained on {tier} ({len(frames)} frames)")
                held[tier] = study.store.get(learner, frames, study.test, reporter)
            for number, label_set in enumerate(study.data.names):
                table = transfer_table(
                    {tier: said[number].force_sums() for tier, said in held.items()},
                    tiers,
                    seed=settings.seed,
                )
                with house_style():
                    record = save_figure(
                        transfer_figure(table),
                        study.store.folder / "figures",
                        f"transfer_{name}_{label_set}",
                        title=f"Transfer of {name}, {label_set}",
                        caption="Rows: tier of the training frames. Columns: of the held-out ones.",
                    )
                files.append(record.png)
                table.insert(0, "label_set", label_set)
                table.insert(0, "learner", name)
                tables.append(table)
        joined = pd.concat(tables, ignore_index=True)
        joined["n_train"] = [len(groups[tier]) for tier in joined["trained_on"]]
        written = write_tables(joined, study.store.folder, "transfer")
    shown = attach_study(settings, study, tables=written, reporter=reporter)
    return joined, [*written, *files, *shown]


def _groups(settings: TransferSettings, study: OpenStudy) -> dict[str, list[int]]:
    """Training frames of each tier that is trained on."""
    tiers = list(dict.fromkeys(study.data.tiers[n] for n in study.train))
    if len(tiers) < 2:
        raise InputError(
            f"the labels name {len(tiers)} tier ({', '.join(tiers)}): a transfer study needs "
            "frames of several tiers (info key tier), such as those of dosml smear-scan"
        )
    chosen = settings.train_on or tuple(tiers)
    strange = [tier for tier in chosen if tier not in tiers]
    if strange:
        raise InputError(f"--train-on {strange[0]}: the tiers are {', '.join(tiers)}")
    groups = {tier: [n for n in study.train if study.data.tiers[n] == tier] for tier in chosen}
    for tier, frames in groups.items():
        if len(frames) < FEWEST:
            raise InputError(
                f"tier {tier} holds {len(frames)} training frames, {FEWEST} are needed: scan with "
                "a larger --train"
            )
    return groups
