"""One training: a folder with its input, run by a worker process, kept where it ends."""

from __future__ import annotations

import os
import re
import subprocess
import time
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ase.io
import numpy as np
from ase.stress import voigt_6_to_full_3x3_stress
from pydantic import ConfigDict, Field

from dosml.errors import LearnerError
from dosml.files import file_hash, whole_file
from dosml.records import FileRecord, Record, find_record, read_record, write_record
from dosml.relabel.execution.executors import THREAD_VARIABLES
from dosml.relabel.store import content_hash

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from ase import Atoms

    from dosml.relabel.dataset import LabelSet

#: Written by the worker as its last act.
RESULT = "result.json"
#: Written once the worker has ended: what the model is.
MODEL = "model-file.json"
_POLL_SECONDS = 0.5
_LOG_TAIL = 4000
#: How Python's tracebacks and most programs begin the line that matters.
_ERROR = re.compile(r"([\w.]*(Error|Exception)\b|error:)")


class JobRecord(Record):
    """Input of a training; its files with their SHA-256, of which older versions tell nothing."""

    model_config = ConfigDict(extra="allow")

    learner: str
    files: dict[str, str] = Field(default_factory=dict)


class ResultRecord(Record):
    """What a worker measured."""

    model_config = ConfigDict(extra="allow")

    seconds_training: float
    attempts: int


@dataclass(frozen=True)
class Job:
    """A training that is written to disk.

    Attributes
    ----------
    folder
        Input, checkpoints, log and model.
    python
        Interpreter of the peer's environment.
    worker
        Path of the worker script.
    model
        The trained model, in the folder.
    """

    folder: Path
    python: Path
    worker: Path
    model: Path

    @property
    def done(self) -> bool:
        """Whether the model and its facts are there, and as they were when they were made."""
        if find_record(self.folder / RESULT, ResultRecord) is None:
            return False
        kept = find_record(self.folder / MODEL, FileRecord)
        try:
            # a driver that was killed with its worker at the end has not noted the model
            return self.model.stat().st_size > 0 and (
                kept is None or kept.sha256 == file_hash(self.model)
            )
        except OSError:
            return False

    def note_model(self) -> None:
        """Keep what the model is, so that damage is noticed."""
        found = FileRecord(bytes=self.model.stat().st_size, sha256=file_hash(self.model))
        write_record(self.folder / MODEL, found)

    def facts(self) -> dict[str, Any]:
        """Read what the worker measured."""
        return read_record(self.folder / RESULT, ResultRecord).model_dump()


def worker_path(name: str) -> Path:
    """Path of a worker script."""
    return Path(str(files("dosml.learners.peers") / "workers" / name))


def labels_hash(labels: LabelSet) -> str:
    """Hash of the labels of a training set."""
    stresses = labels.stresses if labels.stresses is not None else np.zeros(0)
    values = [labels.energies, np.concatenate(labels.forces), stresses]
    return content_hash({str(k): np.asarray(v).round(10).tolist() for k, v in enumerate(values)})


def write_frames(
    path: Path, frames: Sequence[Atoms], labels: LabelSet, chosen: Sequence[int]
) -> None:
    """Write frames with `REF_energy` (eV), `REF_forces` (eV/Å) and `REF_stress` (eV/Å^3).

    The stress is a 3 x 3 matrix: the one form that every peer reads.
    """
    out = []
    for index in chosen:
        atoms = frames[index].copy()
        atoms.info = {"REF_energy": float(labels.energies[index])}
        atoms.arrays["REF_forces"] = np.array(labels.forces[index])
        if labels.stresses is not None:
            atoms.info["REF_stress"] = voigt_6_to_full_3x3_stress(labels.stresses[index])
        out.append(atoms)
    with whole_file(path) as partial:
        ase.io.write(partial, out, format="extxyz")


def run_job(
    job: Job,
    *,
    threads: int,
    gpu: int | None,
    stop: threading.Event,
    on_progress: Callable[[], None],
) -> None:
    """Run a training to its end; one that was killed goes on from its last checkpoint.

    Parameters
    ----------
    threads
        Threads of the worker's numerical libraries.
    gpu
        Number of the GPU that this training may see, None for all.
    stop
        Once set, the worker is killed.
    on_progress
        Called about twice a second.

    Raises
    ------
    LearnerError
        If the worker fails; the message ends with the last line of its log.
    """
    variables = {**os.environ, **dict.fromkeys(THREAD_VARIABLES, str(threads))}
    variables["PYTHONUNBUFFERED"] = "1"
    if gpu is not None:
        variables["CUDA_VISIBLE_DEVICES"] = str(gpu)
    log = job.folder / "train.log"
    with log.open("a", encoding="utf-8") as output:
        process = subprocess.Popen(  # noqa: S603 - our own script
            [str(job.python), str(job.worker), "train", str(job.folder)],
            stdin=subprocess.PIPE,  # held open: the worker ends when it closes
            stdout=output,
            stderr=subprocess.STDOUT,
            env=variables,
        )
    try:
        while process.poll() is None:
            if stop.is_set():
                return
            on_progress()
            time.sleep(_POLL_SECONDS)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        assert process.stdin is not None
        process.stdin.close()
    if process.returncode or not job.done:
        raise LearnerError(
            f"a training ended with code {process.returncode} ({last_line(log)}): the log is "
            f"{log}; run the same command again to continue it"
        )
    job.note_model()


def last_line(log: Path) -> str:
    """Last line that names an error, or else the last one that is not empty, for a message."""
    text = log.read_text(encoding="utf-8", errors="replace")[-_LOG_TAIL:] if log.exists() else ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if _ERROR.match(line)]
    return (errors or lines or ["its log is empty"])[-1]
