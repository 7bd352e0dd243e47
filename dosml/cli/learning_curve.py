"""`dosml learning-curve`: force error against the number of training frames."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotation at run time
from typing import Annotated, Any

import typer

from dosml.cli import study_options as options  # noqa: TC001 - typer reads it at run time


def learning_curve(
    target: options.Target = None,
    *,
    learner: options.Learner = None,
    l_max: Annotated[
        options.Text, typer.Option(help="Largest l, a comma list: a curve for each.")
    ] = None,
    sizes: Annotated[
        options.Text,
        typer.Option(help="Training frames, a comma list. Default: a quarter, half, all."),
    ] = None,
    repeats: Annotated[
        options.Number, typer.Option(help="Draws of the subsets. Default: 1.")
    ] = None,
    label_sets: options.LabelSets = None,
    cutoff: options.Cutoff = None,
    n_max: options.RadialFunctions = None,
    learner_preset: options.LearnerPreset = None,
    epochs: options.Epochs = None,
    device: options.Device = None,
    seed: options.Seed = None,
    workers: options.Workers = None,
    no_stress: options.NoStress = False,
    out: Annotated[
        Path | None, typer.Option(help="Folder. Default: dosml-learning-curve-TARGET.")
    ] = None,
    config: options.Config = None,
) -> None:
    """Train learners on growing numbers of frames and fit error = a N^-b (TM23, Fig. 6).

    Run the same command again to continue a study that was stopped: only what is missing is
    trained.
    """
    given: dict[str, Any] = dict(locals())
    given.pop("config"), given.pop("no_stress")
    given["stress"] = False if no_stress else None
    # heavy imports only now: --help comes at once
    from dosml.learners.study_settings import CurveSettings, load_study_settings

    settings = load_study_settings(CurveSettings, given, config)
    from dosml.learners.curve_study import learning_curve as run
    from dosml.progress import Reporter

    reporter = Reporter()
    _, fits, files = run(settings, reporter)
    for _, fit in fits.iterrows():
        between = f"95 %: {fit['exponent_low']:.2f} to {fit['exponent_high']:.2f}"
        if fit["n_sizes"] == 2 and fit["n_seeds"] == 1:  # a line through two points
            between = "two sizes give no interval"
        reporter.say(
            f"{fit['learner']}, l_max {fit['l_max']}, {fit['label_set']}: force error = "
            f"{fit['amplitude']:.1f} % N^-{fit['exponent']:.2f} ({between})"
        )
    for path in files:
        reporter.console.print(f"wrote {path}", highlight=False, soft_wrap=True)
