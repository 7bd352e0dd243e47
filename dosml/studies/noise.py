"""Label noise of a scan: held-out frames labelled once more, on the next denser k-grid."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dosml.relabel.dataset import FrameNoise, LabelNoise
from dosml.relabel.frames import frame_id
from dosml.relabel.label import Label
from dosml.relabel.store import LabelStore
from dosml.studies.labelling import make_labels

if TYPE_CHECKING:
    from pathlib import Path

    from ase import Atoms

    from dosml.progress import Reporter
    from dosml.relabel.dataset import Dataset
    from dosml.relabel.engines.base import Engine
    from dosml.relabel.execution.runner import Runner


def noise_frames(data: Dataset) -> list[int]:
    """Find the first held-out frame of every tier."""
    first: dict[str, int] = {}
    for number in data.test:
        first.setdefault(data.tiers[number], number)
    return list(first.values())


def with_label_noise(
    data: Dataset,
    engine: Engine,
    folder: Path,
    runner: Runner,
    reporter: Reporter,
    *,
    retry_failed: bool = False,
) -> Dataset:
    """Measure the label noise of every label set; labels that are there are not made again.

    Parameters
    ----------
    data
        Labels of `engine`, with roles.
    engine
        What made them.
    folder
        Where labels are kept, those of the denser grids too.
    runner, reporter
        Where the labels are made, and who hears of it.
    retry_failed
        Whether labels that failed are tried again.

    Returns
    -------
    Dataset
        As it was where the engine has no denser grid, or no label on it came about.

    Raises
    ------
    DosmlError
        What stopped the labelling; finished labels are kept.
    """
    electronic = list(data.electronic)
    # frames of one scan share their grid as a rule; each engine has a store of its own
    grids: dict[str, tuple[Engine, LabelStore, list[Atoms]]] = {}
    for number in noise_frames(data):
        frame = data.frames[number]
        denser = engine.denser(frame)
        if denser is None:
            return data
        store = LabelStore(folder, denser.fingerprint())
        grids.setdefault(str(store.fingerprint), (denser, store, []))[2].append(frame)
    found: list[list[FrameNoise]] = [[] for _ in electronic]
    for denser, store, frames in grids.values():
        if retry_failed:
            for frame in frames:
                for setting in electronic:
                    store.forget_failures(frame_id(frame), setting)
        make_labels(
            denser, store, frames, electronic, runner, reporter, what="labels on a denser grid"
        )
        for frame in frames:
            _compare(data, store, frame, found, reporter)
    return replace(
        data,
        label_sets=tuple(
            replace(labels, noise=LabelNoise(tuple(each)) if each else None)
            for labels, each in zip(data.label_sets, found, strict=True)
        ),
    )


def _compare(
    data: Dataset,
    store: LabelStore,
    frame: Atoms,
    found: list[list[FrameNoise]],
    reporter: Reporter,
) -> None:
    """Compare one frame at all settings, or at none, so that settings have the same frames."""
    identity = frame_id(frame)
    number = data.frame_ids.index(identity)
    parts = []
    for setting, labels in zip(data.electronic, data.label_sets, strict=True):
        label = store.get(identity, setting, len(frame))
        if not isinstance(label, Label):
            reason = getattr(label, "reason", "it is missing")
            reporter.warn(
                f"frame {identity} tells nothing of the label noise: no label on the denser grid "
                f"at {setting.name} ({reason})"
            )
            return
        parts.append(FrameNoise.between(identity, labels.forces[number], label.forces))
    for each, part in zip(found, parts, strict=True):
        each.append(part)
