"""What job.json says: which frame at which setting, and how its inputs were made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dosml.config_file import first_problem
from dosml.errors import InputError
from dosml.records import json_object
from dosml.relabel.vasp.potcars import PotcarFacts  # noqa: TC001 - pydantic reads it
from dosml.relabel.vasp.protocol import VaspProtocol  # noqa: TC001 - pydantic reads it
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

if TYPE_CHECKING:
    from pathlib import Path


class _Setting(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    scheme: str
    width_ev: float
    electrons_per_atom_shift: float

    @model_validator(mode="after")
    def _known(self) -> Self:
        ElectronicSetting(Smearing(self.scheme, self.width_ev), self.electrons_per_atom_shift)
        return self


class JobRecord(BaseModel):
    """Content of job.json; written by `dosml relabel`."""

    model_config = ConfigDict(extra="ignore")

    frame_id: str = Field(pattern=r"^[0-9a-f]{16}$")
    n_atoms: int = Field(ge=1)
    setting: _Setting
    protocol: VaspProtocol
    incar: dict[str, Any]
    kpoints: tuple[int, int, int] | None
    potcar_symbol: str
    potcar: PotcarFacts | None
    denser: bool = False


def read_record(path: Path) -> dict[str, Any]:
    """Read and check a job.json.

    Raises
    ------
    InputError
        If it is missing or damaged.
    """
    try:
        record = json_object(path.read_bytes())
        JobRecord.model_validate(record)
    except ValueError as error:
        raise InputError(
            f"{path} is not the record of a job ({first_problem(error)}): write the inputs again "
            "with the same command"
        ) from error
    except OSError as error:
        raise InputError(
            f"{path} cannot be read ({error}): write the inputs again with the same command"
        ) from error
    return record
