"""`dosml map`: smearing times number of electrons on a grid."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotation at run time
from typing import Annotated

import typer

from dosml.cli import scan_options as options
from dosml.electron_settings import MapSettings


def electron_map(
    target: options.Target = None,
    sigma: Annotated[
        options.Text,
        typer.Option(help="Smearing widths in eV, a comma list. Default: 0.5,1.0,2.0."),
    ] = None,
    electrons: Annotated[
        options.Text,
        typer.Option(
            help="Electrons added per atom, as in dosml nelect-scan: --electrons=-3:1 or a list. "
            "Default: -2,-1,0."
        ),
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
    out: Annotated[Path | None, options.out_folder("map")] = None,
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
    """Label and retrain at every smearing width times every number of electrons; draw the map.

    The force error is shown beside chi_4 and N(10 - N) of the d band. Run the same command again
    to continue a map that was stopped.
    """
    options.run_command(MapSettings, locals())
