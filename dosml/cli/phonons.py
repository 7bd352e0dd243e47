"""`dosml phonons`: phonon bands with a force field or an engine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dosml.cli.quantities import ClusterConfig, EngineSigma, one_number
from dosml.cli.shared_options import make_reporter
from dosml.errors import about
from dosml.paths import check_output


def phonons(
    source: Annotated[
        str,
        typer.Argument(
            metavar="MODEL_OR_ENGINE",
            help="A saved force field (models/.../sigma_0.2.npz in a campaign folder), an engine "
            "(xtb), or any ase calculator as ase:MODULE:FUNCTION.",
        ),
    ],
    structure: Annotated[
        str,
        typer.Option(help="Crystal: hcp-Os, an element (its ground state) or a structure file."),
    ],
    compare: Annotated[
        str | None,
        typer.Option(help="A second force field or engine to draw beside the first, such as xtb."),
    ] = None,
    sigma: EngineSigma = None,
    scheme: Annotated[
        str | None, typer.Option(help="Smearing scheme. Default: the engine's own.")
    ] = None,
    min_length: Annotated[float, typer.Option(help="Shortest supercell vector in Å.")] = 10.0,
    displacement: Annotated[float, typer.Option(help="Length of the displacements in Å.")] = 0.01,
    points: Annotated[int, typer.Option(help="Points on the path.")] = 201,
    device: Annotated[
        str | None, typer.Option(help="Where a model runs. Default: where it was trained.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder. Default: dosml-phonons-STRUCTURE-SOURCE.")
    ] = None,
    config: ClusterConfig = None,
) -> None:
    """Phonon bands by finite displacements, with imaginary modes said in words.

    Forces are kept in the folder: the same command continues one that was stopped.

    Example: dosml phonons xtb --structure fcc-Cu
    """
    from dosml.relabel.execution.settings import load_run_settings
    from dosml.settings import default_folder
    from dosml.studies.force_source import force_source, short_name, sigma_of_model
    from dosml.studies.phonons import run_phonons

    name = f"{Path(structure).stem}-{Path(short_name(source)).stem}"
    folder = out or default_folder("phonons", name, None)
    check_output(folder)
    reporter = make_reporter()
    width = one_number("--sigma", sigma)
    width = sigma_of_model(source) if width is None else width
    texts = [source] if compare is None else [source, compare]
    sources = [force_source(text, sigma=width, scheme=scheme, device=device) for text in texts]
    run = load_run_settings(config)
    with about(structure):
        lines = run_phonons(
            structure,
            sources,
            folder,
            reporter,
            min_length=min_length,
            displacement=displacement,
            points=points,
            run=run,
            workers=1,
        )
    for line in lines:
        reporter.say(line)
    reporter.say(f"bands: {folder / 'phonons.png'}, {folder / 'phonons.csv'}")
    reporter.say(f"report: {folder / 'report.html'}")
