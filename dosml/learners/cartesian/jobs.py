"""One training as a task that may run in another process, and what is kept of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from dosml.errors import LearnerError
from dosml.learners.cartesian.settings import SUFFIX
from dosml.learners.cartesian.storage import read_model, write_model
from dosml.learners.cartesian.training import Trained, Training
from dosml.learners.peers.jobs import labels_hash
from dosml.memory import keep_freed_memory, peak_memory_mib
from dosml.relabel.frames import frame_id
from dosml.relabel.store import content_hash

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from ase import Atoms

    from dosml.learners.cartesian.settings import CartesianSettings
    from dosml.relabel.dataset import LabelSet


@dataclass(frozen=True)
class Job:
    """One training.

    Attributes
    ----------
    settings, species, frames, labels
        What is trained on what.
    folder
        Of this training, named by its content; None: nothing is kept.
    threads
        Of torch.
    """

    settings: CartesianSettings
    species: tuple[int, ...]
    frames: tuple[Atoms, ...]
    labels: LabelSet
    folder: Path | None
    threads: int

    @classmethod
    def of(
        cls,
        settings: CartesianSettings,
        species: tuple[int, ...],
        frames: Sequence[Atoms],
        labels: LabelSet,
        fingerprint: dict[str, Any],
        folder: Path | None,
        threads: int,
    ) -> Job:
        """Name a training by its content, inside a folder of trainings."""
        if folder is not None:
            content = {
                **fingerprint,
                "frames": [frame_id(frame) for frame in frames],
                "labels": labels_hash(labels),
            }
            folder = folder / f"{settings.name}-{content_hash(content)}"
        return cls(settings, species, tuple(frames), labels, folder, threads)


def run_job(job: Job, tell: Callable[[int], None] | None = None) -> tuple[Trained, dict[str, Any]]:
    """Train, or read what was trained before.

    Parameters
    ----------
    job
        The training.
    tell
        Called with the number of epochs that are done.

    Raises
    ------
    LearnerError
        If no model can be made of the data.
    """
    model = None if job.folder is None else job.folder / f"model{SUFFIX}"
    if model is not None and model.is_file():
        try:
            _, _, trained, facts = read_model(model)
        except LearnerError:
            model.unlink()
        else:
            return trained, facts
    checkpoint = None if job.folder is None else job.folder / "checkpoint.pt"
    keep_freed_memory()
    before = torch.get_num_threads()
    torch.set_num_threads(job.threads)
    try:
        training = Training(job.settings, job.species, job.frames, job.labels, checkpoint)
        trained = training.run(tell or _silent)
    finally:
        torch.set_num_threads(before)
    facts = _facts(job, training, trained)
    if model is not None:
        write_model(model, job.settings, job.species, trained, facts)
        assert checkpoint is not None
        checkpoint.unlink(missing_ok=True)
    return trained, facts


def _facts(job: Job, training: Training, trained: Trained) -> dict[str, Any]:
    """Say what the model is and what it cost (`dosml.learners.base.COSTS`)."""
    device = torch.device(job.settings.device)
    gpu = device.type == "cuda"
    peak = round(torch.cuda.max_memory_allocated(device) / 2**20, 1) if gpu else peak_memory_mib()
    return {
        "learner": job.settings.name,
        "n_frames": len(job.frames),
        "n_watched": trained.watched,
        "cutoff_angstrom": job.settings.cutoff,
        "n_parameters": sum(one.numel() for one in training.potential.parameters()),
        "best_epoch": trained.progress.best_epoch,
        "watched_loss": trained.progress.best,
        "force_scale_ev_per_angstrom": trained.scale,
        "neighbours": trained.neighbours,
        "seconds_training": trained.progress.seconds,
        "epochs": trained.progress.epoch,
        "device": job.settings.device,
        "peak_memory_mib": peak,
    }


def _silent(epoch: int) -> None:
    """Progress that nobody watches."""
