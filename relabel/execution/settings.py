"""Settings of a run: one TOML file says what to start and where."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from dosml.config_file import read_toml, unknown_key
from dosml.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

_WALLTIME = re.compile(r"(\d+-)?\d{1,3}:\d{2}:\d{2}")


class SlurmSettings(BaseModel):
    """What a Slurm job (a pilot, or one part of an array) asks for and how it is prepared."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    constraint: str | None = None
    nodes: int = Field(default=1, ge=1)
    jobs_per_node: int = Field(default=1, ge=1)
    cores_per_node: int | None = Field(default=None, ge=1)
    gpus_per_node: int = Field(default=0, ge=0)
    memory_gb: int | None = Field(default=None, ge=1)
    exclusive: bool = True
    walltime: str = "24:00:00"
    pilots: int = Field(default=1, ge=1)
    setup: str = ""
    sbatch: tuple[str, ...] = ()
    address: str | None = None
    poll_seconds: int = Field(default=30, ge=1)
    heartbeat_seconds: int = Field(default=120, ge=2)

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
                f"jobs_per_node = {self.jobs_per_node} on {self.gpus_per_node} GPUs: every VASP is "
                "pinned to a GPU of its own, so give at most as many jobs as GPUs"
            )
        return self


class RunSettings(BaseModel):
    """What is started for each job, and where."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    executor: Literal["processes", "slurm"] = "processes"
    command: str = "vasp_std"
    workers: int = Field(default=1, ge=1)
    retry_refused: bool = False
    compress: bool = True
    corrections: int = Field(default=3, ge=0)
    check_seconds: float = Field(default=1.0, gt=0)
    slurm: SlurmSettings = SlurmSettings()

    @field_validator("command")
    @classmethod
    def _words(cls, command: str) -> str:
        if not shlex.split(command):
            raise ValueError("command is empty: give what starts VASP, such as srun vasp_std")
        return command


def load_run_settings(path: Path | None, **given: object) -> RunSettings:
    """Read a TOML file; values given by name win, None means not given.

    Raises
    ------
    InputError
        If the file cannot be read, a key is unknown or a value cannot be used.
    """
    values: dict[str, object] = read_toml(path) if path is not None else {}
    slurm = values.get("slurm", {})
    for name, value in given.items():
        if value is None:
            continue
        if name in SlurmSettings.model_fields and name not in RunSettings.model_fields:
            slurm = {**slurm, name: value} if isinstance(slurm, dict) else {name: value}
            values["slurm"] = slurm
        else:
            values[name] = value
    try:
        return RunSettings.model_validate(values)
    except ValidationError as error:
        raise InputError(_message(error, path)) from error


def _message(error: ValidationError, path: Path | None) -> str:
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    source = f"--config {path}: " if path is not None else ""
    if first["type"] == "extra_forbidden":
        in_slurm = len(first["loc"]) > 1
        known = list(SlurmSettings.model_fields if in_slurm else RunSettings.model_fields)
        return source + unknown_key(where, str(first["loc"][-1]), known)
    if first["type"] == "value_error":
        return f"{source}{first['ctx']['error']}"
    return f"{source}{where} = {first['input']!r} cannot be used: {first['msg'].lower()}"
