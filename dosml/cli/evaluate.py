"""`dosml evaluate`: a force field that exists, scored on label sets."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations at run time
from typing import Annotated

import typer

from dosml.cli.shared_options import Text, make_reporter


def evaluate(
    labels: Annotated[
        str,
        typer.Argument(
            help="A finished scan, label sets (a folder or an extxyz file), or reference, the PBE "
            "labels that ship with dosml."
        ),
    ],
    *,
    model: Annotated[
        str,
        typer.Option(
            help="A saved force field (models/.../sigma_0.2.npz in a campaign), or any ase "
            "calculator as ase:MODULE:FUNCTION, such as ase:my_module:make."
        ),
    ],
    metal: Annotated[
        Text, typer.Option(help="Which metal, where there are several. Default: the only one.")
    ] = None,
    frames: Annotated[
        Text,
        typer.Option(
            help="all or test. Default: the held-out frames for a saved model, where the labels "
            "mark them; all frames otherwise."
        ),
    ] = None,
    scheme: Annotated[
        Text, typer.Option(help="Smearing scheme of label sets that do not say it.")
    ] = None,
    device: Annotated[
        Text, typer.Option(help="Where a saved model runs. Default: where it was trained.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder. Default: dosml-evaluate-METAL-MODEL.")
    ] = None,
) -> None:
    """Score a force field on label sets: by tier and element, with parity and worst frames.

    Nothing is trained. Is titanium hard for the force field that you use?

    Example: dosml evaluate reference --metal Cu --model ase:ase.calculators.emt:EMT
    """
    from dosml.studies.evaluate import evaluate_model
    from dosml.terminal import new_table

    reporter = make_reporter()
    result = evaluate_model(
        labels,
        model,
        reporter,
        metal=metal,
        scheme=scheme,
        frames=frames,
        device=device,
        out=out,
    )
    shown = new_table(result.answer.question)
    shown.add_column("label set")
    shown.add_column("tier")
    for heading in ("frames", "force error\n%", "MAE\nmeV/Å", "MAV\nmeV/Å", "energy\nmeV/at"):
        shown.add_column(heading, justify="right", no_wrap=True)
    for row in result.table.to_dict("records"):
        error = f"{row['force_percent_error']:.1f}"
        if row["force_percent_error_low"] < row["force_percent_error_high"]:
            low, high = (row[f"force_percent_error_{end}"] for end in ("low", "high"))
            error += f" ({low:.1f}-{high:.1f})"
        shown.add_row(
            row["label_set"],
            row["tier"],
            str(row["n_test"]),
            error,
            f"{1000 * row['force_mae_ev_per_angstrom']:.1f}",
            f"{1000 * row['force_mav_ev_per_angstrom']:.0f}",
            f"{1000 * row['energy_mae_ev_per_atom']:.2f}",
        )
    reporter.show(shown)
    reporter.say(result.answer.sentence)
    reporter.say(f"report: {result.report}")
