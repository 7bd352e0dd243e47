"""`dosml data`: collections that are fetched and files of others, as the project's own folders.

A collection is a folder with one dataset folder per metal:

```
COLLECTION/collection.json   name, citation, licence, metals
           Ti/dataset.json   see `dosml.relabel.dataset.files`
```
"""

from __future__ import annotations

import os
import shutil
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from dosml.errors import DamagedFileError, DiskSpaceError, FetchError, InputError
from dosml.files import FileLock
from dosml.records import Record, find_record, read_record, write_record
from dosml.relabel.dataset import save
from dosml.relabel.dataset.files import RECORD as DATASET
from dosml.relabel.foreign.archives import ARCHIVES, Archive, archive
from dosml.relabel.foreign.collect import ImportOptions, collect
from dosml.relabel.foreign.download import FULL, check_file, fetch_file

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dosml.progress import Reporter
    from dosml.relabel.dataset import Dataset
    from dosml.relabel.foreign.archives import Member

#: Environment variable that names the folder of collections.
FOLDER_VARIABLE = "DOSML_DATA"
#: The record of a collection.
RECORD = "collection.json"
#: What zipfile raises on damaged archives.
_DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError)


class CollectionRecord(Record):
    """A `collection.json`."""

    name: str
    title: str
    citation: str
    licence: str
    metals: list[str]
    #: Whether every metal has been read.
    complete: bool


@dataclass(frozen=True)
class Collection:
    """A collection on this machine.

    Attributes
    ----------
    name
        Of the collection, and of its folder.
    folder
        Where it lies.
    record
        What it is.
    """

    name: str
    folder: Path
    record: CollectionRecord


def data_folder() -> Path:
    """Folder of all collections: DOSML_DATA, or dosml/data in the user's cache."""
    given = os.environ.get(FOLDER_VARIABLE)
    if given:
        return Path(given).expanduser().absolute()
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser().absolute() / "dosml" / "data"


def collections() -> list[Collection]:
    """Give the collections on this machine, by name."""
    found = []
    for path in sorted(data_folder().glob(f"*/{RECORD}")):
        record = find_record(path, CollectionRecord)
        if record is not None:
            found.append(Collection(path.parent.name, path.parent, record))
    return found


def collection_folder(name: str) -> Path | None:
    """Folder of a collection that is here, None where there is none of that name."""
    if Path(name).name != name:
        return None
    folder = data_folder() / name
    return folder if find_record(folder / RECORD, CollectionRecord) is not None else None


def fetch(
    name: str,
    reporter: Reporter,
    *,
    url: str | None = None,
    file: Path | None = None,
    metals: Sequence[str] = (),
) -> Collection:
    """Fetch a collection and read it; what is there already is not fetched or read again.

    Parameters
    ----------
    name
        A key of `dosml.relabel.foreign.archives.ARCHIVES`.
    url
        Another address of the same file.
    file
        The file, fetched by hand.
    metals
        Those to read; none: all.

    Raises
    ------
    FetchError
        If it cannot be fetched; the message says where to put the file by hand.
    DamagedFileError
        If the file is another one.
    DiskSpaceError
        If the disk is full; what was fetched and read stays.
    InputError
        If the collection has no such metal.
    """
    known = archive(name)
    folder = data_folder() / name
    folder.mkdir(parents=True, exist_ok=True)
    reporter.say(f"{name}: {known.title}")
    reporter.say(f"cite: {known.citation}")
    reporter.say(f"licence: {known.licence}")
    lock = FileLock(folder / ".lock")
    if not lock.take():
        raise InputError(f"another process is fetching {name} ({lock.owner()}): wait for its end")
    with lock:
        record = find_record(folder / RECORD, CollectionRecord)
        if record is not None and record.complete and _here(folder, record.metals):
            reporter.say(f"{name} is here: {folder}")
            return Collection(name, folder, record)
        packed = _packed(known, folder, url, file, reporter)
        return Collection(name, folder, _unpacked(known, packed, folder, metals, reporter))


def _packed(
    known: Archive, folder: Path, url: str | None, file: Path | None, reporter: Reporter
) -> Path:
    """Give the file, fetched or by hand, once its checksum is right."""
    target = folder / known.file_name
    if file is not None:
        if not file.is_file():
            raise InputError(f"no file at --file {file}")
        check_file(file, size=known.size, md5=known.md5)
        return file
    if target.is_file():
        check_file(target, size=known.size, md5=known.md5)
        return target
    by_hand = (
        f"to do it by hand, fetch {known.file_name} from https://doi.org/{known.doi}, put it at "
        f"{target} (or name it with --file) and run the same command again"
    )
    try:
        address = url or known.address()
        reporter.say(f"fetching {known.size / 1e6:.0f} MB from {address}")
        with reporter.stages("fetching") as tell:
            return fetch_file(
                address,
                target,
                size=known.size,
                md5=known.md5,
                progress=lambda done, total: tell("MB", done // 10**6, total // 10**6),
            )
    except FetchError as error:
        raise FetchError(f"{error}; {by_hand}") from error


def _unpacked(
    known: Archive, packed: Path, folder: Path, metals: Sequence[str], reporter: Reporter
) -> CollectionRecord:
    """Read one metal after the other; those that were read before are not read again."""
    try:
        with zipfile.ZipFile(packed) as opened:
            members = known.members(opened.namelist())
            names = list(dict.fromkeys(one.metal for one in members))
            if strange := [one for one in metals if one not in names]:
                raise InputError(f"--metals {strange[0]}: {known.name} has {', '.join(names)}")
            wanted = list(metals) or names
            with reporter.bar("reading", len(wanted)) as update:
                for number, metal in enumerate(wanted):
                    if not _here(folder, [metal]):
                        mine = [one for one in members if one.metal == metal]
                        save(_metal(known, opened, mine, reporter), folder / metal)
                    update(number + 1)
    except _DAMAGED as error:
        raise DamagedFileError(
            f"{packed} cannot be unpacked ({type(error).__name__}: {error}): remove it and run "
            "the same command again"
        ) from error
    held = [name for name in names if _here(folder, [name])]
    record = CollectionRecord(
        name=known.name,
        title=known.title,
        citation=known.citation,
        licence=known.licence,
        metals=held,
        complete=held == names,
    )
    write_record(folder / RECORD, record)
    return record


def _metal(
    known: Archive, opened: zipfile.ZipFile, members: Sequence[Member], reporter: Reporter
) -> Dataset:
    """Read the members of one metal, unpacked into a folder that goes again."""
    with TemporaryDirectory(prefix="dosml-data-") as place:
        roles: dict[Path, str | None] = {}
        tiers: dict[Path, str] = {}
        for member in members:
            path = Path(place) / Path(member.name).name.replace(".xyz", ".extxyz")
            try:
                with opened.open(member.name) as source, path.open("wb") as target:
                    shutil.copyfileobj(source, target)
            except OSError as error:
                if error.errno in FULL:
                    raise DiskSpaceError(
                        f"no space left on the disk while unpacking {member.name} into {place}: "
                        "free some, or name another folder in TMPDIR; finished metals are kept"
                    ) from error
                raise
            roles[path], tiers[path] = member.role, member.tier
        options = ImportOptions(setting=known.setting)
        metal = members[0].metal
        found = collect(
            list(roles),
            options,
            roles=roles,
            tiers=tiers,
            warning=" ".join((f"Labels of {known.citation}.", *known.notes)),
            source=f"{known.name}, {metal}",
        )
        if set(found) != {metal}:
            raise DamagedFileError(
                f"the members of {metal} in {known.name} hold {', '.join(found)}"
            )
    for note in found[metal].notes:
        reporter.say(f"{metal}: {note}")
    return found[metal]


def _here(folder: Path, metals: Sequence[str]) -> bool:
    return all((folder / metal / DATASET).is_file() for metal in metals)


def import_files(
    files: Sequence[Path],
    name: str,
    options: ImportOptions,
    reporter: Reporter,
    *,
    out: Path | None = None,
    citation: str = "",
) -> Collection:
    """Read files of others into a collection.

    Parameters
    ----------
    files
        extxyz, MTP configurations or ML_AB.
    name
        Of the collection.
    options
        What the user says of the files.
    out
        Folder of the collection; None: of that name in `data_folder`.
    citation
        What to cite.

    Raises
    ------
    InputError
        If the name is none, or its folder holds something else.
    FrameError
        If a file cannot be read, or its labels do not belong together.
    DiskSpaceError
        If the disk is full.
    """
    if Path(name).name != name or name.startswith("."):
        raise InputError(f"--name {name}: give one word that can be the name of a folder")
    if name in ARCHIVES and out is None:
        raise InputError(f"--name {name}: that is what dosml data fetch {name} makes; give another")
    folder = out or data_folder() / name
    if folder.is_dir() and any(folder.iterdir()) and not (folder / RECORD).is_file():
        raise InputError(f"{folder} holds something else: give another --out or --name")
    found = collect(files, options, source=", ".join(path.name for path in files))
    for metal, data in found.items():
        held = (
            f"{len(data.train)} training, {len(data.test)} held out" if data.roles else "no split"
        )
        tiers = ", ".join(dict.fromkeys(data.tiers))
        kinds = "energies, forces, stresses" if data.stress else "energies, forces"
        reporter.say(f"{metal}: {len(data.frames)} frames ({held}; tiers {tiers}), {kinds}")
        for note in data.notes:
            reporter.warn(f"{metal}: {note}")
        save(data, folder / metal)
    record = CollectionRecord(
        name=name,
        title=f"read from {', '.join(path.name for path in files)}",
        citation=citation,
        licence="",
        metals=sorted(found),
        complete=True,
    )
    write_record(folder / RECORD, record)
    return Collection(name, folder, record)


def read_collection(folder: Path) -> CollectionRecord:
    """Read the record of a collection.

    Raises
    ------
    InputError
        If the folder is none.
    """
    return read_record(folder / RECORD, CollectionRecord, remedy="fetch or import it again")
