"""`dosml report`: campaigns that exist, joined into one report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dosml.cli.shared_options import make_reporter


def report(
    campaigns: Annotated[
        list[Path],
        typer.Argument(
            help="Finished campaign folders, one metal each; or the folder of a survey."
        ),
    ],
    out: Annotated[Path, typer.Option(help="Where the report goes.")] = Path("dosml-report"),
) -> None:
    """Join campaigns of several metals into one report.

    It answers in words whether the d-DOS tells how hard forces are to learn, with n, intervals and
    permutation tests, beside published numbers.

    Example: dosml report dosml-smear-scan-Ti dosml-smear-scan-Cu
    """
    from dosml.studies.survey_report import report_campaigns

    report_campaigns(campaigns, out, make_reporter())
