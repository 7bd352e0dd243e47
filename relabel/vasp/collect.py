"""Collect a study: every label read once, checked, and written as a dataset folder.

Energies, forces and facts of all labels are held in memory, their DOS are not: ten thousand jobs
stream through.
"""

from __future__ import annotations

import multiprocessing
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from dosml.errors import LabelError
from dosml.files import whole_file
from dosml.relabel.dataset.files import save
from dosml.relabel.dataset.pairing import LabelSource, pair
from dosml.relabel.vasp.jobs import VaspJob, find_jobs, study_frames
from dosml.relabel.vasp.labels import ensure_label, store_of, table_facts
from dosml.relabel.vasp.noise import with_noise
from dosml.relabel.vasp.provenance import study_provenance

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

    from ase import Atoms

    from dosml.relabel.dataset.noise import LabelNoise
    from dosml.relabel.dataset.value import Dataset
    from dosml.relabel.label import Label
    from dosml.relabel.vasp.verify import Refusal

#: Folder of the dataset inside a study.
COLLECTED = "collected"
#: Folder of one dataset per setting, for frames that lack a label at some setting.
UNPAIRED = "unpaired"
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
    folders
        The dataset folder; with `unpaired` one per setting.
    refused_table
        refused.csv.
    n_labels
        Accepted labels.
    n_written
        Labels in the datasets: fewer where frames lack one at some setting.
    dropped, dropped_settings
        Frames and settings that were left out, with the reason.
    refused
        Every job without a label.
    lost
        Job and words, for every label of which something overflowed (asterisks).
    noise
        Label set -> what the jobs on a denser grid of k-points tell of it, where there are any.
    """

    folders: tuple[Path, ...]
    refused_table: Path
    n_labels: int
    n_written: int
    dropped: tuple[str, ...]
    dropped_settings: tuple[str, ...]
    refused: tuple[Refused, ...]
    lost: tuple[tuple[str, str], ...]
    noise: Mapping[str, LabelNoise]


def collect(
    study: Path, *, unpaired: bool, workers: int, on_progress: Callable[[int], None]
) -> Collection:
    """Read every job of a study and write what can be used.

    Parameters
    ----------
    study
        Its folder.
    unpaired
        Keep frames that lack a label at some setting: one dataset per setting, below
        `STUDY/unpaired`, in place of one for all in `STUDY/collected`.
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
    every = find_jobs(study)
    jobs = [job for job in every if not job.denser]
    denser: list[VaspJob] = []
    good: dict[str, dict[str, VaspJob]] = {job.folder.parent.name: {} for job in jobs}
    reasons: dict[str, dict[str, str]] = {name: {} for name in good}
    refused: list[Refused] = []
    with _pool(min(workers, len(every))) as run:
        for done, (job, refusal) in enumerate(zip(every, run(study, every), strict=True), 1):
            name = job.folder.parent.name
            if refusal is None and job.denser:
                denser.append(job)
            elif refusal is None:
                good[name][job.frame_id] = job
            else:
                place = str(job.folder.relative_to(study))
                refused.append(
                    Refused(place, job.frame_id, job.setting.name, refusal.kind, refusal.reason)
                )
                if not job.denser:
                    reasons[name][job.frame_id] = refusal.reason
            on_progress(done)
    refused_table = study / (UNPAIRED if unpaired else COLLECTED) / "refused.csv"
    with whole_file(refused_table) as path:
        columns = list(Refused.__dataclass_fields__)
        pd.DataFrame([asdict(one) for one in refused], columns=columns).to_csv(path, index=False)
    n_labels = sum(len(found) for found in good.values())
    if not n_labels:
        raise LabelError(
            f"no label in {study}: all {len(every)} jobs were refused, the first because "
            f"{refused[0].reason} (all reasons: {refused_table})"
        )
    frames = study_frames(study)
    sources = [
        _source(study, frames, jobs, name, found, reasons[name]) for name, found in good.items()
    ]
    datasets = _unpaired(frames, sources) if unpaired else [_paired(study, frames, sources)]
    by_place = {str(job.folder.relative_to(study)): job for job in jobs}
    folders = []
    datasets = [with_noise(study, dataset, by_place, denser) for dataset in datasets]
    lost = tuple(
        (job, words)
        for dataset in datasets
        for labels in dataset.label_sets
        for job, words in zip(labels.facts["job"], labels.facts["lost"], strict=True)
        if words
    )
    if not lost:
        datasets = [_without_fact(dataset, "lost") for dataset in datasets]
    for dataset in datasets:
        provenance = study_provenance(study, dataset, by_place)
        folder = study / UNPAIRED / dataset.names[0] if unpaired else study / COLLECTED
        folders.append(save(replace(dataset, provenance=provenance), folder))
    return Collection(
        folders=tuple(folders),
        refused_table=refused_table,
        n_labels=n_labels,
        n_written=sum(len(one.frames) * len(one.label_sets) for one in datasets),
        dropped=() if unpaired else datasets[0].dropped,
        dropped_settings=() if unpaired else datasets[0].dropped_settings,
        refused=tuple(refused),
        lost=lost,
        noise={
            labels.name: labels.noise
            for dataset in datasets
            for labels in dataset.label_sets
            if labels.noise is not None
        },
    )


def _paired(study: Path, frames: Mapping[str, Atoms], sources: Sequence[LabelSource]) -> Dataset:
    try:
        return pair(list(frames.values()), sources)
    except LabelError as error:
        raise LabelError(
            f"{study}: {error}; give --unpaired to write what there is, one dataset per setting"
        ) from error


def _unpaired(frames: Mapping[str, Atoms], sources: Sequence[LabelSource]) -> list[Dataset]:
    of_setting = [
        [frame for one, frame in frames.items() if one not in source.failures] for source in sources
    ]
    return [
        pair(found, [source]) for found, source in zip(of_setting, sources, strict=True) if found
    ]


def _source(
    study: Path,
    frames: Mapping[str, Atoms],
    jobs: Sequence[VaspJob],
    folder: str,
    good: Mapping[str, VaspJob],
    reasons: Mapping[str, str],
) -> LabelSource:
    """Where the labels of one setting are, and why the others are not."""
    first = next(job for job in jobs if job.folder.parent.name == folder)
    missing = "no job: write its inputs with dosml relabel FRAMES --out STUDY"
    return LabelSource(
        store_of(study, first),
        first.setting,
        _set_name(folder, {job.folder.parent.name for job in jobs}),
        {one: reasons.get(one, missing) for one in frames if one not in good},
        lambda identity, label: _facts(study, good[identity], label),
    )


def _without_fact(dataset: Dataset, name: str) -> Dataset:
    """Leave out a column that would be empty."""
    return replace(
        dataset,
        label_sets=tuple(
            replace(labels, facts={key: one for key, one in labels.facts.items() if key != name})
            for labels in dataset.label_sets
        ),
    )


def _facts(study: Path, job: VaspJob, label: Label) -> dict[str, Any]:
    return {**table_facts(label), "job": str(job.folder.relative_to(study))}


def _set_name(folder: str, folders: set[str]) -> str:
    """Name of the setting; with the hash where the study has two protocols or schemes."""
    name = folder.rsplit("-", 1)[0]
    return name if sum(other.rsplit("-", 1)[0] == name for other in folders) == 1 else folder


@contextmanager
def _pool(
    workers: int,
) -> Iterator[Callable[[Path, Sequence[VaspJob]], Iterator[Refusal | None]]]:
    def here(study: Path, jobs: Sequence[VaspJob]) -> Iterator[Refusal | None]:
        return (ensure_label(study, job) for job in jobs)

    if workers <= 1:
        yield here
        return
    context = multiprocessing.get_context("spawn")
    pool: Executor
    with ProcessPoolExecutor(workers, mp_context=context) as pool:

        def spread(study: Path, jobs: Sequence[VaspJob]) -> Iterator[Refusal | None]:
            return pool.map(partial(ensure_label, study), jobs, chunksize=_CHUNK)

        yield spread
        pool.shutdown(cancel_futures=True)
