"""Settings of a run: one TOML file says what to start and where."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from dosml.config_file import read_toml, unknown_key
from dosml.errors import InputError
from dosml.limits import MOST_COUNTED, MOST_WORKERS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

_WALLTIME = re.compile(r"(\d+-)?\d{1,3}:\d{2}:\d{2}")


class SlurmSettings(BaseModel):
    """What a Slurm job (a pilot, or one part of an array) asks for and how it is prepared."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    nodes: int = Field(default=1, ge=1, le=MOST_COUNTED)
    jobs_per_node: int = Field(default=1, ge=1, le=MOST_WORKERS)
    cores_per_node: int | None = Field(default=None, ge=1, le=MOST_WORKERS)
    gpus_per_node: int = Field(default=0, ge=0, le=MOST_WORKERS)
    memory_gb: int | None = Field(default=None, ge=1, le=MOST_COUNTED)
    exclusive: bool = True
    walltime: str = "24:00:00"
    pilots: int = Field(default=1, ge=1, le=MOST_WORKERS)
    setup: str = ""
    sbatch: tuple[str, ...] = ()
    address: str | None = None
    poll_seconds: int = Field(default=30, ge=1, le=86400)
    heartbeat_seconds: int = Field(default=120, ge=2, le=86400)

    @field_validator("partition", "account", "qos", "constraint", "address", "sbatch")
    @classmethod
    def _one_line(cls, value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        for text in (value,) if isinstance(value, str) else value or ():
            if not text.isprintable():
                raise ValueError(f"{text!r} in [slurm] has to be one line of text")
        return value

    @field_validator("walltime")
    @classmethod
    def _time(cls, walltime: str) -> str:
        if not _WALLTIME.fullmatch(walltime):
            raise ValueError(f"walltime {walltime!r}: write HH:MM:SS, such as 24:00:00")
        return walltime

    @model_validator(mode="after")
    def _one_gpu_each(self) -> SlurmSettings:
        if 0 < self.gpus_per_node < self.jobs_per_node:
            raise ValueError(
                f"jobs_per_node = {self.jobs_per_node} on {self.gpus_per_node} GPUs: every task is "
                "pinned to a GPU of its own, so give at most as many jobs as GPUs"
            )
        return self


class RunSettings(BaseModel):
    """Where tasks run, how many at a time, and what is started for a VASP job.

    `command`, `retry_refused`, `compress`, `corrections` and `check_seconds` are read by VASP's
    jobs only: one file may serve both them and the commands that label and train themselves.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    executor: Literal["processes", "slurm"] = "processes"
    command: str = "vasp_std"
    workers: int = Field(default=1, ge=1, le=MOST_WORKERS)
    retry_refused: bool = False
    compress: bool = True
    corrections: int = Field(default=3, ge=0, le=MOST_COUNTED)
    check_seconds: float = Field(default=1.0, gt=0, le=86400)
    slurm: SlurmSettings = SlurmSettings()

    @field_validator("command")
    @classmethod
    def _words(cls, command: str) -> str:
        if not shlex.split(command):
            raise ValueError("command is empty: give what starts VASP, such as srun vasp_std")
        return command


#: Keys of a run at the top of a --config file.
RUN_KEYS = tuple(RunSettings.model_fields)


def load_run_settings(config: Path | Sequence[Path] | None, **given: object) -> RunSettings:
    """Read TOML files; later files and values given by name win, None means not given.

    Raises
    ------
    InputError
        If the file cannot be read, a key is unknown or a value cannot be used.
    """
    paths = config_files(config)
    values: dict[str, object] = {}
    for path in paths:
        values |= read_toml(path)
    slurm = values.get("slurm", {})
    for name, value in given.items():
        if value is None:
            continue
        if name in SlurmSettings.model_fields and name not in RunSettings.model_fields:
            slurm = {**slurm, name: value} if isinstance(slurm, dict) else {name: value}
            values["slurm"] = slurm
        else:
            values[name] = value
    return _validated(values, f"--config {', '.join(map(str, paths))}: " if paths else "")


def config_files(config: Path | Sequence[Path] | None) -> list[Path]:
    """Files of --config: none, one or several."""
    return [config] if isinstance(config, Path) else list(config or ())


def split_run_settings(
    values: Mapping[str, object], *, shared: Collection[str] = (), source: str = ""
) -> tuple[RunSettings | None, dict[str, object]]:
    """Divide the content of one --config file between the run and the command that reads it.

    Parameters
    ----------
    values
        Content of the file. Keys that are not of a run stay for the command, which refuses those
        that it does not know either: `RUN_KEYS` belongs to the keys to propose then.
    shared
        Keys that the command knows as well (workers, say): they go to both.
    source
        Beginning of messages, such as "--config cluster.toml: ".

    Returns
    -------
    RunSettings or None
        None where the file says nothing of a run.
    dict
        The command's part, in the order of the file.

    Raises
    ------
    InputError
        If a key in [slurm] is unknown, or a value cannot be used.
    """
    mine = {key: value for key, value in values.items() if key in RUN_KEYS}
    rest = {key: value for key, value in values.items() if key not in RUN_KEYS or key in shared}
    return (_validated(mine, source) if mine else None), rest


def _validated(values: dict[str, object], source: str) -> RunSettings:
    try:
        return RunSettings.model_validate(values)
    except ValidationError as error:
        raise InputError(source + _message(error)) from error


def _message(error: ValidationError) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        in_slurm = len(first["loc"]) > 1
        known = list(SlurmSettings.model_fields if in_slurm else RunSettings.model_fields)
        return unknown_key(where, str(first["loc"][-1]), known)
    if first["type"] == "value_error":
        return str(first["ctx"]["error"])
    if first["type"] == "model_type":
        return f"{where} = {first['input']!r} cannot be used: write a table, [{where}]"
    return f"{where} = {first['input']!r} cannot be used: {first['msg'].lower()}"
