"""`dosml transfer`: trained on one tier, tested on all."""

from __future__ import annotations

from typing import Annotated, Unpack

import typer

from dosml.cli import study_options as options
from dosml.cli.quantities import LMax  # noqa: TC001 - typer reads the annotations at run time
from dosml.cli.shared_options import make_reporter, spelled_out


@spelled_out(options.study_words("transfer"))
def transfer(
    targets: options.Targets = None,
    *,
    train_on: Annotated[
        options.Text,
        typer.Option(help="Tiers to train on, such as cold. Default: each of them."),
    ] = None,
    l_max: LMax = None,
    **given: Unpack[options.StudyOptions],
) -> None:
    """Train learners on one tier and test them on all: cold to warm and melt (TM23, Fig. 4).

    Run the same command again to continue a study that was stopped: only what is missing is
    trained.

    Example: dosml transfer Cu
    """
    own = {"targets": targets, "train_on": train_on, "l_max": l_max}
    # heavy imports only now: --help comes at once
    from dosml.studies.open_study import TransferSettings

    settings = options.read_options(TransferSettings, own, given)
    from dosml.cli.tables import transfer_terminal
    from dosml.studies.transfer import transfer as run

    reporter = make_reporter()
    result = run(settings, reporter)
    reporter.show(transfer_terminal(result.table))
    for path in result.files:
        reporter.show(f"wrote {path}")
