"""A scan: the same frames labelled at several electronic settings, force fields retrained on each.

Every step reads what is already in the campaign folder and makes only what is missing.
"""

from __future__ import annotations

import shlex
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dosml.analysis.statistics.campaigns import read_campaign
from dosml.analysis.statistics.electron_swap import Swap, swap_table
from dosml.campaign import Campaign, logger
from dosml.errors import LabelError
from dosml.relabel.frames import frame_id
from dosml.relabel.store import LabelStore
from dosml.studies.electron_settings import ElectronScanSettings
from dosml.studies.findings import write_findings
from dosml.studies.frames_source import (
    engine_of,
    get_frames,
    planned_atoms,
    scheme_of,
    settings_in_force,
    subject_of,
    with_dataset,
)
from dosml.studies.labelling import export_label_sets, make_labels, pair, try_settings
from dosml.studies.learner_findings import write_learner_findings
from dosml.studies.scan_learners import long_trainings, make_learners
from dosml.theory.setting import ElectronicSetting
from dosml.theory.smearing import Smearing
from dosml.training import train_and_predict

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from dosml.progress import Reporter
    from dosml.settings import ScanSettings

#: Fewer settings leave nothing to compare.
FEWEST_SETTINGS = 2


@dataclass(frozen=True)
class ScanResult:
    """What a finished scan leaves behind; what was dropped is named with the reason."""

    folder: Path
    table: pd.DataFrame
    report: Path
    dropped: tuple[str, ...]
    dropped_settings: tuple[str, ...] = ()
    swap: pd.DataFrame | None = None
    by_learner: pd.DataFrame | None = None


def scan_settings(settings: ScanSettings) -> list[ElectronicSetting]:
    """Electronic settings of a scan: fewest electrons first, then the narrowest smearing."""
    scheme = scheme_of(settings)
    return [
        ElectronicSetting(Smearing(scheme, width), shift)
        for shift in sorted(settings.shifts)
        for width in sorted(settings.sigma)
    ]


def make_swap(settings: ScanSettings) -> Swap | None:
    """Comparison that `dosml nelect-scan --as` asks for; None for any other scan.

    Raises
    ------
    InputError
        If the campaign named by --with cannot be compared.
    """
    if not isinstance(settings, ElectronScanSettings) or settings.as_element is None:
        return None
    folder = settings.with_campaign
    return Swap(
        metal=settings.target,
        other=settings.as_element,
        shift=settings.swap_shift,
        width=settings.sigma[0],
        partner=None if folder is None else read_campaign(folder),
    )


def make_plan(settings: ScanSettings) -> list[str]:
    """Lines that say what a run would do, with counts and an estimate; nothing is written."""
    settings = with_dataset(settings)
    engine = engine_of(settings)
    electronic = scan_settings(settings)
    for setting in electronic:
        engine.check(setting)
    learners = make_learners(settings)
    make_swap(settings)
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
    widths = ", ".join(f"{one:g}" for one in sorted(settings.sigma))
    varied = f"{electronic[0].smearing.scheme} sigma {widths} eV"
    if any(settings.shifts):
        shifts = ", ".join(f"{one:+g}" if one else "0" for one in sorted(settings.shifts))
        varied += f" x {shifts} electrons per atom"
    lines = {
        "subject": subject,
        "frames": f"{n_frames} of {n_atoms} atoms ({n_frames - n_test} training, {n_test} held "
        f"out), seed {settings.seed}",
        "settings": f"{len(electronic)}: {varied}",
        "labels": f"{n_labels} with the engine {engine.name}, {on_disk} on disk in "
        f"{settings.folder}",
        "learner": f"{settings.learner}, {len(electronic)} force fields"
        + (" each" if len(settings.learners) > 1 else ""),
        "estimate": f"{seconds / 60:.1f} min of labelling on {settings.workers} processes, from "
        "the speed of a server core of 2026; the progress bar measures yours"
        if seconds > 1
        else "no labels to compute",
    }
    long = long_trainings(learners, len(electronic))
    return [f"{name:<10}{text}" for name, text in [*lines.items(), *(("", one) for one in long)]]


def run_scan(settings: ScanSettings, reporter: Reporter) -> ScanResult:
    """Run a scan, or what is missing of it.

    Raises
    ------
    DosmlError
        With one line for the user; everything finished stays in the folder.
    """
    settings = with_dataset(settings)
    engine = engine_of(settings)
    electronic = scan_settings(settings)
    for setting in electronic:
        engine.check(setting)
    learners = make_learners(settings)
    swap = make_swap(settings)
    subject = subject_of(settings)
    planned_atoms(settings)  # a file or structure that cannot be used leaves no folder behind
    start = time.perf_counter()
    with Campaign(settings.folder, subject) as campaign:
        logger.info("command: %s", shlex.join(sys.argv))
        campaign.record(settings_in_force(settings))
        reporter.say(f"campaign folder: {campaign.folder}")
        for line in long_trainings(learners, len(electronic)):
            reporter.say(line)
        frames = get_frames(settings, campaign.folder, reporter)
        store = LabelStore(campaign.folder / "labels", engine.fingerprint())
        if settings.retry_failed:
            for frame in frames:
                for setting in electronic:
                    store.forget_failures(frame_id(frame), setting)
        given_up: list[str] = []
        if any(settings.shifts):
            electronic, given_up = try_settings(
                engine, store, frames, electronic, settings.workers, reporter
            )
        if len(electronic) < FEWEST_SETTINGS:
            raise LabelError(
                f"the engine {engine.name} converges at {len(electronic)} of the settings asked "
                f"for, a scan compares at least {FEWEST_SETTINGS}: take smaller shifts in "
                f"--electrons or a larger --sigma; reasons are in {campaign.log_path}"
            )
        make_labels(engine, store, frames, electronic, settings.workers, reporter)
        paired = pair(store, frames, electronic, reporter)
        given_up += paired.dropped_settings
        export_label_sets(campaign.folder / "label_sets", paired.frames, paired.label_sets)
        models = campaign.folder / "models"
        trainings = {
            learner.name: train_and_predict(
                models, learner, paired.frames, paired.label_sets, store, reporter
            )
            for learner in learners
        }
        reporter.say("findings: tables, figures and report")
        by_learner = None
        if len(trainings) > 1:
            by_learner = write_learner_findings(
                campaign.folder, paired.frames, paired.label_sets, trainings, seed=settings.seed
            )
        table, report = write_findings(
            campaign.folder,
            settings=settings,
            engine=engine,
            frames=paired.frames,
            label_sets=paired.label_sets,
            training=trainings[settings.learners[0]],
            dropped=paired.dropped,
            dropped_settings=given_up,
            seconds=time.perf_counter() - start,
            swap=swap,
            by_learner=by_learner,
        )
    return ScanResult(
        settings.folder,
        table,
        report,
        tuple(paired.dropped),
        tuple(given_up),
        None if swap is None else swap_table(swap, table),
        by_learner,
    )
