"""Settings of the sparse Gaussian process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from dosml.config_file import checked_options
from dosml.errors import LearnerError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ase import Atoms

#: Name of the learner.
NAME = "sgp"
#: Default cutoff in units of the cube root of the volume per atom: between the second and the
#: third shell of fcc and hcp, beyond the second of bcc.
REACH = 1.9
#: Frames with more than so many times the median volume per atom do not decide the default cutoff.
ROOMY = 3.0

#: Largest l_max of the descriptor cace by nu: beyond, the products of moments fill the memory.
LARGEST_DEGREE = {1: 12, 2: 12, 3: 6, 4: 4, 5: 4}

#: Values that a grid tries where none are given; cutoffs as multiples of the default.
GRID_CUTOFFS = (0.85, 1.0, 1.2)
GRID_VALUES = {"n_max": (4, 6, 8), "l_max": (2, 4, 6), "zeta": (1, 2)}


class SgpSettings(BaseModel):
    """Everything that decides a sparse Gaussian process besides its data.

    The descriptor follows the names of the ACE expansion: `n_max` counts radial functions,
    `l_max` is the largest angular momentum, `cutoff` is in Å, and `zeta` is the power of the
    normalised dot-product kernel.

    The defaults were chosen on 60 and 100 training frames of five metals labelled with DFT: see
    docs/sgp.md.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    descriptor: Literal["B1", "B2", "B1+B2", "cace"] = Field(
        default="B2",
        description="ACE basis: densities, their products, or both; cace: products of nu Cartesian "
        "moments",
    )
    nu: int = Field(
        default=3,
        ge=1,
        le=5,
        description="largest number of moments in a product of cace: nu + 1 bodies; no effect "
        "elsewhere",
    )
    cutoff: float | None = Field(
        default=None,
        gt=0,
        description="Å; None: 1.9 times the cube root of the training frames' volume per atom",
    )
    n_max: int = Field(default=6, ge=1, le=24, description="radial functions")
    l_max: int = Field(default=6, ge=0, le=12, description="largest angular momentum")
    degree_decay: float = Field(
        default=0.6,
        gt=0,
        le=2,
        description="degree l of B2 is weighted with this to the power l; 1 as FLARE",
    )
    zeta: int = Field(default=2, ge=1, le=8, description="power of the kernel")
    pair_n_max: int = Field(
        default=16, ge=1, le=24, description="radial functions of B1 in B1+B2; no effect elsewhere"
    )
    pair_weight: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="share of B1 in the scalar product of B1+B2; no effect elsewhere",
    )
    n_inducing: int = Field(
        default=1000, ge=1, description="largest number of inducing environments"
    )
    selection_tolerance: float = Field(
        default=1e-12,
        ge=0,
        lt=1,
        description="no environment is added whose predictive variance (signal 1) is below this",
    )
    max_candidates: int = Field(
        default=20000,
        ge=1,
        description="inducing environments are chosen among at most so many, drawn with the seed",
    )
    jitter: float = Field(
        default=1e-12,
        gt=0,
        le=1e-3,
        description="added to the diagonal of K_uu at signal 1; where K_uu is singular to "
        "rounding, the first of 10, 100, ... times this that suffices (see the model's facts)",
    )
    max_iterations: int = Field(
        default=60, ge=0, description="L-BFGS-B steps; 0 keeps the starting hyperparameters"
    )
    signal: float | None = Field(default=None, gt=0, description="start, eV; None: from the data")
    energy_noise: float | None = Field(default=None, gt=0, description="start, eV per frame")
    force_noise: float | None = Field(default=None, gt=0, description="start, eV/Å")
    stress_noise: float | None = Field(default=None, gt=0, description="start, eV/Å^3")
    device: str = Field(default="cpu", description="a torch device: cpu, cuda, cuda:1")
    dtype: Literal["float64", "float32"] = Field(
        default="float64",
        description="of force and stress kernel rows; all else is in float64",
    )
    seed: int = Field(default=0, description="of the draw among too many candidates")

    @model_validator(mode="after")
    def _check_degree(self) -> SgpSettings:
        largest = LARGEST_DEGREE[self.nu]
        if self.descriptor == "cace" and self.l_max > largest:
            raise ValueError(
                f"the descriptor cace with nu {self.nu} reaches to l_max {largest}, got "
                f"{self.l_max}: give a lower l_max or nu"
            )
        return self


def sgp_settings(options: Mapping[str, Any]) -> SgpSettings:
    """Check options and turn them into settings.

    Raises
    ------
    InputError
        If an option is unknown or out of range: the message names it.
    """
    return checked_options(SgpSettings, "the learner sgp", options)


def with_cutoff(settings: SgpSettings, frames: Sequence[Atoms]) -> SgpSettings:
    """Put the default cutoff into settings that leave it open.

    Parameters
    ----------
    settings
        Given settings; returned as they are where they have a cutoff.
    frames
        Training frames; those of one atom without a cell, and those with much more room than
        most, have no say.

    Raises
    ------
    LearnerError
        If the cutoff is open and a frame has no volume.
    """
    if settings.cutoff is not None:
        return settings
    frames = [frame for frame in frames if len(frame) > 1 or all(frame.pbc)] or frames
    if not all(all(frame.pbc) and frame.cell.volume for frame in frames):
        raise LearnerError(
            "the default cutoff needs frames that are periodic in all directions: "
            "give a cutoff in Å for others"
        )
    volumes = np.array([abs(frame.cell.volume) for frame in frames])
    atoms = np.array([len(frame) for frame in frames])
    # an atom alone in a large box says nothing of the distances in the metal
    usual = volumes / atoms <= ROOMY * np.median(volumes / atoms)
    volume = float(volumes[usual].sum() / atoms[usual].sum())
    return settings.model_copy(update={"cutoff": round(REACH * volume ** (1 / 3), 2)})
