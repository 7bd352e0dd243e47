"""A survey: the smearing scan of several metals, one campaign folder each, and one joined report.

A metal whose scan fails is named and left out; the others go on. The same command continues a
survey that was stopped: a metal that is done with the same settings is not touched again.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dosml.analysis.statistics.campaigns import finished
from dosml.campaign import Campaign, logger
from dosml.errors import DiskSpaceError, DosmlError, InputError
from dosml.paths import check_output
from dosml.plan import Labelling, resolve
from dosml.records import Record, find_record, write_record
from dosml.relabel.elements import ELEMENTS
from dosml.relabel.engines.registry import OWN, default_engine
from dosml.sentences import sentence
from dosml.settings import NEUTRAL
from dosml.studies.labels import subjects_of
from dosml.studies.scan_settings import SmearScanSettings, load_scan_settings
from dosml.version import __version__

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dosml.plan import ScanPlan
    from dosml.progress import Reporter

#: What --small stands for; whatever the user gives wins. Four held-out frames a tier: fewer give
#: no interval.
SMALL: dict[str, Any] = {"sigma": (0.2, 1.0), "train": 9, "test": 12}
#: What --evidence stands for besides the controls: enough frames to tell metals apart.
EVIDENCE: dict[str, Any] = {"sigma": (0.2, 0.5, 1.0, 2.0), "train": 36, "test": 18}
#: Written into a campaign folder when its scan has come to its end.
FINISHED = "finished.json"


class FinishedRecord(Record):
    """What a finished scan depends on, and the wall time of the run that finished it."""

    key: dict[str, Any]
    seconds: float


@dataclass(frozen=True)
class MetalOutcome:
    """What became of one metal.

    Attributes
    ----------
    target
        As given on the command line.
    folder
        Its campaign folder.
    seconds
        Wall time of the scan in this run; of the run that finished it where `reused`.
    reused
        Whether it was done before.
    failure
        Why there is no result, or None.
    """

    target: str
    folder: Path
    seconds: float
    reused: bool = False
    failure: str | None = None


def survey_plans(
    targets: Sequence[str],
    options: Mapping[str, Any],
    config: Path | Sequence[Path] | None,
    *,
    small: bool = False,
    evidence: bool = False,
    folder: Path,
) -> list[ScanPlan]:
    """Make the plan of every scan; all are checked before the first one starts.

    Parameters
    ----------
    targets
        Elements or frame files; none takes every metal that `labels` in the options hold, or with
        `evidence` every metal that the first engine has parameters for.
    options
        Options of the command line, as `dosml.settings.join_settings` takes them.
    config
        TOML files of a smearing scan.
    small, evidence
        Take `SMALL` or `EVIDENCE` for what is not given.
    folder
        The survey's folder; each campaign lies in it under the target's name.

    Raises
    ------
    InputError
        If a target is given twice or an option cannot be used.
    DosmlError
        If a target is neither a metal nor a frame file, or labels cannot be used.
    """
    check_output(folder)
    if small and evidence:
        raise InputError("--small and --evidence ask for different numbers of frames: give one")
    preset = SMALL if small else EVIDENCE if evidence else {}
    labels = options.get("labels")
    if not targets and labels is None and evidence:
        targets = [symbol for symbol in ELEMENTS if default_engine([symbol]).name == OWN[0].name]
    if not targets and labels is not None:
        targets = subjects_of(labels, options.get("scheme"))
    if not targets:
        raise InputError("nothing to survey: name metals (dosml survey Ti Cu), or --labels")
    chosen = []
    for target in targets:
        settings = load_scan_settings(SmearScanSettings, {**options, "target": target}, config)
        if preset:
            given = settings.model_dump(exclude_unset=True)
            settings = SmearScanSettings.model_validate({**preset, **given})
        chosen.append(settings.model_copy(update={"out": folder / settings.name}))
    plans = _one_engine([resolve(settings) for settings in chosen])
    folders = [plan.folder.name for plan in plans]
    twice = sorted({name for name in folders if folders.count(name) > 1})
    if twice:
        raise InputError(f"{', '.join(twice)} given twice: name each metal of a survey once")
    return plans


def _one_engine(plans: Sequence[ScanPlan]) -> list[ScanPlan]:
    """Let all metals whose engine nobody named have the same one: labels of one kind compare."""
    free = [one.source for one in plans if isinstance(one.source, Labelling) and one.source.choice]
    if len({one.engine.name for one in free}) < 2:
        return list(plans)
    default = default_engine(sorted({symbol for one in free for symbol in one.frames.symbols}))
    joined = []
    for plan in plans:
        if not isinstance(plan.source, Labelling) or not plan.source.choice:
            joined.append(plan)
            continue
        settings = plan.settings.model_copy(update={"engine": default.name})
        again = resolve(settings)
        assert isinstance(again.source, Labelling)
        joined.append(replace(again, source=replace(again.source, choice=default.reason)))
    return joined


def survey_lines(plans: Sequence[ScanPlan]) -> list[str]:
    """Lines that say what a run would do for each metal; nothing is written."""
    lines = []
    for plan in plans:
        state = "done before, not touched" if finished_before(plan) is not None else "to do"
        lines += [f"{plan.settings.target}: {state}", *(f"  {line}" for line in plan.lines())]
    return lines


def run_survey(plans: Sequence[ScanPlan], folder: Path, reporter: Reporter) -> list[MetalOutcome]:
    """Run the scan of every metal that is not done.

    Parameters
    ----------
    plans
        From `survey_plans`.
    folder
        The survey's folder.
    reporter
        Where lines go.

    Returns
    -------
    list of MetalOutcome
        In the order of `plans`; a metal that failed carries the reason.

    Raises
    ------
    CampaignLockedError
        If another run uses the folder.
    DiskSpaceError
        If the disk is full: no other metal could go on.
    """
    outcomes = []
    with Campaign(folder, "several metals") as survey:
        survey.record({"targets": [plan.settings.target for plan in plans]})
        for number, plan in enumerate(plans, 1):
            reporter.say(f"metal {number} of {len(plans)}: {plan.settings.target}")
            outcomes.append(run_metal(plan, reporter))
    return outcomes


def finished_before(plan: ScanPlan) -> float | None:
    """Seconds of the run that finished this very scan, or None where it is still to be done."""
    read = find_record(plan.folder / FINISHED, FinishedRecord)
    if read is None or read.key != _key(plan) or not finished(plan.folder):
        return None
    return read.seconds


def _key(plan: ScanPlan) -> dict[str, Any]:
    """Everything that the results depend on, as plain values."""
    return {
        "dosml": __version__,
        "subject": plan.subject,
        # what was typed stands for what was done only together with the engine that it led to
        "labels": plan.source.engine.fingerprint() if isinstance(plan.source, Labelling) else None,
        **plan.settings.model_dump(mode="json", exclude=set(NEUTRAL)),
    }


def run_metal(plan: ScanPlan, reporter: Reporter) -> MetalOutcome:
    """Run the scan of one metal unless it is done; a failure is an outcome, not an error.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    # torch and matplotlib come with the scan
    from dosml.studies.scan import run_scan

    target, before = plan.settings.target, finished_before(plan)
    if before is not None and not plan.settings.retry_failed:
        reporter.say(f"{target}: done before, results in {plan.folder}")
        return MetalOutcome(target, plan.folder, before, reused=True)
    start = time.perf_counter()
    try:
        run_scan(plan, reporter)
    except DiskSpaceError:
        raise
    except DosmlError as error:
        return _failed(plan, start, " ".join(str(error).split()), reporter)
    except Exception as error:  # noqa: BLE001 - the next metal goes on
        # one metal must not take the others down, whatever its engine or learner does
        logger.exception("the scan of %s ended early", target)
        reason = sentence(error) or f"{type(error).__name__}: {error}"
        return _failed(plan, start, reason, reporter)
    seconds = time.perf_counter() - start
    write_record(plan.folder / FINISHED, FinishedRecord(key=_key(plan), seconds=seconds))
    reporter.say(f"{target}: done in {seconds:.0f} s")
    return MetalOutcome(target, plan.folder, seconds)


def _failed(plan: ScanPlan, start: float, reason: str, reporter: Reporter) -> MetalOutcome:
    reporter.warn(f"{plan.settings.target} has no result, the others go on: {reason}")
    seconds = time.perf_counter() - start
    return MetalOutcome(plan.settings.target, plan.folder, seconds, failure=reason)
