"""From campaign folders of several metals to one report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import RootModel

from dosml.analysis.report.survey_report import write_survey_report
from dosml.analysis.statistics.campaigns import COMPARED, campaign_folders, read_campaign
from dosml.analysis.statistics.controls import Controls, read_controls
from dosml.analysis.statistics.survey import SurveyData
from dosml.campaign import RECORD as CAMPAIGN
from dosml.campaign import check_free
from dosml.errors import InputError
from dosml.paths import check_output
from dosml.records import find_record, write_record
from dosml.relabel.elements import ELEMENTS, element
from dosml.version import run_versions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from dosml.analysis.statistics.campaigns import CampaignTables
    from dosml.progress import Reporter
    from dosml.studies.survey import MetalOutcome

#: Says what a folder of a joined report is.
RECORD = "campaigns.json"


class JoinedRecord(RootModel[dict[str, str]]):
    """Metal -> folder of its campaign."""


_UNITS = {"min_length": "Å", "cutoff": "Å", "train": "frames", "test": "frames"}


def survey_of(
    folders: Sequence[Path],
    *,
    out: Path | None = None,
    facts: Mapping[str, object] | None = None,
    outcomes: Sequence[MetalOutcome] = (),
) -> SurveyData:
    """Join finished campaigns and the controls beside them.

    Parameters
    ----------
    folders
        Campaign folders, or folders of surveys that hold some.
    out
        Another folder that may hold controls.
    facts
        What was run, in front of what the campaigns tell.
    outcomes
        What became of each metal where the scans were run just now.

    Raises
    ------
    InputError
        If a folder is no finished campaign, or the campaigns cannot be joined.
    """
    campaigns = [read_campaign(folder) for folder in campaign_folders(folders)]
    settings = campaigns[0].settings
    told: dict[str, object] = {
        **(facts or {}),
        "campaigns": {campaign.metal: str(campaign.folder) for campaign in campaigns},
        "settings": {
            f"{key} ({_UNITS[key]})" if key in _UNITS else key: settings[key]
            for key in COMPARED
            if settings.get(key) is not None
        },
        "versions": run_versions(),
    }
    if outcomes:
        told["wall time of the scans"] = {
            one.target: f"{one.seconds:.0f} s" + (", done before" if one.reused else "")
            for one in outcomes
        }
    return SurveyData(
        campaigns=campaigns,
        facts=told,
        crystals={one.metal: crystal for one in campaigns if (crystal := _crystal(one))},
        controls=_controls([*([out] if out else []), *folders]),
        failures={one.target: one.failure for one in outcomes if one.failure is not None},
    )


def report_campaigns(
    folders: Sequence[Path],
    out: Path,
    reporter: Reporter,
    *,
    outcomes: Sequence[MetalOutcome] = (),
) -> Path:
    """Join finished campaigns and write the report of all their metals.

    Parameters
    ----------
    folders
        Campaign folders, or folders of surveys that hold some.
    out
        Where the report, its tables and figures go.
    reporter
        Where the answer is printed.
    outcomes
        What became of each metal where the scans were run just now.

    Returns
    -------
    Path
        The report.

    Raises
    ------
    InputError
        If a folder is no finished campaign, the campaigns cannot be joined, or `out` cannot be
        written or is somebody else's folder and holds files that the report would replace.
    DiskSpaceError
        If the disk is full.
    """
    check_output(out)
    survey = survey_of(
        folders,
        out=out,
        facts={"command": reporter.command},
        outcomes=outcomes,
    )
    reporter.say(f"joined report of {', '.join(survey.metals)}: tables, correlations, figures")
    _claim(out, survey.campaigns)
    answer, report = write_survey_report(out, survey)
    for warning in survey.warnings:
        reporter.warn(warning)
    reporter.say(f"does the d-DOS predict learnability? {answer.word}. {answer.headline}")
    reporter.say(f"report: {report}")
    return report


def _crystal(campaign: CampaignTables) -> str | None:
    """Kind of crystal of a campaign's frames; older versions wrote it only where it was chosen."""
    settings = campaign.settings
    found = settings.get("crystal") or settings.get("prototype")
    if found is None and campaign.metal in ELEMENTS:
        return element(campaign.metal).prototype
    return None if found is None else str(found)


def _controls(folders: Sequence[Path]) -> Controls:
    """Read the controls of the first of the folders that has any."""
    for folder in folders:
        if (found := read_controls(folder)).there:
            return found
    return Controls()


def _claim(out: Path, campaigns: Sequence[CampaignTables]) -> None:
    """Take the folder of the report, unless it is somebody else's."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        if find_record(out / RECORD, JoinedRecord) is None and not (out / CAMPAIGN).exists():
            check_free(out)
        folders = {one.metal: str(one.folder) for one in campaigns}
        write_record(out / RECORD, JoinedRecord(folders))
    except OSError as error:
        raise InputError(
            f"cannot write into {out} ({error.strerror}): give another --out"
        ) from error
