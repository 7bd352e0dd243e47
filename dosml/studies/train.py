"""`dosml train`: one training of any learner on labels that are made."""

from __future__ import annotations

import filecmp
import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from dosml.analysis.statistics.results import error_rows
from dosml.analysis.statistics.tables import write_tables
from dosml.files import whole_file
from dosml.plan import long_trainings
from dosml.studies.across import check_across, join_across
from dosml.studies.open_study import open_study, settings_beside
from dosml.studies.own_report import write_training_report
from dosml.studies.training_curves import write_training_curves
from dosml.trainings import tell_warnings, trained
from dosml.version import run_versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dosml.analysis.statistics.results import HeldOut
    from dosml.progress import Reporter
    from dosml.studies.open_study import OpenStudy, TrainSettings
    from dosml.trainings import Training


@dataclass(frozen=True)
class StudyResult:
    """What a study of trainings leaves behind.

    Attributes
    ----------
    folder
        Of the study.
    table
        One row per label set (and learner, size, point: what the study varies).
    files
        Models, tables and figures.
    models
        File of each model, named by label set (and learner, where there are several).
    """

    folder: Path
    table: pd.DataFrame
    files: tuple[Path, ...]
    models: Mapping[str, Path]


def train(settings: TrainSettings, reporter: Reporter) -> StudyResult:
    """Train every learner once, or read what was trained.

    Raises
    ------
    DosmlError
        With one line for the user; everything finished stays in the folder.
    """
    learners = settings.make_learners()
    with open_study(settings, reporter) as study:
        data = study.data
        names = [learner.name for learner in learners]
        able = check_across(data, names) if settings.across else []
        for line in long_trainings(learners, len(data.names)):
            reporter.say(line)
        if study.runner.local:
            made = [
                study.store.get(one, data, data.train, data.test, models=True, reporter=reporter)
                for one in learners
            ]
        else:
            tasks = [
                study.store.task(one, data, data.train, data.test, models=True) for one in learners
            ]
            made = [trained(one) for one in study.store.get_all(tasks, runner=study.runner)]
        tell_warnings(made, reporter)
        joined: dict[str, Path] = {}
        joined_tables: list[Path] = []
        for learner, training in zip(learners, made, strict=True):
            if learner.name in able:
                prefix = f"{learner.name}-" if len(learners) > 1 else ""
                model, tables = join_across(study, training, learner.name, prefix)
                joined[f"{prefix}across_sigma"] = model
                joined_tables += tables
        rows: list[dict[str, Any]] = []
        tiers: list[dict[str, Any]] = []
        files: dict[str, Path] = {}
        beside = settings_beside(study, settings)
        for learner, training in zip(learners, made, strict=True):
            if training.before:
                reporter.say(
                    f"{learner.name}: trained before with these settings: read from "
                    f"{training.folder}"
                )
            prefix = f"{learner.name}-" if len(learners) > 1 else ""
            for name, held in zip(data.names, training.held_out(data, data.test), strict=True):
                errors = error_rows(held, study.test_tiers)
                known = {"learner": learner.name, "label_set": name}
                tiers += [{**known, **row} for row in errors]
                rows.append(result_row(known, held, errors, len(data.train)))
                files[f"{prefix}{name}"] = keep_model(
                    study, training, name, f"{prefix}{name}", {**beside, "errors": errors}
                )
        tables = write_tables(pd.DataFrame(tiers), study.folder, "errors")
        tables += write_tables(pd.DataFrame(rows), study.folder, "training")
        report = write_training_report(
            settings,
            study,
            reporter,
            rows=tiers,
            held=made[0].held_out(data, data.test)[0],
            more=write_training_curves(study.folder, made, reporter),
            warnings=[text for one in made for text in one.warnings],
        )
    settings_files = [settings_file(path) for path in files.values()]
    return StudyResult(
        study.folder,
        pd.DataFrame(rows),
        (*files.values(), *settings_files, *tables, report, *joined.values(), *joined_tables),
        {**files, **joined},
    )


def result_row(
    known: Mapping[str, Any], held: HeldOut, errors: Sequence[Mapping[str, Any]], n_train: int
) -> dict[str, Any]:
    """Row of a table: what tells it apart, errors on all held-out frames, facts of the model."""
    return {
        **known,
        "n_train": n_train,
        **{key: value for key, value in errors[0].items() if key != "tier"},
        **{key: value for key, value in held.facts.items() if key not in {"learner", "n_frames"}},
    }


def keep_model(
    study: OpenStudy, training: Training, name: str, stem: str, beside: Mapping[str, Any]
) -> Path:
    """Copy the model of one label set to the top of the study, with its settings beside it."""
    source = training.models[name]
    target = study.folder / f"{stem}{source.suffix}"
    if not (target.is_file() and filecmp.cmp(source, target, shallow=False)):
        with whole_file(target) as partial:
            shutil.copyfile(source, partial)
    number = training.names.index(name)
    head = {
        "label_set": name,
        **beside,
        "learner": training.learner,
        "training": training.folder.name,
        "model": training.facts[number],
        "versions": run_versions(),
    }
    with whole_file(settings_file(target)) as partial:
        partial.write_text(json.dumps(head, indent=2) + "\n", encoding="utf-8")
    return target


def settings_file(model: Path) -> Path:
    """File beside a model that says how it was made."""
    return model.with_name(f"{model.name.removesuffix(model.suffix)}.settings.json")
