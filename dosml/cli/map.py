"""`dosml map`: smearing times number of electrons on a grid."""

from __future__ import annotations

from typing import Annotated, Unpack

from dosml.cli import scan_options as options
from dosml.cli.quantities import Numbers, numbers
from dosml.cli.shared_options import spelled_out
from dosml.studies.scan_settings import MapSettings


@spelled_out(options.scan_words(MapSettings))
def electron_map(
    target: options.Target = None,
    sigma: Annotated[
        Numbers,
        numbers("Smearing widths in eV, a comma list. Default: 0.5,1.0,2.0."),
    ] = None,
    electrons: Annotated[
        Numbers,
        numbers(
            "Electrons added per atom, as in dosml nelect-scan: --electrons=-3:1 or a list. "
            "Default: -2,-1,0."
        ),
    ] = None,
    **given: Unpack[options.ScanOptions],
) -> None:
    """Label and retrain at every smearing width times every number of electrons; draw the map.

    The force error is shown beside chi_4 and N(10 - N) of the d band. Run the same command again
    to continue a map that was stopped.

    Example: dosml map Cu --sigma 0.5,1,2 --electrons=-1,0
    """
    own = {"target": target, "sigma": sigma, "electrons": electrons}
    options.run_command(MapSettings, own, given)
