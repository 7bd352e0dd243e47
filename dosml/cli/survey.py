"""`dosml survey`: the smearing scan of several metals and the correlation across them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from dosml.cli import scan_options as scan
from dosml.cli.shared_options import Text, make_reporter, spelled_out
from dosml.studies.scan_settings import SmearScanSettings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@spelled_out(scan.scan_words(SmearScanSettings), without=["prototype", "out"])
def survey(
    metals: Annotated[
        list[str] | None,
        typer.Argument(
            help="Elements (Ti V Cr); a frame file stands for its metal. With --labels and none, "
            "every metal of the labels."
        ),
    ] = None,
    small: Annotated[
        bool,
        typer.Option(
            "--small",
            help="Fewer settings and frames where you give none: --sigma 0.2,1.0 --train 9 "
            "--test 6, a fifth of the labels.",
        ),
    ] = False,
    folder: Annotated[
        Path, typer.Option("--out", help="Survey folder; each metal's campaign folder lies in it.")
    ] = Path("dosml-survey"),
    sigma: Annotated[
        Text,
        typer.Option(help="Smearing widths in eV, a comma list. Default: 0.2,0.5,1.0,2.0."),
    ] = None,
    **given: Unpack[scan.ScanOptions],
) -> None:
    """Scan several metals one after the other and report whether the d-DOS tells the force error.

    A metal that fails is named and left out. Run the same command again to continue a survey that
    was stopped, or with more metals to extend it.

    Example: dosml survey Ti Cu Au --small --dry-run
    """
    run_targets(metals or [], {"sigma": sigma}, given, small=small, folder=folder)


def run_targets(
    targets: Sequence[str],
    own: Mapping[str, object],
    shared: scan.ScanOptions,
    *,
    small: bool,
    folder: Path,
) -> None:
    """Scan several targets and report on all of them, or print the plan.

    Parameters
    ----------
    targets
        Elements or frame files.
    own, shared
        What the command line gave for the options of a smearing scan and of all scans.
    small, folder
        `--small` and `--out` of `dosml survey`.

    Raises
    ------
    DosmlError
        With one line for the user.
    typer.Exit
        With code 1 if a target has no result.
    """
    from dosml.studies.survey import run_survey, survey_lines, survey_plans

    options = {**own, **scan.settings_given(shared), "out": None}  # each metal has its folder in it
    plans = survey_plans(targets, options, shared["config"], small=small, folder=folder)
    reporter = make_reporter()
    if shared["dry_run"]:
        for line in survey_lines(plans):
            reporter.console.print(line, markup=False, highlight=False, soft_wrap=True)
        return
    outcomes = run_survey(plans, folder, reporter)
    failed = [outcome for outcome in outcomes if outcome.failure is not None]
    for outcome in failed:
        reporter.warn(f"{outcome.target} has no result: {outcome.failure}")
    done = [outcome.folder for outcome in outcomes if outcome.failure is None]
    if done:
        from dosml.studies.survey_report import report_campaigns

        report_campaigns(done, folder, reporter, outcomes=outcomes)
    if failed:
        raise typer.Exit(code=1)
