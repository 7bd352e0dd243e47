"""Studies of trainings on the labels of a campaign, put into it so that its report shows them."""

from __future__ import annotations

import shutil
from collections import Counter
from typing import TYPE_CHECKING

from dosml.analysis.figures.style import drawings
from dosml.analysis.report.scan_report import rewrite_report
from dosml.analysis.report.study_record import StudyFigure, StudyRecord
from dosml.analysis.report.study_sections import RECORD as STUDY_RECORD
from dosml.analysis.report.study_sections import STUDIES, label_file_hash
from dosml.campaign import RECORD, Campaign, logger
from dosml.errors import CampaignLockedError, DosmlError
from dosml.files import file_hash, whole_file
from dosml.records import CampaignRecord, find_record, read_record, write_record
from dosml.studies.scan import LABEL_SETS
from dosml.version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from dosml.analysis.figures.style import FigureRecord
    from dosml.progress import Reporter
    from dosml.studies.open_study import LabelStudySettings, OpenStudy


def attach_study(
    settings: LabelStudySettings,
    study: OpenStudy,
    *,
    tables: Sequence[Path],
    figures: Sequence[FigureRecord] = (),
    reporter: Reporter,
) -> list[Path]:
    """Copy the results of a finished study into the campaign it used, and rewrite the report.

    A campaign that cannot be written is told in a warning: the study itself is finished.

    Parameters
    ----------
    settings
        Of the study. Labels that are in no campaign are left alone.
    study
        Its label sets and folder.
    tables, figures
        What the report shows of it.

    Returns
    -------
    list of Path
        The report, where it was rewritten.
    """
    if study.source is None:
        return []
    return attach_record(
        study.source,
        study.folder,
        study_record(settings, study, reporter),
        study.data.names,
        tables=tables,
        figures=figures,
        reporter=reporter,
    )


def attach_record(
    campaign: Path,
    own: Path,
    record: StudyRecord,
    label_sets: Sequence[str],
    *,
    tables: Sequence[Path],
    figures: Sequence[FigureRecord] = (),
    reporter: Reporter,
) -> list[Path]:
    """Copy the results of a finished study into a campaign, and rewrite its report.

    Parameters
    ----------
    campaign, own
        Folders of the campaign and of the study.
    record
        What the report says of the study; its files are filled in here.
    label_sets
        Of the campaign: the section tells when one of them has changed.
    tables, figures
        What the report shows of it.

    Returns
    -------
    list of Path
        The report, where it was rewritten.
    """
    try:
        place = _place(campaign / STUDIES, own)
        drawn = [path for figure in figures for path in (figure.png, *drawings(figure.png))]
        for path in [*tables, *(path for path in drawn if path.is_file())]:
            with whole_file(place / path.name) as partial:
                shutil.copyfile(path, partial)
        labels = {name: campaign / LABEL_SETS / f"{name}.extxyz" for name in label_sets}
        content = record.model_copy(
            update={
                "label_files": {name: label_file_hash(path) for name, path in labels.items()},
                "tables": {path.name: file_hash(path) for path in tables},
                "figures": [
                    StudyFigure(title=one.title, caption=one.caption, file=one.png.name)
                    for one in figures
                ],
            }
        )
        write_record(place / STUDY_RECORD, content)
        subject = read_record(campaign / RECORD, CampaignRecord).subject
        with Campaign(campaign, subject):
            logger.info("report with the study in %s", own)
            report = rewrite_report(campaign)
    except CampaignLockedError:
        reporter.say(f"{campaign} is in use by another run: the report it writes shows this study")
        return []
    except (DosmlError, OSError) as error:
        reporter.warn(f"the report of {campaign} does not show this study: {error}")
        return []
    if report is None:
        reporter.say(f"{campaign}: its next report shows this study; run its scan again")
        return []
    return [report]


def study_record(settings: LabelStudySettings, study: OpenStudy, reporter: Reporter) -> StudyRecord:
    """Give what a report says of a study besides its tables and figures."""
    tiers = study.data.tiers
    return StudyRecord(
        study=settings.command,
        dosml=__version__,
        command=reporter.command,
        folder=str(study.folder.resolve()),
        seed=settings.seed,
        train_frames=Counter(tiers[n] for n in study.data.train),
        test_frames=Counter(tiers[n] for n in study.data.test),
        label_files={},
        figures=[],
    )


def _place(studies: Path, study: Path) -> Path:
    """Folder of a study inside a campaign: its own name, unless another study bears that."""
    number = 1
    while True:
        place = studies / (study.name if number == 1 else f"{study.name}-{number}")
        found = find_record(place / STUDY_RECORD, StudyRecord)
        if found is None or found.folder == str(study.resolve()):
            return place
        number += 1
