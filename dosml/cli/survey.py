"""`dosml survey`: the smearing scan of several metals and the correlation across them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from dosml.cli import scan_options as scan
from dosml.cli.quantities import Numbers, numbers
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
            "--test 12, a quarter of the labels.",
        ),
    ] = False,
    evidence: Annotated[
        bool,
        typer.Option(
            "--evidence",
            help="As many frames and settings as the answer needs, where you give none: --sigma "
            "0.2,0.5,1.0,2.0 --train 36 --test 18, all controls and, without METALS, every metal "
            "that the engine tb has parameters for.",
        ),
    ] = False,
    controls: Annotated[
        Text,
        typer.Option(
            help="Controls to run beside the metals, a comma list of crystals (every metal in "
            "another crystal), electrons (the levels of its frames filled with 3 to 11 electrons) "
            "and pairs (a pair potential on its frames), or all or none. Default: none; all with "
            "--evidence."
        ),
    ] = None,
    folder: Annotated[
        Path, typer.Option("--out", help="Survey folder; each metal's campaign folder lies in it.")
    ] = Path("dosml-survey"),
    sigma: Annotated[
        Numbers,
        numbers("Smearing widths in eV, a comma list. Default: 0.2,0.5,1.0,2.0."),
    ] = None,
    **given: Unpack[scan.ScanOptions],
) -> None:
    """Scan several metals one after the other and report whether the d-DOS tells the force error.

    A metal that fails is named and left out. Run the same command again to continue a survey that
    was stopped, or with more metals to extend it.

    Example: dosml survey Ti Cu Au --small --dry-run
    """
    chosen = controls if controls is not None else "all" if evidence else "none"
    run_targets(
        metals or [],
        {"sigma": sigma},
        given,
        small=small,
        evidence=evidence,
        controls=chosen,
        folder=folder,
    )


def run_targets(
    targets: Sequence[str],
    own: Mapping[str, object],
    shared: scan.ScanOptions,
    *,
    folder: Path,
    small: bool = False,
    evidence: bool = False,
    controls: str = "none",
) -> None:
    """Scan several targets and report on all of them, or print the plan.

    Parameters
    ----------
    targets
        Elements or frame files.
    own, shared
        What the command line gave for the options of a smearing scan and of all scans.
    folder, small, evidence, controls
        `--out`, `--small`, `--evidence` and `--controls` of `dosml survey`.

    Raises
    ------
    DosmlError
        With one line for the user.
    typer.Exit
        With code 1 if a target has no result.
    """
    from dosml.studies.survey import survey_lines, survey_plans
    from dosml.studies.survey_controls import KINDS, control_lines, plan_controls, run_all

    options = {**own, **scan.settings_given(shared), "out": None}  # each metal has its folder in it
    plans = survey_plans(
        targets, options, shared["config"], small=small, evidence=evidence, folder=folder
    )
    wanted = {"all": KINDS, "none": ()}.get(controls, tuple(filter(None, controls.split(","))))
    beside = plan_controls(plans, wanted, folder)
    reporter = make_reporter()
    if shared["dry_run"]:
        for line in [*survey_lines(plans), *control_lines(beside)]:
            reporter.show(line)
        return
    outcomes, extra = run_all(beside, folder, reporter)
    for outcome in extra:
        if outcome.failure is not None:
            reporter.warn(f"the control {outcome.target} has no result: {outcome.failure}")
    failed = [outcome for outcome in outcomes if outcome.failure is not None]
    for outcome in failed:
        reporter.warn(f"{outcome.target} has no result: {outcome.failure}")
    done = [outcome.folder for outcome in outcomes if outcome.failure is None]
    if done:
        from dosml.studies.survey_report import report_campaigns

        report_campaigns(done, folder, reporter, outcomes=outcomes)
    if failed:
        raise typer.Exit(code=1)
