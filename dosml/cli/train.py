"""`dosml train`: force fields on labels that are made."""

from __future__ import annotations

from typing import Annotated, Unpack

import typer

from dosml.cli import study_options as options
from dosml.cli.quantities import LMax  # noqa: TC001 - typer reads the annotations at run time
from dosml.cli.shared_options import make_reporter, spelled_out


@spelled_out(options.study_words("train"))
def train(
    targets: options.Targets = None,
    *,
    l_max: LMax = None,
    across: Annotated[
        options.Text,
        typer.Option(
            help="sigma: also join the models of all label sets into one force field with the "
            "smearing as an argument (sgp)."
        ),
    ] = None,
    **given: Unpack[options.StudyOptions],
) -> None:
    """Train force fields on label sets that are made, and test them on held-out frames.

    Needs no engine. `dosml grid` compares options of a learner, `dosml learning-curve` numbers of
    frames. Run the same command again to continue one that was stopped.

    Example: dosml train labels.extxyz --hold-out 0.2
    """
    # heavy imports only now: --help comes at once
    from dosml.studies.open_study import TrainSettings

    settings = options.read_options(
        TrainSettings, {"targets": targets, "l_max": l_max, "across": across}, given
    )
    from dosml.cli.tables import training_table
    from dosml.studies.train import train as run

    reporter = make_reporter()
    result = run(settings, reporter)
    reporter.show(training_table(result.table, ["learner"]))
    for path in result.files:
        reporter.show(f"wrote {path}")
