"""A scan: the same frames labelled at several electronic settings, force fields retrained on each.

Every step reads what is already in the campaign folder and makes only what is missing.
"""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import ase.io

from dosml.campaign import Campaign, logger
from dosml.errors import LabelError
from dosml.files import whole_file
from dosml.findings import write_findings
from dosml.frames_source import FEWEST, describe, get_frames, planned_atoms, split, subject_of
from dosml.learners.registry import make_learner
from dosml.relabel.engines.registry import make_engine
from dosml.relabel.frames import frame_id
from dosml.relabel.label import Label, LabelSet, labelled_frame
from dosml.relabel.pool import label_frames
from dosml.relabel.setting import ElectronicSetting
from dosml.relabel.store import LabelStore
from dosml.theory.smearing import Smearing
from dosml.training import train_and_predict

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from ase import Atoms

    from dosml.progress import Reporter
    from dosml.relabel.engines.base import Engine
    from dosml.settings import SmearScanSettings


@dataclass(frozen=True)
class ScanResult:
    """What a finished scan leaves behind."""

    folder: Path
    table: pd.DataFrame
    report: Path
    dropped: tuple[str, ...]


def scan_settings(settings: SmearScanSettings) -> list[ElectronicSetting]:
    """Electronic settings of a smearing scan, the narrowest smearing first."""
    return [ElectronicSetting(Smearing(settings.scheme, width)) for width in sorted(settings.sigma)]


def learner_options(settings: SmearScanSettings) -> dict[str, object]:
    """Options of the learner that the user gave; what is not given takes the learner's default."""
    given = {
        "cutoff": settings.cutoff,
        "n_max": settings.n_max,
        "l_max": settings.l_max,
        "n_inducing": settings.inducing,
        "device": settings.device,
        "seed": settings.seed,
    }
    return {name: value for name, value in given.items() if value is not None}


def make_plan(settings: SmearScanSettings) -> list[str]:
    """Lines that say what a run would do, with counts and an estimate; nothing is written."""
    engine = make_engine(settings.engine, kpoints=settings.kpoints)
    electronic = scan_settings(settings)
    for setting in electronic:
        engine.check(setting)
    make_learner(settings.learner, learner_options(settings))
    subject = subject_of(settings)
    n_frames, n_atoms = planned_atoms(settings)
    n_labels = n_frames * len(electronic)
    store = LabelStore(settings.folder / "labels", engine.fingerprint())
    on_disk = sum(len(list(store.setting_folder(setting).glob("*.npz"))) for setting in electronic)
    seconds = (
        max(0, n_labels - on_disk)
        * engine.seconds_per_label(n_atoms)
        / min(settings.workers, n_frames)
    )
    n_test = min(settings.test, n_frames)
    widths = ", ".join(f"{setting.smearing.width:g}" for setting in electronic)
    lines = {
        "subject": subject,
        "frames": f"{n_frames} of {n_atoms} atoms ({n_frames - n_test} training, {n_test} held "
        f"out), seed {settings.seed}",
        "settings": f"{len(electronic)}: {settings.scheme} sigma {widths} eV",
        "labels": f"{n_labels} with the engine {engine.name}, {on_disk} on disk in "
        f"{settings.folder}",
        "learner": f"{settings.learner}, {len(electronic)} force fields",
        "estimate": f"{seconds / 60:.1f} min of labelling on {settings.workers} processes, from "
        "the speed of a server core of 2026; the progress bar measures yours",
    }
    return [f"{name:<10}{text}" for name, text in lines.items()]


def run_scan(settings: SmearScanSettings, reporter: Reporter) -> ScanResult:
    """Run a smearing scan, or what is missing of it.

    Raises
    ------
    DosmlError
        With one line for the user; everything finished stays in the folder.
    """
    engine = make_engine(settings.engine, kpoints=settings.kpoints)
    electronic = scan_settings(settings)
    for setting in electronic:
        engine.check(setting)
    learner = make_learner(settings.learner, learner_options(settings))
    start = time.perf_counter()
    with Campaign(settings.folder, subject_of(settings)) as campaign:
        logger.info("command: %s", shlex.join(sys.argv))
        campaign.record(settings.model_dump(mode="json"))
        reporter.say(f"campaign folder: {campaign.folder}")
        frames = get_frames(settings, campaign.folder, reporter)
        store = LabelStore(campaign.folder / "labels", engine.fingerprint())
        if settings.retry_failed:
            for frame in frames:
                for setting in electronic:
                    store.forget_failures(frame_id(frame), setting)
        make_labels(engine, store, frames, electronic, settings.workers, reporter)
        kept, label_sets, dropped = pair(store, frames, electronic, reporter)
        export_label_sets(campaign.folder / "label_sets", kept, label_sets)
        training = train_and_predict(
            campaign.folder / "models", learner, kept, label_sets, store, reporter
        )
        reporter.say("findings: tables, figures and report")
        table, report = write_findings(
            campaign.folder,
            settings=settings,
            engine=engine,
            frames=kept,
            label_sets=label_sets,
            training=training,
            dropped=dropped,
            seconds=time.perf_counter() - start,
        )
    return ScanResult(settings.folder, table, report, tuple(dropped))


def make_labels(
    engine: Engine,
    store: LabelStore,
    frames: Sequence[Atoms],
    settings: Sequence[ElectronicSetting],
    workers: int,
    reporter: Reporter,
) -> None:
    """Label all frames at all settings in a process pool; each finished label is logged."""
    total = len(frames) * len(settings)
    kept = sum(store.has(frame_id(frame), setting) for frame in frames for setting in settings)
    reporter.say(
        f"labels: {total} in all ({len(frames)} frames x {len(settings)} settings), "
        f"{kept} on disk, {total - kept} to make with {engine.name} on {workers} processes"
    )
    if kept == total:
        return
    with reporter.bar("labelling", total) as update:
        for report in label_frames(
            engine, store, frames, settings, workers=workers, on_progress=update
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
) -> tuple[list[Atoms], list[LabelSet], list[str]]:
    """Keep the frames that have a label at every setting, so that comparisons stay paired.

    Returns
    -------
    frames, label_sets, dropped
        `dropped` names the frames that were taken out of all label sets, with the reason.

    Raises
    ------
    LabelError
        If too few frames are left.
    """
    kept: list[Atoms] = []
    labels: list[list[Label]] = [[] for _ in settings]
    dropped: list[str] = []
    for frame in frames:
        outcomes = [store.get(frame_id(frame), setting) for setting in settings]
        good = [outcome for outcome in outcomes if isinstance(outcome, Label)]
        if len(good) == len(settings):
            kept.append(frame)
            for collected, label in zip(labels, good, strict=True):
                collected.append(label)
            continue
        for setting, outcome in zip(settings, outcomes, strict=True):
            if not isinstance(outcome, Label):
                reason = outcome.reason if outcome is not None else "damaged label file"
                text = f"frame {describe(frame)} at {setting.name}: {reason}"
                reporter.warn(f"dropped from all label sets: {text}")
                dropped.append(text)
                break
    train, test = split(kept)
    if len(train) < FEWEST or len(test) < FEWEST:
        raise LabelError(
            f"only {len(train)} training and {len(test)} held-out frames have labels at every "
            f"setting, {FEWEST} of each are needed: see dosml.log for the reasons, take fewer or "
            "smaller settings, or other frames"
        )
    return (
        kept,
        [LabelSet(one, tuple(group)) for one, group in zip(settings, labels, strict=True)],
        dropped,
    )


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
