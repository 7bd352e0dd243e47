"""`dosml train --sizes`: force error against the number of training frames."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from dosml.analysis.figures.style import house_style, save_figure
from dosml.analysis.statistics.learning_curves import learning_curve_table, nested_subsets
from dosml.analysis.statistics.tables import write_tables
from dosml.errors import LearnerError
from dosml.studies.train_jobs import TrainJob, run_all
from dosml.studies.train_run import (
    TrainOutcome,
    TrainStudy,
    default_cutoff,
    result_row,
    single_options,
)

if TYPE_CHECKING:
    from dosml.progress import Reporter
    from dosml.studies.train_settings import TrainSettings


def train_curve(settings: TrainSettings, study: TrainStudy, reporter: Reporter) -> TrainOutcome:
    """Train on nested subsets of the training frames, evaluate all on the same held-out frames.

    Raises
    ------
    InputError
        If a size is larger than the number of training frames.
    LearnerError
        If a training is impossible.
    """
    assert settings.sizes is not None
    sizes = sorted(set(settings.sizes))
    tiers = study.store.data.tiers
    options = single_options(settings)
    # the same descriptor at every size: the default cutoff would follow the subset's volume
    options.setdefault("cutoff", default_cutoff(study))
    jobs: list[TrainJob] = []
    seeds: list[int] = []
    for repeat in range(settings.repeats):
        seed = settings.seed + repeat
        for drawn in nested_subsets([tiers[n] for n in study.train], sizes, seed=seed):
            frames = tuple(sorted(study.train[int(k)] for k in drawn))
            jobs.append(TrainJob(options, frames, study.test, study.every_set))
            seeds.append(seed)
    reporter.say(
        f"learning curve: {', '.join(map(str, sizes))} frames, {settings.repeats} draw(s) = "
        f"{len(jobs)} trainings; {settings.workers} processes"
    )
    with reporter.bar("curve", len(jobs)) as update:
        results = run_all(
            study.store, jobs, study.extra, workers=settings.workers, on_progress=update
        )
    rows = []
    for job, seed, result in zip(jobs, seeds, results, strict=True):
        if result.failure is not None:
            raise LearnerError(f"training on {len(job.train)} frames failed: {result.failure}")
        for number, name in enumerate(study.names):
            rows.append({"seed": seed, **result_row(name, result, number, len(job.train))})
    table = pd.DataFrame(rows)
    table = table[["label_set", "n_train", "seed", *_others(table)]]
    folder = study.store.folder
    files = write_tables(table, folder, "learning_curve")
    fits = learning_curve_table(table, by=["label_set"])
    files += write_tables(fits, folder, "learning_curve_fit")
    for _, fit in fits.iterrows():
        reporter.say(
            f"{fit['label_set']}: force error = {fit['amplitude']:.3g} % N^-b, b = "
            f"{fit['exponent']:.2f} (95 %: {fit['exponent_low']:.2f} to {fit['exponent_high']:.2f})"
        )
    from dosml.analysis.figures.learning_curve import learning_curve_figure

    with house_style():
        record = save_figure(
            learning_curve_figure(table, by=["label_set"]),
            folder / "figures",
            "learning_curve",
            title="Learning curve",
            caption="Force error of the held-out frames against the number of training frames.",
        )
    return TrainOutcome(table, (*files, record.png))


def _others(table: pd.DataFrame) -> list[str]:
    return [name for name in table.columns if name not in {"label_set", "n_train", "seed"}]
