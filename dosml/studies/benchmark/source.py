"""Where a benchmark's labels come from, one metal in memory at a time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from dosml.errors import InputError
from dosml.records import find_record
from dosml.relabel.dataset import REFERENCE, load, reference_metals
from dosml.relabel.dataset.files import RECORD as DATASET
from dosml.studies.benchmark.settings import ALL
from dosml.studies.data import RECORD as COLLECTION
from dosml.studies.data import CollectionRecord, collection_folder
from dosml.studies.labels import labels_of, split_labels, subjects_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dosml.relabel.dataset import Dataset
    from dosml.studies.benchmark.settings import BenchmarkSettings


@dataclass(frozen=True)
class Source:
    """Labels of several metals that are read when asked for.

    Attributes
    ----------
    where
        What the user named.
    folder
        With one dataset folder per metal; None where all lie in one place.
    names
        Metals, or sets of elements (Cu-Ti).
    """

    where: str
    folder: Path | None
    names: tuple[str, ...]

    def load(self, name: str) -> Dataset:
        """Read the labels of one metal.

        Raises
        ------
        DosmlError
            If they cannot be read.
        """
        if self.folder is not None:
            return load(self.folder / name)
        return labels_of(self.where, name)

    def split(self, name: str, settings: BenchmarkSettings) -> tuple[Dataset, str]:
        """Read the labels of one metal, with roles; says where the split is from.

        Raises
        ------
        DosmlError
            If they cannot be read or split as asked for.
        """
        data = self.load(name)
        if settings.label_sets is not None:
            which = [k for k, one in enumerate(data.names) if one in settings.label_sets]
            if len(which) < len(settings.label_sets):
                raise InputError(
                    f"--label-sets {','.join(settings.label_sets)}: {name} has "
                    f"{', '.join(data.names)}"
                )
            data = data.take(label_sets=which)
        if not settings.stress:
            data = data.take(stress=False)
        return split_labels(
            data,
            seed=settings.seed,
            hold_out=settings.hold_out,
            train=settings.train,
            test=settings.test,
        )


def open_source(where: str, metals: Sequence[str]) -> Source:
    """Find the metals of a source without reading their labels.

    Parameters
    ----------
    where
        A collection that `dosml data` made, by its name or folder; "reference"; or what
        `dosml.load` reads.
    metals
        Those that are wanted, or "all".

    Raises
    ------
    DosmlError
        If there is none, or a metal is not among them.
    """
    found = _find(where)
    if list(metals) == [ALL]:
        return found
    if strange := [name for name in metals if name not in found.names]:
        raise InputError(f"--metals {strange[0]}: {where} has {', '.join(found.names)}")
    return replace(found, names=tuple(metals))


def _find(where: str) -> Source:
    if where == REFERENCE:
        return Source(where, None, reference_metals())
    folder = Path(where)
    if not folder.exists():
        here = collection_folder(where)
        if here is None:
            raise InputError(
                f"no labels at {where}: give a folder, a file, {REFERENCE}, or a collection that "
                "dosml data list names"
            )
        folder = here
    if folder.is_dir():
        record = find_record(folder / COLLECTION, CollectionRecord)
        names = (
            sorted(path.parent.name for path in folder.glob(f"*/{DATASET}"))
            if record is None
            else record.metals
        )
        if names and not (folder / DATASET).is_file():
            return Source(where, folder, tuple(names))
    return Source(where, None, tuple(subjects_of(where)))
