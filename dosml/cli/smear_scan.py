"""`dosml smear-scan`: the main job."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotation at run time
from typing import Annotated

import typer

from dosml.cli import scan_options as options
from dosml.settings import SmearScanSettings


def smear_scan(
    target: options.Target = None,
    sigma: Annotated[
        options.Text,
        typer.Option(help="Smearing widths in eV, a comma list. Default: 0.2,0.5,1.0,2.0."),
    ] = None,
    scheme: options.Scheme = None,
    engine: options.Engine = None,
    preset: options.Preset = None,
    kpoints: options.Kpoints = None,
    learner: options.Learner = None,
    sampler: options.Sampler = None,
    train: Annotated[options.Number, options.train_frames(27)] = None,
    test: Annotated[options.Number, options.test_frames(12)] = None,
    seed: options.Seed = None,
    workers: options.Workers = None,
    out: Annotated[Path | None, options.out_folder("smear-scan")] = None,
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
    """Label the same frames at several smearings, retrain a force field on each, and report.

    Run the same command again to continue a study that was stopped: only what is missing is done.
    """
    options.run_command(SmearScanSettings, locals())
