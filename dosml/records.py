"""JSON records beside results, and what they say of other files; a leaf for every room.

A record is there only if it can be read as what it should be: missing and damaged are one state.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from dosml.errors import InputError
from dosml.files import file_hash, open_plain, whole_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

#: The record of a campaign.
CAMPAIGN = "campaign.json"
#: What to do about a campaign's files that are not as they should be.
RUN_AGAIN = "run the command that made it again, it writes the file anew"
#: No record is larger, in bytes.
_MOST_BYTES = 1 << 28

AnyRecord = TypeVar("AnyRecord", bound=BaseModel)
_OBJECT = TypeAdapter(dict[str, Any])


class Record(BaseModel):
    """Base of what is read from a JSON file; keys that are not known are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="constants")


class FileRecord(Record):
    """A file as it was when it was written.

    Attributes
    ----------
    bytes
        Its size.
    sha256
        Hash of its content.
    """

    bytes: int
    sha256: str


class CampaignRecord(Record):
    """What a campaign is of.

    Attributes
    ----------
    dosml
        Version that wrote it.
    subject
        What the study is of: a folder keeps to one subject.
    run
        Settings of the latest run.
    files
        Results, DOS, frames and what reports are made of, by their names relative to the folder.
        Folders of older versions tell of none.
    """

    dosml: str
    subject: str
    run: dict[str, Any]
    files: dict[str, FileRecord] = Field(default_factory=dict)


def read_record(path: Path, kind: type[AnyRecord], *, remedy: str = RUN_AGAIN) -> AnyRecord:
    """Read a record.

    Parameters
    ----------
    path
        A JSON file.
    kind
        What it should hold.
    remedy
        What to do where it does not, for the message.

    Raises
    ------
    InputError
        If the file is missing, damaged, or something else: naming the key where it is about one.
    """
    try:
        return kind.model_validate_json(_text(path))
    except OSError as error:
        raise InputError(f"cannot read {path} ({error.strerror}): {remedy}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(map(str, first["loc"]))
        reason = f"{where}: {first['msg']}" if where else first["msg"]
        raise InputError(f"cannot read {path} ({reason}): {remedy}") from error


def json_object(text: bytes | str) -> dict[str, Any]:
    """Read one JSON object whose keys somebody else checks.

    Raises
    ------
    ValueError
        If it is none, or nested deeper than anybody reads: `json.loads` runs out of stack there.
    """
    return _OBJECT.validate_json(text)


def plain_values(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Give the same facts with numbers that JSON knows, in place of numpy's."""
    return {
        name: value.item() if isinstance(value, np.generic) else value
        for name, value in facts.items()
    }


def find_record(path: Path, kind: type[AnyRecord]) -> AnyRecord | None:
    """Read a record; None where it is missing, damaged or something else."""
    try:
        return read_record(path, kind)
    except InputError:
        return None


def _text(path: Path) -> bytes:
    try:
        path = path.resolve()
    except RuntimeError as error:  # how Python tells of links in a circle
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path)) from error
    with open(open_plain(path, os.O_RDONLY), "rb") as handle:  # noqa: PTH123
        return handle.read(_MOST_BYTES)


def note_files(folder: Path, paths: Iterable[Path]) -> None:
    """Write into a campaign's record what these of its files are now.

    Parameters
    ----------
    folder
        The campaign, whose lock is held.
    paths
        Files in it.

    Raises
    ------
    InputError
        If the folder has no record.
    OSError
        If a file cannot be read.
    DiskSpaceError
        If the disk is full.
    """
    record = read_record(folder / CAMPAIGN, CampaignRecord)
    found = {
        path.relative_to(folder).as_posix(): FileRecord(
            bytes=path.stat().st_size, sha256=file_hash(path)
        )
        for path in paths
    }
    if found.items() <= record.files.items():
        return
    write_record(folder / CAMPAIGN, record.model_copy(update={"files": {**record.files, **found}}))


def write_record(path: Path, record: BaseModel) -> None:
    """Write a record, whole or not at all.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    with whole_file(path) as partial:
        partial.write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")


def as_recorded(path: Path, folder: Path, record: CampaignRecord | None) -> bool:
    """Whether a file of a campaign is there, and as the record tells where it tells of it."""
    known = None if record is None else record.files.get(path.relative_to(folder).as_posix())
    try:
        if known is None:
            return path.is_file()
        return path.stat().st_size == known.bytes and file_hash(path) == known.sha256
    except OSError:
        return False


def check_recorded(path: Path, folder: Path, record: CampaignRecord | None) -> None:
    """Refuse a file of a campaign that is not as the record tells.

    Raises
    ------
    InputError
        If it was cut off, changed or removed.
    """
    if as_recorded(path, folder, record):
        return
    known = None if record is None else record.files.get(path.relative_to(folder).as_posix())
    try:
        size = f"{path.stat().st_size} bytes"
    except OSError:
        size = "no such file"
    written = "" if known is None else f", {known.bytes} bytes were written"
    raise InputError(
        f"{path} is not what {CAMPAIGN} beside it tells of ({size}{written}): it was cut off, "
        f"changed or removed; {RUN_AGAIN}"
    )
