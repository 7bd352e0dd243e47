"""What the settings of all commands share: one model for command line, TOML file and Python."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from dosml.config_file import read_toml, unknown_key
from dosml.errors import InputError
from dosml.learners.registry import make_learner, options_by_learner
from dosml.limits import (
    LARGEST_SEED,
    LONGEST_CUTOFF,
    MOST_COUNTED,
    MOST_ORDER,
    MOST_WORKERS,
    comma_list,
)
from dosml.paths import UserPath  # noqa: TC001 - pydantic reads it at run time
from dosml.relabel.execution.settings import RunSettings, config_files, split_run_settings
from dosml.theory.smearing import Smearing

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from dosml.learners.base import Learner

AnySettings = TypeVar("AnySettings", bound=BaseModel)
#: Settings that say where a command computes, not what: results do not depend on them.
NEUTRAL = frozenset({"workers", "run", "out", "retry_failed"})


FloatList = Annotated[tuple[float, ...], BeforeValidator(comma_list)]
IntList = Annotated[tuple[int, ...], BeforeValidator(comma_list)]
WordList = Annotated[tuple[str, ...], BeforeValidator(comma_list)]


def _scheme_name(name: str) -> str:
    return Smearing(name, 1.0).scheme


#: Name of a smearing scheme, spelled out.
SchemeName = Annotated[str, AfterValidator(_scheme_name)]


def available_cores() -> int:
    """Processor cores that this process may use."""
    # a container or a batch job may own fewer cores than the machine has; not on every system
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class TrainingSettings(BaseModel):
    """What every command that trains force fields needs to know."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_by_name=True, validate_by_alias=True
    )
    #: Name on the command line.
    command: ClassVar[str] = "train"

    learner: WordList = ("sgp",)
    cutoff: float | None = Field(default=None, gt=0, le=LONGEST_CUTOFF)
    n_max: int | None = Field(default=None, ge=1, le=MOST_ORDER)
    zeta: int | None = Field(default=None, ge=1, le=MOST_ORDER)
    descriptor: str | None = None
    nu: int | None = Field(default=None, ge=1, le=MOST_ORDER)
    inducing: int | None = Field(default=None, ge=1, le=MOST_COUNTED)
    learner_preset: str | None = None
    epochs: int | None = Field(default=None, ge=1, le=MOST_COUNTED)
    device: str | None = None
    learner_options: dict[str, dict[str, Any]] = Field(default_factory=dict)
    seed: int = Field(default=0, ge=0, le=LARGEST_SEED)
    workers: int = Field(default_factory=available_cores, ge=1, le=MOST_WORKERS)
    run: RunSettings = RunSettings()
    out: UserPath | None = None

    @model_validator(mode="before")
    @classmethod
    def _check_words(cls, values: object) -> object:
        """Refuse true and false where a number is meant: Python takes them for 1 and 0."""
        for name, value in values.items() if isinstance(values, dict) else ():
            field = cls.model_fields.get(name)
            if isinstance(value, bool) and field is not None and field.annotation is not bool:
                option = "--" + name.replace("_", "-")
                raise ValueError(f"{option} {str(value).lower()} cannot be used: it takes a value")
        return values

    @model_validator(mode="after")
    def _check_learners(self) -> TrainingSettings:
        names = ",".join(self.learner)
        if not self.learner or len(set(self.learner)) < len(self.learner):
            raise ValueError(
                f"--learner takes a comma list of different learners, such as sgp,nequip; got "
                f"{names!r}"
            )
        for name in self.learner_options:
            if name not in self.learner:
                raise ValueError(
                    f"[learner_options.{name}] in --config, but --learner is {names}: add {name} "
                    "to --learner, or leave the table out"
                )
        return self

    def make_learners(self, **varied: object) -> list[Learner]:
        """Make the learners, in the order in which they are named.

        Parameters
        ----------
        varied
            Options of all learners that have them, in place of those given.

        Raises
        ------
        InputError
            If a learner or an option is unknown, or none of the learners has it.
        EnvironmentMissingError
            If a peer's environment has not been made.
        """
        given = {**self.model_dump(exclude={"run"}), **varied}
        options = options_by_learner(self.learner, given, self.learner_options)
        return [make_learner(name, options[name], workers=self.workers) for name in self.learner]


def default_folder(command: str, name: str, labels: str | None) -> Path:
    """Folder of a study that was given none.

    Labels that are made have their name in it: the same command on a metal with labels of its own
    and with these are two studies, side by side. No folder says "dosml-" twice.
    """
    own = "" if labels is None else Path(labels).resolve().name
    source = own and f"-{own.removeprefix('dosml-')}"
    return Path(f"dosml-{command}-{name.removeprefix('dosml-')}{source}")


def join_numbers(values: Sequence[float]) -> str:
    """Write numbers as a comma list."""
    return ",".join(f"{value:g}" for value in values)


def join_settings(
    model: type[AnySettings],
    options: Mapping[str, Any],
    config: Path | Sequence[Path] | None,
    *,
    required: str | None,
    nothing: str,
) -> AnySettings:
    """Join TOML files and command-line options for any settings model; the command line wins.

    Parameters
    ----------
    model
        The settings.
    options
        Values given on the command line; None means not given.
    config
        TOML files whose keys are the option names, with `-` or `_`; a file (or part of one) may say
        where to compute, see `dosml.relabel.execution.settings.RunSettings`. Later files win.
    required
        Name of the setting that says what the command works on, if one is.
    nothing
        Message where it is not given.

    Raises
    ------
    InputError
        If a file cannot be read, a key is unknown or a value cannot be used.
    """
    values: dict[str, Any] = {}
    for path in config_files(config):
        values |= read_values(model, path)
    values.update({key: value for key, value in options.items() if value is not None})
    if required is not None and values.get(required) in (None, [], ()):
        raise InputError(nothing)
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InputError(first_message(error, model)) from error


def read_values(model: type[BaseModel], path: Path) -> dict[str, Any]:
    """Read the values of a settings model from a TOML file; keys with `-` or `_`.

    Raises
    ------
    InputError
        If the file cannot be read, or a key is unknown or given twice.
    """
    known = [field.alias or name for name, field in model.model_fields.items() if name != "run"]
    read = read_toml(path)
    values: dict[str, Any] = {}
    if "run" in model.model_fields:
        where, read = split_run_settings(read, shared=known, source=f"--config {path}: ")
        if where is not None:
            values["run"] = where
    for key, value in read.items():
        name = key.replace("-", "_")
        if name not in known:
            raise InputError(f"--config {path}: {unknown_key(key, name, known)}")
        if name in values:
            raise InputError(f"--config {path}: '{name}' is given twice")
        values[name] = value
    return values


def first_message(error: ValidationError, model: type[BaseModel]) -> str:
    """Say in one line which option cannot be used, and why."""
    first = error.errors()[0]
    own = str(first["ctx"]["error"]) if first["type"] == "value_error" else ""
    if first["type"] in {"int_parsing", "float_parsing"} and "," in first["input"]:
        own = "this command takes one number"
    if own.startswith("--") or not first["loc"]:
        return own or str(first["msg"])
    name = str(first["loc"][0])
    if first["type"] == "extra_forbidden":
        known = [field.alias or one for one, field in model.model_fields.items()]
        return f"there is no option {name}; {unknown_key(name, name, known).partition('; ')[2]}"
    option = "--" + name.replace("_", "-")
    return f"{option} {first['input']!r} cannot be used: {own or first['msg'].lower()}"
