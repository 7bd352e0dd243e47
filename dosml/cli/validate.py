"""`dosml validate`: is a force field stable in molecular dynamics."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations at run time
from typing import Annotated

import typer

from dosml.cli.quantities import EngineSigma, one_number
from dosml.cli.shared_options import Number, Text, make_reporter, named_options


def validate(
    model: Annotated[
        str,
        typer.Argument(
            help="A saved force field (models/.../sigma_0.2.npz in a campaign folder), or any ase "
            "calculator as ase:MODULE:FUNCTION."
        ),
    ],
    *,
    structure: Annotated[
        Text,
        typer.Option(
            help="Crystal: hcp-Os, an element (its ground state) or a structure file. Default: the "
            "element that the model was trained on."
        ),
    ] = None,
    engine: Annotated[
        Text,
        typer.Option(
            help="Hold forces, crystal and melting against this engine. Default: forces against "
            "the classical sampling potential."
        ),
    ] = None,
    engine_option: Annotated[
        list[str] | None, typer.Option(help="Option of the engine, NAME=VALUE.")
    ] = None,
    sigma: EngineSigma = None,
    temperature: Annotated[
        Text,
        typer.Option(
            help="Comma list of K. Default: 0.25, 0.75 and 1.25 times the melting temperature."
        ),
    ] = None,
    steps: Annotated[Number, typer.Option(help="Steps of every run. Default: 600.")] = None,
    min_length: Annotated[
        float | None, typer.Option(help="Shortest supercell vector in Å. Default: 7.")
    ] = None,
    melting: Annotated[
        bool, typer.Option("--melting", help="Also heat the crystal until it melts.")
    ] = False,
    seed: Annotated[Number, typer.Option(help="Seed of the velocities. Default: 0.")] = None,
    device: Annotated[
        Text, typer.Option(help="Where a model runs. Default: where it was trained.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder. Default: dosml-validate-CRYSTAL-NAME.")
    ] = None,
) -> None:
    """Molecular dynamics of a force field: drift, holes, extrapolation, crystal; stable or not.

    Runs are kept in the folder: the same command continues one that was stopped.

    Example: dosml validate dosml-smear-scan-Cu/models/sgp-1234/sigma_0.2.npz --engine tb
    """
    from dosml.cli.tables import cells_table
    from dosml.studies.validate import validate_model

    reporter = make_reporter()
    result = validate_model(
        model,
        reporter,
        engine=engine,
        sigma=one_number("--sigma", sigma),
        device=device,
        out=out,
        options={
            "structure": structure,
            "temperature": temperature,
            "steps": steps,
            "min_length": min_length,
            "melting": melting or None,
            "engine_options": named_options("--engine-option", engine_option) or None,
            "seed": seed,
        },
    )
    columns = {
        "run": "run",
        "duration_ps": "time\nps",
        "drift_mev_per_atom_ps": "drift\nmeV/at/ps",
        "closest_angstrom": "closest\nÅ",
        "extrapolation": "σ(F)/F",
        "reference_error_percent": "error\n%",
        "verdict": "verdict",
    }
    reporter.show(cells_table("Molecular dynamics", result.runs, columns))
    reporter.say(result.sentence)
    reporter.say(f"report: {result.report}")
