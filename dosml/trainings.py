"""The store of trainings: every training is done once, named by its content, and kept.

Scans, learning curves, transfer, grids and single trainings all ask here:

```
FOLDER/<learner>-<hash>/predictions.npz   predictions of the held-out frames, facts of the models
                        <label set>.npz   the model of each label set, where it was asked for
FOLDER/trainings/                         what a peer needs to continue a training that was cut
```
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field

from dosml.analysis.statistics.results import HeldOut
from dosml.clock import Clock
from dosml.errors import DamagedFileError, LearnerError
from dosml.files import file_hash, read_npz, whole_file
from dosml.learners.base import FollowsFrames, KeepsTrainings, Prediction, check_prediction
from dosml.learners.judgement import with_judgement
from dosml.records import Record, plain_values
from dosml.relabel.store import content_hash
from dosml.training_places import for_a_worker
from dosml.version import __version__

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ase import Atoms

    from dosml.learners.base import Learner, Progress
    from dosml.progress import Reporter
    from dosml.relabel.dataset import Dataset, LabelSet
    from dosml.relabel.execution.runner import Runner

#: Raised when the same learner, labels and frames would be kept in another way.
FORMAT = 1
PREDICTIONS = "predictions.npz"


class _TrainingRecord(Record):
    """What lies beside the predictions: learner, facts of the models, hashes of their files."""

    learner: dict[str, Any]
    suffix: str
    facts: list[dict[str, Any]]
    models: dict[str, str] = Field(default_factory=dict)


@dataclass(frozen=True)
class Training:
    """What one training left: a model per label set.

    Attributes
    ----------
    names
        Of the label sets.
    predictions
        For the held-out frames, one per label set.
    facts
        Of each model: what it is and what it cost (`dosml.learners.base.COSTS`).
    folder
        Where it lies.
    learner
        Fingerprint of what was trained, with the settings in force.
    suffix
        Of a model's file.
    before
        Whether it was done before and read.
    """

    names: tuple[str, ...]
    predictions: tuple[Prediction, ...]
    facts: tuple[dict[str, Any], ...]
    folder: Path
    learner: dict[str, Any]
    suffix: str
    before: bool = False

    @property
    def models(self) -> dict[str, Path]:
        """File of the model of each label set, where models were kept."""
        files = {name: self.folder / f"{name}{self.suffix}" for name in self.names}
        return {name: path for name, path in files.items() if path.is_file()}

    @property
    def warnings(self) -> list[str]:
        """What the models have against themselves, with learner and label set: for people."""
        learner = self.learner.get("learner", "force field")
        return [
            f"{learner}, {name}: {facts['warning']}"
            for name, facts in zip(self.names, self.facts, strict=True)
            if facts.get("warning")
        ]

    def held_out(self, data: Dataset, test: Sequence[int]) -> list[HeldOut]:
        """Put the predictions of each model beside the labels of the frames it predicted."""
        found = []
        for labels, said, facts in zip(
            data.take(test).label_sets, self.predictions, self.facts, strict=True
        ):
            stress = labels.stresses is not None and np.isfinite(said.stresses).all()
            found.append(
                HeldOut(
                    forces=labels.forces,
                    forces_predicted=said.forces,
                    energies=labels.energies,
                    energies_predicted=said.energies,
                    stresses=labels.stresses if stress else None,
                    stresses_predicted=said.stresses if stress else None,
                    facts=facts,
                )
            )
        return found


@dataclass(frozen=True)
class TrainingTask:
    """One training as plain data, for this process or another one.

    Attributes
    ----------
    learner
        What to train; its settings do not depend on the data any more.
    data
        Frames to train on with their labels.
    test, held
        Frames to predict, and their labels, which no learner sees.
    place
        Folder of the result.
    models
        Whether to keep the models.
    """

    learner: Learner
    data: Dataset
    test: tuple[Atoms, ...]
    held: tuple[LabelSet, ...]
    place: Path
    models: bool


class TrainingStore:
    """Trainings of one folder.

    Parameters
    ----------
    folder
        Where trainings are kept.
    also
        Folders of other stores whose trainings are read, so that a study of a scan's labels does
        not repeat the scan.
    """

    def __init__(self, folder: Path, also: Sequence[Path] = ()) -> None:
        self.folder = folder
        self.also = tuple(also)

    def task(
        self,
        learner: Learner,
        data: Dataset,
        train: Sequence[int],
        test: Sequence[int],
        *,
        models: bool = False,
    ) -> TrainingTask:
        """Name a training by everything that decides it.

        Parameters
        ----------
        learner
            What to train.
        data
            Labels; one model is trained for each of its label sets.
        train, test
            Indices of the frames to train on and to predict.
        models
            Whether the models themselves are wanted.
        """
        # no DOS travels to a worker: no learner looks at one
        part, held = _bare(data.take(train)), _bare(data.take(test))
        settled = learner.settled(part.frames) if isinstance(learner, FollowsFrames) else learner
        content = {
            "format": FORMAT,
            # training is cheap beside labelling: another version of our own code trains anew
            "dosml": __version__,
            "learner": settled.fingerprint(),
            "label_sets": part.names,
            "train": part.content(),
            "test": held.frame_ids,
        }
        place = self.folder / f"{learner.name}-{content_hash(content)}"
        return TrainingTask(settled, part, held.frames, held.label_sets, place, models)

    def find(self, task: TrainingTask) -> Training | None:
        """Read a training that was done, here or in another store; None where it is to be done.

        A result that cannot be read whole counts as none.
        """
        for folder in (task.place.parent, *self.also):
            found = _read(folder / task.place.name, task)
            if found is not None:
                return found
        return None

    def get(
        self,
        learner: Learner,
        data: Dataset,
        train: Sequence[int],
        test: Sequence[int],
        *,
        reporter: Reporter,
        models: bool = False,
    ) -> Training:
        """Train in this process, or read what was trained; see `task` for the parameters.

        Raises
        ------
        LearnerError
            If the training is impossible.
        """
        task = self.task(learner, data, train, test, models=models)
        found = self.find(task)
        if found is None:
            with reporter.stages("training") as tell:
                train_one(task, tell)
            found = self._made(task)
        return found

    def get_all(
        self,
        tasks: Sequence[TrainingTask],
        *,
        runner: Runner,
        on_progress: Callable[[int], None] = lambda _: None,
    ) -> list[Training | LearnerError]:
        """Do all trainings that are not done.

        Parameters
        ----------
        tasks
            From `task`.
        runner
            Where they run.
        on_progress
            Called with the number of trainings done.

        Returns
        -------
        list
            In the order of `tasks`; the error of a training that is impossible (no neighbours
            within the cutoff, for instance).
        """
        results: dict[int, Training | LearnerError] = {}
        for number, task in enumerate(tasks):
            if (found := self.find(task)) is not None:
                results[number] = found
        on_progress(len(results))
        # two points of a study may be one training (a curve whose draws all hold every frame)
        todo = {task.place: task for number, task in enumerate(tasks) if number not in results}
        failed: dict[Path, LearnerError] = {}
        before = len(results)
        for done, (task, failure) in enumerate(self._run(list(todo.values()), runner), 1):
            if failure is not None:
                failed[task.place] = LearnerError(failure)
            on_progress(before + done)
        for number, task in enumerate(tasks):
            if number not in results:
                results[number] = failed.get(task.place) or self._made(task)
        on_progress(len(tasks))
        return [results[number] for number in range(len(tasks))]

    def _run(
        self, tasks: Sequence[TrainingTask], runner: Runner
    ) -> Iterator[tuple[TrainingTask, str | None]]:
        given = [(task, for_a_worker(task.learner, runner, len(tasks))) for task in tasks]
        for task, learner in given:
            if learner is None:
                yield task, try_one(task)
        there = [replace(task, learner=learner) for task, learner in given if learner is not None]
        yield from runner.run(try_one, there)

    def _made(self, task: TrainingTask) -> Training:
        found = _read(task.place, task)
        if found is None:
            raise LearnerError(
                f"{task.place} cannot be read though it was just written: is the disk sound? Run "
                "the same command again"
            )
        return replace(found, before=False)


def tell_warnings(outcomes: Iterable[Training | LearnerError], reporter: Reporter) -> None:
    """Say once what models have against themselves: the fact "warning" of a learner."""
    made = [one for one in outcomes if isinstance(one, Training)]
    seen = Counter(text for one in made for text in one.warnings)
    for text, count in seen.items():
        reporter.warn(text if count == 1 else f"{text} ({count} trainings)")


def trained(outcome: Training | LearnerError) -> Training:
    """Give a training that has to be there.

    Raises
    ------
    LearnerError
        If it was impossible.
    """
    if isinstance(outcome, LearnerError):
        raise outcome
    return outcome


def try_one(task: TrainingTask) -> str | None:
    """Do one training in any process; say why where it is impossible."""
    try:
        train_one(task)
    except LearnerError as error:
        return str(error)
    return None


def train_one(task: TrainingTask, tell: Progress | None = None) -> None:
    """Train, predict, keep the models, and last the predictions: then the training counts."""
    learner = task.learner
    if isinstance(learner, KeepsTrainings):
        learner = learner.at(task.place.parent / "trainings")
    clock = Clock()
    fitted = learner.fit(task.data.frames, task.data.label_sets, progress=tell)
    cpu = clock.processor
    predictions = fitted.predict(task.test)
    cost = {"seconds_in_all": clock.wall, "cpu_seconds_in_all": clock.processor}
    for name, prediction in zip(task.data.names, predictions, strict=True):
        try:
            check_prediction(prediction, [len(frame) for frame in task.test])
        except LearnerError as error:
            raise LearnerError(f"{learner.name}, trained on {name}: {error}") from error
    hashes = {}
    if task.models:
        for number, name in enumerate(task.data.names):
            model = task.place / f"{name}{fitted.suffix}"
            with whole_file(model) as path:
                fitted.save(path, number)
            hashes[name] = file_hash(model)
    facts = [{"cpu_seconds": cpu, **plain_values(one), **cost} for one in fitted.facts()]
    record = _TrainingRecord(
        learner=learner.fingerprint(), suffix=fitted.suffix, facts=facts, models=hashes
    )
    arrays: dict[str, Any] = {"facts": np.array(record.model_dump_json())}
    for number, prediction in enumerate(predictions):
        arrays[f"energies_{number}"] = prediction.energies
        arrays[f"forces_{number}"] = np.concatenate(prediction.forces)
        arrays[f"stresses_{number}"] = prediction.stresses
    with whole_file(task.place / PREDICTIONS) as path:
        np.savez_compressed(path, allow_pickle=False, **arrays)


def _read(place: Path, task: TrainingTask) -> Training | None:
    """Read a training; None where it, or a model that is wanted, is missing or damaged."""
    ends = np.cumsum([len(frame) for frame in task.test])
    names = task.data.names
    try:
        arrays = read_npz(place / PREDICTIONS)
        record = _TrainingRecord.model_validate_json(str(arrays["facts"]))
        predictions = tuple(_prediction(arrays, number, ends) for number in range(len(names)))
        judged = zip(record.facts, predictions, task.held, strict=True)
        facts = tuple(with_judgement(*one) for one in judged)
        found = Training(names, predictions, facts, place, record.learner, record.suffix, True)
        if task.models and any(
            record.models.get(name) != file_hash(place / f"{name}{record.suffix}") for name in names
        ):
            return None
    except (DamagedFileError, LearnerError, OSError, ValueError, KeyError, TypeError):
        return None
    return found


def _bare(data: Dataset) -> Dataset:
    bare = [replace(one, dos=None, dos_parts=None, facts={}) for one in data.label_sets]
    return replace(data, label_sets=tuple(bare))


def _prediction(arrays: Mapping[str, Any], number: int, ends: np.ndarray) -> Prediction:
    said = Prediction(
        energies=arrays[f"energies_{number}"],
        forces=np.split(arrays[f"forces_{number}"], ends[:-1]),
        stresses=arrays[f"stresses_{number}"],
    )
    check_prediction(said, np.diff(ends, prepend=0).tolist())
    return said
