"""A peer as a learner: one training per label set, each in a process of the peer's environment."""

from __future__ import annotations

import contextlib
import json
import queue
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase.data import chemical_symbols

from dosml.errors import InputError, LearnerError
from dosml.files import file_hash, inside, whole_file
from dosml.learners.base import Prediction, check_training_data, watched_frames
from dosml.learners.peers.base import TrainingData
from dosml.learners.peers.calculator import pack_model
from dosml.learners.peers.devices import usable_gpus
from dosml.learners.peers.environments import require
from dosml.learners.peers.jobs import (
    RESULT,
    Job,
    JobRecord,
    labels_hash,
    run_job,
    worker_path,
    write_frames,
)
from dosml.learners.peers.process import ModelProcess
from dosml.records import find_record, read_record
from dosml.relabel.frames import frame_id
from dosml.relabel.store import content_hash

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from dosml.learners.base import Progress
    from dosml.learners.peers.base import Adapter, AnySettings
    from dosml.learners.peers.environments import Environment
    from dosml.relabel.dataset import LabelSet

#: Goes up whenever the way all peers are trained changes.
DEFINITION = 1


class PeerLearner:
    """Trains one peer.

    Parameters
    ----------
    adapter
        The peer.
    settings
        Its settings.
    workers
        Processor cores to use: so many trainings at a time, or fewer with more threads each.
        Trainings on GPUs run one per device.
    folder
        Where trainings are kept, so that a killed one continues; None: a temporary folder.

    Raises
    ------
    EnvironmentMissingError
        If the peer's environment has not been made.
    InputError
        If a GPU is asked for and there is none that its torch can use.
    """

    def __init__(
        self,
        adapter: Adapter,
        settings: AnySettings,
        *,
        workers: int = 1,
        folder: Path | None = None,
    ) -> None:
        self._adapter = adapter
        self.settings = settings
        self._workers = workers
        self._environment: Environment = require(adapter.name)
        self._gpus = usable_gpus(settings.device, self._environment)
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        if folder is None:
            self._temporary = tempfile.TemporaryDirectory(prefix=f"dosml-{adapter.name}-")
            folder = Path(self._temporary.name)
        self._folder = folder.absolute()

    def __reduce__(self) -> tuple[Any, ...]:
        """Make the learner anew where it arrives: another machine has other GPUs."""
        folder = None if self._temporary is not None else self._folder
        return _anew, (self._adapter, self.settings, self._workers, folder)

    @property
    def name(self) -> str:
        """Name of the learner."""
        return self._adapter.name

    def at(self, folder: Path) -> PeerLearner:
        """Give the same learner, keeping its trainings in a folder."""
        return PeerLearner(self._adapter, self.settings, workers=self._workers, folder=folder)

    def on_one_core(self) -> PeerLearner | None:
        """Give the same learner for one core; None where there are GPUs, which it shares out."""
        if self._gpus:
            return None
        folder = None if self._temporary is not None else self._folder
        return PeerLearner(self._adapter, self.settings, folder=folder)

    def effort(self, n_models: int) -> str:
        """Say how much there is to train for so many label sets, and where it runs."""
        gpus = self._gpus
        counted = self._adapter.counted
        where = "on the CPU" if not gpus else "on the GPU" if len(gpus) == 1 else "on the GPUs"
        return (
            f"{n_models} force fields of at most {self.settings.epochs} {counted} each, "
            f"{self._parallel(n_models)} at a time {where}, minutes to hours; the bar counts "
            f"{counted} and shows the time left"
        )

    def fingerprint(self) -> dict[str, Any]:
        """Give settings, definition and the versions of the peer's packages.

        The device is left out: it changes results by rounding only.
        """
        return {
            "learner": self.name,
            "definition": [DEFINITION, self._adapter.definition],
            "settings": self.settings.model_dump(exclude={"device", "preset"}),
            "versions": {
                name: self._environment.versions[name]
                for name in self._adapter.packages
                if name in self._environment.versions
            },
        }

    def fit(
        self,
        frames: Sequence[Atoms],
        label_sets: Sequence[LabelSet],
        *,
        progress: Progress | None = None,
    ) -> PeerModels:
        """Train one model per label set, each in a process of its own.

        The same frames, drawn with the seed, are held back from every label set for early
        stopping.

        Raises
        ------
        LearnerError
            If frames and labels do not fit together, or a training fails.
        """
        check_training_data(frames, label_sets)
        if len(frames) < 2:
            raise LearnerError("a peer needs at least two frames: one is watched, not trained on")
        if self.settings.use_stress and label_sets[0].stresses is not None:
            if not all(all(frame.pbc) for frame in frames):
                raise LearnerError(
                    "stress labels need frames that are periodic in all directions; "
                    "give stresses=None for others"
                )
        else:
            label_sets = [replace(labels, stresses=None) for labels in label_sets]
        jobs = [self._write(frames, labels) for labels in label_sets]
        self._run(jobs, progress)
        facts = [
            {
                "learner": self.name,
                "n_frames": len(frames),
                **job.facts(),
                "training": job.folder.name,
            }
            for job in jobs
        ]
        return PeerModels(
            self._adapter, self._environment, self.settings, jobs, facts, self._temporary
        )

    def _write(self, frames: Sequence[Atoms], labels: LabelSet) -> Job:
        """Write the input of a training, in a folder that its content names."""
        train, valid = list(range(len(frames))), list[int]()
        if self._adapter.validates:
            train, valid = watched_frames(len(frames), self.settings.validation, self.settings.seed)
        numbers = sorted({int(z) for frame in frames for z in frame.numbers})
        data = TrainingData(
            species=tuple(chemical_symbols[z] for z in numbers),
            n_train=len(train),
            n_valid=len(valid),
            mean_atoms=float(np.mean([len(frames[k]) for k in train])),
            stress=labels.stresses is not None,
        )
        configuration = self._adapter.configure(self.settings, data)
        content = {
            **self.fingerprint(),
            "configuration": configuration,
            "frames": [frame_id(frame) for frame in frames],
            "labels": labels_hash(labels),
        }
        place = self._folder / f"{self.name}-{content_hash(content)}"
        job = Job(
            place,
            self._environment.python,
            worker_path(self._adapter.worker),
            place / self._adapter.model_file,
        )
        if _is_whole(place):
            return job
        # a model of another input, if there is one
        (place / RESULT).unlink(missing_ok=True)
        write_frames(place / "train.extxyz", frames, labels, train)
        if valid:
            write_frames(place / "valid.extxyz", frames, labels, valid)
        for name, text in configuration.items():
            with whole_file(place / name) as path:
                path.write_text(text, encoding="utf-8")
        record = {
            "learner": self.name,
            "settings": self.settings.model_dump(),
            "packages": self._adapter.packages,
            "device": self.settings.device,
            "species": data.species,
            "stress": data.stress,
            "trained_on": train,
            "validated_on": valid,
            "fingerprint": self.fingerprint(),
            "files": {
                name: file_hash(place / name)
                for name in ("train.extxyz", *(["valid.extxyz"] if valid else []), *configuration)
            },
        }
        with whole_file(place / "job.json") as path:
            path.write_text(json.dumps(record, indent=2), encoding="utf-8")
        return job

    def _parallel(self, n_models: int) -> int:
        return min(n_models, len(self._gpus) or max(1, self._workers))

    def _run(self, jobs: Sequence[Job], progress: Progress | None) -> None:
        """Run the jobs that are not done; progress counts what earlier runs did."""
        # label sets that are alike are one training
        todo = list({job.folder: job for job in jobs if not job.done}.values())
        parallel = self._parallel(max(1, len(todo)))
        threads = max(1, self._workers // parallel)
        free: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        for number in range(parallel):
            free.put(self._gpus[number] if self._gpus else None)
        stop, lock = threading.Event(), threading.Lock()
        total = len(jobs) * self.settings.epochs

        def tell() -> None:
            if progress is not None:
                with lock:
                    progress(self.name, sum(self._progress_of(job) for job in jobs), total)

        def one(job: Job) -> None:
            gpu = free.get()
            try:
                run_job(job, threads=threads, gpu=gpu, stop=stop, on_progress=tell)
            finally:
                free.put(gpu)

        tell()
        # threads: the work is done by processes, these only wait
        with ThreadPoolExecutor(parallel) as pool:
            try:
                for future in as_completed([pool.submit(one, job) for job in todo]):
                    future.result()
            except BaseException:
                stop.set()
                pool.shutdown(wait=True, cancel_futures=True)
                raise
        tell()

    def _progress_of(self, job: Job) -> int:
        if job.done:  # stopped early: nothing is left to do
            return self.settings.epochs
        with contextlib.suppress(OSError, ValueError, IndexError):
            return self._adapter.epochs_done(job.folder)
        return 0


def _is_whole(place: Path) -> bool:
    """Whether the input of a training is there, and as it was written."""
    record = find_record(place / "job.json", JobRecord)
    try:
        return record is not None and all(
            file_hash(inside(place, name)) == content for name, content in record.files.items()
        )
    except (InputError, OSError):
        return False


def _anew(
    adapter: Adapter, settings: AnySettings, workers: int, folder: Path | None
) -> PeerLearner:
    return PeerLearner(adapter, settings, workers=workers, folder=folder)


class PeerModels:
    """Trained models of one peer, one per label set."""

    #: Suffix of a saved model.
    suffix = ".zip"

    def __init__(
        self,
        adapter: Adapter,
        environment: Environment,
        settings: AnySettings,
        jobs: Sequence[Job],
        facts: Sequence[dict[str, Any]],
        temporary: tempfile.TemporaryDirectory[str] | None,
    ) -> None:
        self._adapter, self._environment, self._settings = adapter, environment, settings
        self._jobs, self._facts = list(jobs), list(facts)
        self._temporary = temporary  # lives as long as the models in it

    def process(self, index: int) -> ModelProcess:
        """Process that holds the model of one label set; close it after use."""
        return ModelProcess(
            self._adapter,
            self._environment,
            self._jobs[index].folder / self._adapter.model_file,
            device=self._settings.device,
        )

    def predict(self, frames: Sequence[Atoms]) -> list[Prediction]:
        """Predict every frame with every model: one `Prediction` per label set.

        Raises
        ------
        LearnerError
            If a model fails.
        """
        predictions = []
        for index in range(len(self._jobs)):
            with self.process(index) as process:
                answers = [process.evaluate(frame) for frame in frames]
            empty = np.full(6, np.nan)
            predictions.append(
                Prediction(
                    energies=np.array([energy for energy, _, _ in answers]),
                    forces=[forces for _, forces, _ in answers],
                    stresses=np.array(
                        [empty if stress is None else stress for _, _, stress in answers]
                    ).reshape(-1, 6),
                )
            )
        return predictions

    def facts(self) -> list[dict[str, Any]]:
        """Give cost and size of each model, with the name of its training's folder."""
        return [dict(one) for one in self._facts]

    def save(self, path: Path, index: int) -> None:
        """Write the model of one label set to one file, for `PeerCalculator`."""
        folder = self._jobs[index].folder
        job = read_record(folder / "job.json", JobRecord)
        card = {**job.model_dump(), "facts": self._facts[index]}
        pack_model(path, folder / self._adapter.model_file, card)
