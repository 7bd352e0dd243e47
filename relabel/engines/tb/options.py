"""Options of the engine tb, in the words of `--engine-option`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads the annotation
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from dosml.relabel.engines.base import KpointGrid  # noqa: TC001 - pydantic reads it


class TbOptions(BaseModel):
    """What a user may say about the engine tb."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    parameters: Path | None = Field(
        default=None,
        description="parameter file in dosml's format (.json) or in the NRL format; None: those "
        "that ship with dosml",
    )
    kpoints: KpointGrid | None = Field(
        default=None, description="grid around Gamma for all frames; None: by kpoint_spacing"
    )
    kpoint_spacing: Annotated[float, Field(gt=0)] | None = Field(
        default=None,
        description="largest distance between neighbouring k-points, 1/Å (2 pi included, as "
        "VASP's KSPACING); None: the engine's own",
    )
