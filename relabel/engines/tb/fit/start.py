"""Where a fit begins: a parameter file, or the fitted parameters of another metal."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dosml.relabel.elements import element
from dosml.relabel.engines.tb.model import TbParameters, load_parameters, shipped_metals
from dosml.relabel.engines.tb.nrl import read_nrl
from dosml.relabel.structures import unit_cell

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: A power of R in each column of a table of integrals, and its decay.
_POWERS = np.arange(4)


def find_start(symbol: str, given: str | None) -> tuple[TbParameters, str]:
    """Parameters to begin with and their name.

    Parameters
    ----------
    symbol
        The metal.
    given
        A file in the format of dosml or of the NRL, or the symbol of a metal that ships. None: the
        metal itself where it ships, else the one nearest in the periodic table.

    Raises
    ------
    EngineError
        If a file cannot be read or a metal does not ship.
    """
    if given is not None and Path(given).is_file():
        path = Path(given)
        if path.suffix == ".json":
            found = TbParameters.from_json(json.loads(path.read_text(encoding="utf-8")))
        else:
            found = read_nrl(path, symbol)
        name = path.name
    else:
        name = given or _nearest(symbol)
        found = load_parameters(name)
    if found.symbol != symbol:
        found = transferred(found, symbol)
    return found, name


def _nearest(symbol: str) -> str:
    """Metal that ships with the nearest atomic number in the same row, else in any."""
    number = element(symbol).atomic_number
    known = shipped_metals() or [symbol]
    return min(known, key=lambda one: abs(element(one).atomic_number - number))


def transferred(parameters: TbParameters, symbol: str) -> TbParameters:
    """Parameters of one metal as a start for another: all lengths are scaled.

    Lengths go as the cube root of the volume per atom; energies stay.
    """
    old, new = (unit_cell(one) for one in (parameters.symbol, symbol))
    scale = ((new.cell.volume / len(new)) / (old.cell.volume / len(old))) ** (1 / 3)

    def stretched(table: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.column_stack([table[:, :4] / scale**_POWERS, table[:, 4] / np.sqrt(scale)])

    inner, outer = parameters.short_range
    return replace(
        parameters,
        symbol=symbol,
        electrons=float(element(symbol).valence_electrons),
        cutoff_radius=parameters.cutoff_radius * scale,
        cutoff_width=parameters.cutoff_width * scale,
        decay=parameters.decay / float(np.sqrt(scale)),
        hopping=stretched(parameters.hopping),
        overlap=stretched(parameters.overlap),
        short_range=(inner * scale, outer * scale),
        level_zero=(),
        kpoint_spacing=None,
        warnings=(),
        provenance={},
        card={},
    )
