"""Command line of the fit: PBE data, parameters, and the table of what ships.

    python -m dosml.relabel.engines.tb.fit data METAL... --out FOLDER
    python -m dosml.relabel.engines.tb.fit METAL... [--start FILE] [--steps 10] [--state FOLDER]
    python -m dosml.relabel.engines.tb.fit card METAL...
    python -m dosml.relabel.engines.tb.fit table

The third computes the cards of metals that ship anew, the last one prints the tables of all of
them. The first two can be stopped at any time and continued with the same line.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dosml.relabel.engines.tb.model import TbParameters


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> None:
    """Read the command line."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["data"]:
        _data(given[1:])
    elif given[:1] == ["card"]:
        from dosml.relabel.engines.tb.fit.run import card_anew

        for metal in given[1:]:
            _report(card_anew(metal))
    elif given == ["table"]:
        from dosml.relabel.engines.tb.fit.table import dense_table, markdown_table

        say(f"{markdown_table()}\n\n{dense_table()}")
    else:
        _fit(given)


def _data(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="fit data", description=__doc__)
    parser.add_argument("metals", nargs="+")
    parser.add_argument("--out", type=Path, required=True, help="keeps finished cells")
    given = parser.parse_args(arguments)
    from dosml.relabel.engines.tb.fit.reference_data import make_data

    for metal in given.metals:
        make_data(metal, given.out, say)


def _fit(arguments: list[str]) -> None:
    from dosml.relabel.engines.tb.fit.run import fit_metal
    from dosml.relabel.engines.tb.fit.start import find_start
    from dosml.relabel.engines.tb.model import SHIPPED

    parser = argparse.ArgumentParser(prog="fit", description=__doc__)
    parser.add_argument("metals", nargs="+")
    parser.add_argument("--start", help="parameter file, or a metal that ships")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--state", type=Path, help="folder that keeps unfinished fits")
    parser.add_argument("--out", type=Path, default=SHIPPED, help="folder of METAL.json")
    given = parser.parse_args(arguments)
    for metal in given.metals:
        start, name = find_start(metal, given.start)
        parameters = fit_metal(
            start,
            n_steps=given.steps,
            say=say,
            started_from=name,
            state_file=None if given.state is None else given.state / f"{metal}.json",
            target=given.out,
        )
        _report(parameters)


def _report(parameters: TbParameters) -> None:
    """Say in a line how good parameters are, and which bars they miss."""
    errors = parameters.card["forces"]
    say(
        f"{parameters.symbol}: "
        + ", ".join(
            f"{width} r {one['all']['r']:.3f} error {100 * one['all']['relative']:.0f} %"
            for width, one in errors.items()
        )
    )
    for warning in parameters.warnings:
        say(f"{parameters.symbol}: {warning}")


if __name__ == "__main__":
    main()
