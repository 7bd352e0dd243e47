"""`dosml smear-scan`: the main job."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotation at run time
from typing import Annotated, Any

import typer

from dosml.settings import load_settings

Text = str | None
Number = int | None


def smear_scan(
    target: Annotated[
        Text, typer.Argument(help="An element (Ti) or your own frames (frames.extxyz).")
    ] = None,
    sigma: Annotated[
        Text, typer.Option(help="Smearing widths in eV, a comma list. Default: 0.2,0.5,1.0,2.0.")
    ] = None,
    scheme: Annotated[Text, typer.Option(help="Smearing scheme. Default: fermi-dirac.")] = None,
    engine: Annotated[Text, typer.Option(help="What computes the labels. Default: xtb.")] = None,
    kpoints: Annotated[
        Text, typer.Option(help="k-point grid, such as 2,2,2. Default: 1,1,1.")
    ] = None,
    learner: Annotated[Text, typer.Option(help="Force field to train. Default: sgp.")] = None,
    sampler: Annotated[
        Text,
        typer.Option(
            help="Potential that drives the sampling: classical (seconds) or engine (the "
            "labelling engine itself, slow). Default: classical."
        ),
    ] = None,
    train: Annotated[
        Number, typer.Option(help="Training frames, spread over the tiers. Default: 27.")
    ] = None,
    test: Annotated[
        Number, typer.Option(help="Held-out frames, spread over the tiers. Default: 12.")
    ] = None,
    seed: Annotated[
        Number, typer.Option(help="Seed of vacancy, velocities and split. Default: 0.")
    ] = None,
    workers: Annotated[
        Number, typer.Option(help="Labelling processes, one thread each. Default: all cores.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Campaign folder. Default: dosml-smear-scan-TARGET."),
    ] = None,
    prototype: Annotated[
        Text, typer.Option(help="Crystal other than the ground state, such as omega for Ti.")
    ] = None,
    min_length: Annotated[
        float | None,
        typer.Option(help="Shortest supercell vector in Å. Default: 7.0."),
    ] = None,
    cutoff: Annotated[float | None, typer.Option(help="Cutoff of the force field in Å.")] = None,
    n_max: Annotated[Number, typer.Option(help="Radial functions of the descriptor.")] = None,
    l_max: Annotated[Number, typer.Option(help="Largest l of the descriptor.")] = None,
    inducing: Annotated[Number, typer.Option(help="Inducing environments.")] = None,
    device: Annotated[Text, typer.Option(help="Where to train: cpu or cuda. Default: cpu.")] = None,
    retry_failed: Annotated[
        bool | None, typer.Option("--retry-failed", help="Try failed labels again.")
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(help="TOML file with any of these options; the command line wins."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the plan with counts and an estimate.")
    ] = False,
) -> None:
    """Label the same frames at several smearings, retrain a force field on each, and report.

    Run the same command again to continue a study that was stopped: only what is missing is done.
    """
    options: dict[str, Any] = dict(locals())
    for own in ("config", "dry_run"):
        options.pop(own)
    settings = load_settings(options, config)
    # heavy imports only now: errors in options and --help come at once
    from dosml.progress import Reporter
    from dosml.scan import make_plan, run_scan

    reporter = Reporter()
    if dry_run:
        for line in make_plan(settings):
            reporter.console.print(line, highlight=False, soft_wrap=True)
        return
    result = run_scan(settings, reporter)
    from dosml.analysis.terminal import terminal_table

    reporter.console.print(terminal_table(result.table))
    reporter.console.print(f"report: {result.report}", highlight=False, soft_wrap=True)
