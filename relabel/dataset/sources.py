"""Labelled data from wherever it is: `load` reads every kind of source into a `Dataset`."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from dosml.errors import FrameError, InputError, LabelError
from dosml.relabel.dataset.dos_file import NamedDos, read_dos_file
from dosml.relabel.dataset.extxyz import ENDINGS, read_labels, set_name
from dosml.relabel.dataset.files import RECORD, TABLE, dos_name, load_folder
from dosml.relabel.dataset.reference import REFERENCE, reference_dataset
from dosml.relabel.dataset.table import DOS_FILE, facts_of, read_table
from dosml.relabel.dataset.value import Dataset, Provenance
from dosml.relabel.frames import frame_id
from dosml.relabel.label_units import check_units
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from dosml.relabel.dataset.label_set import LabelSet
    from dosml.relabel.dataset.table import Row

#: Where a campaign and a collected VASP study keep their label sets.
LABEL_FOLDERS = ("label_sets", "collected")
_NUMBER = r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?"
#: As `ElectronicSetting.name` writes it.
_NAME = re.compile(rf"sigma_(?P<width>{_NUMBER})(?:_electrons_(?P<shift>{_NUMBER}))?")


def load(
    source: Path | str,
    *,
    scheme: str | None = None,
    stress: bool = True,
    metal: str | None = None,
) -> Dataset:
    """Read labelled data of any kind.

    Parameters
    ----------
    source
        A dataset folder (`dosml.relabel.dataset.files`); a campaign folder of dosml; a VASP study
        after `dosml relabel collect`; a folder of extxyz files that somebody else made, one per
        label set; one extxyz file; or "reference", the set that ships with dosml.
    scheme
        Smearing scheme of files that are named after a width and an electron number
        (`sigma_0.2.extxyz`, `sigma_0.2_electrons_-1.extxyz`). Without it their settings stay
        unknown, unless `labels.csv` beside them has the columns scheme and sigma_ev.
    stress
        Whether to read the stresses.
    metal
        Take the frames of this element only; "reference" needs it.

    Returns
    -------
    Dataset
        With the mean DOS of every label set where there are DOS, those of single frames being read
        when asked for; without roles where nobody has split the frames.

    Raises
    ------
    DosmlError
        Naming the file, and the frame where it is about one.
    """
    if str(source) == REFERENCE:
        return reference_dataset(metal, stress=stress)
    path = Path(source)
    if path.is_file():
        found = load_files([path], scheme=scheme, stress=stress)
    elif path.is_dir():
        folder = _data_folder(path)
        if (folder / RECORD).is_file():
            found = load_folder(folder, stress=stress)
        else:
            found = _load_foreign(folder, scheme=scheme, stress=stress)
        if not found.provenance.source:
            found = replace(found, provenance=replace(found.provenance, source=str(source)))
    else:
        raise InputError(
            f"no labelled data at {path}: give a folder, an extxyz file, or {REFERENCE}"
        )
    return found if metal is None else found.of_element(metal)


def _data_folder(path: Path) -> Path:
    """Find the folder with the labels: this one, or that of a campaign or study.

    Raises
    ------
    InputError
        If there is none.
    """
    for folder in (path, *(path / name for name in LABEL_FOLDERS)):
        if (folder / RECORD).is_file():
            return folder
    for folder in (path, *(path / name for name in LABEL_FOLDERS)):
        if _label_files(folder):
            return folder
    if (path / "jobs").is_dir():
        raise InputError(
            f"{path} is a VASP study that has not been collected: run dosml relabel collect {path}"
        )
    raise InputError(_no_label_sets(path))


def _no_label_sets(path: Path) -> str:
    places = " and ".join(f"{name}/*.extxyz" for name in LABEL_FOLDERS)
    return (
        f"the folder {path} holds no label sets (looked for {RECORD}, *.extxyz, {places}): give a "
        "campaign folder of a finished scan, a collected VASP study, or an extxyz file"
    )


def _label_files(folder: Path) -> list[Path]:
    return sorted(path for ending in ENDINGS for path in folder.glob(f"*{ending}"))


def label_files(targets: Sequence[Path]) -> list[Path]:
    """Files that the targets stand for: files themselves, or the label sets of a folder.

    Raises
    ------
    InputError
        If a target is neither, or a file is named twice.
    """
    files: list[Path] = []
    for target in targets:
        if target.is_dir():
            places = (target, *(target / name for name in LABEL_FOLDERS))
            found = next((there for place in places if (there := _label_files(place))), None)
            if found is None:
                raise InputError(_no_label_sets(target))
            files += found
        elif target.is_file():
            files.append(target)
        else:
            raise InputError(f"no label set at {target}: give an extxyz file or a campaign folder")
    names = [set_name(path) for path in files]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"two label sets are named {twice!r}: rename one, models bear that name")
    return files


def load_files(paths: Sequence[Path], *, scheme: str | None = None, stress: bool = True) -> Dataset:
    """Read label sets of one frame list, one file each.

    Parameters
    ----------
    paths
        extxyz (or .gz, .xz) with `REF_energy` (eV), `REF_forces` (eV/Å) and, in all frames or in
        none, `REF_stress` (eV/Å^3, ase's sign; Voigt order xx yy zz yz xz xy, or 3 x 3).
    scheme
        See `load`.
    stress
        Whether to read the stresses.

    Raises
    ------
    InputError
        If there is no such smearing scheme.
    FrameError
        If a file cannot be read, a label is missing or not finite, labels have other units or
        signs, or the files do not hold the same frames in the same order.
    """
    frames: list[Atoms] = []
    ids: list[str] = []
    label_sets: list[LabelSet] = []
    notes: list[str] = []
    for path in paths:
        read, labels = read_labels(path, stress=stress)
        notes += check_units(read, labels.energies, labels.forces, labels.stresses, path)
        if not frames:
            frames, ids = read, [frame_id(frame) for frame in read]
        elif [frame_id(frame) for frame in read] != ids:
            raise FrameError(
                f"{paths[0]} ({len(frames)} frames) and {path} ({len(read)} frames) do not hold "
                "the same frames in the same order: label sets that are trained together share "
                "their frames; train these one by one"
            )
        label_sets.append(replace(labels, setting=_setting_of(labels.name, scheme)))
    with_stress = [
        path.name for path, one in zip(paths, label_sets, strict=True) if one.stresses is not None
    ]
    if 0 < len(with_stress) < len(label_sets):
        raise FrameError(
            f"only {', '.join(with_stress)} hold REF_stress, the other files do not: leave the "
            "stresses out with --no-stress"
        )
    source = ", ".join(str(path) for path in paths)
    warning = f"Labels were read from {source}; how they were made is not on record there."
    return Dataset.of(frames, label_sets, Provenance(warning=warning, source=source), notes=notes)


def _setting_of(name: str, scheme: str | None) -> ElectronicSetting | None:
    match = _NAME.fullmatch(name)
    if scheme is None or match is None:
        return None
    return _setting(scheme, match["width"], match["shift"] or "0", name)


def _setting(scheme: str, width: str, shift: str, where: str) -> ElectronicSetting:
    try:
        return ElectronicSetting(Smearing(scheme, float(width)), float(shift or 0))
    except ValueError as error:
        raise InputError(
            f"{where}: scheme {scheme!r}, width {width!r}, electrons {shift!r}: {error}"
        ) from error


def _order(path: Path) -> tuple[float, float, str]:
    """Fewest electrons first, then the narrowest smearing; other names last, by name."""
    match = _NAME.fullmatch(set_name(path))
    if match is None:
        return float("inf"), 0.0, path.name
    return float(match["shift"] or 0), float(match["width"]), path.name


def _load_foreign(folder: Path, *, scheme: str | None, stress: bool) -> Dataset:
    """Read a folder without a record: what the files say, and `labels.csv` where there is one."""
    files = label_files([folder])
    read = load_files(sorted(files, key=_order), scheme=scheme, stress=stress)
    read = replace(
        read,
        provenance=Provenance(
            warning=f"Labels were read from {folder}; how they were made is not on record there.",
            source=str(folder),
        ),
    )
    rows = read_table(folder / TABLE) if (folder / TABLE).is_file() else []
    if rows and len(read.label_sets) > 1 and "setting" not in rows[0]:
        raise LabelError(
            f"{folder / TABLE} has no column setting, and there are {len(read.label_sets)} label "
            f"sets: name the label set of every row ({', '.join(read.names)})"
        )
    sizes = [len(frame) for frame in read.frames]
    label_sets = []
    for labels in read.label_sets:
        path = folder / dos_name(labels.name)
        if path.is_file():
            parts, mean = read_dos_file(path, len(labels))
            labels = replace(labels, dos=mean, dos_parts=parts)  # noqa: PLW2901 - grows
        own = [row for row in rows if row.get("setting", labels.name) == labels.name]
        if own:
            labels = _with_rows(labels, own, read.frame_ids, sizes, folder)  # noqa: PLW2901
        label_sets.append(labels)
    return replace(read, label_sets=tuple(label_sets)).aligned()


def _with_rows(
    labels: LabelSet, rows: list[Row], ids: Sequence[str], sizes: Sequence[int], folder: Path
) -> LabelSet:
    """Give setting, facts and DOS files as the rows of one label set say."""
    table = folder / TABLE
    if len(rows) != len(labels):
        raise LabelError(
            f"{table} has {len(rows)} rows of {labels.name}, expected one for each of its "
            f"{len(labels)} frames"
        )
    rows = _in_order(rows, ids, f"{table}, {labels.name}")
    kinds = {
        (row.get("scheme", ""), row.get("sigma_ev", ""), row.get("electrons_per_atom_shift", ""))
        for row in rows
    }
    if len(kinds) > 1:
        raise LabelError(f"{table}: {labels.name} has rows of several settings, expected one")
    scheme, width, shift = kinds.pop()
    setting = labels.setting
    if scheme and width:
        setting = _setting(scheme, width, shift, f"{table}, {labels.name}")
    labels = replace(labels, setting=setting, facts=facts_of(rows))
    named = [row.get(DOS_FILE, "").strip() for row in rows]
    if labels.dos_parts is not None or not any(named):
        return labels
    if not all(named):
        raise LabelError(
            f"{table}: frame {named.index('')} of {labels.name} has no {DOS_FILE}, others have "
            "one: name the file of every frame, or of none"
        )
    return replace(labels, dos_parts=NamedDos([folder / one for one in named], sizes)).averaged()


def _in_order(rows: list[Row], ids: Sequence[str], where: str) -> list[Row]:
    """Rows in the frames' order: by frame id, by the frame's number, or as they stand."""
    named = [row.get("frame", "") for row in rows]
    if not any(named):
        return rows
    for wanted in (list(ids), [str(number) for number in range(len(ids))]):
        by_frame = dict(zip(named, rows, strict=True))
        if sorted(named) == sorted(wanted):
            return [by_frame[one] for one in wanted]
    raise LabelError(
        f"{where}: the column frame holds neither the ids of the frames nor their numbers 0 to "
        f"{len(ids) - 1}, each once: mend it, or leave it out where the rows are in the frames' "
        "order"
    )
