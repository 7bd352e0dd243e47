"""`dosml recommend-smearing`: the smearing that a training set may have."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations at run time
from typing import Annotated

import typer

from dosml.cli.shared_options import Text, make_reporter


def recommend_smearing(
    folder: Annotated[
        str,
        typer.Argument(
            help="A finished scan, a folder of label sets at several smearings, or reference, the "
            "PBE labels that ship with dosml."
        ),
    ],
    *,
    within: Annotated[
        float | None,
        typer.Option(
            help="Allowed mean change of a force component in meV/Å. Default: the mesh noise of "
            "the labels, 10 where it is not known."
        ),
    ] = None,
    metal: Annotated[
        Text, typer.Option(help="Which metal, where there are several. Default: the only one.")
    ] = None,
    scheme: Annotated[
        Text, typer.Option(help="Smearing scheme of label sets that do not say it.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder. Default: dosml-recommend-METAL-LABELS.")
    ] = None,
) -> None:
    """Find the largest smearing whose forces stay close to those of the smallest one.

    Prints a table and the lines for VASP, GPAW and Quantum ESPRESSO, and writes table, figure and
    report. On a finished scan it also says what the smearing buys in force error at equal data.

    Example: dosml recommend-smearing reference --metal Ti
    """
    from dosml.studies.recommend import recommend_smearing as run
    from dosml.terminal import new_table

    reporter = make_reporter()
    result = run(folder, reporter, metal=metal, scheme=scheme, within=within, out=out)
    shown = new_table(result.answer.question)
    shown.add_column("frames")
    for heading in ("σ\neV", "force change\nmeV/Å", "within"):
        shown.add_column(heading, justify="right", no_wrap=True)
    with_error = "force_percent_error" in result.table
    if with_error:
        shown.add_column("force error\n%", justify="right", no_wrap=True)
    for row in result.table.to_dict("records"):
        change = f"{row['force_change_mev']:.1f}"
        if row["force_change_mev_low"] < row["force_change_mev_high"]:
            change += f" ({row['force_change_mev_low']:.1f}-{row['force_change_mev_high']:.1f})"
        cells = [row["tier"], f"{row['sigma_ev']:g}", change, row["within_word"]]
        shown.add_row(*cells, *([f"{row['force_percent_error']:.1f}"] if with_error else []))
    reporter.show(shown)
    reporter.say(result.answer.sentence)
    for line in result.answer.findings:
        reporter.say(line)
    for program, lines in result.settings.items():
        reporter.say(f"{program}: {lines.replace(chr(10), '; ')}")
    reporter.say(f"report: {result.report}")
