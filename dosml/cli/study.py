"""`dosml study`: the smearing scan of several metals and the correlation across them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dosml.cli import scan_options as scan

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def study(
    metals: Annotated[
        list[str], typer.Argument(help="Elements (Ti V Cr); a frame file stands for its metal.")
    ],
    small: Annotated[
        bool,
        typer.Option(
            "--small",
            help="Fewer settings and frames where you give none: --sigma 0.2,1.0 --train 9 "
            "--test 6, a fifth of the labels.",
        ),
    ] = False,
    out: Annotated[
        Path, typer.Option(help="Study folder; each metal's campaign folder lies in it.")
    ] = Path("dosml-study"),
    sigma: Annotated[
        scan.Text,
        typer.Option(help="Smearing widths in eV, a comma list. Default: 0.2,0.5,1.0,2.0."),
    ] = None,
    scheme: scan.Scheme = None,
    engine: scan.Engine = None,
    preset: scan.Preset = None,
    kpoints: scan.Kpoints = None,
    learner: scan.Learner = None,
    sampler: scan.Sampler = None,
    train: Annotated[scan.Number, scan.train_frames(27)] = None,
    test: Annotated[scan.Number, scan.test_frames(12)] = None,
    seed: scan.Seed = None,
    workers: scan.Workers = None,
    cell: scan.Cell = None,
    min_length: scan.MinLength = None,
    cutoff: scan.Cutoff = None,
    n_max: scan.RadialFunctions = None,
    l_max: scan.LargestL = None,
    inducing: scan.Inducing = None,
    device: scan.Device = None,
    retry_failed: scan.RetryFailed = None,
    config: scan.Config = None,
    dry_run: scan.DryRun = False,
) -> None:
    """Scan several metals one after the other and report whether the d-DOS tells the force error.

    A metal that fails is named and left out. Run the same command again to continue a study that
    was stopped, or with more metals to extend it.
    """
    options: dict[str, Any] = dict(locals())
    for own in ("metals", "small", "out", "config", "dry_run"):
        options.pop(own)
    run_targets(metals, options, config, small=small, out=out, dry_run=dry_run)


def run_targets(
    targets: Sequence[str],
    options: Mapping[str, Any],
    config: Path | None,
    *,
    small: bool,
    out: Path,
    dry_run: bool,
) -> None:
    """Scan several targets and report on all of them, or print the plan.

    Raises
    ------
    DosmlError
        With one line for the user.
    typer.Exit
        With code 1 if a target has no result.
    """
    from dosml.study import run_study, study_plan, study_settings

    settings = study_settings(targets, options, config, small=small, folder=out)
    # heavy imports only now: errors in options and --help come at once
    from dosml.progress import Reporter

    reporter = Reporter()
    if dry_run:
        for line in study_plan(settings):
            reporter.console.print(line, highlight=False, soft_wrap=True)
        return
    outcomes = run_study(settings, out, reporter)
    failed = [outcome for outcome in outcomes if outcome.failure is not None]
    for outcome in failed:
        reporter.warn(f"{outcome.target} has no result: {outcome.failure}")
    done = [outcome.folder for outcome in outcomes if outcome.failure is None]
    if done:
        from dosml.joined import report_campaigns

        report_campaigns(done, out, reporter, outcomes=outcomes)
    if failed:
        raise typer.Exit(code=1)
