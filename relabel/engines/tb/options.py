"""Options of the engine tb, in the words of `--engine-option`."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - pydantic reads the annotation
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=1)]


class TbOptions(BaseModel):
    """What a user may say about the engine tb.

    Attributes
    ----------
    parameters
        Parameter file, in dosml's format (`.json`) or in the NRL format; None: the parameters that
        ship with dosml.
    kpoints
        Gamma-centred grid for all frames; None: by `kpoint_spacing`.
    kpoint_spacing
        Largest distance between neighbouring k-points, 1/Å (2 pi included, as VASP's KSPACING);
        None: the engine's own.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    parameters: Path | None = None
    kpoints: tuple[Count, Count, Count] | None = None
    kpoint_spacing: Annotated[float, Field(gt=0)] | None = None
