"""Command line: `python -m dosml.relabel.engines.tb.fit data METAL... --out FOLDER`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    data = commands.add_parser("data", help="compute PBE data with GPAW")
    data.add_argument("metals", nargs="+")
    data.add_argument("--out", type=Path, required=True, help="keeps finished cells")
    given = parser.parse_args()
    if given.command == "data":
        from dosml.relabel.engines.tb.fit.reference_data import make_data

        for metal in given.metals:
            make_data(metal, given.out, say)


if __name__ == "__main__":
    main()
