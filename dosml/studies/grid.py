"""`dosml grid`: which options of a learner, by force error and, where it has one, by likelihood.

Choosing on the held-out frames would make their error too good. So the grid is trained on four
fifths of the training frames and its force error is that of the other fifth; the likelihood needs
no frames apart. What is chosen is trained again on all training frames, and only then meets the
held-out ones.
"""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from dosml.analysis.figures.style import house_style, save_figure
from dosml.analysis.statistics.learning_curves import nested_subsets
from dosml.analysis.statistics.results import error_rows
from dosml.analysis.statistics.tables import write_tables
from dosml.errors import InputError, LearnerError
from dosml.learners.base import KnowsGrid
from dosml.plan import long_trainings
from dosml.studies.grid_figure import QUANTITIES, grid_figure
from dosml.studies.open_study import open_study, settings_beside
from dosml.studies.own_report import write_grid_report
from dosml.studies.train import StudyResult, keep_model, result_row, settings_file
from dosml.trainings import Training, tell_warnings, trained

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dosml.analysis.figures.style import FigureRecord
    from dosml.learners.base import Learner
    from dosml.progress import Reporter
    from dosml.relabel.dataset import Dataset
    from dosml.studies.open_study import GridSettings, OpenStudy

#: Share of the training frames on which grid points are compared.
VALIDATION = 0.2
#: How a point is chosen -> column of the table, and whether more is better.
CHOICES = {
    "likelihood": ("log_likelihood", True),
    "force-mae": ("force_mae_ev_per_angstrom", False),
}
#: A heat map has two axes, and panels two more.
MOST_AXES = 4

Point = dict[str, Any]


def grid(settings: GridSettings, reporter: Reporter) -> StudyResult:
    """Train every point of the grid that is not done, then the best ones on all training frames.

    The table has one row per label set and way of choosing.

    Raises
    ------
    DosmlError
        With one line for the user; everything finished stays in the folder.
    """
    (learner,) = settings.make_learners()
    with open_study(settings, reporter) as study:
        values = _values(settings, learner, study)
        points = [dict(zip(values, point, strict=True)) for point in product(*values.values())]
        # a value out of range is told before the work begins
        learners = [settings.make_learners(**point)[0] for point in points]
        train, validation = validation_split(study.data, settings.seed)
        for line in long_trainings([learner], len(points) * len(study.data.names)):
            reporter.say(line)
        reporter.say(
            "grid: "
            + " x ".join(f"{name} {', '.join(map(str, values[name]))}" for name in values)
            + f" = {len(points)} trainings on {len(train)} frames, compared on {len(validation)}; "
            f"{study.runner.place}"
        )
        tasks = [study.store.task(one, study.data, train, validation) for one in learners]
        with reporter.bar("grid", len(tasks)) as update:
            made = study.store.get_all(tasks, runner=study.runner, on_progress=update)
        before = sum(isinstance(one, Training) and one.before for one in made)
        reporter.say(f"{before} of {len(tasks)} were done before")
        table = grid_table(study, points, made, train, validation)
        failures = [str(one) for one in made if isinstance(one, LearnerError)]
        if len(failures) == len(made):
            raise LearnerError(f"no point of the grid could be trained: {failures[0]}")
        for failure in dict.fromkeys(failures):
            reporter.warn(f"{failures.count(failure)} points could not be trained: {failure}")
        files = write_tables(table, study.folder, "grid")
        figures = _draw(table, study, list(values))
        files += [one.png for one in figures]
        best, models, kept = _best(settings, study, table, list(values), reporter)
        files += [*kept, *write_tables(best, study.folder, "best")]
        report = write_grid_report(
            settings, study, reporter, table=table, best=best, axes=list(values), figures=figures
        )
        files.append(report)
    return StudyResult(study.folder, best, tuple(files), models)


def _values(
    settings: GridSettings, learner: Learner, study: OpenStudy
) -> dict[str, tuple[Any, ...]]:
    """Values of each axis: those given, and those that the learner finds worth trying.

    Raises
    ------
    InputError
        If nothing is to be varied, or more than a figure can show.
    """
    values: dict[str, tuple[Any, ...]] = {}
    if isinstance(learner, KnowsGrid):
        given = {name for name in type(settings).model_fields if name in settings.model_fields_set}
        given |= set(settings.learner_options.get(learner.name, {}))
        frames = [study.data.frames[n] for n in study.data.train]
        values = {name: tried for name, tried in learner.grid(frames).items() if name not in given}
    values |= {name: tuple(sorted(tried)) for name, tried in settings.vary.items()}
    if not values:
        raise InputError(
            f"nothing to vary: name options of {learner.name} with --vary NAME=VALUE,VALUE,..."
        )
    if len(values) > MOST_AXES:
        raise InputError(
            f"a grid varies at most {MOST_AXES} options, got {', '.join(values)}: give one value "
            "to some of them"
        )
    return values


def validation_split(data: Dataset, seed: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Frames that the grid trains on and is compared on, out of the training frames.

    Raises
    ------
    InputError
        If there are too few training frames.
    """
    among = data.train
    count = max(1, round(VALIDATION * len(among)))
    if len(among) - count < 2:
        raise InputError(
            f"a grid needs a few training frames to compare its points on, got {len(among)} "
            "training frames in all"
        )
    drawn = nested_subsets([data.tiers[n] for n in among], [count], seed=seed)[0]
    validation = tuple(sorted(among[int(k)] for k in drawn))
    kept = set(validation)
    return tuple(n for n in among if n not in kept), validation


def grid_table(
    study: OpenStudy,
    points: Sequence[Point],
    made: Sequence[Training | LearnerError],
    train: Sequence[int],
    validation: Sequence[int],
) -> pd.DataFrame:
    """One row per label set and point; `best_by` names the choices that a point wins."""
    tiers = [study.data.tiers[n] for n in validation]
    rows: list[dict[str, Any]] = []
    for point, outcome in zip(points, made, strict=True):
        if isinstance(outcome, LearnerError):
            rows += [
                {"label_set": name, **point, "best_by": "", "failure": str(outcome)}
                for name in study.data.names
            ]
            continue
        held_out = outcome.held_out(study.data, validation)
        for name, held in zip(study.data.names, held_out, strict=True):
            known = {"label_set": name, **point, "best_by": ""}
            errors = error_rows(held, tiers)
            rows.append({**result_row(known, held, errors, len(train)), **point, "failure": ""})
    order = {name: k for k, name in enumerate(study.data.names)}
    table = pd.DataFrame(rows).sort_values(
        "label_set", key=lambda names: names.map(order), kind="stable", ignore_index=True
    )
    for name in study.data.names:
        mine = table[table["label_set"] == name]
        for choice, (column, more) in CHOICES.items():
            if column not in table or mine[column].isna().all():
                continue
            numbers = mine[column].to_numpy(float)
            best = mine.index[int(np.nanargmax(numbers) if more else np.nanargmin(numbers))]
            before = str(table.loc[best, "best_by"])
            table.loc[best, "best_by"] = ", ".join(filter(None, (before, choice)))
    return table


def _draw(table: pd.DataFrame, study: OpenStudy, axes: Sequence[str]) -> list[FigureRecord]:
    figures = []
    for name in study.data.names:
        mine = table[table["label_set"] == name]
        for quantity, what in QUANTITIES.items():
            if what.column not in mine or mine[what.column].isna().all():
                continue
            with house_style():
                record = save_figure(
                    grid_figure(mine, quantity, axes),
                    study.folder / "figures",
                    f"{name}_{quantity}",
                    title=f"{what.label}, {name}",
                    caption=what.caption,
                )
            figures.append(record)
    return figures


def _best(
    settings: GridSettings,
    study: OpenStudy,
    table: pd.DataFrame,
    axes: Sequence[str],
    reporter: Reporter,
) -> tuple[pd.DataFrame, dict[str, Path], list[Path]]:
    """Train the points that won on all training frames; test them on the held-out ones."""
    data = study.data
    won, tasks = [], []
    for number, name in enumerate(data.names):
        # one point may win by both measures: it is trained once
        for _, row in table[(table["label_set"] == name) & (table["best_by"] != "")].iterrows():
            point = {axis: _plain(row[axis]) for axis in axes}
            (learner,) = settings.make_learners(**point)
            won.append((name, str(row["best_by"]), point))
            tasks.append(
                study.store.task(
                    learner, data.take(label_sets=[number]), data.train, data.test, models=True
                )
            )
    with reporter.bar("best points", len(tasks)) as update:
        made = study.store.get_all(tasks, runner=study.runner, on_progress=update)
    tell_warnings(made, reporter)
    rows: list[dict[str, Any]] = []
    models: dict[str, Path] = {}
    beside: Mapping[str, Any] = settings_beside(study, settings)
    for (name, choice, point), outcome in zip(won, made, strict=True):
        training = trained(outcome)
        number = data.names.index(name)
        (held,) = training.held_out(data.take(label_sets=[number]), data.test)
        errors = error_rows(held, study.test_tiers)
        known = {"label_set": name, "best_by": choice, **point}
        rows.append({**result_row(known, held, errors, len(data.train)), **point})
        stem = f"{name}-best-{choice.replace(', ', '-and-')}"
        models[stem] = keep_model(
            study, training, name, stem, {**beside, "point": point, "errors": errors}
        )
    return (
        pd.DataFrame(rows),
        models,
        [*models.values(), *(settings_file(path) for path in models.values())],
    )


def _plain(value: Any) -> Any:
    """Give a number of a table as Python has it, whole ones as integers."""
    if isinstance(value, np.generic):
        value = value.item()
    return int(value) if isinstance(value, float) and value.is_integer() else value
