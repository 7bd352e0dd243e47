"""`dosml grid`: which options of a learner."""

from __future__ import annotations

from typing import Annotated, Any, Unpack

import typer

from dosml.cli import study_options as options
from dosml.cli.quantities import Numbers, numbers
from dosml.cli.shared_options import make_reporter, named_options, spelled_out
from dosml.errors import InputError


@spelled_out({**options.study_words("grid"), "tried": "of sgp, values about its own"})
def grid(
    targets: options.Targets = None,
    *,
    cutoff: Annotated[Numbers, numbers("Cutoffs in Å, a comma list. Default: {tried}.")] = None,
    n_max: Annotated[Numbers, numbers("Radial functions, a comma list. Default: {tried}.")] = None,
    l_max: Annotated[Numbers, numbers("Largest l, a comma list. Default: {tried}.")] = None,
    zeta: Annotated[
        Numbers, numbers("Powers of the kernel, a comma list. Default: {tried}.")
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            help="Any option of the learner with its values, NAME=VALUE,VALUE; give it again for "
            "more."
        ),
    ] = None,
    **given: Unpack[options.GridOptions],
) -> None:
    """Compare options of a learner by force error on a part of the training frames.

    The sgp is compared by likelihood too, and has values to try where none are given. Only the
    best point meets the held-out frames. Run the same command again to continue one that was
    stopped.

    Example: dosml grid labels.extxyz --cutoff 4.0,5.0 --n-max 4,8
    """
    axes = {"cutoff": cutoff, "n_max": n_max, "l_max": l_max, "zeta": zeta}
    texts = [f"{name}={value}" for name, value in axes.items() if value is not None]
    from dosml.studies.open_study import GridSettings

    own: dict[str, object] = {"targets": targets}
    if texts or vary:
        own["vary"] = read_values([*texts, *(vary or ())])
    settings = options.read_options(GridSettings, own, given)
    from dosml.cli.tables import training_table
    from dosml.studies.grid import grid as run

    reporter = make_reporter()
    result = run(settings, reporter)
    front = list(result.table.columns)
    varied = front[1 : front.index("n_train")]
    reporter.show(training_table(result.table, varied))
    for path in result.files:
        reporter.show(f"wrote {path}")


def read_values(texts: list[str]) -> dict[str, tuple[Any, ...]]:
    """Read NAME=VALUE,VALUE,...

    Raises
    ------
    InputError
        If a text has another form, or a value is given twice.
    """
    found: dict[str, tuple[Any, ...]] = {}
    for text in texts:
        name, _, values = text.partition("=")
        words = values.split(",")
        if not all(word.strip() for word in words):
            raise InputError(f"--vary {text!r}: write NAME=VALUE,VALUE,... with no value left out")
        read = tuple(named_options("--vary", [f"{name}={word}"]) for word in words)
        found[next(iter(read[0]))] = tuple(next(iter(one.values())) for one in read)
    return found
