"""`dosml transfer`: trained on one tier, tested on all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Unpack

import typer

from dosml.cli import study_options as options
from dosml.cli.shared_options import spelled_out

if TYPE_CHECKING:
    import pandas as pd


@spelled_out({"command": "transfer"})
def transfer(
    target: options.Target = None,
    *,
    learner: options.Learner = None,
    train_on: Annotated[
        options.Text,
        typer.Option(help="Tiers to train on, such as cold. Default: each of them."),
    ] = None,
    l_max: Annotated[options.Number, typer.Option(help="Largest l.")] = None,
    **given: Unpack[options.TrainingOptions],
) -> None:
    """Train learners on one tier and test them on all: cold to warm and melt (TM23, Fig. 4).

    Run the same command again to continue a study that was stopped: only what is missing is
    trained.
    """
    own = {"target": target, "learner": learner, "train_on": train_on, "l_max": l_max}
    # heavy imports only now: --help comes at once
    from dosml.studies.training_settings import TransferSettings

    settings = options.read_options(TransferSettings, own, given)
    from dosml.progress import Reporter
    from dosml.studies.transfer import transfer as run

    reporter = Reporter()
    table, files = run(settings, reporter)
    _show(table, reporter)
    for path in files:
        reporter.console.print(f"wrote {path}", highlight=False, soft_wrap=True)


def _show(table: pd.DataFrame, reporter: Any) -> None:
    from rich import box
    from rich.table import Table

    tested = list(dict.fromkeys(table["tested_on"]))
    shown = Table(
        title="Force error in %, 100 MAE/MAV, by held-out tier",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for heading in ("learner", "label set", "trained on", "frames"):
        shown.add_column(heading)
    for tier in tested:
        shown.add_column(str(tier), justify="right")
    for key, rows in table.groupby(["learner", "label_set", "trained_on"], sort=False):
        errors = dict(zip(rows["tested_on"], rows["percent_error"], strict=True))
        cells = [f"{errors[tier]:.1f}" for tier in tested]
        shown.add_row(*map(str, key), str(rows["n_train"].iloc[0]), *cells)
    reporter.console.print(shown)
