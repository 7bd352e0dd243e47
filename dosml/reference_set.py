"""Make the reference set: from the campaign of a scan to the files that ship.

    dosml smear-scan Ti --engine gpaw --preset laptop --train 40 --test 12 --out FOLDER
    python -m dosml.reference_set FOLDER...

The scan can be stopped and continued, and more frames extend what is there.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from dosml.errors import InputError
from dosml.relabel.dataset import load, save
from dosml.relabel.dataset.reference import FOLDER
from dosml.terminal import print_line

#: Grid of the DOS that ship (eV relative to E_F): half the broadening of their levels.
GRID = np.linspace(-12, 12, 481)
#: What the labels cannot show, beside what their engine says.
LIMITS = (
    (
        "The k-points of the reference set are not converged at the smaller smearings: part of the "
        "force error there, and of what smearing takes away, may be the grid's (`dosml data show "
        "reference` has their mesh noise)."
    ),
    (
        "Cells of the reference set have 8 atoms and do not melt: its hot tier is a superheated "
        "crystal, not a liquid."
    ),
)


def ship(source: Path, target: Path = FOLDER) -> Path:
    """Write the labels of one metal as they ship: DOS thinned, everything compressed.

    Parameters
    ----------
    source
        What `dosml.relabel.dataset.load` reads.
    target
        Folder of the set.

    Returns
    -------
    Path
        Folder of the metal.

    Raises
    ------
    InputError
        If there are several elements, no DOS, or no split.
    """
    data = load(source)
    if len(data.elements) > 1 or not data.roles or any(one.dos is None for one in data.label_sets):
        raise InputError(f"{source}: the set takes labels of one metal, with DOS and with a split")
    thinned = tuple(one.on_grid(GRID) for one in data.label_sets)
    provenance = replace(data.provenance, limits=(*data.provenance.limits, *LIMITS), source="")
    return save(
        replace(data, label_sets=thinned, provenance=provenance),
        target / data.elements[0],
        compact=True,
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs="+")
    for folder in parser.parse_args().folders:
        print_line(f"{folder}: written to {ship(folder)}")


if __name__ == "__main__":
    main()
