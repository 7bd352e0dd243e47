"""Settings of scans: one model for command line, TOML file and Python."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from dosml.config_file import read_toml, unknown_key
from dosml.errors import InputError
from dosml.relabel.elements import ELEMENTS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

AnyScan = TypeVar("AnyScan", bound="ScanSettings")
AnySettings = TypeVar("AnySettings", bound=BaseModel)


def _split(value: object) -> object:
    """Turn `0.2,0.5` into a list; leave lists alone."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return [value] if isinstance(value, (int, float)) else value


FloatList = Annotated[tuple[float, ...], BeforeValidator(_split)]
IntList = Annotated[tuple[int, ...], BeforeValidator(_split)]


def available_cores() -> int:
    """Processor cores that this process may use."""
    # a container or a batch job may own fewer cores than the machine has; not on every system
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_learners(learners: Sequence[str], options: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse no learner, one that is named twice, and options of one that is not asked for.

    Raises
    ------
    ValueError
        With one line for the user.
    """
    names = ",".join(learners)
    if not learners or len(set(learners)) < len(learners):
        raise ValueError(
            f"--learner takes a comma list of different learners, such as sgp,nequip; got {names!r}"
        )
    for name in options:
        if name not in learners:
            raise ValueError(
                f"[learner_options.{name}] in --config, but --learner is {names}: add {name} to "
                "--learner, or leave the table out"
            )


class ScanSettings(BaseModel):
    """What every scan needs to know; each kind of scan adds what it varies."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True
    )
    #: Name on the command line.
    command: ClassVar[str] = "scan"

    target: str
    sigma: FloatList
    scheme: str | None = None
    engine: str = "xtb"
    dataset: Literal["reference"] | None = None
    preset: str | None = None
    kpoints: IntList | None = None
    learner: str = "sgp"
    sampler: Literal["classical", "engine"] = "classical"
    train: int = Field(default=27, ge=2)
    test: int = Field(default=12, ge=2)
    seed: int = Field(default=0, ge=0)
    workers: int = Field(default_factory=available_cores, ge=1)
    out: Path | None = None
    prototype: str | None = None
    cell: Literal["published", "small"] | None = None
    min_length: float | None = Field(default=None, gt=0)
    cutoff: float | None = Field(default=None, gt=0)
    n_max: int | None = Field(default=None, ge=1)
    l_max: int | None = Field(default=None, ge=0)
    inducing: int | None = Field(default=None, ge=1)
    learner_preset: str | None = None
    epochs: int | None = Field(default=None, ge=1)
    learner_options: dict[str, dict[str, Any]] = Field(default_factory=dict)
    device: str | None = None
    retry_failed: bool = False

    @model_validator(mode="after")
    def _check_common(self) -> ScanSettings:
        if any(not 0 < width < float("inf") for width in self.sigma):
            raise ValueError(
                f"--sigma takes widths above 0 eV, got {join_numbers(self.sigma)}: a metal needs "
                "smearing"
            )
        if len(set(self.sigma)) != len(self.sigma):
            raise ValueError(f"--sigma holds a width twice: {join_numbers(self.sigma)}")
        grid = self.kpoints
        if grid is not None and (len(grid) != 3 or any(number < 1 for number in grid)):
            raise ValueError(
                f"--kpoints takes three numbers from 1 up, such as 2,2,2; got {join_numbers(grid)}"
            )
        check_learners(self.learners, self.learner_options)
        return self

    @property
    def learners(self) -> tuple[str, ...]:
        """Names of the learners, the first of which the report is about."""
        return tuple(name.strip() for name in self.learner.split(",") if name.strip())

    @property
    def shifts(self) -> tuple[float, ...]:
        """Electrons added per atom, one setting of every width each."""
        return (0.0,)

    @property
    def target_is_file(self) -> bool:
        """Whether the target names the user's own frames rather than an element."""
        if self.target in ELEMENTS:  # also where a folder of that name lies here
            return False
        return "." in self.target or os.sep in self.target or Path(self.target).is_file()

    @property
    def folder(self) -> Path:
        """The campaign folder."""
        stem = Path(self.target).stem if self.target_is_file else self.target
        return self.out or Path(f"dosml-{self.command}-{stem}")


class SmearScanSettings(ScanSettings):
    """Everything that decides what a smearing scan does; see `dosml smear-scan --help`."""

    command: ClassVar[str] = "smear-scan"

    sigma: FloatList = (0.2, 0.5, 1.0, 2.0)

    @model_validator(mode="after")
    def _check_widths(self) -> SmearScanSettings:
        if len(self.sigma) < 2:
            raise ValueError(
                f"one sigma only ({join_numbers(self.sigma)}): a scan compares settings, give at "
                "least two, for example --sigma 0.2,1.0"
            )
        return self


def join_numbers(values: tuple[float, ...]) -> str:
    """Write numbers as a comma list."""
    return ",".join(f"{value:g}" for value in values)


def load_settings(options: Mapping[str, Any], config: Path | None) -> SmearScanSettings:
    """Make the settings of a smearing scan; see `load_scan_settings`."""
    return load_scan_settings(SmearScanSettings, options, config)


def load_scan_settings(
    model: type[AnyScan], options: Mapping[str, Any], config: Path | None
) -> AnyScan:
    """Join a TOML file and command-line options; the command line wins.

    Parameters
    ----------
    model
        Kind of scan.
    options
        Values given on the command line; None means not given.
    config
        TOML file whose keys are the option names, with `-` or `_`.

    Raises
    ------
    InputError
        If the file cannot be read, a key is unknown or a value cannot be used.
    """
    nothing = f"nothing to scan: name an element (dosml {model.command} Ti) or a frame file"
    return join_settings(model, options, config, required="target", nothing=nothing)


def join_settings(
    model: type[AnySettings],
    options: Mapping[str, Any],
    config: Path | None,
    *,
    required: str,
    nothing: str,
) -> AnySettings:
    """Join a TOML file and command-line options for any settings model.

    Parameters
    ----------
    model, options, config
        As for `load_scan_settings`.
    required
        Name of the setting that says what the command works on.
    nothing
        Message where it is not given.

    Raises
    ------
    InputError
        If the file cannot be read, a key is unknown or a value cannot be used.
    """
    values = read_values(model, config) if config is not None else {}
    values.update({key: value for key, value in options.items() if value is not None})
    if values.get(required) in (None, [], ()):
        raise InputError(nothing)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InputError(first_message(error)) from error


def read_values(model: type[BaseModel], path: Path) -> dict[str, Any]:
    """Read the values of a settings model from a TOML file; keys with `-` or `_`.

    Raises
    ------
    InputError
        If the file cannot be read, or a key is unknown or given twice.
    """
    known = [field.alias or name for name, field in model.model_fields.items()]
    values = {}
    for key, value in read_toml(path).items():
        name = key.replace("-", "_")
        if name not in known:
            raise InputError(f"--config {path}: {unknown_key(key, name, known)}")
        if name in values:
            raise InputError(f"--config {path}: '{name}' is given twice")
        values[name] = value
    return values


def first_message(error: ValidationError) -> str:
    """Say in one line which option cannot be used, and why."""
    first = error.errors()[0]
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    option = "--" + str(first["loc"][0]).replace("_", "-")
    return f"{option} {first['input']!r} cannot be used: {first['msg'].lower()}"
