"""Options of the studies of trainings, written once."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations at run time
from typing import TYPE_CHECKING, Annotated, TypedDict, TypeVar

import typer

from dosml.cli.shared_options import (
    DescriptorOptions,
    Number,
    PlaceOptions,
    Text,
    TrainingOptions,
    learner_words,
    training_given,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dosml.studies.open_study import LabelStudySettings

    AnyStudy = TypeVar("AnyStudy", bound=LabelStudySettings)

__all__ = [
    "GridOptions",
    "Number",
    "StudyOptions",
    "Targets",
    "Text",
    "read_options",
    "study_words",
]

Targets = Annotated[
    list[str] | None,
    typer.Argument(
        help="An element whose scan is here (Ti: the folder dosml-smear-scan-Ti), a campaign "
        "folder, or label sets (extxyz with REF_energy, REF_forces and, if there, REF_stress). "
        "Several label sets must hold the same frames.",
        show_default=False,
    ),
]


class SourceOptions(TypedDict, total=False):
    """Which labels a study takes."""

    labels: Annotated[
        Text,
        typer.Option(
            help="Labels that are made: a folder, or reference, the PBE labels that ship with "
            "dosml; the target then names the metal."
        ),
    ]
    label_sets: Annotated[
        Text, typer.Option(help="Label sets to use, such as sigma_0.2,sigma_2. Default: all.")
    ]
    scheme: Annotated[Text, typer.Option(help="Smearing scheme of label sets that do not say it.")]
    test_file: Annotated[Path | None, typer.Option(help="Label set whose frames are held out.")]
    hold_out: Annotated[
        float | None,
        typer.Option(
            help="Share of the frames to hold out. Default: the split that the labels mark, else "
            "0.2."
        ),
    ]
    no_stress: Annotated[bool, typer.Option("--no-stress", help="Leave the stresses out.")]


class GridOptions(SourceOptions, TrainingOptions, PlaceOptions, total=False):
    """Options of all these studies in the order of --help; see `dosml.cli.shared_options`."""


class StudyOptions(GridOptions, DescriptorOptions, total=False):
    """Those of studies of one descriptor."""


def study_words(command: str) -> dict[str, str]:
    """Words in the help of a study."""
    return {**learner_words(), "command": command}


def read_options(model: type[AnyStudy], own: Mapping[str, object], shared: GridOptions) -> AnyStudy:
    """Make the settings of a study from what the command line gave; None: not given.

    Raises
    ------
    InputError
        If a value cannot be used.
    """
    from dosml.studies.open_study import load_study_settings

    given = training_given(shared)
    options = {**own, **given, "stress": False if given["no_stress"] else None}
    options.pop("no_stress")
    return load_study_settings(model, options, shared["config"])
