"""Controls of a survey: what else than the electrons could make one metal harder than another.

Three, each beside the metals' own scans in the folder `controls` of the survey:

crystals    every metal in another crystal, with frames and labels of its own
electrons   the levels of the metal's own frames, filled with N = 3 ... 11 electrons
pairs       labels of the pair potential nearest to the metal's own, on the same frames
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from dosml.analysis.statistics.tables import write_tables
from dosml.errors import DiskSpaceError, DosmlError, InputError
from dosml.plan import Labelling, resolve
from dosml.relabel.elements import ELEMENTS, element
from dosml.studies.beside_pairs import OneMetalSettings, beside_pairs
from dosml.studies.scan_settings import ElectronSeriesSettings, SmearScanSettings
from dosml.studies.survey import MetalOutcome, finished_before, run_metal, run_survey

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dosml.plan import ScanPlan
    from dosml.progress import Reporter

#: Folder of a survey, and the kinds of controls, which are folders in it.
FOLDER = "controls"
KINDS = ("crystals", "electrons", "pairs")
#: Crystal of a metal -> those that it is put into as a control.
OTHER_CRYSTALS = {"fcc": ("hcp", "bcc"), "hcp": ("fcc",), "bcc": ("fcc",)}
#: Of all crystals that are not in `OTHER_CRYSTALS`.
_ELSE = ("fcc",)


@dataclass(frozen=True)
class SurveyControls:
    """What is run beside the scans of a survey.

    Attributes
    ----------
    scans
        Scans of the metals themselves, which label the settings of the electron series along.
    crystals, electrons
        Scans of the controls.
    pairs
        Names of the campaign folders whose labels get a pair-potential control.
    """

    scans: tuple[ScanPlan, ...]
    crystals: tuple[ScanPlan, ...] = ()
    electrons: tuple[ScanPlan, ...] = ()
    pairs: tuple[str, ...] = ()

    @property
    def plans(self) -> tuple[ScanPlan, ...]:
        """Scans of all controls."""
        return (*self.electrons, *self.crystals)


def plan_controls(plans: Sequence[ScanPlan], kinds: Sequence[str], folder: Path) -> SurveyControls:
    """Plan the controls of a survey.

    Parameters
    ----------
    plans
        From `dosml.studies.survey.survey_plans`.
    kinds
        Some of `KINDS`.
    folder
        The survey's folder.

    Raises
    ------
    InputError
        If a kind is unknown, or cannot be made of these scans.
    """
    strange = [kind for kind in kinds if kind not in KINDS]
    if strange:
        raise InputError(f"--controls {strange[0]}: there are {', '.join(KINDS)}")
    made = [one for one in plans if not _sampled(one)]
    if made and set(kinds) - {"pairs"}:
        raise InputError(
            f"{made[0].settings.target}: the controls crystals and electrons sample and label "
            "frames of an element; with own frames or labels that are made there is only "
            "--controls pairs"
        )
    scans = list(plans)
    electrons: list[ScanPlan] = []
    if "electrons" in kinds:
        for number, plan in enumerate(plans):
            scan, series = _electron_series(plan, folder / FOLDER / "electrons")
            scans[number] = scan
            electrons.append(series)
    return SurveyControls(
        tuple(scans),
        tuple(
            _in_crystal(plan, crystal, folder / FOLDER / "crystals")
            for plan in (plans if "crystals" in kinds else ())
            for crystal in _others(plan)
        ),
        tuple(electrons),
        tuple(plan.folder.name for plan in plans) if "pairs" in kinds else (),
    )


def _sampled(plan: ScanPlan) -> bool:
    return isinstance(plan.source, Labelling) and plan.settings.target in ELEMENTS


def _others(plan: ScanPlan) -> tuple[str, ...]:
    own = plan.settings.prototype or element(plan.settings.target).prototype
    return OTHER_CRYSTALS.get(own, _ELSE)


def _in_crystal(plan: ScanPlan, crystal: str, folder: Path) -> ScanPlan:
    """Plan the same scan at the two ends of σ, in another crystal."""
    given = plan.settings.model_dump(exclude_unset=True, exclude={"run"})
    ends = (min(plan.settings.sigma), max(plan.settings.sigma))
    settings = SmearScanSettings.model_validate(
        {
            **given,
            "run": plan.settings.run,
            "sigma": ends,
            "prototype": crystal,
            "engine": _engine(plan),
            "out": folder / f"{plan.settings.target}-{crystal}",
        }
    )
    return resolve(settings)


def _electron_series(plan: ScanPlan, folder: Path) -> tuple[ScanPlan, ScanPlan]:
    """Give the scan, which labels for the series too, and the series on its labels."""
    known = set(ElectronSeriesSettings.model_fields) - {"sigma", "run", "out", "engine"}
    given = plan.settings.model_dump(exclude_unset=True)
    settings = ElectronSeriesSettings.model_validate(
        {
            **{name: value for name, value in given.items() if name in known},
            "run": plan.settings.run,
            "train": plan.settings.train,
            "test": plan.settings.test,
            "engine": _engine(plan),
            "out": folder / plan.folder.name,
        }
    )
    series = resolve(settings)
    assert isinstance(series.source, Labelling)
    assert isinstance(plan.source, Labelling)
    return (
        replace(plan, source=replace(plan.source, also=series.electronic)),
        replace(series, source=replace(series.source, shared=plan.folder)),
    )


def _engine(plan: ScanPlan) -> str:
    assert isinstance(plan.source, Labelling)
    return plan.settings.engine or plan.source.engine.name


def control_lines(controls: SurveyControls) -> list[str]:
    """Lines that say what a run would do for each control; nothing is written."""
    lines = []
    for plan in controls.plans:
        state = "done before, not touched" if finished_before(plan) is not None else "to do"
        labels = "labelled with the metal's own scan" if plan in controls.electrons else ""
        n_frames = plan.counts.train + plan.counts.test
        words = labels or f"{n_frames} frames, {n_frames * len(plan.electronic)} labels"
        lines.append(f"control {plan.folder.parent.name}/{plan.folder.name}: {state}; {words}")
    if controls.pairs:
        lines.append(f"control pairs: trainings on the frames of {', '.join(controls.pairs)}")
    return lines


def run_all(
    controls: SurveyControls, folder: Path, reporter: Reporter
) -> tuple[list[MetalOutcome], list[MetalOutcome]]:
    """Run what is missing of a survey, first the metals, then their controls.

    Returns
    -------
    metals, controls
        What became of each.

    Raises
    ------
    CampaignLockedError
        If another run uses the folder.
    DiskSpaceError
        If the disk is full.
    """
    outcomes = run_survey(controls.scans, folder, reporter)
    done = [one.folder for one in outcomes if one.failure is None]
    return outcomes, run_controls(controls, done, folder, reporter)


def run_controls(
    controls: SurveyControls, done: Sequence[Path], folder: Path, reporter: Reporter
) -> list[MetalOutcome]:
    """Run what is missing of the controls of metals that have a result.

    Parameters
    ----------
    controls
        From `plan_controls`.
    done
        Campaign folders of the metals that have a result.
    folder
        The survey's folder.
    reporter
        Where lines go.

    Returns
    -------
    list of MetalOutcome
        One per control; one that failed carries the reason.

    Raises
    ------
    DiskSpaceError
        If the disk is full.
    """
    ready = {path.name for path in done}
    outcomes: list[MetalOutcome] = []
    plans = [
        *(plan for plan in controls.electrons if plan.folder.name in ready),
        *(plan for plan in controls.crystals if plan.settings.target in ready),
    ]
    for number, plan in enumerate(plans, 1):
        name = f"{plan.folder.parent.name}/{plan.folder.name}"
        reporter.say(f"control {number} of {len(plans)}: {name}")
        outcomes.append(replace(run_metal(plan, reporter), target=name))
    by_name = {plan.folder.name: plan for plan in controls.scans}
    for name in controls.pairs:
        if name in ready:
            reporter.say(f"control: pair potential on the frames of {name}")
            outcomes.append(_pairs(by_name[name], folder, reporter))
    return outcomes


def _pairs(plan: ScanPlan, folder: Path, reporter: Reporter) -> MetalOutcome:
    """Train the scan's learner on its labels and on the nearest pair potential, no stresses."""
    name = plan.folder.name
    place = folder / FOLDER / "pairs" / name
    known = set(OneMetalSettings.model_fields) - {"targets", "labels", "scheme", "l_max", "out"}
    given: dict[str, Any] = plan.settings.model_dump(exclude_unset=True)
    settings = OneMetalSettings.model_validate(
        {
            **{key: value for key, value in given.items() if key in known},
            "run": plan.settings.run,
            "learner": plan.settings.learner[:1],
            "targets": (str(plan.folder),),
            "out": place,
        }
    )
    try:
        found = beside_pairs(settings, reporter, levels=[plan.settings.l_max], pairs=True)
    except DiskSpaceError:
        raise
    except DosmlError as error:
        reason = " ".join(str(error).split())
        reporter.warn(f"{name} has no control of pairs: {reason}")
        return MetalOutcome(f"pairs/{name}", place, 0.0, failure=reason)
    table = found.points.join(found.beside, on="label_set")
    write_tables(table, place, "pairs")
    return MetalOutcome(f"pairs/{name}", place, 0.0)
