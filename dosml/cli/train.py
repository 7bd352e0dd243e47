"""`dosml train`: force fields on labels that are there."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotation at run time
from typing import Annotated, Any

import typer

Text = str | None
Number = int | None


def train(
    targets: Annotated[
        list[Path] | None,
        typer.Argument(
            help="Label sets (extxyz with REF_energy, REF_forces and, if there, REF_stress), or "
            "the folder of a finished scan. Several label sets must hold the same frames.",
            show_default=False,
        ),
    ] = None,
    *,
    test_file: Annotated[
        Path | None, typer.Option(help="Label set whose frames are held out.")
    ] = None,
    hold_out: Annotated[
        float | None,
        typer.Option(
            help="Share of the frames to hold out. Default: the split that the file marks, else "
            "0.2."
        ),
    ] = None,
    no_stress: Annotated[
        bool, typer.Option("--no-stress", help="Leave REF_stress of the file out.")
    ] = False,
    cutoff: Annotated[
        Text, typer.Option(help="Cutoff in Å. Default: from the volume per atom.")
    ] = None,
    n_max: Annotated[
        Text, typer.Option(help="Radial functions of the descriptor. Default: 8.")
    ] = None,
    l_max: Annotated[Text, typer.Option(help="Largest l of the descriptor. Default: 3.")] = None,
    zeta: Annotated[Text, typer.Option(help="Power of the kernel. Default: 2.")] = None,
    descriptor: Annotated[Text, typer.Option(help="B1, B2 or B1+B2. Default: B2.")] = None,
    inducing: Annotated[
        Number, typer.Option(help="Inducing environments at most. Default: 1000.")
    ] = None,
    max_iterations: Annotated[
        Number, typer.Option(help="Steps of the hyperparameters at most. Default: 60.")
    ] = None,
    grid: Annotated[
        bool,
        typer.Option(
            "--grid",
            help="Compare cutoffs, n_max, l_max and zeta (comma lists); train the best by "
            "likelihood and by force error.",
        ),
    ] = False,
    sizes: Annotated[
        Text, typer.Option(help="Learning curve: numbers of training frames, a comma list.")
    ] = None,
    repeats: Annotated[
        Number, typer.Option(help="Draws of the subsets of a learning curve. Default: 1.")
    ] = None,
    seed: Annotated[Number, typer.Option(help="Seed of every draw. Default: 0.")] = None,
    workers: Annotated[
        Number,
        typer.Option(help="Processes of --grid and --sizes, one thread each. Default: all cores."),
    ] = None,
    device: Annotated[Text, typer.Option(help="Where to train: cpu or cuda. Default: cpu.")] = None,
    dtype: Annotated[
        Text, typer.Option(help="float64, or float32 for force and stress rows.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder for everything. Default: dosml-train-NAME.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="TOML file with any of these options; the command line wins."),
    ] = None,
) -> None:
    """Train the sparse Gaussian process on label sets, and test it on held-out frames.

    Run the same command again to continue a grid or a learning curve that was stopped: only what
    is missing is trained.
    """
    options: dict[str, Any] = dict(locals())
    for own in ("config", "no_stress"):
        options.pop(own)
    options["stress"] = False if no_stress else None
    options["grid"] = grid or None
    # heavy imports only now: errors in options and --help come at once
    from dosml.studies.train_settings import load_train_settings

    settings = load_train_settings(options, config)
    from dosml.progress import Reporter
    from dosml.studies.train_run import train as run_training

    reporter = Reporter()
    outcome = run_training(settings, reporter)
    from dosml.studies.train_table import training_table

    reporter.console.print(training_table(outcome.table))
    for path in outcome.files:
        reporter.console.print(f"wrote {path}", highlight=False, soft_wrap=True)
