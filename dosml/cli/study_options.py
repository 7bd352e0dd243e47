"""Options of the studies of trainings, written once."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated, TypedDict, TypeVar

import typer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dosml.studies.training_settings import StudySettings

    AnyStudy = TypeVar("AnyStudy", bound=StudySettings)

Text = str | None
Number = int | None

Target = Annotated[
    Text,
    typer.Argument(
        help="An element whose scan is here (Ti: the folder dosml-smear-scan-Ti), a campaign "
        "folder, or an extxyz label set."
    ),
]
Learner = Annotated[
    Text,
    typer.Option(
        help="Comma list of sgp, nequip, mace, soap-bpnn, pet, flare; all but sgp need dosml env "
        "create. Default: sgp."
    ),
]


class TrainingOptions(TypedDict, total=False):
    """Options of all these studies in the order of --help; see `dosml.cli.shared_options`.

    `{command}` is the command's name.
    """

    label_sets: Annotated[
        Text, typer.Option(help="Label sets to use, such as sigma_0.2,sigma_2. Default: all.")
    ]
    cutoff: Annotated[float | None, typer.Option(help="Cutoff in Å.")]
    n_max: Annotated[Number, typer.Option(help="Radial functions of a descriptor.")]
    learner_preset: Annotated[Text, typer.Option(help="Of the peers: default, quick or paper.")]
    epochs: Annotated[Number, typer.Option(help="Passes over the data of the peers, at most.")]
    device: Annotated[Text, typer.Option(help="Where to train: cpu or cuda.")]
    seed: Annotated[Number, typer.Option(help="Seed of every draw. Default: 0.")]
    workers: Annotated[Number, typer.Option(help="Processor cores to use. Default: all.")]
    no_stress: Annotated[bool, typer.Option("--no-stress", help="Leave the stresses out.")]
    out: Annotated[Path | None, typer.Option(help="Folder. Default: dosml-{command}-TARGET.")]
    config: Annotated[
        Path | None,
        typer.Option(help="TOML file with any of these options; the command line wins."),
    ]


def read_options(
    model: type[AnyStudy], own: Mapping[str, object], shared: TrainingOptions
) -> AnyStudy:
    """Make the settings of a study from what the command line gave; None: not given.

    Raises
    ------
    InputError
        If a value cannot be used.
    """
    from dosml.studies.training_settings import load_study_settings

    options = {**own, **shared, "stress": False if shared["no_stress"] else None}
    for key in ("no_stress", "config"):
        options.pop(key)
    return load_study_settings(model, options, shared["config"])
