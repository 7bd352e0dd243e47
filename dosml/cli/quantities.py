"""Options that one command takes as a number and another as several: one type for both."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from dosml.errors import InputError
from dosml.version import docs_page

#: What the help shows as the type of such an option.
NUMBERS = "<numbers>"
#: One number, or several with commas between where a command takes several.
Numbers = str | None
#: What a cluster needs, and any of a command's options: one or several files.
Config = list[Path] | None


def numbers(words: str) -> Any:
    """Make the option of one or several numbers, with these words in the help."""
    return typer.Option(help=words, metavar=NUMBERS)


#: One angular resolution; studies of several have their own words.
LMax = Annotated[Numbers, numbers("Largest l of the descriptor. Default: {sgp_l_max}.")]
#: One width; `dosml.cli` commands that scan widths have their own words.
EngineSigma = Annotated[
    Numbers,
    numbers(
        "Smearing width of the engine in eV. Default: what the model's file name says, else 0.2."
    ),
]
#: Where VASP or an engine is started.
ClusterConfig = Annotated[
    Config,
    typer.Option(
        help=f"TOML file: what starts the jobs, and where (see {docs_page('cluster')}); give it "
        "again for more files."
    ),
]


def one_number(option: str, text: Numbers) -> float | None:
    """Read the option of a command that takes one number; None where it is not given.

    Raises
    ------
    InputError
        If it is no number, or a list.
    """
    if text is None:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{option} {text!r} cannot be used: this command takes one number")
    return number


def one_integer(option: str, text: str) -> int:
    """Read the option of a command that takes one whole number.

    Raises
    ------
    InputError
        If it is none, or a list.
    """
    try:
        return int(text)
    except ValueError:
        raise InputError(
            f"{option} {text!r} cannot be used: this command takes one whole number"
        ) from None
