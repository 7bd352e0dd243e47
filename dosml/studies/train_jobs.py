"""Trainings as jobs: each is done once, kept by content, alone or in worker processes."""

from __future__ import annotations

import json
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from dosml.analysis.statistics.errors import (
    bootstrap_weights,
    component_sums,
    percent_error_interval,
)
from dosml.errors import LearnerError
from dosml.files import whole_file
from dosml.relabel.execution.executors import process_executor
from dosml.relabel.store import content_hash
from dosml.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from dosml.learners.base import Prediction, Progress
    from dosml.relabel.dataset import LabelSet
    from dosml.studies.label_files import LabelledFrames

#: Seed of the bootstrap over held-out frames.
_BOOTSTRAP_SEED = 0


@dataclass(frozen=True)
class TrainJob:
    """One training: settings, frames and what is kept of it.

    Attributes
    ----------
    options
        Of the learner sgp.
    train, evaluate
        Indices of frames.
    sets
        Indices of label sets.
    save_as
        File stem of the model of each of `sets`; empty where no model is kept.
    """

    options: Mapping[str, Any]
    train: tuple[int, ...]
    evaluate: tuple[int, ...]
    sets: tuple[int, ...]
    save_as: tuple[str, ...] = ()


@dataclass(frozen=True)
class JobResult:
    """What one training gave: per label set the facts of the model and the errors.

    Attributes
    ----------
    facts
        See `dosml.learners.sgp.model.SgpModels.facts`.
    errors
        Per label set one row for all evaluated frames, then one per tier where there are several.
    failure
        Why there is no model, or None.
    before
        Whether it was read from disk.
    """

    facts: list[dict[str, Any]]
    errors: list[list[dict[str, Any]]]
    failure: str | None = None
    before: bool = field(default=False, compare=False)


class JobStore:
    """Results of jobs on one set of labelled frames, as files named by content.

    Parameters
    ----------
    folder
        Of the study: results lie in `points/`, models beside it.
    data
        What the jobs train on.
    """

    def __init__(self, folder: Path, data: LabelledFrames) -> None:
        self.folder = folder
        self.data = data
        self._content = data.content()

    def key(self, job: TrainJob) -> str:
        """Name of a job's result: everything that decides it."""
        from dosml.learners.registry import make_learner

        return content_hash(
            {
                "dosml": __version__,
                "learner": make_learner("sgp", job.options).fingerprint(),
                "data": self._content,
                "train": list(job.train),
                "evaluate": list(job.evaluate),
                "sets": list(job.sets),
                "save_as": list(job.save_as),
            }
        )

    def path(self, key: str) -> Path:
        """File of a result."""
        return self.folder / "points" / f"{key}.json"

    def get(self, job: TrainJob) -> JobResult | None:
        """Read a finished job; None where it, or a model of it, is still to be made."""
        key = self.key(job)
        try:
            for stem in job.save_as:
                beside = json.loads((self.folder / f"{stem}.settings.json").read_text())
                if beside["key"] != key or not (self.folder / f"{stem}.npz").is_file():
                    return None
            read = json.loads(self.path(key).read_text())
            return JobResult(read["facts"], read["errors"], before=True)
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            # missing, or damaged: the job is done again
            return None

    def run(self, job: TrainJob, extra: Mapping[str, Any], tell: Progress | None) -> JobResult:
        """Train, evaluate, write models with their settings, and last the result."""
        key = self.key(job)
        train = self.data.take(job.train, job.sets)
        test = self.data.take(job.evaluate, job.sets)
        return run_job(self.folder, key, self.path(key), job, train, test, extra, tell)


def run_job(
    folder: Path,
    key: str,
    path: Path,
    job: TrainJob,
    train: LabelledFrames,
    test: LabelledFrames,
    extra: Mapping[str, Any],
    tell: Progress | None = None,
) -> JobResult:
    """Do one job; see `JobStore.run`. Takes only the frames it needs, for a worker process."""
    from dosml.learners.sgp.learner import SgpLearner
    from dosml.learners.sgp.settings import sgp_settings

    learner = SgpLearner(sgp_settings(job.options))
    began = time.process_time()
    models = learner.fit(train.frames, train.label_sets, progress=tell)
    cpu = time.process_time() - began
    predictions = models.predict(test.frames)
    facts = [{**_plain(one), "cpu_seconds": cpu} for one in models.facts()]
    errors = [
        error_rows(prediction, labels, test.tiers)
        for prediction, labels in zip(predictions, test.label_sets, strict=True)
    ]
    for number, stem in enumerate(job.save_as):
        models.save(folder / f"{stem}.npz", number)
        head = {
            "key": key,
            "dosml": __version__,
            "label_set": train.names[number],
            "settings": models.shared.settings.model_dump(),
            **extra,
            "frames": {"train": _ranges(job.train), "held_out": _ranges(job.evaluate)},
            "model": facts[number],
            "errors": errors[number],
        }
        with whole_file(folder / f"{stem}.settings.json") as partial:
            partial.write_text(json.dumps(head, indent=2) + "\n", encoding="utf-8")
    with whole_file(path) as partial:
        partial.write_text(json.dumps({"facts": facts, "errors": errors}), encoding="utf-8")
    return JobResult(facts, errors)


def run_all(
    store: JobStore,
    jobs: Sequence[TrainJob],
    extra: Mapping[str, Any],
    *,
    workers: int,
    on_progress: Callable[[int], None],
) -> list[JobResult]:
    """Do all jobs, in worker processes with one thread each.

    Parameters
    ----------
    store, jobs
        What to do; finished jobs are read.
    extra
        Facts that are written beside every saved model.
    workers
        Processes at a time.
    on_progress
        Called with the number of jobs done.

    Returns
    -------
    list of JobResult
        In the order of `jobs`. A job whose training is impossible (no neighbours within the
        cutoff, for instance) has a `failure`.

    Raises
    ------
    LearnerError
        If a worker process was killed from outside. Finished jobs stay.
    """
    results: dict[int, JobResult] = {}
    for number, job in enumerate(jobs):
        found = store.get(job)
        if found is not None:
            results[number] = found
    on_progress(len(results))
    todo = [number for number in range(len(jobs)) if number not in results]
    for number, result in _work(store, jobs, todo, extra, min(workers, len(todo))):
        results[number] = result
        on_progress(len(results))
    return [results[number] for number in range(len(jobs))]


def _work(
    store: JobStore,
    jobs: Sequence[TrainJob],
    todo: Sequence[int],
    extra: Mapping[str, Any],
    workers: int,
) -> Iterator[tuple[int, JobResult]]:
    if not todo:
        return
    with process_executor(workers) as pool:
        pending: dict[Future[JobResult], int] = {}
        waiting = list(todo)
        try:
            while pending or waiting:
                # few at a time: each takes its frames along
                while waiting and len(pending) < 2 * workers:
                    number = waiting.pop(0)
                    job = jobs[number]
                    key = store.key(job)
                    pending[
                        pool.submit(
                            run_job,
                            store.folder,
                            key,
                            store.path(key),
                            job,
                            store.data.take(job.train, job.sets),
                            store.data.take(job.evaluate, job.sets),
                            extra,
                        )
                    ] = number
                finished, _ = wait(pending, return_when=FIRST_COMPLETED)
                for future in finished:
                    yield pending.pop(future), _outcome(future)
        except BrokenProcessPool as error:
            raise LearnerError(
                "a worker process died while training (out of memory?): run the same command "
                "again, with fewer --workers; finished trainings are kept"
            ) from error
        finally:
            for future in pending:
                future.cancel()


def _outcome(future: Future[JobResult]) -> JobResult:
    try:
        return future.result()
    except LearnerError as error:
        return JobResult([], [], failure=str(error))


def error_rows(
    prediction: Prediction, truth: LabelSet, tiers: Sequence[str]
) -> list[dict[str, Any]]:
    """Errors of one model on its held-out frames: all of them, then tier by tier.

    Returns
    -------
    list of dict
        Keys with their units; intervals are 95 % bootstrap intervals over frames.
    """
    names = list(dict.fromkeys(tiers))
    every = np.ones(len(tiers), dtype=bool)
    parts = [("all", every)]
    if len(names) > 1:
        parts += [(name, np.array([tier == name for tier in tiers])) for name in names]
    forces = component_sums(prediction.forces, truth.forces)
    sizes = np.array([len(one) for one in truth.forces])
    energy = np.abs(prediction.energies - truth.energies) / sizes
    rows = []
    for name, mask in parts:
        sums = forces.take(mask)
        weights = bootstrap_weights(
            [tier for tier, use in zip(tiers, mask, strict=True) if use], seed=_BOOTSTRAP_SEED
        )
        low, high = percent_error_interval(sums, weights)
        row: dict[str, Any] = {
            "tier": name,
            "n_test": int(mask.sum()),
            "force_percent_error": sums.percent_error,
            "force_percent_error_low": low,
            "force_percent_error_high": high,
            "force_mae_ev_per_angstrom": sums.mean_absolute_error,
            "force_rmse_ev_per_angstrom": sums.root_mean_square_error,
            "force_mav_ev_per_angstrom": sums.mean_absolute_value,
            "energy_mae_ev_per_atom": float(energy[mask].mean()),
        }
        if truth.stresses is not None:
            difference = np.abs(prediction.stresses[mask] - truth.stresses[mask])
            row["stress_mae_ev_per_angstrom3"] = float(difference.mean())
        rows.append(row)
    return rows


def _ranges(numbers: Sequence[int]) -> str:
    """Write ascending numbers as 0-4, 7, 9-12."""
    parts: list[tuple[int, int]] = []
    for number in numbers:
        if parts and number == parts[-1][1] + 1:
            parts[-1] = (parts[-1][0], number)
        else:
            parts.append((number, number))
    return ", ".join(f"{a}" if a == b else f"{a}-{b}" for a, b in parts)


def _plain(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Numbers that JSON knows."""
    return {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in facts.items()
    }
