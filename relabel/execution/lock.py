"""One driver per folder, and what a killed driver left behind.

`FOLDER/run.lock` is held: the kernel lets go of it when the driver ends, however it ends.
`FOLDER/run.json` says what it started: process id, host, Parsl's interchange and the Slurm jobs.
A driver that was killed leaves its interchange and its pilots alive, and the pilots go on running
tasks; the next driver finds them there, and in Slurm's queue by name, and ends them first.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import socket
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from dosml.config_file import first_problem
from dosml.errors import CampaignLockedError, InputError
from dosml.files import FileLock, whole_file
from dosml.relabel.execution.slurm import cancel_and_wait, queued, slurm_is_here

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

LOCK = "run.lock"
RECORD = "run.json"


def folder_key(folder: Path) -> str:
    """Short name of a folder among the Slurm jobs of one user."""
    return hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:10]


class _DriverRecord(BaseModel):
    """What is read of run.json."""

    model_config = ConfigDict(extra="ignore")

    host: str = ""
    interchange_pid: int | None = Field(default=None, gt=1)
    uses_slurm: bool = False


class DriverLock:
    """Hold a folder for one driver; a context manager.

    Parameters
    ----------
    folder
        A study or a campaign; it exists.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = FileLock(folder / LOCK)
        self._record: dict[str, Any] = {}

    @property
    def label(self) -> str:
        """Label of the Parsl executor: it is part of the pilots' job names."""
        return f"dosml-{folder_key(self.folder)}"

    @property
    def pilot_name(self) -> str:
        """Beginning of the pilots' names in Slurm's queue."""
        return f"parsl.{self.label}."

    @property
    def array_name(self) -> str:
        """Name of the folder's array jobs in Slurm's queue."""
        return f"dosml-array-{folder_key(self.folder)}"

    def __enter__(self) -> Self:
        """Take the lock.

        Raises
        ------
        CampaignLockedError
            If another driver holds it.
        InputError
            If the folder cannot be written.
        """
        try:
            mine = self._lock.take()
        except OSError as error:
            raise InputError(f"cannot run in {self.folder}: {error.strerror}") from error
        if not mine:
            raise CampaignLockedError(
                f"{self.folder} is being run by {self._lock.owner()}: wait for it to end, or stop "
                "it first"
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Let go of the folder."""
        try:
            if self._record:
                self.note(ended=time.time())
        finally:
            self._lock.release()

    def recover(self, *, uses_slurm: bool) -> list[str]:
        """End what an earlier driver of this folder left running; say what was found.

        Parameters
        ----------
        uses_slurm
            Whether this driver will submit to Slurm; without it the queue is looked at only where
            an earlier one did.

        Raises
        ------
        CampaignLockedError
            If an array job of the folder is still in the queue: it runs the same jobs.
        EngineError
            If a pilot does not end.
        InputError
            If the record of the earlier driver is damaged.
        """
        found = []
        left = self._read()
        pid = left.interchange_pid
        if pid and left.host == socket.gethostname() and _is_interchange(pid):
            os.kill(pid, signal.SIGTERM)
            found.append(f"ended the Parsl interchange (process {pid}) of an earlier run")
        if uses_slurm or (left.uses_slurm and slurm_is_here()):
            pilots = cancel_and_wait([self.pilot_name])
            if pilots:
                found.append(
                    f"cancelled Slurm pilots {', '.join(pilots)} of an earlier run that was killed"
                )
            arrays = queued([self.array_name])
            if arrays:
                raise CampaignLockedError(
                    f"array job {', '.join(arrays)} is still working on {self.folder}: wait for it "
                    f"to end, or cancel it with scancel {' '.join(arrays)}"
                )
        self._record = {}
        self.note(
            pid=os.getpid(),
            host=socket.gethostname(),
            started=time.time(),
            uses_slurm=uses_slurm,
            slurm_jobs=[],
        )
        return found

    def note(self, **facts: object) -> None:
        """Add facts to the record on disk."""
        self._record.update(facts)
        with whole_file(self.folder / RECORD) as path:
            path.write_text(json.dumps(self._record, indent=1) + "\n", encoding="utf-8")

    def add_slurm_job(self, identity: str) -> None:
        """Record a Slurm job that this driver has submitted."""
        self.note(slurm_jobs=[*self._record.get("slurm_jobs", []), identity])

    def _read(self) -> _DriverRecord:
        path = self.folder / RECORD
        try:
            return _DriverRecord.model_validate_json(path.read_bytes())
        except FileNotFoundError:
            return _DriverRecord()
        except (OSError, ValueError) as error:
            why = first_problem(error) if isinstance(error, ValueError) else error.strerror
            raise InputError(
                f"{path} is not the record of a run ({why}): it says what an "
                "earlier run has left in Slurm's queue; look there (squeue --me), cancel what "
                "belongs to this folder, remove the file and run again"
            ) from error


def _is_interchange(pid: int) -> bool:
    """Whether the process is a Parsl interchange: ids are used again by other programs."""
    try:
        return b"interchange" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
