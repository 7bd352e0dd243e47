"""The Cartesian force fields as learners; torch comes with the first training."""

from __future__ import annotations

import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from dosml.errors import LearnerError
from dosml.learners.base import check_device, check_training_data

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ase import Atoms

    from dosml.learners.base import Progress
    from dosml.learners.cartesian.models import CartesianModels
    from dosml.learners.cartesian.settings import CartesianSettings
    from dosml.relabel.dataset import LabelSet

#: Goes up whenever the same settings and data would give another model.
DEFINITION = 1


class CartesianLearner:
    """Trains one of the Cartesian force fields, one training a process.

    Parameters
    ----------
    settings
        With what its preset changes.
    workers
        Processor cores that may be used: so many trainings at a time, or fewer with more threads.
    folder
        Where trainings are kept, so that a killed one continues; None: they are not.

    Raises
    ------
    InputError
        If the device does not exist here.
    """

    def __init__(
        self, settings: CartesianSettings, *, workers: int = 1, folder: Path | None = None
    ) -> None:
        self.settings = settings
        self._workers, self._folder = max(1, workers), folder
        check_device(settings.device)

    @property
    def name(self) -> str:
        """Name of the learner."""
        return self.settings.name

    def at(self, folder: Path) -> CartesianLearner:
        """Give the same learner, keeping its trainings in a folder."""
        return CartesianLearner(self.settings, workers=self._workers, folder=folder.absolute())

    def on_one_core(self) -> CartesianLearner | None:
        """Give the same learner for one core; None on a GPU, where one trains at a time."""
        if self.settings.device.startswith("cuda"):
            return None
        return CartesianLearner(self.settings, folder=self._folder)

    def effort(self, n_models: int) -> str:
        """Say how much there is to train for so many label sets, and where it runs."""
        return (
            f"{n_models} force fields of at most {self.settings.epochs} epochs each, "
            f"{self._parallel(n_models)} at a time on {self.settings.device}, minutes; the bar "
            "counts epochs"
        )

    def fingerprint(self) -> dict[str, Any]:
        """Give the settings and the version of the definition.

        The device is left out: it changes results by rounding only.
        """
        return {
            "learner": self.name,
            "definition": DEFINITION,
            "settings": self.settings.model_dump(exclude={"device", "preset"}),
        }

    def fit(
        self,
        frames: Sequence[Atoms],
        label_sets: Sequence[LabelSet],
        *,
        progress: Progress | None = None,
    ) -> CartesianModels:
        """Train one model per label set.

        Raises
        ------
        LearnerError
            If frames and labels do not fit together, or no model can be made of them.
        """
        check_training_data(frames, label_sets)
        from dosml.learners.cartesian.jobs import Job, run_job
        from dosml.learners.cartesian.models import CartesianModels

        species = tuple(sorted({int(z) for frame in frames for z in frame.numbers}))
        _check_volumes(frames, label_sets)
        fingerprint = self.fingerprint()
        parallel = self._parallel(len(label_sets))
        threads = max(1, self._workers // parallel)
        jobs = [
            Job.of(self.settings, species, frames, labels, fingerprint, self._folder, threads)
            for labels in label_sets
        ]
        total = len(jobs) * self.settings.epochs

        def tell(done: int, epoch: int) -> None:
            if progress is not None:
                progress(self.name, min(total, done * self.settings.epochs + epoch), total)

        tell(0, 0)
        if parallel == 1:
            results = [run_job(job, partial(tell, number)) for number, job in enumerate(jobs)]
        else:
            results = []
            context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
            with ProcessPoolExecutor(parallel, mp_context=context) as pool:
                for number, result in enumerate(pool.map(run_job, jobs), 1):
                    results.append(result)
                    tell(number, 0)
        tell(len(jobs), 0)
        trained, facts = zip(*results, strict=True)
        return CartesianModels(self.settings, species, trained, facts)

    def _parallel(self, n_models: int) -> int:
        if self.settings.device.startswith("cuda"):
            return 1
        return max(1, min(n_models, self._workers))


def _check_volumes(frames: Sequence[Atoms], label_sets: Sequence[LabelSet]) -> None:
    if label_sets[0].stresses is not None and not all(
        all(frame.pbc) and frame.cell.volume for frame in frames
    ):
        raise LearnerError(
            "stress labels need frames that are periodic in all directions; give stresses=None for "
            "others"
        )
