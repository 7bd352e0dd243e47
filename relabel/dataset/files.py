"""The one folder format of labelled data.

```
FOLDER/dataset.json             format, label sets with their settings and label noise, provenance,
                                what was left out, counts and SHA-256 (of the uncompressed
                                content) of the files
       sigma_0.2.extxyz         one per label set, named after it (also .gz or .xz): frames with
                                REF_energy, REF_forces, REF_stress, tier, split
       sigma_0.2.dos.npz        DOS of every frame, see `dosml.relabel.dataset.dos_file`
       labels.csv               one row per frame and label set, see `dosml.relabel.dataset.table`
```
ase, pandas and every force-field code read the parts that concern them.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import FiniteFloat  # noqa: TC002 - pydantic looks it up

from dosml.errors import FrameError, InputError, LabelError
from dosml.files import whole_file
from dosml.records import Record, find_record, read_record
from dosml.relabel.dataset.dos_file import read_dos_file, write_dos
from dosml.relabel.dataset.extxyz import (
    ENDINGS,
    content_hash,
    read_labels,
    set_name,
    write_labels,
)
from dosml.relabel.dataset.label_set import on_one_grid
from dosml.relabel.dataset.noise import LabelNoise
from dosml.relabel.dataset.table import facts_of, read_table, text_columns, write_table
from dosml.relabel.dataset.value import Dataset, Provenance
from dosml.relabel.frames import frame_id
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

if TYPE_CHECKING:
    from ase import Atoms

    from dosml.relabel.dataset.label_set import LabelSet
    from dosml.relabel.dataset.table import Row

#: Number of the format: raised when an older dosml could misread a folder.
FORMAT = 1
RECORD = "dataset.json"
TABLE = "labels.csv"


class _FileEntry(Record):
    file: str
    rows: int
    sha256: str


class _TableEntry(_FileEntry):
    texts: list[str]


class _SettingEntry(Record):
    scheme: str
    width_ev: FiniteFloat
    electrons_per_atom_shift: FiniteFloat


class _SetEntry(Record):
    name: str
    setting: _SettingEntry | None
    labels: _FileEntry
    dos: _FileEntry | None
    #: Folders that an older dosml wrote do not tell.
    noise: dict[str, Any] | None = None


class _FormatRecord(Record):
    """What every `dataset.json` tells, whatever its format."""

    format: int


class _DatasetRecord(_FormatRecord):
    """A `dataset.json`."""

    frames: int
    label_sets: list[_SetEntry]
    table: _TableEntry
    provenance: dict[str, Any]
    dropped: list[str]
    dropped_settings: list[str]


def dos_name(name: str) -> str:
    """File name of the DOS of a label set."""
    return f"{name}.dos.npz"


def save(dataset: Dataset, folder: Path | str, *, compact: bool = False) -> Path:
    """Write a dataset folder; one that was there is replaced file by file.

    Parameters
    ----------
    dataset
        What to write; the DOS of its frames are read and written one by one.
    folder
        Created if missing.
    compact
        For data that ships: compressed extxyz, DOS in half precision (three digits).

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        If a label set has a name that is no file name.
    DiskSpaceError
        If the disk is full.
    """
    folder = Path(folder)
    for name in dataset.names:
        if Path(name).name != name or name.startswith("."):
            raise InputError(f"a label set is named {name!r}: give it a name fit for a file")
    old = _named_files(folder)
    record: list[dict[str, Any]] = []
    for given in dataset.label_sets:
        labels = given.averaged() if given.dos is None else given
        path = folder / f"{labels.name}.extxyz{'.gz' if compact else ''}"
        write_labels(path, dataset, labels)
        setting = labels.setting
        entry = {
            "name": labels.name,
            "setting": None if setting is None else setting.as_dict(),
            "labels": _file(path, len(dataset.frames)),
            "dos": None,
            "noise": None if labels.noise is None else labels.noise.to_json(),
        }
        if labels.dos is not None:
            spectra = folder / dos_name(labels.name)
            write_dos(spectra, labels.dos_parts, labels.dos, compact=compact)
            entry["dos"] = _file(spectra, 0 if labels.dos_parts is None else len(labels))
        record.append(entry)
    rows = write_table(folder / TABLE, dataset)
    content = {
        "format": FORMAT,
        "frames": len(dataset.frames),
        "elements": dataset.elements,
        "roles": bool(dataset.roles),
        "label_sets": record,
        "table": {**_file(folder / TABLE, rows), "texts": text_columns(dataset.label_sets)},
        "provenance": asdict(dataset.provenance),
        "dropped": dataset.dropped,
        "dropped_settings": dataset.dropped_settings,
    }
    # last, because it is what makes the files one dataset
    with whole_file(folder / RECORD) as path:
        text = json.dumps(content, indent=1, ensure_ascii=False, default=str)
        path.write_text(text + "\n", encoding="utf-8")
    for name in old - _named_files(folder):
        (folder / name).unlink(missing_ok=True)
    return folder


def _file(path: Path, rows: int) -> dict[str, Any]:
    return {"file": path.name, "rows": rows, "sha256": content_hash(path)}


def _named_files(folder: Path) -> set[str]:
    """Files that the record of a folder names; none where there is no record."""
    content = find_record(folder / RECORD, _DatasetRecord)
    if content is None:
        return set()
    entries = [one for each in content.label_sets for one in (each.labels, each.dos)]
    return {Path(one.file).name for one in entries if one is not None}


def load_folder(folder: Path, *, stress: bool = True) -> Dataset:
    """Read a folder that `save` has written, and check all of it.

    Parameters
    ----------
    folder
        With `dataset.json` in it.
    stress
        Whether to read the stresses.

    Raises
    ------
    DosmlError
        If a file is missing, damaged, changed since it was written, or does not fit the others:
        naming the file, and the frame where it is about one.
    """
    content = _record(folder)
    try:
        provenance = _provenance(content.provenance)
        rows = _rows(folder, content.table)
        frames: list[Atoms] = []
        label_sets = []
        for entry in content.label_sets:
            read, labels = _labels(folder, entry, content.frames, stress=stress)
            own = [row for row in rows if row["setting"] == labels.name]
            _check_rows(own, read, folder / TABLE, labels.name)
            label_sets.append(replace(labels, facts=facts_of(own, content.table.texts)))
            if not frames:
                frames = read
                for frame, row in zip(frames, own, strict=True):
                    # the table keeps a tier named 300 a text
                    frame.info["tier"] = row["tier"]
            elif [frame_id(one) for one in read] != [frame_id(one) for one in frames]:
                raise FrameError(
                    f"{folder}: the label sets {label_sets[0].name} and {labels.name} do not hold "
                    "the same frames in the same order"
                )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{folder / RECORD} is not a record that can be read ({type(error).__name__}: "
            f"{error}): write the folder again"
        ) from error
    return Dataset.of(
        frames,
        on_one_grid(label_sets),
        provenance,
        dropped=content.dropped,
        dropped_settings=content.dropped_settings,
    )


def _record(folder: Path) -> _DatasetRecord:
    path, again = folder / RECORD, "write the folder again"
    number = read_record(path, _FormatRecord, remedy=again).format
    if number != FORMAT:
        raise InputError(
            f"{path} has format {number}, this dosml reads {FORMAT}: use the version of dosml that "
            "wrote it, or write it again"
        )
    return read_record(path, _DatasetRecord, remedy=again)


def _provenance(held: dict[str, Any]) -> Provenance:
    return Provenance(**{**held, "limits": tuple(held["limits"])})


def _checked(folder: Path, entry: _FileEntry) -> Path:
    """Path of a file that is as it was when the folder was written, compressed since or not."""
    path = folder / Path(entry.file).name
    if not path.is_file() and ".extxyz" in path.name:
        stem = set_name(path)
        path = next((p for e in ENDINGS if (p := folder / f"{stem}{e}").is_file()), path)
    if content_hash(path) != entry.sha256:
        raise InputError(
            f"{path} is not the file that {folder / RECORD} tells of (another SHA-256): it was "
            f"changed or damaged; put the old one back, or remove {RECORD} to read the folder as "
            "it is"
        )
    return path


def _rows(folder: Path, entry: _FileEntry) -> list[Row]:
    path = _checked(folder, entry)
    rows = read_table(path)
    if len(rows) != entry.rows:
        raise LabelError(f"{path} has {len(rows)} rows, expected {entry.rows}")
    return rows


def _labels(
    folder: Path, entry: _SetEntry, n_frames: int, *, stress: bool
) -> tuple[list[Atoms], LabelSet]:
    path = _checked(folder, entry.labels)
    frames, labels = read_labels(path, stress=stress)
    if len(frames) != n_frames:
        raise FrameError(f"{path} holds {len(frames)} frames, expected {n_frames}")
    held = entry.setting
    setting = None
    if held is not None:
        setting = ElectronicSetting(
            Smearing(held.scheme, held.width_ev), held.electrons_per_atom_shift
        )
    noise = LabelNoise.from_json(entry.noise)
    labels = replace(labels, name=entry.name, setting=setting, noise=noise)
    if entry.dos is None:
        return frames, labels
    parts, mean = read_dos_file(_checked(folder, entry.dos), n_frames)
    return frames, replace(labels, dos=mean, dos_parts=parts)


def _check_rows(rows: list[Row], frames: list[Atoms], path: Path, name: str) -> None:
    if len(rows) != len(frames):
        raise LabelError(f"{path} has {len(rows)} rows of {name}, expected {len(frames)}")
    for number, (row, frame) in enumerate(zip(rows, frames, strict=True)):
        if row["frame"] != frame_id(frame):
            raise LabelError(
                f"{path}: row {number} of {name} is of frame {row['frame']}, the label file has "
                f"{frame_id(frame)} there"
            )
