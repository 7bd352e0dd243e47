"""Engines by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dosml.errors import EngineError, InputError
from dosml.relabel.engines.gpaw import GpawEngine
from dosml.relabel.engines.gpaw_presets import check_grid
from dosml.relabel.engines.tb.engine import TbEngine
from dosml.relabel.engines.tb.options import TbOptions
from dosml.relabel.engines.xtb import XtbEngine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dosml.relabel.engines.base import Engine

#: Names on the command line.
ENGINES = ("xtb", "gpaw", "tb")


def make_engine(
    name: str,
    *,
    preset: str | None = None,
    kpoints: Sequence[int] | None = None,
    parameters: Path | None = None,
) -> Engine:
    """Engine of that name.

    Parameters
    ----------
    preset
        One of `dosml.relabel.engines.gpaw_presets.PRESETS`, for gpaw only.
    kpoints
        Grid; None: the engine's own.
    parameters
        Parameter file, for tb only; None: those that ship with dosml.

    Raises
    ------
    InputError
        If there is no such engine or preset.
    EngineError
        If it cannot use those k-points.
    """
    if name == "xtb":
        if preset is not None:
            raise InputError(f"--preset {preset}: the engine xtb has no presets, gpaw has")
        if kpoints is not None and tuple(kpoints) != (1, 1, 1):
            raise EngineError(
                "the engine xtb has the Gamma point only: leave --kpoints out (and take a larger "
                "cell with --min-length), or use a plane-wave engine (VASP or GPAW)"
            )
        return XtbEngine()
    if name == "gpaw":
        grid = None if kpoints is None else check_grid(kpoints)
        return GpawEngine(preset or "laptop", grid)
    if name == "tb":
        grid = None if kpoints is None else check_grid(kpoints)
        return TbEngine(TbOptions(parameters=parameters, kpoints=grid))
    raise InputError(f"no engine {name!r}: choose one of {', '.join(ENGINES)}")
