"""Run a whole study: every job that is still to be done, on the executor of the settings."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from dosml.errors import InputError
from dosml.relabel.execution.arrays import write_array
from dosml.relabel.execution.lock import DriverLock
from dosml.relabel.execution.runner import open_runner
from dosml.relabel.execution.slurm import submit
from dosml.relabel.vasp.jobs import find_jobs
from dosml.relabel.vasp.run import JobResult, job_state, run_task, tasks_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from dosml.relabel.execution.settings import RunSettings
    from dosml.relabel.vasp.run import Task


@dataclass
class RunReport:
    """What a run did.

    Attributes
    ----------
    total, before
        Jobs in the study, and how many of them were finished when the run began.
    ran, adopted
        VASP runs, and outputs that were found finished and only had to be read.
    status
        Number of jobs of this run by status.
    problems
        Folder and reason of every job that is refused or failed.
    """

    total: int
    before: int
    ran: int = 0
    adopted: int = 0
    status: Counter[str] = field(default_factory=Counter)
    problems: list[tuple[str, str]] = field(default_factory=list)

    def add(self, task: Task, result: JobResult) -> None:
        """Count one more job."""
        self.status[result.status] += 1
        self.ran += result.ran
        self.adopted += not result.ran and result.status == "done"
        if result.status in {"refused", "failed"}:
            self.problems.append((task.folder, result.reason))


def run_study(
    study: Path,
    settings: RunSettings,
    *,
    say: Callable[[str], None],
    on_progress: Callable[[int, int], None],
) -> RunReport:
    """Run every job of a study that has no finished result.

    Parameters
    ----------
    study
        Its folder.
    settings
        Command and executor.
    say
        Called with lines for the user.
    on_progress
        Called with (finished, total) jobs.

    Raises
    ------
    CampaignLockedError
        If another driver, or an array job, is running the study.
    DosmlError
        What stopped the run; finished jobs are kept.
    """
    # VASP's threads are the user's: the command or the set-up of the node says how many
    with open_runner(settings, study, one_thread=False, say=say) as runner:
        jobs = find_jobs(study)
        tasks = tasks_of(study, jobs, settings)
        report = RunReport(len(jobs), len(jobs) - len(tasks))
        done = report.before
        on_progress(done, report.total)
        for task, result in runner.run(run_task, tasks):
            report.add(task, result)
            done += 1
            on_progress(done, report.total)
    return report


def write_study_array(
    study: Path, settings: RunSettings, config: Sequence[Path], *, parts: int, start: bool
) -> tuple[Path, str | None]:
    """Write the array script of a study, and submit it if asked to.

    Returns
    -------
    tuple
        The script, and the Slurm job id if it was submitted.

    Raises
    ------
    CampaignLockedError
        If a driver or an earlier array is at work on the study.
    InputError
        If nothing is left to be done.
    """
    with DriverLock(study) as lock:
        lock.recover(uses_slurm=start)
        left = tasks_of(study, find_jobs(study), settings)
        if not left:
            raise InputError(f"nothing to run: every job of {study} is finished")
        script = write_array(
            study, settings, config, name=lock.array_name, parts=min(parts, len(left))
        )
        lock.note(uses_slurm=True)  # the user may submit it later
        if not start:
            return script, None
        identity = submit(script)
        lock.add_slurm_job(identity)
        return script, identity


def work_part(study: Path, settings: RunSettings, *, part: int, parts: int) -> RunReport:
    """Do one part of an array: jobs part, part + parts, ... of the whole list.

    Raises
    ------
    InputError
        If there is no such part.
    DosmlError
        As `run_task`.
    """
    if not 0 <= part < parts:
        raise InputError(
            f"--part {part} --parts {parts}: parts are counted from 0, so --part is below --parts"
        )
    jobs = find_jobs(study)[part::parts]
    tasks = tasks_of(study, jobs, settings)
    report = RunReport(len(jobs), len(jobs) - len(tasks))
    for task in tasks:
        report.add(task, run_task(task))
    return report


def study_status(study: Path) -> Counter[str]:
    """Jobs by state: done, refused, to do."""
    states = (job_state(job.folder) for job in find_jobs(study))
    return Counter("to do" if state is None else state.status for state in states)
