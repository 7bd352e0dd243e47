"""Run one VASP job, or find that it need not be run: the unit of work, a plain function.

The state of a job is on disk, in its folder: `result.json` (written in one step, last) says done,
refused or failed. A job without it, or whose output is not the one that result.json speaks of, is
still to be done. Before VASP is started an output that is already there is read: a run whose worker
was killed after VASP had ended is accepted, not repeated.
"""

from __future__ import annotations

import gzip
import json
import logging
import os
import shlex
import shutil
import socket
import sys
import time
import warnings
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import TypeAdapter
from pymatgen.io.vasp.inputs import Incar

from dosml.errors import EngineMissingError, InputError
from dosml.files import FileLock, whole_file
from dosml.relabel.vasp.jobs import VaspJob
from dosml.relabel.vasp.labels import ensure_label, read_label
from dosml.relabel.vasp.output import find_output
from dosml.relabel.vasp.stamp import Stamp
from dosml.relabel.vasp.verify import Refusal
from dosml.version import install_hint

if TYPE_CHECKING:
    from dosml.relabel.execution.settings import RunSettings

RESULT = "result.json"
#: Kinds of refusal that another run may mend: the job counts as failed and is run again.
RUN_AGAIN = frozenset({"damaged", "not run"})
#: What VASP leaves behind that no label needs.
LARGE_FILES = ("WAVECAR", "CHGCAR", "CHG", "vasprun.xml", "vaspout.h5", "vaspwave.h5", "PROCAR")
KEPT_OF_AN_ATTEMPT = ("vasp.out", "std_err.txt", "OSZICAR", "OUTCAR", "custodian.json")
Status = Literal["done", "refused", "failed", "busy"]


@dataclass(frozen=True)
class Task:
    """What a worker needs; plain values, so that it travels anywhere."""

    study: str
    folder: str
    command: str
    compress: bool
    corrections: int
    check_seconds: float
    again: bool = False

    def __str__(self) -> str:
        """Name of the job in messages."""
        return f"job {self.folder}"


@dataclass(frozen=True)
class JobResult:
    """State of a job after it was looked at.

    Attributes
    ----------
    status
        done: there is a label. refused: VASP ended, and its output is not the label asked for.
        failed: no usable output, to be run again. busy: another worker has it.
    kind, reason
        Of a refusal or failure.
    ran
        Whether VASP was started for it.
    output, stamp
        The output file that this is about, and what it held.
    seconds, host, slurm_job
        Where VASP ran.
    """

    status: Status
    kind: str = ""
    reason: str = ""
    ran: bool = False
    output: str = ""
    stamp: Stamp | None = None
    seconds: float = 0.0
    host: str = ""
    slurm_job: str = ""


_RESULT = TypeAdapter(JobResult)


def job_state(folder: Path) -> JobResult | None:
    """Finished state of a job, or None where it is still to be done.

    A result whose output has since changed or been cut (a full disk, a copy that broke off) does
    not count; one of a study that was copied does.
    """
    try:
        result = _RESULT.validate_json((folder / RESULT).read_bytes())
    except (OSError, ValueError):
        return None
    if result.status not in {"done", "refused"}:
        return None
    path = folder / result.output
    if not path.is_file():
        # an output may be deleted once its label is in the store
        return result if result.status == "done" and find_output(folder) is None else None
    return result if result.stamp is not None and result.stamp.fits(path) else None


def tasks_of(study: Path, jobs: list[VaspJob], settings: RunSettings) -> list[Task]:
    """Tasks of the jobs that are still to be done.

    Raises
    ------
    InputError
        If jobs lack their POTCAR.
    """
    todo = []
    for job in jobs:
        state = job_state(job.folder)
        if state is not None and not (state.status == "refused" and settings.retry_refused):
            continue
        if not job.resolved:
            raise InputError(
                f"{job.folder} has no POTCAR, NELECT and NBANDS yet: set PMG_VASP_PSP_DIR and run "
                f"dosml relabel resolve {study}"
            )
        todo.append(
            Task(
                study=str(study.resolve()),
                folder=str(job.folder.resolve()),
                command=settings.command,
                compress=settings.compress,
                corrections=settings.corrections,
                check_seconds=settings.check_seconds,
                again=state is not None,
            )
        )
    return todo


def run_task(task: Task) -> JobResult:
    """Bring one job to its end; the result is also on disk.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    EngineMissingError
        If custodian or the VASP command is not there.
    InputError
        If the folder cannot be written, or its record is damaged.
    """
    folder = Path(task.folder)
    with FileLock(folder / "job.lock") as lock:
        try:
            mine = lock.take()
        except OSError as error:
            raise InputError(
                f"cannot work in {folder}: {error.strerror} ({lock.path.name}); remove that file, "
                "or make the folder writable"
            ) from error
        if not mine:
            return JobResult("busy", reason=f"{lock.owner()} has this job")
        found = None if task.again else _from_output(task)
        if found is not None:
            return _keep(folder, found)
        _put_aside(folder)
        # what runs is what was asked for, whatever corrections or hands did to the file since
        Incar(VaspJob(folder).incar).write_file(folder / "INCAR")
        start = time.perf_counter()
        _run_vasp(task)
        seconds = time.perf_counter() - start
        if task.compress:
            _compress(folder / "vasprun.xml")
        for name in ("WAVECAR", "CHGCAR", "CHG"):
            (folder / name).unlink(missing_ok=True)
        result = _from_output(task)
        if result is None:
            why = read_label(VaspJob(folder))
            assert isinstance(why, Refusal)
            reason = why.reason
            if why.kind == "not run":
                reason = f"{folder}: VASP ended without a vasprun.xml"
            result = JobResult("failed", why.kind, _with_tail(folder, reason))
        result = replace(
            result,
            ran=True,
            seconds=seconds,
            host=socket.gethostname(),
            slurm_job=os.environ.get("SLURM_JOB_ID", ""),
        )
        return _keep(folder, result)


def _from_output(task: Task) -> JobResult | None:
    """State that the output in the folder amounts to; None where VASP has to run."""
    folder = Path(task.folder)
    path = find_output(folder)
    if path is None:
        return None
    outcome = ensure_label(Path(task.study), VaspJob(folder))
    if isinstance(outcome, Refusal) and outcome.kind in RUN_AGAIN:
        return None
    result = JobResult("done", output=path.name, stamp=Stamp.of(path))
    if isinstance(outcome, Refusal):
        return replace(result, status="refused", kind=outcome.kind, reason=outcome.reason)
    return result


def _keep(folder: Path, result: JobResult) -> JobResult:
    with whole_file(folder / RESULT) as path:
        path.write_text(json.dumps(asdict(result), indent=1) + "\n", encoding="utf-8")
    return result


def _put_aside(folder: Path) -> None:
    """Make room for a new attempt: keep what explains the old one, drop what is large."""
    if any((folder / name).exists() for name in KEPT_OF_AN_ATTEMPT):
        number = sum(1 for _ in folder.glob("attempt-*")) + 1
        attempt = folder / f"attempt-{number}"
        attempt.mkdir(exist_ok=True)
        for name in KEPT_OF_AN_ATTEMPT:
            if (folder / name).exists():
                shutil.move(folder / name, attempt / name)
    for name in (RESULT, *LARGE_FILES, "vasprun.xml.gz", "CONTCAR"):
        (folder / name).unlink(missing_ok=True)


def _run_vasp(task: Task) -> None:
    """Start VASP under custodian; what came of it is read from its files, not from here."""
    words = shlex.split(task.command)
    if shutil.which(words[0]) is None:
        raise EngineMissingError(
            f"cannot start VASP: no program {words[0]} on this machine's PATH (command = "
            f'"{task.command}")'
        )
    try:
        from custodian.custodian import Custodian, CustodianError
        from custodian.vasp.jobs import VaspJob as CustodianJob
    except ImportError as error:
        raise EngineMissingError(
            f"running VASP needs the package custodian: {install_hint('cluster')}"
        ) from error
    from dosml.relabel.vasp.handlers import allowed_handlers

    leash = [sys.executable, "-m", "dosml.relabel.execution.leash"]
    job = CustodianJob([*leash, *words], backup=False, auto_gamma=False, auto_npar=False)
    started: Any = Custodian(
        allowed_handlers(),
        [job],
        max_errors=task.corrections,
        polling_time_step=task.check_seconds,
        monitor_freq=60,
        directory=task.folder,
        terminate_on_nonzero_returncode=False,
    )
    # custodian keeps its own log in custodian.json; pymatgen warns of POTCARs and convergence
    logging.getLogger("custodian").addHandler(logging.NullHandler())
    logging.getLogger("custodian").propagate = False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            started.run()
    except (CustodianError, RuntimeError) as error:
        # not converged after every correction, or the like: the output tells, or is missing
        logging.getLogger("dosml").info("custodian gave up on %s: %s", task.folder, error)


def _compress(path: Path) -> None:
    """Put vasprun.xml into a .gz; the one goes only when the other is whole."""
    if not path.exists():
        return
    target = path.with_name(path.name + ".gz")
    with (
        whole_file(target) as partial,
        path.open("rb") as source,
        gzip.open(partial, "wb", compresslevel=4) as packed,
    ):
        shutil.copyfileobj(source, packed)
    path.unlink()


def _with_tail(folder: Path, reason: str) -> str:
    """Reason and the last words of VASP."""
    for name in ("std_err.txt", "vasp.out"):
        try:
            lines = (
                (folder / name).read_text(errors="replace", encoding="utf-8").strip().splitlines()
            )
        except OSError:
            continue
        if lines:
            return f"{reason}; {name} ends with: {lines[-1].strip()[:200]}"
    return reason
