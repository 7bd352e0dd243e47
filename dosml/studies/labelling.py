"""A scan's labels: made by an engine where they are missing, and paired to a dataset."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from dosml.campaign import logger
from dosml.errors import DamagedFileError, LabelError
from dosml.plan import FEWEST_SETTINGS
from dosml.relabel.dataset import Provenance, from_store
from dosml.relabel.frames import frame_id
from dosml.relabel.label import Label
from dosml.relabel.labelling import label_frames
from dosml.relabel.store import LabelStore
from dosml.studies.frames import FEWEST

#: So often labels are made that turn out damaged when they are read.
ATTEMPTS = 3

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ase import Atoms

    from dosml.campaign import Campaign
    from dosml.plan import Labelling, ScanPlan
    from dosml.progress import Reporter
    from dosml.relabel.dataset import Dataset
    from dosml.relabel.engines.base import Engine
    from dosml.relabel.execution.runner import Runner
    from dosml.theory.setting import ElectronicSetting


def make_dataset(
    plan: ScanPlan, labelling: Labelling, campaign: Campaign, runner: Runner, reporter: Reporter
) -> Dataset:
    """Frames, labels and DOS of a scan; what is in the campaign folder is not made again.

    Raises
    ------
    LabelError
        If too few settings or frames have labels.
    DosmlError
        What stopped the labelling; finished labels are kept.
    """
    engine, electronic = labelling.engine, list(plan.electronic)
    frames = labelling.frames.get(labelling.place(campaign.folder), reporter)
    store = labelling.store(campaign.folder)
    if plan.settings.retry_failed:
        for frame in frames:
            for setting in electronic:
                store.forget_failures(frame_id(frame), setting)
    given_up: list[str] = []
    if any(one.electrons_per_atom_shift for one in electronic):
        electronic, given_up = try_settings(engine, store, frames, electronic, runner, reporter)
    if len(electronic) < FEWEST_SETTINGS:
        raise LabelError(
            f"the engine {engine.name} converges at {len(electronic)} of the settings asked "
            f"for, a scan compares at least {FEWEST_SETTINGS}: take smaller shifts in "
            f"--electrons or a larger --sigma; reasons are in {campaign.log_path}"
        )
    provenance = provenance_of(engine, labelling.frames.words)
    data = labelled(
        engine,
        store,
        frames,
        electronic,
        runner,
        reporter,
        provenance=provenance,
        also=labelling.also,
    )
    for line in data.dropped_settings:
        reporter.warn(f"setting left out: {line}")
    for line in data.dropped:
        reporter.warn(f"dropped from all label sets: {line}")
    if min(len(data.train), len(data.test)) < FEWEST:
        raise LabelError(
            f"only {len(data.train)} training and {len(data.test)} held-out frames have labels at "
            f"every setting, {FEWEST} of each are needed: see dosml.log for the reasons, take "
            "fewer or other settings, or other frames"
        )
    return replace(data, dropped_settings=(*given_up, *data.dropped_settings))


def labelled(
    engine: Engine,
    store: LabelStore,
    frames: Sequence[Atoms],
    electronic: Sequence[ElectronicSetting],
    runner: Runner,
    reporter: Reporter,
    *,
    provenance: Provenance,
    what: str = "labels",
    also: Sequence[ElectronicSetting] = (),
) -> Dataset:
    """Make the labels that are missing, and read all; those damaged in between are made again.

    Parameters
    ----------
    also
        Settings that are labelled in the same go and not read.

    Raises
    ------
    DosmlError
        What stopped the labelling, or see `dosml.relabel.dataset.pair`.
    """
    wanted = [*electronic, *(one for one in also if one not in electronic)]
    for attempt in range(1, ATTEMPTS + 1):
        make_labels(engine, store, frames, wanted, runner, reporter, what=what)
        try:
            return from_store(store, frames, electronic, provenance)
        except DamagedFileError as error:
            if attempt == ATTEMPTS:
                raise
            reporter.warn(str(error))
    raise AssertionError


def provenance_of(engine: Engine, source: str) -> Provenance:
    """Where the labels of an engine come from."""
    return Provenance(
        engine=engine.name,
        warning=engine.warning,
        limits=engine.limits,
        versions=engine.versions(),
        protocol=engine.fingerprint(),
        source=source,
    )


def trial_frames(frames: Sequence[Atoms]) -> list[Atoms]:
    """First training frame of every tier."""
    train = [frame for frame in frames if frame.info["split"] == "train"]
    first = {str(frame.info.get("tier", "all")): frame for frame in reversed(train)}
    return list(first.values())[::-1]


def try_settings(
    engine: Engine,
    store: LabelStore,
    frames: Sequence[Atoms],
    settings: Sequence[ElectronicSetting],
    runner: Runner,
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
    make_labels(engine, store, trial, settings, runner, reporter, what="trial labels")
    kept: list[ElectronicSetting] = []
    dropped: list[str] = []
    for setting in settings:
        outcomes = [store.get(frame_id(frame), setting, len(frame)) for frame in trial]
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
    runner: Runner,
    reporter: Reporter,
    *,
    what: str = "labels",
) -> None:
    """Label all frames at all settings; each finished label is logged."""
    total = len(frames) * len(settings)
    named = [(frame_id(frame), len(frame)) for frame in frames]
    there = sum(store.has(one, setting, size) for one, size in named for setting in settings)
    reporter.say(
        f"{what}: {total} in all ({len(frames)} frames x {len(settings)} settings), "
        f"{there} on disk, {total - there} to make with {engine.name} "
        f"{runner.place}"
    )
    if there == total:
        return
    with reporter.bar("labelling", total) as update:
        for report in label_frames(
            engine, store, frames, settings, runner=runner, on_progress=update
        ):
            if report.made:
                logger.info("labelled frame %s at %s", report.frame_id, ", ".join(report.made))
            for setting, reason in report.failures.items():
                logger.warning("frame %s has no label at %s: %s", report.frame_id, setting, reason)


def with_dos_of(
    data: Dataset, engine: Engine, campaign: Campaign, runner: Runner, reporter: Reporter
) -> Dataset:
    """Give labels the DOS of another engine, from the held-out frames.

    Label sets that have a DOS of their own keep it.

    Raises
    ------
    LabelError
        If the engine has no label of any held-out frame at a setting, or no DOS.
    """
    lacking = [labels for labels in data.label_sets if labels.dos is None]
    if not lacking:
        return data
    frames = [data.frames[n] for n in data.test]
    electronic = [labels.setting for labels in lacking if labels.setting is not None]
    store = LabelStore(campaign.folder / "labels", engine.fingerprint())
    provenance = provenance_of(engine, "held-out frames")
    theirs = labelled(
        engine, store, frames, electronic, runner, reporter, provenance=provenance, what="DOS"
    )
    found = {labels.setting: labels.dos for labels in theirs.label_sets}
    if any(dos is None for dos in found.values()):
        raise LabelError(
            f"the engine {engine.name} gives no DOS: choose another --dos-engine, or leave it out"
        )
    sentence = (
        f"The labels of {data.provenance.engine} have no DOS: every DOS here is that of the engine "
        f"{engine.name} on the {len(theirs.frames)} held-out frames. {engine.warning}"
    )
    return replace(
        data,
        label_sets=tuple(
            replace(labels, dos=found.get(labels.setting)) if labels.dos is None else labels
            for labels in data.label_sets
        ),
        provenance=replace(
            data.provenance, limits=(*data.provenance.limits, sentence, *engine.limits)
        ),
    )
