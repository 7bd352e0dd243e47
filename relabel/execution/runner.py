"""Run many tasks, here or on Slurm; tasks that were lost with their worker are given out again.

The one place that waits for futures. A task is a plain value and a function that is importable at
the other end; what a task makes is on disk in its folder, so that a run may be cut off anywhere.
"""

from __future__ import annotations

import contextlib
import itertools
import time
from concurrent.futures import FIRST_COMPLETED, Executor, Future, wait
from concurrent.futures.process import BrokenProcessPool
from typing import TYPE_CHECKING, TypeVar

from dosml.errors import DosmlError, EngineError, WorkerLostError
from dosml.files import sweep_partials
from dosml.relabel.execution.executors import (
    check_slurm_executor,
    process_executor,
    slurm_executor,
)
from dosml.relabel.execution.lock import DriverLock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from dosml.relabel.execution.settings import RunSettings

Task = TypeVar("Task")
Outcome = TypeVar("Outcome")
#: How often one task may lose its worker before the run gives up on it.
LOSSES = 5
#: Tasks in flight per place of work: one at work, one waiting, so that no worker idles.
AHEAD = 2
#: Seconds between two calls of `on_poll`.
POLL_SECONDS = 0.5
#: `on_poll` may take at most this share of the driver's time: folders on a network are slow.
_POLL_SHARE = 0.1
#: Parsl's names for a pilot or a worker that is gone (the package is optional).
_LOST = {"ManagerLost", "WorkerLost"}
#: Letters of a task that a message shows.
_NAME_LENGTH = 200


class Runner:
    """Runs tasks; made by `open_runner`.

    Workers start with the first task: where nothing is to be done, nothing is started. They stay
    for the next call of `run`.
    """

    def __init__(
        self, settings: RunSettings, lock: DriverLock, *, workers: int, one_thread: bool
    ) -> None:
        self.settings = settings
        self._lock = lock
        self._workers = workers
        self._one_thread = one_thread
        self._open = contextlib.ExitStack()
        self._executor: Executor | None = None

    @property
    def slots(self) -> int:
        """Tasks that are worked on at a time."""
        if self.settings.executor == "processes":
            return self._workers
        slurm = self.settings.slurm
        return slurm.pilots * slurm.nodes * slurm.jobs_per_node

    @property
    def local(self) -> bool:
        """Whether tasks run on this machine."""
        return self.settings.executor == "processes"

    @property
    def place(self) -> str:
        """Where tasks run, in words: "on 4 processes"."""
        if self.settings.executor == "processes":
            return f"on {self._workers} process{'es' if self._workers > 1 else ''}"
        pilots = self.settings.slurm.pilots
        return f"on Slurm, {self.slots} at a time in {pilots} job{'s' if pilots > 1 else ''}"

    def run(
        self,
        function: Callable[[Task], Outcome],
        tasks: Iterable[Task],
        *,
        on_poll: Callable[[], None] | None = None,
        poll_seconds: float = POLL_SECONDS,
    ) -> Iterator[tuple[Task, Outcome]]:
        """Run a plain function on every task; iterate to the end, only then all is done.

        Parameters
        ----------
        function
            Of a module, so that the other end can import it; it keeps its results on disk. An
            exception ends the run: what concerns one task alone belongs into the outcome.
        tasks
            Values that can be pickled, with absolute paths. They are taken from the iterable only
            when a worker is near: two for each of `slots` are in memory at a time.
        on_poll
            Called about every `poll_seconds` while tasks run, less often where it is slow.

        Yields
        ------
        tuple
            Task and outcome, in the order in which they finish.

        Raises
        ------
        DosmlError
            The first one that a task raised (a full disk, for instance).
        WorkerLostError
            If a task lost its worker too often, or local workers were killed.
        EngineError
            If Slurm starts no pilots.
        """
        source = iter(tasks)
        pending: dict[Future[Outcome], tuple[Task, int]] = {}
        poll = _Poll(on_poll, poll_seconds)
        try:
            while True:
                for task in itertools.islice(source, AHEAD * self.slots - len(pending)):
                    pending[self._submit(function, task)] = (task, 0)
                if not pending:
                    return
                finished, _ = wait(pending, timeout=poll.wait(), return_when=FIRST_COMPLETED)
                poll()
                for future in finished:
                    task, losses = pending.pop(future)
                    if _lost_its_worker(future, task, losses):
                        pending[self._submit(function, task)] = (task, losses + 1)
                    else:
                        yield task, future.result()
        except BaseException as error:
            # a pool may be broken, and Parsl cannot call single tasks back
            self._end(error)
            raise

    def __enter__(self) -> Self:
        """Nothing is started yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the workers, at once where the run was stopped."""
        self._end(error)

    def _end(self, error: BaseException | None) -> None:
        """End the workers; the next task starts new ones."""
        self._executor = None
        self._open.__exit__(type(error) if error else None, error, None)

    def _submit(self, function: Callable[[Task], Outcome], task: Task) -> Future[Outcome]:
        if self._executor is None:
            executor = (
                process_executor(self._workers, one_thread=self._one_thread)
                if self.settings.executor == "processes"
                else slurm_executor(self.settings, self._lock, one_thread=self._one_thread)
            )
            self._executor = self._open.enter_context(executor)
        try:
            return self._executor.submit(function, task)
        except BrokenProcessPool as error:
            raise _explained(error) from error


@contextlib.contextmanager
def open_runner(
    settings: RunSettings,
    folder: Path,
    *,
    workers: int | None = None,
    one_thread: bool = True,
    say: Callable[[str], None] | None = None,
) -> Iterator[Runner]:
    """Hold a folder, end and remove what a killed run left behind there, and give the runner.

    What is still to be done must be found out afterwards: until then pilots of an earlier run may
    be at work.

    Parameters
    ----------
    settings
        Where to run.
    folder
        A campaign or a study, on a disk that the nodes see; it exists. `run.lock`, `run.json` and
        Parsl's own files are written there.
    workers
        Processes at a time, in place of the settings' number; without a meaning on Slurm.
    one_thread
        Whether numerical libraries get one thread per task; on Slurm `setup` may set another
        number. Without it the user's variables hold, for tasks that start a parallel program.
    say
        Called with lines for the user.

    Raises
    ------
    CampaignLockedError
        If another run, or an array job, is at work in the folder.
    EngineMissingError
        If Slurm is asked for, and it or Parsl is not there.
    EngineError
        If a pilot of an earlier run does not end.
    """
    on_slurm = settings.executor == "slurm"
    if on_slurm:
        check_slurm_executor()
    with DriverLock(folder) as lock:
        for line in lock.recover(uses_slurm=on_slurm):
            if say is not None:
                say(line)
        sweep_partials(folder)
        runner = Runner(settings, lock, workers=workers or settings.workers, one_thread=one_thread)
        with runner:
            yield runner


class _Poll:
    """Calls a function now and then, by the clock and by how long it takes."""

    def __init__(self, function: Callable[[], None] | None, seconds: float) -> None:
        self._function = function
        self._seconds = seconds
        self._due = 0.0

    def wait(self) -> float | None:
        """Seconds until it is due; None where there is nothing to call."""
        return None if self._function is None else max(0.0, self._due - time.monotonic())

    def __call__(self) -> None:
        """Call it if it is due."""
        began = time.monotonic()
        if self._function is None or began < self._due:
            return
        self._function()
        ended = time.monotonic()
        self._due = ended + max(self._seconds, (ended - began) / _POLL_SHARE)


def _lost_its_worker(future: Future[Outcome], task: Task, losses: int) -> bool:
    """Whether a finished future is to be repeated; any other error is raised."""
    error = future.exception()
    if error is None:
        return False
    if type(error).__name__ not in _LOST:
        raise _explained(error) from error
    if losses == LOSSES:
        raise WorkerLostError(
            f"{str(task)[:_NAME_LENGTH]} lost its worker {losses + 1} times ({error}): look at the "
            "Slurm logs of its pilots (out of memory, walltime?), then run the same command again; "
            "what is finished is kept"
        ) from error
    return True


def _explained(error: BaseException) -> BaseException:
    if isinstance(error, DosmlError):
        return error
    if isinstance(error, BrokenProcessPool):
        return WorkerLostError(
            "a worker process was killed (out of memory?): run the same command again, with fewer "
            "workers; what is finished is kept"
        )
    if type(error).__name__ == "BadStateException":
        return EngineError(
            f"Slurm starts no pilots for this run ({' '.join(str(error).split())}): check "
            "partition, account and walltime in the configuration"
        )
    return error
