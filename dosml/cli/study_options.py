"""Options of the studies of trainings, declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

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
LabelSets = Annotated[
    Text, typer.Option(help="Label sets to use, such as sigma_0.2,sigma_2. Default: all.")
]
Cutoff = Annotated[float | None, typer.Option(help="Cutoff in Å.")]
RadialFunctions = Annotated[Number, typer.Option(help="Radial functions of a descriptor.")]
LearnerPreset = Annotated[Text, typer.Option(help="Of the peers: default, quick or paper.")]
Epochs = Annotated[Number, typer.Option(help="Passes over the data of the peers, at most.")]
Device = Annotated[Text, typer.Option(help="Where to train: cpu or cuda.")]
Seed = Annotated[Number, typer.Option(help="Seed of every draw. Default: 0.")]
Workers = Annotated[Number, typer.Option(help="Processor cores to use. Default: all.")]
NoStress = Annotated[bool, typer.Option("--no-stress", help="Leave the stresses out.")]
Config = Annotated[
    Path | None, typer.Option(help="TOML file with any of these options; the command line wins.")
]
