"""Settings of `dosml train`: one model for command line, TOML file and Python."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from dosml.settings import FloatList, IntList, available_cores, join_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What a grid varies, by the names of the learner's settings.
AXES = ("cutoff", "n_max", "l_max", "zeta")
#: Values of the axes that a grid varies where none are given; cutoffs as multiples of the default.
GRID_CUTOFFS = (0.85, 1.0, 1.2)
GRID_VALUES = {"n_max": (4, 8, 12), "l_max": (2, 3, 4), "zeta": (1, 2)}


def _paths(value: object) -> object:
    return [value] if isinstance(value, (str, Path)) else value


class TrainSettings(BaseModel):
    """Everything that decides what `dosml train` does; see `dosml train --help`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    targets: Annotated[tuple[Path, ...], BeforeValidator(_paths), Field(min_length=1)]
    test_file: Path | None = None
    hold_out: float | None = Field(default=None, gt=0, lt=1)
    stress: bool = True
    descriptor: Literal["B1", "B2", "B1+B2"] | None = None
    cutoff: FloatList | None = None
    n_max: IntList | None = None
    l_max: IntList | None = None
    zeta: IntList | None = None
    inducing: int | None = Field(default=None, ge=1)
    max_iterations: int | None = Field(default=None, ge=0)
    device: str = "cpu"
    dtype: Literal["float64", "float32"] | None = None
    seed: int = Field(default=0, ge=0)
    grid: bool = False
    sizes: IntList | None = None
    repeats: int = Field(default=1, ge=1)
    workers: int = Field(default_factory=available_cores, ge=1)
    out: Path | None = None

    @model_validator(mode="after")
    def _check(self) -> TrainSettings:
        if self.grid and self.sizes is not None:
            raise ValueError("--grid and --sizes are two studies: give one of them")
        if self.repeats > 1 and self.sizes is None:
            raise ValueError("--repeats repeats a learning curve: give --sizes too")
        if self.test_file is not None and self.hold_out is not None:
            raise ValueError("--test-file and --hold-out both say what is held out: give one")
        for name in AXES:
            values = getattr(self, name)
            if values is None:
                continue
            option = "--" + name.replace("_", "-")
            if not values:
                raise ValueError(f"{option} is empty: give a number")
            if len(set(values)) < len(values):
                raise ValueError(f"{option} holds a value twice: {_join(values)}")
            if len(values) > 1 and not self.grid:
                raise ValueError(f"{option} {_join(values)}: several values need --grid")
        if self.sizes is not None and len(set(self.sizes)) < 2:
            raise ValueError(
                f"--sizes {_join(self.sizes)}: a learning curve needs two different sizes at least"
            )
        return self

    @property
    def folder(self) -> Path:
        """Where everything is written."""
        first = self.targets[0]
        return self.out or Path(f"dosml-train-{first.resolve().name.removesuffix('.extxyz')}")

    def learner_options(self) -> dict[str, Any]:
        """Options of the learner that do not belong to a grid; what is not given is left out."""
        given = {
            "descriptor": self.descriptor,
            "n_inducing": self.inducing,
            "max_iterations": self.max_iterations,
            "device": self.device,
            "dtype": self.dtype,
            "seed": self.seed,
        }
        return {name: value for name, value in given.items() if value is not None}


def _join(values: tuple[float, ...]) -> str:
    return ",".join(f"{value:g}" for value in values)


def load_train_settings(options: Mapping[str, Any], config: Path | None) -> TrainSettings:
    """Make the settings of a training; see `dosml.settings.join_settings`."""
    nothing = (
        "nothing to train on: name an extxyz label set (dosml train labels.extxyz) or the folder "
        "of a scan"
    )
    return join_settings(TrainSettings, options, config, required="targets", nothing=nothing)
