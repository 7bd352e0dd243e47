"""`dosml label-more`: label the frames that a force field knows least."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations at run time
from typing import Annotated, Unpack

import typer

from dosml.cli import study_options as options
from dosml.cli.quantities import LMax  # noqa: TC001 - typer reads the annotations at run time
from dosml.cli.shared_options import make_reporter, named_options, spelled_out


@spelled_out(options.study_words("label-more"))
def label_more(
    targets: options.Targets = None,
    *,
    add: Annotated[options.Number, typer.Option(help="Frames to label. Default: 12.")] = None,
    batch: Annotated[
        options.Number,
        typer.Option(help="Frames of each round, after which it trains again. Default: a third."),
    ] = None,
    pool: Annotated[
        options.Number, typer.Option(help="Candidates to choose from. Default: 15 a frame.")
    ] = None,
    pool_file: Annotated[
        Path | None,
        typer.Option(help="File of frames that are candidates too, such as a search's."),
    ] = None,
    pool_test: Annotated[
        options.Number,
        typer.Option(
            help="Random candidates that are labelled and held out, beside the folder's own "
            "held-out frames. Default: 8."
        ),
    ] = None,
    random: Annotated[
        options.Number,
        typer.Option(
            help="Draws of as many random frames of the pool to stand beside them; each costs as "
            "many labels. Default: 1."
        ),
    ] = None,
    engine: Annotated[
        options.Text, typer.Option(help="Engine. Default: the one that made the labels.")
    ] = None,
    engine_option: Annotated[
        list[str] | None, typer.Option(help="Option of the engine, NAME=VALUE.")
    ] = None,
    l_max: LMax = None,
    **given: Unpack[options.StudyOptions],
) -> None:
    """Choose the frames that the sgp knows least, label them, train again, until nothing is gained.

    Candidates are dynamics with the trained force field, rattled and strained frames: they cost no
    labels. The chosen ones are labelled at every setting of the folder by its own engine. Run the
    same command again to continue one that was stopped.

    Example: dosml label-more dosml-smear-scan-Ti --add 12
    """
    from dosml.studies.more_settings import MoreSettings

    own = {
        "targets": targets,
        "add": add,
        "batch": batch,
        "pool": pool,
        "pool_file": pool_file,
        "pool_test": pool_test,
        "random": random,
        "engine": engine,
        "engine_options": named_options("--engine-option", engine_option) or None,
        "l_max": l_max,
    }
    settings = options.read_options(MoreSettings, own, given)
    from dosml.cli.tables import cells_table
    from dosml.studies.label_more import label_more as run

    reporter = make_reporter()
    result = run(settings, reporter)
    columns = {
        "curve": "frames",
        "held_out": "held out",
        "label_set": "label set",
        "n_train": "training\nframes",
        "force_percent_error": "force error\n%",
        "force_percent_error_low": "low\n%",
        "force_percent_error_high": "high\n%",
    }
    reporter.show(cells_table("Hard frames against random ones", result.table, columns))
    reporter.say(result.sentence)
    reporter.say(f"report: {result.report}")
