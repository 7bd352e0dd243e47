"""Collect a study: every label read once, checked, written as extxyz per setting and as one table.

Nothing but one label per process is held in memory: ten thousand jobs stream through.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from typing import TYPE_CHECKING

import pandas as pd
from ase.io.extxyz import write_extxyz

from dosml.errors import LabelError
from dosml.files import whole_file
from dosml.relabel.label import Label, labelled_frame
from dosml.relabel.vasp.jobs import VaspJob, find_jobs, study_frames
from dosml.relabel.vasp.labels import LabelRow, ensure_label, store_of
from dosml.relabel.vasp.verify import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

#: Folder of the results inside a study.
COLLECTED = "collected"
_CHUNK = 8


@dataclass(frozen=True)
class Refused:
    """A job without a label."""

    job: str
    frame_id: str
    setting: str
    kind: str
    reason: str


@dataclass(frozen=True)
class Collection:
    """What `collect` found.

    Attributes
    ----------
    files
        One extxyz file per setting, in the settings' order.
    table, refused_table
        labels.parquet and refused.csv.
    n_labels
        Accepted labels.
    n_written
        Labels in the extxyz files: fewer where frames lack one at some setting.
    n_unpaired
        Frames left out because one of their labels is missing.
    refused
        Every job without a label.
    """

    files: tuple[Path, ...]
    table: Path
    refused_table: Path
    n_labels: int
    n_written: int
    n_unpaired: int
    refused: tuple[Refused, ...]


def collect(
    study: Path, *, unpaired: bool, workers: int, on_progress: Callable[[int], None]
) -> Collection:
    """Read every job of a study and write what can be used.

    Parameters
    ----------
    study
        Its folder.
    unpaired
        Keep frames that lack a label at some setting.
    workers
        Processes that read outputs.
    on_progress
        Called with the number of jobs read.

    Raises
    ------
    InputError
        If the study holds no jobs.
    LabelError
        If there is no label, or no frame with a label at every setting.
    DiskSpaceError
        If the disk is full.
    """
    jobs = find_jobs(study)
    rows: list[LabelRow] = []
    refused: list[Refused] = []
    with _pool(min(workers, len(jobs))) as run:
        for done, (job, outcome) in enumerate(zip(jobs, run(study, jobs), strict=True), 1):
            if isinstance(outcome, Refusal):
                place = str(job.folder.relative_to(study))
                refused.append(
                    Refused(place, job.frame_id, job.setting.name, outcome.kind, outcome.reason)
                )
            else:
                rows.append(outcome)
            on_progress(done)
    out = study / COLLECTED
    refused_table = out / "refused.csv"
    with whole_file(refused_table) as path:
        columns = list(Refused.__dataclass_fields__)
        pd.DataFrame([asdict(one) for one in refused], columns=columns).to_csv(path, index=False)
    if not rows:
        raise LabelError(
            f"no label in {study}: all {len(jobs)} jobs were refused, the first because "
            f"{refused[0].reason} (all reasons: {refused_table})"
        )
    return _write(study, jobs, rows, refused, unpaired=unpaired)


def _write(
    study: Path,
    jobs: Sequence[VaspJob],
    rows: Sequence[LabelRow],
    refused: Sequence[Refused],
    *,
    unpaired: bool,
) -> Collection:
    frames = study_frames(study)
    by_folder: dict[str, list[VaspJob]] = {}
    for job in jobs:
        by_folder.setdefault(job.folder.parent.name, []).append(job)
    good = {row.job for row in rows}
    present = {
        name: {job.frame_id for job in group if str(job.folder.relative_to(study)) in good}
        for name, group in by_folder.items()
    }
    complete = set.intersection(*present.values())
    n_any = len(set.union(*present.values()))
    if not complete and not unpaired:
        raise LabelError(
            f"no frame of {study} has a label at every one of its {len(by_folder)} settings: give "
            "--unpaired to write what there is"
        )
    files = []
    n_written = 0
    for name, group in by_folder.items():
        ids = present[name] if unpaired else complete
        chosen = {job.frame_id: job for job in group if job.frame_id in ids}
        if not chosen:
            continue
        path = study / COLLECTED / f"{_file_name(name, by_folder)}.extxyz"
        with whole_file(path) as partial_path, partial_path.open("w") as handle:
            for identity, frame in frames.items():
                if identity not in chosen:
                    continue
                job = chosen[identity]
                label = store_of(study, job).get(identity, job.setting)
                assert isinstance(label, Label)
                write_extxyz(handle, [labelled_frame(frame, label)])
                n_written += 1
        files.append(path)
    table = study / COLLECTED / "labels.parquet"
    with whole_file(table) as path:
        pd.DataFrame([asdict(row) for row in rows]).to_parquet(path, index=False)
    return Collection(
        files=tuple(files),
        table=table,
        refused_table=study / COLLECTED / "refused.csv",
        n_labels=len(rows),
        n_written=n_written,
        n_unpaired=0 if unpaired else n_any - len(complete),
        refused=tuple(refused),
    )


def _file_name(folder: str, folders: dict[str, list[VaspJob]]) -> str:
    """Name of the setting; with the hash where the study has two protocols."""
    name = folder.rsplit("-", 1)[0]
    alone = sum(other.rsplit("-", 1)[0] == name for other in folders) == 1
    return name if alone else folder


@contextmanager
def _pool(
    workers: int,
) -> Iterator[Callable[[Path, Sequence[VaspJob]], Iterator[LabelRow | Refusal]]]:
    def here(study: Path, jobs: Sequence[VaspJob]) -> Iterator[LabelRow | Refusal]:
        return (ensure_label(study, job) for job in jobs)

    if workers <= 1:
        yield here
        return
    context = multiprocessing.get_context("spawn")
    pool: Executor
    with ProcessPoolExecutor(workers, mp_context=context) as pool:

        def spread(study: Path, jobs: Sequence[VaspJob]) -> Iterator[LabelRow | Refusal]:
            return pool.map(partial(ensure_label, study), jobs, chunksize=_CHUNK)

        yield spread
        pool.shutdown(cancel_futures=True)
