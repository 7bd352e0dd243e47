"""`dosml learning-curve`: force error against the number of training frames."""

from __future__ import annotations

from typing import Annotated, Unpack

import typer

from dosml.cli import study_options as options
from dosml.cli.quantities import Numbers, numbers
from dosml.cli.shared_options import make_reporter, spelled_out


@spelled_out(options.study_words("learning-curve"))
def learning_curve(
    targets: options.Targets = None,
    *,
    l_max: Annotated[
        Numbers,
        numbers(
            "Largest l of the descriptor, a comma list: a curve for each. Default: {sgp_l_max}."
        ),
    ] = None,
    sizes: Annotated[
        Numbers,
        numbers("Training frames, a comma list. Default: an eighth, a quarter, half, all."),
    ] = None,
    repeats: Annotated[
        options.Number, typer.Option(help="Draws of the subsets. Default: 1.")
    ] = None,
    **given: Unpack[options.StudyOptions],
) -> None:
    """Train learners on growing numbers of frames and fit error = a N^-b (TM23, Fig. 6).

    On the labels of a scan the last point is the scan's own model. Run the same command again to
    continue a study that was stopped: only what is missing is trained.

    Example: dosml learning-curve labels.extxyz --sizes 10,20,40 --repeats 3
    """
    own = {"targets": targets, "l_max": l_max, "sizes": sizes, "repeats": repeats}
    # heavy imports only now: --help comes at once
    from dosml.studies.open_study import CurveSettings

    settings = options.read_options(CurveSettings, own, given)
    from dosml.analysis.statistics.curve_floor import floor_words
    from dosml.studies.learning_curve import learning_curve as run

    reporter = make_reporter()
    result = run(settings, reporter)
    for _, fit in result.fits.iterrows():
        between = f"95 %: {fit['exponent_low']:.2f} to {fit['exponent_high']:.2f}"
        if fit["n_sizes"] == 2 and fit["n_seeds"] == 1:  # a line through two points
            between = "two sizes give no interval"
        reporter.say(
            f"{fit['learner']}, l_max {fit['l_max']}, {fit['label_set']}: force error = "
            f"{fit['amplitude']:.1f} % N^{-fit['exponent']:.2f} ({between}){floor_words(dict(fit))}"
        )
    for path in result.files:
        reporter.show(f"wrote {path}")
