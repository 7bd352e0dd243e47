"""Trainings of many metals, none of which needs the others in memory."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dosml.training_places import for_a_worker
from dosml.trainings import try_one

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from dosml.relabel.execution.runner import Runner
    from dosml.trainings import TrainingStore, TrainingTask


def do_all(
    store: TrainingStore,
    tasks: Iterable[TrainingTask],
    total: int,
    runner: Runner,
    on_progress: Callable[[int], None],
) -> dict[Path, str]:
    """Do the trainings that are not done; tasks are made only when a worker is near.

    Nothing is read back: `TrainingStore.find` gives what was trained.

    Parameters
    ----------
    tasks
        A generator, which reads the labels of a metal when it comes to it.
    total
        Number of tasks.
    on_progress
        Called with the number of trainings done.

    Returns
    -------
    dict
        Folder of a training that is impossible -> why.
    """
    failed: dict[Path, str] = {}
    done = 0

    def tell(task: TrainingTask, failure: str | None) -> None:
        nonlocal done
        done += 1
        if failure is not None:
            failed[task.place] = failure
        on_progress(done)

    def elsewhere() -> Iterator[TrainingTask]:
        for task in tasks:
            if store.find(task) is not None:
                tell(task, None)
            elif (learner := for_a_worker(task.learner, runner, total)) is not None:
                yield replace(task, learner=learner)
            else:
                tell(task, try_one(task))

    for task, failure in runner.run(try_one, elsewhere()):
        tell(task, failure)
    return failed
