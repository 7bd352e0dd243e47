"""`dosml electron-series`: the levels of a metal's frames filled with 3 to 11 electrons."""

from __future__ import annotations

from typing import Annotated, Unpack

import typer

from dosml.cli import scan_options as options
from dosml.cli.quantities import Numbers, numbers
from dosml.cli.shared_options import Text, spelled_out
from dosml.studies.scan_settings import ElectronSeriesSettings


@spelled_out(
    options.scan_words(ElectronSeriesSettings), without=["labels", "dos_engine", "sampler"]
)
def electron_series(
    target: Annotated[Text, typer.Argument(help="An element (Ti).")] = None,
    fill: Annotated[
        Numbers,
        numbers("Electrons per atom (d and s), a comma list. Default: 3,4,5,6,7,8,9,10,11."),
    ] = None,
    sigma: Annotated[Numbers, numbers("The one smearing width in eV. Default: 0.3.")] = None,
    **given: Unpack[options.ScanOptions],
) -> None:
    """Fill the levels of the same frames with other electron numbers: complexity, not geometry.

    A force field is trained at each; the figure shows MAE, % error and MAV against the number of
    electrons beside chi_4 of the d band. With the engine tb one diagonalisation of a frame serves
    all of them. Run the same command again to continue one that was stopped.
    """
    own = {"target": target, "fill": fill, "sigma": sigma}
    options.run_command(ElectronSeriesSettings, own, given)
