"""dosml: why some metals are hard for machine-learned force fields.

The package has four rooms: `dosml` (command line, campaigns, learners), `dosml.relabel` (frames to
labels), `dosml.theory` (closed-form physics) and `dosml.analysis` (labels and models to findings).

>>> scan = dosml.smear_scan("Ti", sigma=(0.2, 1.0))  # doctest: +SKIP
>>> scan.table, scan.models["sigma_0.2"], scan.report  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dosml.surroundings import settle_home
from dosml.version import __version__

if TYPE_CHECKING:
    from dosml.api import (
        LammpsForceField,
        electron_map,
        grid,
        learning_curve,
        load,
        load_model,
        nelect_scan,
        smear_scan,
        start_lammps,
        survey,
        train,
    )

__all__ = [
    "LammpsForceField",
    "__version__",
    "electron_map",
    "grid",
    "learning_curve",
    "load",
    "load_model",
    "nelect_scan",
    "smear_scan",
    "start_lammps",
    "survey",
    "train",
]


# before any library that wants to know it
settle_home()


def __getattr__(name: str) -> object:
    """Give a function of `dosml.api`; its imports take a second that `dosml --help` has not."""
    if name in __all__:
        from dosml import api

        return getattr(api, name)
    raise AttributeError(f"module 'dosml' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Names for completion."""
    return __all__
