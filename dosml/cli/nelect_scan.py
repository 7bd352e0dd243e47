"""`dosml nelect-scan`: the number of electrons as the axis of a scan."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotation at run time
from typing import Annotated

import typer

from dosml.cli import scan_options as options
from dosml.electron_settings import ElectronScanSettings


def nelect_scan(
    target: options.Target = None,
    electrons: Annotated[
        options.Text,
        typer.Option(
            help="Electrons added per atom (one formula unit of a metal is one atom), negative: "
            "removed. A range with both ends (--electrons=-4:4), one with a step "
            "(--electrons=-4:4:2) or a list (--electrons=-2,-1,0,1). Default: -2,-1,-0.5,0."
        ),
    ] = None,
    as_element: Annotated[
        options.Text,
        typer.Option(
            "--as",
            help="Give the target the valence electrons of this metal: Au --as Os compares gold "
            "with gold that has osmium's 8 electrons (a shift of -3 per atom).",
        ),
    ] = None,
    with_campaign: Annotated[
        Path | None,
        typer.Option(
            "--with",
            help="With --as: a campaign folder of that metal; its own result joins the table.",
        ),
    ] = None,
    sigma: Annotated[
        options.Text, typer.Option(help="The one smearing width in eV. Default: 0.5.")
    ] = None,
    scheme: options.Scheme = None,
    engine: options.Engine = None,
    preset: options.Preset = None,
    kpoints: options.Kpoints = None,
    learner: options.Learner = None,
    sampler: options.Sampler = None,
    train: Annotated[options.Number, options.train_frames(18)] = None,
    test: Annotated[options.Number, options.test_frames(9)] = None,
    seed: options.Seed = None,
    workers: options.Workers = None,
    out: Annotated[Path | None, options.out_folder("nelect-scan")] = None,
    prototype: options.Prototype = None,
    cell: options.Cell = None,
    min_length: options.MinLength = None,
    cutoff: options.Cutoff = None,
    n_max: options.RadialFunctions = None,
    l_max: options.LargestL = None,
    inducing: options.Inducing = None,
    learner_preset: options.LearnerPreset = None,
    epochs: options.Epochs = None,
    device: options.Device = None,
    retry_failed: options.RetryFailed = None,
    config: options.Config = None,
    dry_run: options.DryRun = False,
) -> None:
    """Label the same frames with electrons added or removed, retrain a force field on each, report.

    A uniform background keeps the charged cells neutral. A number of electrons for which the
    engine fails on most frames is named and left out; the others stay. Run the same command again
    to continue a scan that was stopped.
    """
    given = locals()
    given["as"], given["with"] = given.pop("as_element"), given.pop("with_campaign")
    result = options.run_command(ElectronScanSettings, given)
    if result is None or result.swap is None:
        return
    from rich.console import Console

    from dosml.analysis.electron_swap import swap_terminal

    Console().print(swap_terminal(result.swap))
