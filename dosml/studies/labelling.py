"""Paired label sets: every frame labelled at every setting that the engine can do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import ase.io

from dosml.campaign import logger
from dosml.errors import LabelError
from dosml.files import whole_file
from dosml.relabel.execution.runner import open_runner
from dosml.relabel.execution.settings import RunSettings
from dosml.relabel.frames import frame_id
from dosml.relabel.label import Label, LabelSet, labelled_frame
from dosml.relabel.labelling import label_frames
from dosml.studies.frames_source import FEWEST, describe, split

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ase import Atoms

    from dosml.progress import Reporter
    from dosml.relabel.engines.base import Engine
    from dosml.relabel.store import LabelStore
    from dosml.theory.setting import ElectronicSetting

#: A setting is left out as a whole when more than this share of its frames has no label.
MOST_FAILURES = 0.5


@dataclass(frozen=True)
class PairedLabels:
    """Label sets of one list of frames.

    Attributes
    ----------
    frames
        Frames with a label at every kept setting.
    label_sets
        One per kept setting.
    dropped
        Frames that were taken out of all label sets, with setting and reason.
    dropped_settings
        Settings that were left out as a whole, with the reason.
    """

    frames: list[Atoms]
    label_sets: list[LabelSet]
    dropped: list[str]
    dropped_settings: list[str]


def trial_frames(frames: Sequence[Atoms]) -> list[Atoms]:
    """First training frame of every tier."""
    train, _ = split(frames)
    first = {str(frame.info.get("tier", "all")): frame for frame in reversed(train)}
    return list(first.values())[::-1]


def try_settings(
    engine: Engine,
    store: LabelStore,
    frames: Sequence[Atoms],
    settings: Sequence[ElectronicSetting],
    workers: int,
    reporter: Reporter,
) -> tuple[list[ElectronicSetting], list[str]]:
    """Label one frame per tier at every setting, and give up settings that fail on all of them.

    A label that fails costs many times one that converges (every attempt runs to its last
    iteration), and engines fail for whole electron numbers at a time: a trial saves hours.

    Returns
    -------
    kept, dropped
        Settings to go on with, and lines that name the others.
    """
    trial = trial_frames(frames)
    make_labels(engine, store, trial, settings, workers, reporter, what="trial labels")
    kept: list[ElectronicSetting] = []
    dropped: list[str] = []
    for setting in settings:
        outcomes = [store.get(frame_id(frame), setting) for frame in trial]
        reasons = [one.reason for one in outcomes if one is not None and not isinstance(one, Label)]
        if len(reasons) < len(trial):
            kept.append(setting)
            continue
        dropped.append(
            f"{setting.name}: no label for any of {len(trial)} trial frames: {reasons[0]}"
        )
        reporter.warn(f"setting left out: {dropped[-1]}")
    return kept, dropped


def make_labels(
    engine: Engine,
    store: LabelStore,
    frames: Sequence[Atoms],
    settings: Sequence[ElectronicSetting],
    workers: int,
    reporter: Reporter,
    *,
    what: str = "labels",
) -> None:
    """Label all frames at all settings in a process pool; each finished label is logged."""
    total = len(frames) * len(settings)
    kept = sum(store.has(frame_id(frame), setting) for frame in frames for setting in settings)
    reporter.say(
        f"{what}: {total} in all ({len(frames)} frames x {len(settings)} settings), "
        f"{kept} on disk, {total - kept} to make with {engine.name} on {workers} processes"
    )
    if kept == total:
        return
    with (
        open_runner(
            RunSettings(), store.folder.parent, workers=workers, say=reporter.say
        ) as runner,
        reporter.bar("labelling", total) as update,
    ):
        for report in label_frames(
            engine, store, frames, settings, runner=runner, on_progress=update
        ):
            if report.made:
                logger.info("made labels of frame %s: %s", report.frame_id, ", ".join(report.made))
            for setting, reason in report.failures.items():
                logger.warning("no label of frame %s at %s: %s", report.frame_id, setting, reason)


def pair(
    store: LabelStore,
    frames: Sequence[Atoms],
    settings: Sequence[ElectronicSetting],
    reporter: Reporter,
) -> PairedLabels:
    """Keep the frames that have a label at every setting, so that comparisons stay paired.

    A setting at which most frames failed is left out first, as a whole: it would take those frames
    from all others. That is not done where fewer than two settings would stay.

    Raises
    ------
    LabelError
        If too few frames are left.
    """
    outcomes = {
        setting: [store.get(frame_id(frame), setting) for frame in frames] for setting in settings
    }
    failures = {
        setting: [_reason(one) for one in found if not isinstance(one, Label)]
        for setting, found in outcomes.items()
    }
    usable = [one for one in settings if len(failures[one]) <= MOST_FAILURES * len(frames)]
    left_out: list[str] = []
    if 2 <= len(usable) < len(settings):
        for setting in settings:
            if setting not in usable:
                left_out.append(
                    f"{setting.name}: no label for {len(failures[setting])} of {len(frames)} "
                    f"frames: {failures[setting][0]}"
                )
                reporter.warn(f"setting left out: {left_out[-1]}")
        settings = usable
    kept: list[Atoms] = []
    labels: list[list[Label]] = [[] for _ in settings]
    dropped: list[str] = []
    for number, frame in enumerate(frames):
        of_frame = [outcomes[setting][number] for setting in settings]
        good = [outcome for outcome in of_frame if isinstance(outcome, Label)]
        if len(good) == len(settings):
            kept.append(frame)
            for collected, label in zip(labels, good, strict=True):
                collected.append(label)
            continue
        setting, outcome = next(
            (setting, outcome)
            for setting, outcome in zip(settings, of_frame, strict=True)
            if not isinstance(outcome, Label)
        )
        text = f"frame {describe(frame)} at {setting.name}: {_reason(outcome)}"
        reporter.warn(f"dropped from all label sets: {text}")
        dropped.append(text)
    train, test = split(kept)
    if len(train) < FEWEST or len(test) < FEWEST:
        raise LabelError(
            f"only {len(train)} training and {len(test)} held-out frames have labels at every "
            f"setting, {FEWEST} of each are needed: see dosml.log for the reasons, take fewer or "
            "other settings, or other frames"
        )
    sets = [LabelSet(one, tuple(group)) for one, group in zip(settings, labels, strict=True)]
    return PairedLabels(kept, sets, dropped, left_out)


def _reason(outcome: object) -> str:
    return str(getattr(outcome, "reason", "damaged label file"))


def export_label_sets(
    folder: Path, frames: Sequence[Atoms], label_sets: Sequence[LabelSet]
) -> None:
    """Write each label set as extxyz with `REF_*` keys, for any other force-field code."""
    for label_set in label_sets:
        labelled = [
            labelled_frame(frame, label)
            for frame, label in zip(frames, label_set.labels, strict=True)
        ]
        with whole_file(folder / f"{label_set.setting.name}.extxyz") as path:
            ase.io.write(path, labelled, format="extxyz")
