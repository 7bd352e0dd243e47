"""`dosml nelect-scan`: the number of electrons as the axis of a scan."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotation at run time
from typing import Annotated, Unpack

import typer

from dosml.cli import scan_options as options
from dosml.cli.quantities import Numbers, numbers
from dosml.cli.shared_options import Text, make_reporter, spelled_out
from dosml.studies.scan_settings import ElectronScanSettings


@spelled_out(options.scan_words(ElectronScanSettings))
def nelect_scan(
    target: options.Target = None,
    electrons: Annotated[
        Numbers,
        numbers(
            "Electrons added per atom (one formula unit of a metal is one atom), negative: "
            "removed. A range with both ends (--electrons=-4:4), one with a step "
            "(--electrons=-4:4:2) or a list (--electrons=-2,-1,0,1). Default: -2,-1,0,1."
        ),
    ] = None,
    as_element: Annotated[
        Text,
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
    sigma: Annotated[Numbers, numbers("The one smearing width in eV. Default: 0.5.")] = None,
    **given: Unpack[options.ScanOptions],
) -> None:
    """Label the same frames with electrons added or removed, retrain a force field on each, report.

    Charged cells have a uniform background, but for the engine tb, which has no charges. A number
    of electrons for which the engine fails on most frames is named and left out; the others stay.
    Run the same command again to continue a scan that was stopped.

    Example: dosml nelect-scan Os --electrons=-2:1
    """
    own = {
        "target": target,
        "electrons": electrons,
        "as": as_element,
        "with": with_campaign,
        "sigma": sigma,
    }
    result = options.run_command(ElectronScanSettings, own, given)
    if result is None or result.swap is None:
        return
    from dosml.analysis.report.terminal import swap_terminal

    make_reporter().show(swap_terminal(result.swap))
