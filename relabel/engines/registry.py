"""Engines by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dosml.errors import EngineError, InputError
from dosml.relabel.engines.xtb import XtbEngine

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dosml.relabel.engines.base import Engine

#: Names on the command line.
ENGINES = ("xtb",)


def make_engine(name: str, *, kpoints: Sequence[int] = (1, 1, 1)) -> Engine:
    """Engine of that name.

    Raises
    ------
    InputError
        If there is no such engine.
    EngineError
        If it cannot use those k-points.
    """
    if name == "xtb":
        if tuple(kpoints) != (1, 1, 1):
            raise EngineError(
                "the engine xtb has the Gamma point only: leave --kpoints out (and take a larger "
                "cell with --min-length), or use a plane-wave engine (VASP or GPAW)"
            )
        return XtbEngine()
    raise InputError(f"no engine {name!r}: choose one of {', '.join(ENGINES)}")
