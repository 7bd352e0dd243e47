"""`dosml smear-scan`: the main job."""

from __future__ import annotations

from pathlib import Path
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
    dataset: options.Dataset = None,
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

    With --dataset and no target, every metal of the dataset is taken.

    Run the same command again to continue a study that was stopped: only what is missing is done.
    """
    given = dict(locals())
    if dataset is not None and target is None and config is None:
        from dosml.cli.study import run_targets
        from dosml.relabel.engines.dataset import dataset_metals

        for own in ("target", "out", "config", "dry_run"):
            given.pop(own)
        folder = out or Path(f"dosml-{dataset}")
        run_targets(dataset_metals(), given, None, small=False, out=folder, dry_run=dry_run)
        return
    options.run_command(SmearScanSettings, given)
