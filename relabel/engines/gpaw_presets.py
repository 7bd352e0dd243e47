"""GPAW's words: presets (what a calculation costs, how far it is converged) and smearings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Protocol

import numpy as np
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from dosml.errors import EngineError, InputError
from dosml.relabel.engines.base import KpointGrid  # noqa: TC001 - pydantic reads it
from dosml.theory.smearing import parse_scheme

if TYPE_CHECKING:
    from ase import Atoms

    from dosml.theory.setting import ElectronicSetting


@dataclass(frozen=True)
class GpawPreset:
    """Numerical settings.

    Attributes
    ----------
    energy_cutoff
        Of the plane waves, eV.
    kpoint_spacing
        Largest distance between neighbouring k-points, 1/Å (2 pi included, as VASP's KSPACING).
    """

    energy_cutoff: float
    kpoint_spacing: float

    def kpoints(self, frame: Atoms) -> tuple[int, int, int]:
        """Smallest grid around Gamma with at most this spacing."""
        lengths = 2 * math.pi * np.linalg.norm(np.asarray(frame.cell.reciprocal()), axis=1)
        grid = [max(1, math.ceil(length / self.kpoint_spacing - 1e-9)) for length in lengths]
        return grid[0], grid[1], grid[2]


#: `laptop` has the coarsest grid at which the labels of small cells are of use: 3 x 3 x 3 for 8
#: atoms (docs/engines.md has the measurement). `paper` is the published plane-wave cutoff.
PRESETS = {
    "laptop": GpawPreset(energy_cutoff=300.0, kpoint_spacing=0.51),
    "paper": GpawPreset(energy_cutoff=520.0, kpoint_spacing=0.22),
}


def preset_of(name: str) -> GpawPreset:
    """Preset by name.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    if name not in PRESETS:
        raise InputError(f"no GPAW preset {name!r}: choose one of {', '.join(PRESETS)}")
    return PRESETS[name]


def _known(name: str) -> str:
    if name not in PRESETS:
        raise ValueError(f"choose one of {', '.join(PRESETS)}")
    return name


class GpawNumerics(Protocol):
    """What a calculation takes from the engine."""

    @property
    def numbers(self) -> GpawPreset:
        """Numerical settings."""

    @property
    def kpoints(self) -> tuple[int, int, int] | None:
        """Grid for all frames; None: by the preset's spacing."""


class GpawOptions(BaseModel):
    """Options of the engine gpaw."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    preset: Annotated[str, AfterValidator(_known)] = Field(
        default="laptop",
        description="; ".join(
            f"{name}: plane waves to {one.energy_cutoff:g} eV, k-points at most "
            f"{one.kpoint_spacing:g} 1/Å apart"
            for name, one in PRESETS.items()
        ),
    )
    kpoints: KpointGrid | None = Field(
        default=None,
        description="grid around Gamma for all frames, such as 2,2,2; None: by the preset",
    )


def occupations(setting: ElectronicSetting) -> dict[str, str | float | int]:
    """GPAW's words for a smearing.

    Raises
    ------
    EngineError
        If GPAW does not have the scheme.
    """
    family, order = parse_scheme(setting.smearing.scheme)
    width = setting.smearing.width
    if family == "methfessel-paxton":
        return {"name": "methfessel-paxton", "order": order, "width": width}
    if family == "gaussian":
        return {"name": "methfessel-paxton", "order": 0, "width": width}
    names = {"fermi-dirac": "fermi-dirac", "cold": "marzari-vanderbilt"}
    if family not in names:
        raise EngineError(
            f"the engine gpaw cannot smear with {setting.smearing.scheme}: use --scheme "
            "methfessel-paxton-1, gaussian, cold or fermi-dirac, or VASP (dosml relabel)"
        )
    return {"name": names[family], "width": width}
