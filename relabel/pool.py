"""Run engine ladders in worker processes: one frame per task, one thread per process."""

from __future__ import annotations

import multiprocessing
import os
import threading
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dosml.errors import LabelError
from dosml.relabel.frames import frame_id
from dosml.relabel.label import Label

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from ase import Atoms

    from dosml.relabel.engines.base import Engine
    from dosml.relabel.store import LabelStore
    from dosml.theory.setting import ElectronicSetting

#: Every numerical library obeys one of these; they are read when a worker starts.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
#: Seconds between two looks at the label folder for the progress bar.
POLL_SECONDS = 0.5


@dataclass(frozen=True)
class LadderReport:
    """What happened to one frame: reasons by setting name where a label failed."""

    frame_id: str
    made: tuple[str, ...]
    failures: dict[str, str]


def run_ladder(
    engine: Engine, store: LabelStore, frame: Atoms, settings: Sequence[ElectronicSetting]
) -> LadderReport:
    """Make the missing labels of one frame; every finished label is on disk at once."""
    identity = frame_id(frame)
    done = [setting for setting in settings if store.has(identity, setting)]
    made: list[str] = []
    failures: dict[str, str] = {}
    for setting, outcome in engine.label_ladder(
        frame, settings, done, store.restart_folder(identity)
    ):
        if isinstance(outcome, Label):
            store.put(identity, setting, outcome)
            made.append(setting.name)
        else:
            store.put_failure(identity, setting, outcome)
            failures[setting.name] = outcome.reason
    return LadderReport(identity, tuple(made), failures)


def missing(
    store: LabelStore, frames: Sequence[Atoms], settings: Sequence[ElectronicSetting]
) -> list[Atoms]:
    """Frames that lack a label at one of the settings."""
    return [
        frame
        for frame in frames
        if not all(store.has(frame_id(frame), setting) for setting in settings)
    ]


def label_frames(
    engine: Engine,
    store: LabelStore,
    frames: Sequence[Atoms],
    settings: Sequence[ElectronicSetting],
    *,
    workers: int,
    on_progress: Callable[[int], None],
) -> Iterator[LadderReport]:
    """Make all missing labels.

    Parameters
    ----------
    on_progress
        Called about twice a second with the number of labels on disk.

    Yields
    ------
    LadderReport
        One per frame, in the order in which they finish.

    Raises
    ------
    LabelError
        If a worker process was killed from outside (no memory, for instance).
    DiskSpaceError
        If the disk is full. Finished labels stay.
    """
    todo = missing(store, frames, settings)
    identities = [frame_id(frame) for frame in frames]

    def report_progress() -> None:
        on_progress(sum(store.has(one, setting) for one in identities for setting in settings))

    report_progress()
    if not todo:
        return
    with one_thread_pool(min(workers, len(todo))) as pool:
        pending: set[Future[LadderReport]] = {
            pool.submit(run_ladder, engine, store, frame, settings) for frame in todo
        }
        try:
            while pending:
                finished, pending = wait(pending, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED)
                report_progress()
                for future in finished:
                    yield future.result()
        except BrokenProcessPool as error:
            raise LabelError(
                "a worker process died while labelling (out of memory?): run the same command "
                "again, with fewer --workers; finished labels are kept"
            ) from error
        finally:
            for future in pending:
                future.cancel()


def one_thread_pool(workers: int) -> Executor:
    """Make a pool of processes with one thread each, which end when the driver is killed."""
    # spawn, not fork: the parent may hold threads of torch or BLAS. The workers read the thread
    # variables at their start, so they are set here, before the first one is started.
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    return ProcessPoolExecutor(
        max_workers=workers,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=die_with_parent,
    )


def die_with_parent() -> None:
    """End this worker when the driver is killed: a pool's workers would wait for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
