"""`dosml relabel run`, `script` and `status`: VASP jobs here or on Slurm."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from dosml.cli.quantities import ClusterConfig  # noqa: TC001 - typer reads it at run time
from dosml.cli.relabel_options import listed, reporter_outside_campaign
from dosml.errors import LabelError
from dosml.terminal import print_line

Study = Annotated[Path, typer.Argument(help="Folder of the study.")]


def run(
    study: Study,
    *,
    config: ClusterConfig = None,
    executor: Annotated[
        str | None,
        typer.Option(help="processes (this machine) or slurm (Parsl pilots). [default: processes]"),
    ] = None,
    command: Annotated[
        str | None, typer.Option(help="What starts VASP in a job folder. [default: vasp_std]")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Jobs at a time on this machine. [default: 1]")
    ] = None,
    nodes: Annotated[int | None, typer.Option(help="Nodes of each pilot. [default: 1]")] = None,
    pilots: Annotated[int | None, typer.Option(help="Pilots at a time. [default: 1]")] = None,
    walltime: Annotated[
        str | None, typer.Option(help="Walltime of a pilot, HH:MM:SS. [default: 24:00:00]")
    ] = None,
    retry_refused: Annotated[
        bool | None, typer.Option("--retry-refused", help="Run refused jobs again.")
    ] = None,
) -> None:
    """Run every job that is not finished, here or on Slurm.

    Stop it at any moment, however rudely, and give the same command again: finished jobs are kept,
    and what an earlier run left in Slurm's queue is cancelled first.
    """
    from dosml.relabel.execution.settings import load_run_settings
    from dosml.relabel.vasp.drive import run_study
    from dosml.relabel.vasp.jobs import find_jobs

    settings = load_run_settings(
        config,
        executor=executor,
        command=command,
        workers=workers,
        nodes=nodes,
        pilots=pilots,
        walltime=walltime,
        retry_refused=retry_refused,
    )
    reporter = reporter_outside_campaign()
    with reporter.bar("running", len(find_jobs(study))) as update:
        report = run_study(
            study, settings, say=reporter.say, on_progress=lambda done, _: update(done)
        )
    reporter.say(
        f"{study}: {report.total} jobs, {report.before} were finished before; "
        f"{report.ran} run now, {report.adopted} outputs found finished" + listed(report.status)
    )
    for folder, reason in report.problems[:5]:
        reporter.warn(f"{folder}: {reason}")
    if len(report.problems) > 5:
        reporter.warn(f"... and {len(report.problems) - 5} more: see result.json in each folder")
    if report.status["failed"] or report.status["busy"]:
        raise LabelError(
            f"{report.status['failed'] + report.status['busy']} jobs of {study} are not finished: "
            "run the same command again"
        )


def script(
    study: Study,
    *,
    config: ClusterConfig = None,
    parts: Annotated[
        int,
        typer.Option(min=1, help="Length of the array: each part does its share of the jobs."),
    ] = 100,
    submit: Annotated[bool, typer.Option("--submit", help="Submit it with sbatch.")] = False,
) -> None:
    """Write a plain sbatch --array script for the jobs that are not finished."""
    from dosml.relabel.execution.settings import load_run_settings
    from dosml.relabel.vasp.drive import write_study_array

    settings = load_run_settings(config)
    path, identity = write_study_array(study, settings, config or (), parts=parts, start=submit)
    reporter = reporter_outside_campaign()
    reporter.say(
        f"submitted {path} as Slurm job {identity}"
        if identity
        else f"wrote {path}: sbatch {shlex.quote(str(path))}"
    )


def work(
    study: Study,
    *,
    config: ClusterConfig = None,
    part: Annotated[int, typer.Option(help="Which part, from 0.")] = 0,
    parts: Annotated[int, typer.Option(help="Number of parts.")] = 1,
) -> None:
    """Do one part of an array job; the script calls this."""
    from dosml.relabel.execution.settings import load_run_settings
    from dosml.relabel.vasp.drive import work_part

    report = work_part(study, load_run_settings(config), part=part, parts=parts)
    print_line(f"part {part} of {parts}: {report.ran} jobs run{listed(report.status)}")


def status(study: Study) -> None:
    """Count the jobs that are done, refused and still to do."""
    from dosml.relabel.vasp.drive import study_status

    for state, count in study_status(study).items():
        print_line(f"{count:6d} {state}")
