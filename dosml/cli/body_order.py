"""`dosml body-order`: how many bodies an engine or a force field needs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Unpack

import typer

from dosml.cli.quantities import Numbers, numbers
from dosml.cli.shared_options import (
    DescriptorOptions,
    Number,
    PlaceOptions,
    Text,
    TrainingOptions,
    learner_words,
    make_reporter,
    named_options,
    spelled_out,
    training_given,
)

if TYPE_CHECKING:
    from dosml.progress import Reporter
    from dosml.studies.body_order_settings import BodyOrderSettings


class BodyOptions(TrainingOptions, DescriptorOptions, PlaceOptions, total=False):
    """Options in the order of --help."""


@spelled_out({**learner_words(), "command": "body-order"})
def body_order(
    target: Annotated[
        str,
        typer.Argument(
            help="The folder of a scan (engine and models of every setting), the file of a saved "
            "force field, an engine (tb, xtb, ase:MODULE:FUNCTION), or hydrogen, which trains "
            "--learner on the clusters of hydrogen that ship.",
            show_default=False,
        ),
    ],
    *,
    sigma: Annotated[
        Numbers, numbers("Smearing widths of an engine in eV, a comma list. Default: 0.2.")
    ] = None,
    electrons: Annotated[
        Numbers, numbers("Electrons added per atom, a comma list. Default: 0.")
    ] = None,
    scheme: Annotated[
        Text, typer.Option(help="Smearing scheme. Default: the engine's own.")
    ] = None,
    engine_option: Annotated[
        list[str] | None,
        typer.Option(help="Option of the engine, NAME=VALUE; give it again for more."),
    ] = None,
    frames: Annotated[
        Text,
        typer.Option(
            help="Where clusters are from: a file, reference (the metals that ship) or hydrogen "
            "(the clusters that ship). Default: the held-out frames of the scan."
        ),
    ] = None,
    metals: Annotated[Text, typer.Option(help="Subjects to take, a comma list.")] = None,
    size: Annotated[
        Text,
        typer.Option(
            help="Atoms of an environment cut from a periodic frame, a comma list. Default: 6; of "
            "frames that are clusters all."
        ),
    ] = None,
    count: Annotated[Number, typer.Option(help="Clusters of each size. Default: 10.")] = None,
    max_order: Annotated[
        Number, typer.Option(help="Largest body order. Default: all, to 12 atoms.")
    ] = None,
    samples: Annotated[
        Number,
        typer.Option(help="Sets of atoms drawn of every order, with standard errors; for large N."),
    ] = None,
    share: Annotated[
        float | None,
        typer.Option(help="Share of the binding energy of an effective body order. Default: 0.95."),
    ] = None,
    vacuum: Annotated[
        float | None, typer.Option(help="Å between the images of a cluster. Default: 20.")
    ] = None,
    **given: Unpack[BodyOptions],
) -> None:
    """Expand energies of clusters into body orders: all parts of a cluster, each computed once.

    Results are kept in the folder: the same command continues one that was stopped.

    Example: dosml body-order tb --frames reference --metals Ti --sigma 0.2,1,2 --size 4,6
    """
    # heavy imports only now: --help comes at once
    from dosml.settings import join_settings
    from dosml.studies.body_order_settings import BodyOrderSettings

    options = {
        **training_given(given),
        "target": target,
        "sigma": sigma,
        "electrons": electrons,
        "scheme": scheme,
        "engine_options": named_options("--engine-option", engine_option) or None,
        "frames": frames,
        "metals": metals,
        "size": size,
        "count": count,
        "max_order": max_order,
        "samples": samples,
        "share": share,
        "vacuum": vacuum,
    }
    settings = join_settings(BodyOrderSettings, options, given["config"], required=None, nothing="")
    _run(settings, make_reporter())


def _run(settings: BodyOrderSettings, reporter: Reporter) -> None:
    """Run the study that the target asks for, and say what it found."""
    from dosml.studies.body_order_settings import HYDROGEN

    if settings.target == HYDROGEN:
        from dosml.studies.hydrogen import hydrogen_study as run
    else:
        from dosml.studies.body_order import body_order as run

    result = run(settings, reporter)
    for line in result.sentences:
        reporter.say(line)
    for path in result.files:
        reporter.show(f"wrote {path}")
