"""`dosml smear-scan`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Unpack

import typer

from dosml.cli import scan_options as options
from dosml.cli.shared_options import spelled_out
from dosml.settings import SmearScanSettings


@spelled_out(options.scan_words(SmearScanSettings))
def smear_scan(
    target: options.Target = None,
    sigma: Annotated[
        options.Text,
        typer.Option(help="Smearing widths in eV, a comma list. Default: 0.2,0.5,1.0,2.0."),
    ] = None,
    **given: Unpack[options.ScanOptions],
) -> None:
    """Label the same frames at several smearings, retrain a force field on each, and report.

    With --dataset and no target, every metal of the dataset is taken.

    Run the same command again to continue a study that was stopped: only what is missing is done.
    """
    if given["dataset"] is not None and target is None and given["config"] is None:
        from dosml.cli.study import run_targets
        from dosml.relabel.dataset import reference_metals

        folder = given["out"] or Path(f"dosml-{given['dataset']}")
        run_targets(reference_metals(), {"sigma": sigma}, given, small=False, folder=folder)
        return
    options.run_command(SmearScanSettings, {"target": target, "sigma": sigma}, given)
