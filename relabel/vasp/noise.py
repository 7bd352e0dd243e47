"""Label noise of a VASP study: jobs on a denser grid of k-points, and what they tell."""

from __future__ import annotations

from dataclasses import replace
from itertools import zip_longest
from typing import TYPE_CHECKING

from dosml.relabel.dataset.noise import FrameNoise, LabelNoise
from dosml.relabel.label import Label
from dosml.relabel.vasp.labels import store_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from ase import Atoms

    from dosml.relabel.dataset.label_set import LabelSet
    from dosml.relabel.dataset.value import Dataset
    from dosml.relabel.vasp.jobs import VaspJob


def noise_frames(frames: Sequence[Atoms], count: int) -> list[Atoms]:
    """Choose frames whose labels are made on a denser grid too.

    Parameters
    ----------
    frames
        Canonical frames.
    count
        How many of each element (or alloy of the same elements), or all that there are.

    Returns
    -------
    list
        Held-out frames, or any where nobody has split them; the first of every tier, then the
        second, and so on.
    """
    by_element: dict[tuple[str, ...], dict[str, list[Atoms]]] = {}
    held_out = [frame for frame in frames if frame.info.get("split") == "test"]
    for frame in held_out or frames:
        tiers = by_element.setdefault(tuple(sorted(set(frame.symbols))), {})
        tiers.setdefault(str(frame.info.get("tier", "all")), []).append(frame)
    chosen: list[Atoms] = []
    for tiers in by_element.values():
        turns = [frame for turn in zip_longest(*tiers.values()) for frame in turn]
        chosen += [frame for frame in turns if frame is not None][:count]
    return chosen


def with_noise(
    study: Path, dataset: Dataset, jobs: Mapping[str, VaspJob], denser: Sequence[VaspJob]
) -> Dataset:
    """Give the label sets of a study their noise, from jobs on the denser grid that have labels.

    Parameters
    ----------
    study
        The study's folder.
    dataset
        Its labels, with the fact "job".
    jobs
        The jobs behind the labels by that fact.
    denser
        Jobs on the denser grid whose labels are in the store.
    """
    return replace(
        dataset,
        label_sets=tuple(
            replace(labels, noise=_noise(study, dataset, labels, jobs, denser))
            for labels in dataset.label_sets
        ),
    )


def _noise(
    study: Path,
    dataset: Dataset,
    labels: LabelSet,
    jobs: Mapping[str, VaspJob],
    denser: Sequence[VaspJob],
) -> LabelNoise | None:
    """Compare frames of one label set; jobs of one set differ in frame and element only."""
    own = jobs[labels.facts["job"][0]]
    places = {identity: number for number, identity in enumerate(dataset.frame_ids)}
    found = []
    for job in denser:
        if job.setting != own.setting or job.record["protocol"] != own.record["protocol"]:
            continue
        label = store_of(study, job).get(job.frame_id, job.setting)
        if job.frame_id in places and isinstance(label, Label):
            forces = labels.forces[places[job.frame_id]]
            found.append(FrameNoise.between(job.frame_id, forces, label.forces))
    return LabelNoise(tuple(found)) if found else None
