"""Published collections that `dosml data fetch` knows: where they are, what is in them.

The files of the Materials Cloud Archive are at

    https://archive.materialscloud.org/api/records/RECORD/files/NAME/content

where RECORD is what the DOI leads to (`/records/RECORD`); `.../api/records/RECORD` lists the files
of a record with their checksums (InvenioRDM's interface).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import requests

from dosml.errors import FetchError, InputError
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

if TYPE_CHECKING:
    from collections.abc import Sequence

_SERVER = "https://archive.materialscloud.org"
_RECORD = re.compile(r"/records/([a-z0-9-]+)")
_TIMEOUT = (20.0, 60.0)


@dataclass(frozen=True)
class Member:
    """One file of labels in an archive.

    Attributes
    ----------
    name
        In the archive.
    metal
        Element symbol.
    tier
        Of all its frames.
    role
        "train" or "test", or None where nobody has split them.
    """

    name: str
    metal: str
    tier: str
    role: str | None


@dataclass(frozen=True)
class Archive:
    """A published collection.

    Attributes
    ----------
    name
        On the command line.
    title, citation, licence
        For people.
    doi
        Of the data.
    record
        Of the Materials Cloud Archive; None: what the DOI leads to.
    file
        Name of the zip file; None: the one with this checksum.
    size, md5
        Of the file.
    member
        Regular expression of the names of the members that are read, with the groups metal, tier
        and, where they are split, role.
    setting
        Electronic setting of the labels, None where it is not known.
    notes
        What a reader must know.
    """

    name: str
    title: str
    citation: str
    licence: str
    doi: str
    record: str | None
    file: str | None
    size: int
    md5: str
    member: re.Pattern[str]
    setting: ElectronicSetting | None
    notes: tuple[str, ...]

    @property
    def file_name(self) -> str:
        """What the file is called here."""
        return self.file or f"{self.name}.zip"

    def members(self, names: Sequence[str]) -> list[Member]:
        """Give the members that hold labels, by metal and in the order of the names.

        Raises
        ------
        InputError
            If there is none.
        """
        found = []
        for name in sorted(names):
            match = self.member.fullmatch(name.rpartition("/")[2])
            if match is not None:
                parts = match.groupdict()
                found.append(Member(name, parts["metal"], parts["tier"], parts.get("role")))
        if not found:
            raise InputError(
                f"no member of the archive is named as those of {self.name} are "
                f"({self.member.pattern}): is it another file?"
            )
        return sorted(found, key=lambda one: one.metal)

    def address(self) -> str:
        """Find where the file is.

        Raises
        ------
        FetchError
            If the archive cannot be reached, or its record has no such file.
        """
        if self.record is not None and self.file is not None:
            return f"{_SERVER}/api/records/{self.record}/files/{self.file}/content"
        try:
            landing = requests.get(f"https://doi.org/{self.doi}", timeout=_TIMEOUT)
            landing.raise_for_status()
            match = _RECORD.search(landing.url)
            if match is None:
                raise FetchError(
                    f"doi:{self.doi} leads to {landing.url}, expected .../records/RECORD: give "
                    "the address of the file with --url"
                )
            listed = requests.get(f"{_SERVER}/api/records/{match[1]}", timeout=_TIMEOUT)
            listed.raise_for_status()
            return content_address(listed.json(), self.md5)
        except (requests.RequestException, ValueError) as error:
            raise FetchError(
                f"the record of doi:{self.doi} cannot be read ({type(error).__name__})"
            ) from error


def content_address(record: object, md5: str) -> str:
    """Find a file in what the archive says of a record, by its checksum.

    Raises
    ------
    FetchError
        If it is not there.
    """
    try:
        entries = record["files"]["entries"]  # type: ignore[index]
        for one in entries.values():
            if one["checksum"] == f"md5:{md5}":
                return str(one["links"]["content"])
    except (KeyError, TypeError, AttributeError):
        pass
    raise FetchError(
        f"the record has no file with the checksum {md5}: is there a newer version of the data? "
        "Give the address of the file with --url"
    )


TM23 = Archive(
    name="tm23",
    title="27 d metals, 3000 frames each at 0.25, 0.75 and 1.25 of the melting temperature, PBE",
    citation="C. J. Owen et al., npj Comput. Mater. 10, 92 (2024), doi:10.1038/s41524-024-01264-z; "
    "data: Materials Cloud Archive 2024.48, doi:10.24435/materialscloud:6c-b3",
    licence="Creative Commons Attribution 4.0 International (CC BY 4.0)",
    doi="10.24435/materialscloud:6c-b3",
    record="tcrks-ymp88",
    file="benchmarking_master_collection-20240316T202423Z-001.zip",
    size=936_628_742,
    md5="52b2c471591c8a8a88717f3fbdff6e37",
    # {El}_2700cwm_* hold the same labels again
    member=re.compile(
        r"(?P<metal>[A-Z][a-z]?)_(?P<tier>cold|warm|melt)_nequip_(?P<role>train|test)\.xyz"
    ),
    setting=ElectronicSetting(Smearing("methfessel-paxton-1", 0.2), 0.0),
    notes=(
        "The order of the Methfessel-Paxton smearing is not stated in the paper: 1 is assumed.",
        "The frames of a tier are of one molecular-dynamics run: the held-out ones are its end.",
    ),
)
METAL_43 = Archive(
    name="metal43",
    title="43 metals, several crystals at four temperatures, 108 to 128 atoms",
    citation="Metal-43, Materials Cloud Archive, doi:10.24435/materialscloud:hm-6z",
    licence="as stated on the page of the record",
    doi="10.24435/materialscloud:hm-6z",
    record=None,
    file=None,
    size=641_504_186,
    md5="a151f12d190537d918f5621741bc8a0a",
    # Ti_p6-mmm_970.extxyz: metal, crystal, temperature in K
    member=re.compile(r"(?P<metal>[A-Z][a-z]?)_[^_]+_(?P<tier>\d+)\.extxyz"),
    setting=None,
    notes=("The tiers are temperatures in K.",),
)
ARCHIVES = {one.name: one for one in (TM23, METAL_43)}


def archive(name: str) -> Archive:
    """Give a collection by its name.

    Raises
    ------
    InputError
        If it is not known.
    """
    found = ARCHIVES.get(name)
    if found is None:
        raise InputError(
            f"there is no collection {name!r} to fetch: choose one of {', '.join(ARCHIVES)}, or "
            "read your own files with dosml data import"
        )
    return found
