"""`dosml smear-scan`: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Unpack

from dosml.cli import scan_options as options
from dosml.cli.quantities import Numbers, numbers
from dosml.cli.shared_options import spelled_out
from dosml.cli.survey import run_targets
from dosml.studies.scan_settings import SmearScanSettings


@spelled_out(options.scan_words(SmearScanSettings))
def smear_scan(
    target: options.Target = None,
    sigma: Annotated[
        Numbers,
        numbers("Smearing widths in eV, a comma list. Default: 0.2,0.5,1.0,2.0."),
    ] = None,
    **given: Unpack[options.ScanOptions],
) -> None:
    """Label the same frames at several smearings, retrain a force field on each, and report.

    With --labels and no target, every metal of the labels is taken.

    Run the same command again to continue a scan that was stopped: only what is missing is done.

    Example: dosml smear-scan Ti --sigma 0.2,2.0 --dry-run
    """
    labels = given["labels"]
    if labels is not None and target is None and not given["config"]:
        from dosml.studies.labels import subjects_of

        subjects = subjects_of(labels, given["scheme"])
        if len(subjects) > 1:
            folder = given["out"] or Path(f"dosml-{Path(labels).resolve().name}")
            run_targets(subjects, {"sigma": sigma}, given, small=False, folder=folder)
            return
        target = subjects[0]
    options.run_command(SmearScanSettings, {"target": target, "sigma": sigma}, given)
