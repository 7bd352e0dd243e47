"""Run many tasks on an executor; tasks that were lost with their worker are given out again."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, TypeVar

from dosml.errors import DosmlError, EngineError, LabelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Task = TypeVar("Task")
Outcome = TypeVar("Outcome")
#: How often one task may lose its worker before the run gives up on it.
LOSSES = 5
#: Parsl's names for a pilot or a worker that is gone (the package is optional).
_LOST = {"ManagerLost", "WorkerLost"}


def run_tasks(
    executor: Executor, function: Callable[[Task], Outcome], tasks: Sequence[Task]
) -> Iterator[tuple[Task, Outcome]]:
    """Run a plain function on every task.

    Parameters
    ----------
    executor
        Where.
    function
        Importable at the other end; it keeps its results on disk.
    tasks
        Plain values.

    Yields
    ------
    tuple
        Task and outcome, in the order in which they finish.

    Raises
    ------
    DosmlError
        The first one that a task raised (a full disk, for instance).
    LabelError
        If a task lost its worker too often, or local workers were killed.
    EngineError
        If Slurm starts no pilots.
    """
    losses: dict[int, int] = {}
    pending: dict[Future[Outcome], int] = {
        executor.submit(function, task): index for index, task in enumerate(tasks)
    }
    while pending:
        finished, _ = wait(pending, return_when=FIRST_COMPLETED)
        for future in finished:
            index = pending.pop(future)
            error = future.exception()
            if error is None:
                yield tasks[index], future.result()
                continue
            if type(error).__name__ not in _LOST:
                raise _explained(error) from error
            losses[index] = losses.get(index, 0) + 1
            if losses[index] > LOSSES:
                raise LabelError(
                    f"{tasks[index]} lost its worker {losses[index]} times ({error}): look at the "
                    "Slurm logs of its pilots (out of memory, walltime?), then run the same "
                    "command again; finished jobs are kept"
                ) from error
            pending[executor.submit(function, tasks[index])] = index


def _explained(error: BaseException) -> BaseException:
    if isinstance(error, DosmlError):
        return error
    if isinstance(error, BrokenProcessPool):
        return LabelError(
            "a worker process was killed (out of memory?): run the same command again, with fewer "
            "workers; finished jobs are kept"
        )
    if type(error).__name__ == "BadStateException":
        return EngineError(
            f"Slurm starts no pilots for this run ({' '.join(str(error).split())}): check "
            "partition, account and walltime in the configuration"
        )
    return error
