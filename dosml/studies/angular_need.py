"""`dosml angular-need`: force error against l_max, metal by metal, with a control of pairs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

import pandas as pd
from pydantic import BeforeValidator, Field, model_validator

from dosml.analysis.figures.angular_need import angular_need_figure
from dosml.analysis.figures.style import save_figures
from dosml.analysis.report.angular_need_report import (
    across_sentence,
    need_sentences,
    write_need_report,
)
from dosml.analysis.statistics.angular_need import against_response, need_table
from dosml.analysis.statistics.campaigns import campaign_folders
from dosml.analysis.statistics.tables import write_tables
from dosml.campaign import Campaign
from dosml.errors import InputError
from dosml.relabel.elements import ELEMENTS
from dosml.relabel.own_d import no_d_words
from dosml.settings import IntList, TrainingSettings, default_folder
from dosml.studies.beside_pairs import OneMetalSettings, beside_pairs
from dosml.studies.labels import subjects_of
from dosml.studies.train import StudyResult
from dosml.version import run_versions

if TYPE_CHECKING:
    from collections.abc import Iterator

    from matplotlib.figure import Figure

    from dosml.progress import Reporter
    from dosml.relabel.dataset import Dataset

#: More metals than these are counted in the name of a folder.
_MOST_NAMED = 4
#: What tells curves apart.
BY = ("metal", "kind", "setting", "label_set", "sigma_ev")


def _words(value: object) -> object:
    return [value] if isinstance(value, (str, Path)) else value


class AngularNeedSettings(TrainingSettings):
    """Everything that decides what `dosml angular-need` does.

    `targets` are elements whose scan is here, campaign folders or folders of surveys; with
    `labels`, metals of these (none: all).
    """

    command: ClassVar[str] = "angular-need"

    targets: Annotated[tuple[str, ...], BeforeValidator(_words)] = ()
    labels: str | None = None
    scheme: str | None = None
    hold_out: float | None = Field(default=None, gt=0, lt=1)
    l_max: IntList = (0, 1, 2, 3, 4, 5, 6, 7, 8)
    pairs: bool = True

    @model_validator(mode="after")
    def _check_need(self) -> AngularNeedSettings:
        if len(self.learner) > 1:
            raise ValueError(f"one learner at a time, got {','.join(self.learner)}")
        if (
            len(set(self.l_max)) < 2
            or len(set(self.l_max)) < len(self.l_max)
            or min(self.l_max) < 0
        ):
            raise ValueError("--l-max takes two or more different numbers from 0 up")
        if self.labels is None and not self.targets:
            raise ValueError(
                "no labels named: give elements that were scanned, campaign folders, the folder of "
                "a survey, or --labels reference"
            )
        return self

    @property
    def folder(self) -> Path:
        """Where everything is written."""
        named = [Path(one).resolve().name for one in self.targets or (str(self.labels),)]
        name = "-".join(named) if len(named) <= _MOST_NAMED else f"{len(named)}-metals"
        return self.out or default_folder(
            "angular-need", name, self.labels if self.targets else None
        )


def angular_need(settings: AngularNeedSettings, reporter: Reporter) -> StudyResult:
    """Train on every metal's label sets of the smallest and largest σ with every l_max.

    Parameters
    ----------
    settings
        What to do; the same settings continue what was stopped.
    reporter
        Where lines go.

    Returns
    -------
    StudyResult
        With one row per metal, kind of labels and setting: `dosml.analysis.statistics.angular_need`
        and the response indices of the label set's DOS.

    Raises
    ------
    DosmlError
        With one line for the user; everything finished stays in the folder.
    """
    parts = _parts(settings)
    points, needs = [], []
    warnings: list[str] = []
    limits: list[str] = []
    with Campaign(settings.folder, "angular need") as campaign:
        campaign.record(settings.model_dump(mode="json"))
        for number, one in enumerate(parts, 1):
            reporter.say(f"metal {number} of {len(parts)}: {one.folder.name}")
            rows, found, data = _one_metal(one, reporter)
            points.append(rows)
            needs.append(found)
            warnings.append(data.provenance.warning)
            limits += data.provenance.limits
            if words := no_d_words(data.elements):
                reporter.say(f"{one.folder.name}: {words}")
                warnings.append(f"{one.folder.name}: {words}.")
        point_table = pd.concat(points, ignore_index=True)
        need_rows = pd.concat(needs, ignore_index=True)
        files = write_tables(point_table, campaign.folder, "angular_need_points")
        files += write_tables(need_rows, campaign.folder, "angular_need")
        across = against_response(need_rows, seed=settings.seed)
        if len(across):
            files += write_tables(across, campaign.folder, "angular_need_across_metals")
        figures = save_figures(_drawn(point_table, need_rows), campaign.folder / "figures")
        report = write_need_report(
            campaign.folder,
            need_rows,
            across,
            figures,
            learner=settings.learner[0],
            warnings=warnings,
            limits=limits,
            facts={"command": reporter.command, "versions": run_versions()},
        )
        for line in [across_sentence(across), *need_sentences(need_rows)]:
            if line:
                reporter.say(line)
    files += [*(figure.png for figure in figures), report]
    return StudyResult(settings.folder, need_rows, tuple(files), {})


def _drawn(points: pd.DataFrame, needs: pd.DataFrame) -> Iterator[tuple[str, str, str, Figure]]:
    """Yield name, title, caption and figure: drawn when asked for, inside the house style."""
    yield (
        "angular_need",
        "Force error against l_max",
        (
            "Full lines: labels at the smallest and largest σ"
            + (
                "; broken: the pair potential nearest to them on the same frames"
                if (needs["kind"] == "pairs").any()
                else ""
            )
            + ". Ring: the angular need."
        ),
        angular_need_figure(points, needs),
    )


def _parts(settings: AngularNeedSettings) -> list[OneMetalSettings]:
    """Make the settings of the study of each metal."""
    shared = settings.model_dump(exclude={"targets", "out", "run"})
    shared["run"] = settings.run
    places: list[tuple[str, str]] = []
    if settings.labels is not None:
        names = settings.targets or tuple(subjects_of(settings.labels, settings.scheme))
        places = [(name, name) for name in names]
    else:
        for target in settings.targets:
            path = Path(target)
            a_survey = target not in ELEMENTS and any(path.glob("*/results.csv"))
            if a_survey:
                places += [(one.name, str(one)) for one in campaign_folders([path])]
            else:
                places.append((path.name, target))
    called = [name for name, _ in places]
    if len(set(called)) < len(called):
        twice = next(name for name in called if called.count(name) > 1)
        raise InputError(f"{twice} is named twice: name each metal once")
    return [
        OneMetalSettings(**shared, targets=(target,), out=settings.folder / name)
        for name, target in places
    ]


def _one_metal(
    settings: OneMetalSettings, reporter: Reporter
) -> tuple[pd.DataFrame, pd.DataFrame, Dataset]:
    """Error against l_max of one metal: every training, then one row per curve."""
    found = beside_pairs(settings, reporter, levels=sorted(settings.l_max), pairs=settings.pairs)
    needs = need_table(found.points, by=BY)
    return (
        found.points,
        needs.join(found.beside.loc[needs["label_set"]], on="label_set"),
        found.data,
    )
