"""`dosml predict-learnability`: how hard a metal will be, from its DOS alone."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path  # noqa: TC003 - typer reads the annotation at run time
from typing import Annotated

import typer

from dosml.analysis.measures.table import REDUCED
from dosml.cli.net import print_error
from dosml.cli.shared_options import Text, make_reporter
from dosml.errors import DosmlError, InputError
from dosml.terminal import print_document


def predict_learnability(
    files: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Files that hold a d-DOS: vasprun.xml, vaspout.h5, DOSCAR or a CompleteDos .json.",
            show_default=False,
        ),
    ] = None,
    *,
    metal: Annotated[
        Text,
        typer.Option(help="Elements, a comma list: the default engine computes the DOS of each."),
    ] = None,
    crystal: Annotated[
        Text,
        typer.Option(help="Kind of crystal: fcc, hcp, bcc. Default: with --metal, its own."),
    ] = None,
    survey: Annotated[
        Path | None,
        typer.Option(
            "--from",
            help="Folder of a survey to calibrate on. Default: the calibration that ships.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of lines.")] = False,
) -> None:
    """Say which force error the default learner will have on a metal, before any training.

    A straight line in unsmeared chi_4 times the width of the d band and an offset for the crystal,
    calibrated on the metals of a survey; the 90 % interval is of metals left out one by one. A
    metal far outside the calibration is refused.
    """
    metals = [one.strip() for one in (metal or "").split(",") if one.strip()]
    if not files and not metals:
        raise InputError("nothing to predict: name a file with a DOS (vasprun.xml), or --metal Ti")
    # heavy imports only now: --help comes at once
    from dosml.studies.learnability import load_calibration, of_file, of_metal

    calibration = load_calibration(survey)
    found, problems = [], []
    asked = [partial(of_file, path) for path in files or ()]
    asked += [partial(of_metal, one) for one in metals]
    for ask in asked:
        try:
            found.append(ask(calibration, crystal))
        except DosmlError as error:
            problems.append(str(error))
    if as_json:
        rows = [
            {
                "name": one.name,
                REDUCED: one.response,
                "crystal": one.crystal,
                "force_percent_error": one.expected.percent_error,
                "force_percent_error_low": one.expected.low,
                "force_percent_error_high": one.expected.high,
                "nearest": dict(one.expected.nearest),
                "notes": list(one.notes),
            }
            for one in found
        ]
        print_document(json.dumps(rows, indent=2))
    else:
        reporter = make_reporter()
        for one in found:
            for line in one.lines():
                reporter.show(line)
    for problem in problems:
        print_error(problem)
    if problems:
        raise typer.Exit(2)
