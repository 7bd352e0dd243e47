"""`dosml train --grid`: which descriptor and kernel power, by likelihood and by force error.

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

from dosml.analysis.statistics.learning_curves import nested_subsets
from dosml.analysis.statistics.tables import write_tables
from dosml.errors import InputError, LearnerError
from dosml.learners.registry import make_learner
from dosml.studies.train_jobs import TrainJob, run_all
from dosml.studies.train_run import (
    TrainOutcome,
    TrainStudy,
    default_cutoff,
    model_files,
    result_row,
)
from dosml.studies.train_settings import AXES, GRID_CUTOFFS, GRID_VALUES

if TYPE_CHECKING:
    from dosml.progress import Reporter
    from dosml.studies.train_jobs import JobResult
    from dosml.studies.train_settings import TrainSettings

#: Share of the training frames on which grid points are compared.
VALIDATION = 0.2
#: How a point is chosen -> column of the table, and whether more is better.
CHOICES = {
    "likelihood": ("log_likelihood", True),
    "force-mae": ("force_mae_ev_per_angstrom", False),
}


def grid_values(settings: TrainSettings, study: TrainStudy) -> dict[str, list[float]]:
    """Values of each axis: those given, else the default ones."""
    values: dict[str, list[float]] = {}
    for axis in AXES:
        given = getattr(settings, axis)
        if given is not None:
            values[axis] = sorted(given)
        elif axis == "cutoff":
            middle = default_cutoff(study)
            values[axis] = [round(factor * middle, 2) for factor in GRID_CUTOFFS]
        else:
            values[axis] = list(GRID_VALUES[axis])
    if settings.descriptor == "B1":
        if settings.l_max is not None and set(settings.l_max) != {0}:
            raise InputError("B1 has no angular part: leave --l-max out")
        values["l_max"] = [0]
    return values


def validation_split(study: TrainStudy, seed: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Frames that the grid trains on and is compared on, out of the training frames.

    Raises
    ------
    InputError
        If there are too few training frames.
    """
    count = max(1, round(VALIDATION * len(study.train)))
    if len(study.train) - count < 2:
        raise InputError(
            f"a grid needs a few training frames to compare its points on, got {len(study.train)} "
            "training frames in all"
        )
    tiers = study.store.data.tiers
    drawn = nested_subsets([tiers[n] for n in study.train], [count], seed=seed)[0]
    validation = tuple(sorted(study.train[int(k)] for k in drawn))
    kept = set(validation)
    return tuple(n for n in study.train if n not in kept), validation


def train_grid(settings: TrainSettings, study: TrainStudy, reporter: Reporter) -> TrainOutcome:
    """Train every point of the grid that is not done, then the best ones on all frames.

    Raises
    ------
    LearnerError
        If no point could be trained.
    """
    values = grid_values(settings, study)
    points = [dict(zip(AXES, point, strict=True)) for point in product(*values.values())]
    train, validation = validation_split(study, settings.seed)
    base = settings.learner_options()
    jobs = [TrainJob({**base, **point}, train, validation, study.every_set) for point in points]
    for job in jobs:
        make_learner("sgp", job.options)  # a value out of range is told before the work begins
    reporter.say(
        "grid: "
        + " x ".join(f"{axis} {', '.join(f'{v:g}' for v in values[axis])}" for axis in AXES)
        + f" = {len(points)} trainings on {len(train)} frames, compared on {len(validation)}; "
        f"{settings.workers} processes"
    )
    with reporter.bar("grid", len(jobs)) as update:
        results = run_all(
            study.store, jobs, study.extra, workers=settings.workers, on_progress=update
        )
    reporter.say(f"{sum(result.before for result in results)} of {len(jobs)} were done before")
    table = grid_table(study, points, results, len(train))
    failures = [one.failure for one in results if one.failure is not None]
    if len(failures) == len(results):
        raise LearnerError(f"no point of the grid could be trained: {failures[0]}")
    for failure in dict.fromkeys(failures):
        reporter.warn(f"{failures.count(failure)} points could not be trained: {failure}")
    return _finish(settings, study, table, reporter)


def grid_table(
    study: TrainStudy, points: list[dict[str, float]], results: list[JobResult], n_train: int
) -> pd.DataFrame:
    """One row per label set and point; `best_by` names the choices that a point wins."""
    rows: list[dict[str, Any]] = []
    for number, name in enumerate(study.names):
        for point, result in zip(points, results, strict=True):
            axes = {
                "cutoff_angstrom": point["cutoff"],
                **{axis: int(point[axis]) for axis in AXES if axis != "cutoff"},
            }
            row: dict[str, Any] = {"label_set": name, "n_train": n_train}
            if result.failure is None:
                row = result_row(name, result, number, n_train)
            row |= axes
            row["failure"] = result.failure or ""
            row["best_by"] = ""
            rows.append(row)
    table = pd.DataFrame(rows)
    front = ["label_set", "cutoff_angstrom", "n_max", "l_max", "zeta", "best_by"]
    table = table[front + [name for name in table.columns if name not in front]]
    if "log_likelihood" not in table:
        return table
    for name in study.names:
        mine = table[table["label_set"] == name]
        for choice, (column, more) in CHOICES.items():
            values = mine[column].to_numpy(float)
            if np.all(np.isnan(values)):
                continue
            best = mine.index[int(np.nanargmax(values) if more else np.nanargmin(values))]
            before = str(table.loc[best, "best_by"])
            table.loc[best, "best_by"] = ", ".join(filter(None, (before, choice)))
    return table


def _finish(
    settings: TrainSettings, study: TrainStudy, table: pd.DataFrame, reporter: Reporter
) -> TrainOutcome:
    """Write tables and heat maps; train the best points on all training frames."""
    from dosml.analysis.figures.style import house_style, save_figure
    from dosml.studies.grid_figure import QUANTITIES, grid_figure

    folder = study.store.folder
    files = write_tables(table, folder, "grid")
    for name in study.names:
        mine = table[table["label_set"] == name]
        for quantity in QUANTITIES:
            with house_style():
                record = save_figure(
                    grid_figure(mine, quantity),
                    folder / "figures",
                    f"{name}_{quantity}",
                    title=QUANTITIES[quantity].label,
                    caption=QUANTITIES[quantity].caption,
                )
            files.append(record.png)
    jobs, stems = [], []
    for number, name in enumerate(study.names):
        # one point may win by both measures: it is trained once
        for _, row in table[(table["label_set"] == name) & (table["best_by"] != "")].iterrows():
            point = {
                "cutoff": float(row["cutoff_angstrom"]),
                **{axis: int(row[axis]) for axis in AXES if axis != "cutoff"},
            }
            stem = f"{name}-best-{row['best_by'].replace(', ', '-and-')}"
            stems.append((name, row["best_by"], stem))
            jobs.append(
                TrainJob(
                    {**settings.learner_options(), **point},
                    study.train,
                    study.test,
                    (number,),
                    save_as=(stem,),
                )
            )
    with reporter.bar("best points", len(jobs)) as update:
        results = run_all(
            study.store, jobs, study.extra, workers=settings.workers, on_progress=update
        )
    rows = []
    for (name, choice, _), job, result in zip(stems, jobs, results, strict=True):
        if result.failure is not None:
            raise LearnerError(f"the best point by {choice} failed: {result.failure}")
        known = result_row(name, result, 0, len(study.train))
        front = {
            "label_set": name,
            "best_by": choice,
            "cutoff_angstrom": known["cutoff_angstrom"],
            **{axis: job.options[axis] for axis in AXES if axis != "cutoff"},
        }
        rows.append({**front, **{key: known[key] for key in known if key not in front}})
    best = pd.DataFrame(rows)
    files += write_tables(best, folder, "best")
    return TrainOutcome(best, (*model_files(folder, [stem for *_, stem in stems]), *files))
