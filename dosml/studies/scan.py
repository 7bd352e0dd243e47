"""A scan: the same frames labelled at several electronic settings, force fields retrained on each.

Every step reads what is already in the campaign folder and makes only what is missing.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import RootModel

from dosml.analysis.statistics.campaigns import read_campaign
from dosml.analysis.statistics.electron_swap import Swap, swap_table
from dosml.campaign import Campaign, logger
from dosml.plan import Labelling
from dosml.records import write_record
from dosml.relabel.dataset import save
from dosml.relabel.execution.runner import open_runner
from dosml.studies.findings import write_findings
from dosml.studies.labelling import make_dataset, with_dos_of
from dosml.studies.learner_findings import write_learner_findings
from dosml.studies.noise import with_label_noise
from dosml.studies.scan_settings import ElectronScanSettings
from dosml.studies.training_curves import write_training_curves
from dosml.trainings import TrainingStore, tell_warnings, trained

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from dosml.plan import ScanPlan
    from dosml.progress import Reporter
    from dosml.relabel.dataset import Dataset
    from dosml.relabel.execution.runner import Runner
    from dosml.studies.scan_settings import ScanSettings
    from dosml.trainings import Training

#: Folders of a campaign.
LABEL_SETS, MODELS = "label_sets", "models"
#: Says where the models of the scan lie.
MODELS_FILE = "models.json"


class ModelsRecord(RootModel[dict[str, dict[str, str]]]):
    """Learner -> label set -> file of the model, relative to the campaign."""


@dataclass(frozen=True)
class ScanResult:
    """What a finished scan leaves behind.

    Attributes
    ----------
    folder
        The campaign.
    dataset
        Frames and labels; what was dropped is named in it with the reason.
    table
        One row per setting (`dosml.analysis.statistics.scan.summarise`).
    report
        The report's file.
    trainings
        Of each learner.
    swap
        The comparison that `--as` asks for, or None.
    by_learner
        Errors of every learner where there are several, or None.
    """

    folder: Path
    dataset: Dataset
    table: pd.DataFrame
    report: Path
    trainings: dict[str, Training]
    swap: pd.DataFrame | None = None
    by_learner: pd.DataFrame | None = None


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


def run_scan(plan: ScanPlan, reporter: Reporter) -> ScanResult:
    """Run a scan, or what is missing of it.

    Raises
    ------
    DosmlError
        With one line for the user; everything finished stays in the folder.
    """
    swap = make_swap(plan.settings)
    estimate = plan.estimate  # what an engine refuses it refuses here, before there is a folder
    start = time.perf_counter()
    with Campaign(plan.folder, plan.subject) as campaign:
        logger.info("command: %s", reporter.command)
        campaign.record(plan.record())
        reporter.say(f"campaign folder: {campaign.folder}")
        reporter.say(f"estimate: {estimate}")
        for line in plan.long_trainings():
            reporter.say(line)
        with open_runner(
            plan.settings.run, campaign.folder, workers=plan.settings.workers, say=reporter.say
        ) as runner:
            data = _dataset(plan, campaign, runner, reporter)
            for note in data.notes:
                reporter.warn(note)
            save(data, campaign.folder / LABEL_SETS)
            trainings = _train(plan, data, campaign.folder / MODELS, runner, reporter)
            tell_warnings(trainings.values(), reporter)
        record = {
            name: {one: str(path.relative_to(plan.folder)) for one, path in made.models.items()}
            for name, made in trainings.items()
        }
        write_record(plan.folder / MODELS_FILE, ModelsRecord(record))
        reporter.say("findings: tables, figures and report")
        by_learner = None
        if len(trainings) > 1:
            by_learner = write_learner_findings(campaign.folder, data, trainings)
        table, report = write_findings(
            campaign,
            plan=plan,
            data=data,
            training=trainings[plan.learners[0].name],
            command=reporter.command,
            seconds=time.perf_counter() - start,
            more=write_training_curves(campaign.folder, trainings.values(), reporter),
            swap=swap,
            by_learner=by_learner,
        )
    return ScanResult(
        plan.folder,
        data,
        table,
        report,
        trainings,
        None if swap is None else swap_table(swap, table),
        by_learner,
    )


def _dataset(plan: ScanPlan, campaign: Campaign, runner: Runner, reporter: Reporter) -> Dataset:
    if isinstance(plan.source, Labelling):
        data = make_dataset(plan, plan.source, campaign, runner, reporter)
        return with_label_noise(
            data,
            plan.source.engine,
            plan.source.store(campaign.folder).folder,
            runner,
            reporter,
            retry_failed=plan.settings.retry_failed,
        )
    if plan.dos_engine is not None:
        return with_dos_of(plan.source, plan.dos_engine, campaign, runner, reporter)
    return plan.source


def _train(
    plan: ScanPlan, data: Dataset, folder: Path, runner: Runner, reporter: Reporter
) -> dict[str, Training]:
    """Train every learner on every label set; here with a progress bar, or where the runner is."""
    store = TrainingStore(folder)
    tasks = {
        learner.name: store.task(learner, data, data.train, data.test, models=True)
        for learner in plan.learners
    }
    found = {name: store.find(task) for name, task in tasks.items()}
    n_sets = len(data.label_sets)
    for name, task in tasks.items():
        if found[name] is not None:
            reporter.say(f"force fields: {n_sets} trained before ({name}), read from {task.place}")
        else:
            reporter.say(
                f"force fields: training {n_sets} ({name}) on {len(data.train)} frames, "
                f"{len(data.test)} held out"
            )
    if runner.local:
        return {
            learner.name: store.get(
                learner, data, data.train, data.test, models=True, reporter=reporter
            )
            for learner in plan.learners
        }
    with reporter.bar("training", len(tasks)) as update:
        made = store.get_all(list(tasks.values()), runner=runner, on_progress=update)
    return {name: trained(one) for name, one in zip(tasks, made, strict=True)}
