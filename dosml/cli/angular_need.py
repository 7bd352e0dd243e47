"""`dosml angular-need`: up to which l the forces of each metal ask for angles."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations at run time
from typing import Annotated, Unpack

import typer

from dosml.cli.quantities import Numbers, numbers
from dosml.cli.shared_options import (
    DescriptorOptions,
    PlaceOptions,
    Text,
    TrainingOptions,
    learner_words,
    make_reporter,
    spelled_out,
    training_given,
)


class NeedOptions(TrainingOptions, DescriptorOptions, PlaceOptions, total=False):
    """Options in the order of --help."""


@spelled_out({**learner_words(), "command": "angular-need"}, without=["out"])
def angular_need(
    targets: Annotated[
        list[str] | None,
        typer.Argument(
            help="Elements whose scan is here (Ti: the folder dosml-smear-scan-Ti), campaign "
            "folders, or the folder of a survey; with --labels, metals of these (none: all).",
            show_default=False,
        ),
    ] = None,
    *,
    labels: Annotated[
        Text,
        typer.Option(
            help="Labels that are made: a folder, or reference, the PBE labels that ship with "
            "dosml."
        ),
    ] = None,
    l_max: Annotated[Numbers, numbers("Values of l_max, a comma list. Default: 0 to 8.")] = None,
    no_pairs: Annotated[
        bool,
        typer.Option("--no-pairs", help="Leave the control with labels of a pair potential out."),
    ] = False,
    scheme: Annotated[
        Text, typer.Option(help="Smearing scheme of label sets that do not say it.")
    ] = None,
    hold_out: Annotated[
        float | None,
        typer.Option(help="Share of the frames to hold out. Default: the split of the labels."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--out", help="Folder. Default: dosml-angular-need-TARGETS.")
    ] = None,
    **given: Unpack[NeedOptions],
) -> None:
    """Train with every l_max on the labels of the smallest and the largest sigma of each metal.

    Beside them the same for labels of a pair potential on the same frames. The report says at which
    l the force error stops falling, with chi_0, chi_2 and chi_4 of the d-DOS. Run the same command
    again to continue a study that was stopped.
    """
    # heavy imports only now: --help comes at once
    from dosml.settings import join_settings
    from dosml.studies.angular_need import AngularNeedSettings
    from dosml.studies.angular_need import angular_need as run

    options = {
        **training_given(given),
        "targets": targets or None,
        "labels": labels,
        "l_max": l_max,
        "pairs": False if no_pairs else None,
        "scheme": scheme,
        "hold_out": hold_out,
        "out": folder,
    }
    settings = join_settings(
        AngularNeedSettings, options, given["config"], required=None, nothing=""
    )
    reporter = make_reporter()
    result = run(settings, reporter)
    for path in result.files:
        reporter.show(f"wrote {path}")
