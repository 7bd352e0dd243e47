"""Labels of many frames by an engine: one frame per task, on any runner."""

from __future__ import annotations

import os
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dosml.errors import LabelError
from dosml.relabel.engines.base import LabelFailure
from dosml.relabel.frames import frame_id
from dosml.relabel.label import Label, check_label
from dosml.relabel.store import LabelStore

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from ase import Atoms

    from dosml.relabel.engines.base import Engine
    from dosml.relabel.execution.runner import Runner
    from dosml.theory.setting import ElectronicSetting

#: Seconds that a label made on another machine may take to be seen here: network file systems
#: keep what they know of a folder for up to a minute.
SIGHT_SECONDS = 90.0


@dataclass(frozen=True)
class LadderTask:
    """One frame and the settings it is labelled at; travels to a worker."""

    engine: Engine
    store: LabelStore
    frame: Atoms
    settings: tuple[ElectronicSetting, ...]

    def __str__(self) -> str:
        """Name of the task in messages."""
        return f"frame {frame_id(self.frame)}"


@dataclass(frozen=True)
class LadderReport:
    """What happened to one frame: reasons by setting name where a label failed."""

    frame_id: str
    made: tuple[str, ...]
    failures: dict[str, str]


def run_ladder(task: LadderTask) -> LadderReport:
    """Make the missing labels of one frame; every finished label is on disk at once."""
    identity, store, size = frame_id(task.frame), task.store, len(task.frame)
    done = [setting for setting in task.settings if store.has(identity, setting, size)]
    made: list[str] = []
    failures: dict[str, str] = {}
    for setting, outcome in task.engine.label_ladder(
        task.frame, task.settings, done, store.restart_folder(identity)
    ):
        if isinstance(outcome, Label):
            try:
                check_label(outcome, size)
            except ValueError as error:
                outcome = LabelFailure(f"the engine gave no label: {error}")  # noqa: PLW2901
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
    """Frames that lack a sound label (or the reason why there is none) at one of the settings."""
    return [
        frame
        for frame in frames
        if not all(store.has(frame_id(frame), setting, len(frame)) for setting in settings)
    ]


def label_frames(
    engine: Engine,
    store: LabelStore,
    frames: Sequence[Atoms],
    settings: Sequence[ElectronicSetting],
    *,
    runner: Runner,
    on_progress: Callable[[int], None],
) -> Iterator[LadderReport]:
    """Make all missing labels; a damaged label file counts as missing.

    Parameters
    ----------
    engine, store, frames, settings
        What to label, and where labels lie.
    runner
        Open, so that nobody else is at work in its folder.
    on_progress
        Called about twice a second with the number of labels on disk.

    Yields
    ------
    LadderReport
        One per frame with missing labels, in the order in which they finish.

    Raises
    ------
    LabelError
        If labels that were made elsewhere are not to be seen here.
    WorkerLostError
        If a worker process was killed from outside (no memory, for instance).
    DiskSpaceError
        If the disk is full. Finished labels stay.
    """
    progress = Progress(store, frames, settings, on_progress)
    on_progress(progress.done)
    # workers may run in other folders, and need no memory of this one
    elsewhere = LabelStore(store.folder.resolve(), store.fingerprint)

    def tasks() -> Iterator[LadderTask]:
        for frame in progress.todo:
            progress.begin(frame_id(frame))
            yield LadderTask(engine, elsewhere, frame, tuple(settings))

    for _, report in runner.run(run_ladder, tasks(), on_poll=progress.look):
        progress.end(report)
        yield report
    progress.wait_for_sight()


class Progress:
    """Counts labels by looking only for those that are being made.

    Parameters
    ----------
    store, frames, settings, on_progress
        As in `label_frames`.
    """

    def __init__(
        self,
        store: LabelStore,
        frames: Sequence[Atoms],
        settings: Sequence[ElectronicSetting],
        on_progress: Callable[[int], None],
    ) -> None:
        self._store = store
        self._tell = on_progress
        self._lacking: dict[str, set[ElectronicSetting]] = {}
        self._open: dict[str, set[ElectronicSetting]] = {}
        self._unseen: list[tuple[str, ElectronicSetting]] = []
        self.todo: list[Atoms] = []
        # a trajectory may hold a frame twice: it is labelled once and counts twice
        named = [(frame_id(frame), frame) for frame in frames]
        self._times = Counter(identity for identity, _ in named)
        self._sizes = {identity: len(frame) for identity, frame in named}
        for identity, frame in dict(named).items():
            lacking = {one for one in settings if not store.has(identity, one, len(frame))}
            if lacking:
                self.todo.append(frame)
                self._lacking[identity] = lacking
        for setting in settings:
            store.remember(setting)
        self.done = sum(
            (len(settings) - len(self._lacking.get(identity, ()))) * times
            for identity, times in self._times.items()
        )

    def begin(self, identity: str) -> None:
        """Look for the labels of this frame from now on."""
        self._open[identity] = self._lacking.pop(identity)

    def look(self) -> None:
        """Count what has appeared on disk."""
        for identity in self._open:
            self._look_at(identity)
        self._tell(self.done)

    def end(self, report: LadderReport) -> None:
        """Count the rest of a frame by its report."""
        self._look_at(report.frame_id)
        named = {*report.made, *report.failures}
        rest = [one for one in self._open.pop(report.frame_id) if one.name in named]
        self._unseen += [(report.frame_id, one) for one in rest]
        self._count(report.frame_id, rest)
        self._tell(self.done)

    def wait_for_sight(self) -> None:
        """Wait until everything that was reported can be read here."""
        deadline = time.monotonic() + SIGHT_SECONDS
        while self._unseen:
            for folder in {self._store.setting_folder(setting) for _, setting in self._unseen}:
                if folder.is_dir():
                    os.listdir(folder)  # noqa: PTH208 - makes a network file system ask anew
            self._unseen = [one for one in self._unseen if not self._has(*one)]
            if not self._unseen:
                return
            if time.monotonic() > deadline:
                path = self._store.label_path(*self._unseen[0])
                raise LabelError(
                    f"{len(self._unseen)} labels were made and cannot be seen here, {path} for "
                    "one: give a folder on a disk that all nodes share as --out"
                )
            time.sleep(1)

    def _look_at(self, identity: str) -> None:
        seen = {one for one in self._open[identity] if self._has(identity, one)}
        self._open[identity] -= seen
        self._count(identity, seen)

    def _has(self, identity: str, setting: ElectronicSetting) -> bool:
        return self._store.has(identity, setting, self._sizes[identity])

    def _count(self, identity: str, settings: Collection[ElectronicSetting]) -> None:
        self.done += len(settings) * self._times[identity]
