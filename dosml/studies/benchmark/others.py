"""Files of others as the source of a benchmark: read as `dosml data import` reads them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dosml.errors import FrameError
from dosml.files import file_hash
from dosml.records import Record, find_record, write_record
from dosml.relabel.dataset.files import RECORD as DATASET
from dosml.relabel.foreign.collect import ImportOptions, role_of
from dosml.studies.data import RECORD as COLLECTION
from dosml.studies.data import import_files

if TYPE_CHECKING:
    from dosml.progress import Reporter

#: Folder of the labels as they were read, in that of the benchmark.
LABELS = "imported"
#: What was read, beside them.
_SOURCES = "sources.json"


class _Sources(Record):
    """Files that were read, with their SHA-256."""

    files: dict[str, str]


def files_of_others(where: str) -> list[Path]:
    """Files of a folder whose names tell training from test frames; none elsewhere.

    The files that `dosml.load` reads from a folder are label sets of the same frames.
    """
    folder = Path(where)
    if not folder.is_dir() or (folder / DATASET).is_file() or (folder / COLLECTION).is_file():
        return []
    files = sorted(path for path in folder.iterdir() if path.suffix in {".extxyz", ".xyz"})
    roles = {role_of(path) for path in files}
    return files if len(roles) > 1 and "test" in roles else []


def imported(files: list[Path], folder: Path, reporter: Reporter) -> Path:
    """Read files of others into a collection inside a folder, anew where one of them has changed.

    Raises
    ------
    DosmlError
        If they cannot be read without being told more.
    """
    target = folder / LABELS
    sources = _Sources(files={str(path.absolute()): file_hash(path) for path in files})
    if find_record(target / _SOURCES, _Sources) != sources:
        try:
            import_files(files, LABELS, ImportOptions(), reporter, out=target)
        except FrameError as error:
            raise FrameError(
                f"{error}; dosml data import has the options for such files, and its folder can "
                "be the source"
            ) from error
        write_record(target / _SOURCES, sources)
    return target
